// A small queue to kill processes in, and what must be true of it afterwards.
#ifndef ZEROIPC_QUEUE_QUEUE_RIG_H_
#define ZEROIPC_QUEUE_QUEUE_RIG_H_

#include <cstdint>
#include <vector>

#include "gtest/gtest.h"
#include "zeroipc/queue/queue_operations.h"

namespace zeroipc::internal {

// In its third lap, with items 1 to `filled`. Nobody has a role.
template <typename Policy>
struct queue_rig {
  memory mem = *memory::create_anonymous(
      128 << 10, {.max_participants = 8, .max_threads = 16, .max_names = 4});
  queue<numbered, Policy> q{mem, "items", kOperationCapacity, {.max_leases = kOperationLeases}};

  explicit queue_rig(uint64_t filled) {
    for (uint64_t i = 0; i < 2 * kOperationCapacity + 1; ++i) {
      EXPECT_TRUE(q.push(numbered::of(1000 + i)));
      EXPECT_TRUE(q.pop());
    }
    for (uint64_t i = 1; i <= filled; ++i) EXPECT_TRUE(q.push(numbered::of(i)));
    EXPECT_TRUE(q.release_role());
  }
};

// An empty open queue has all its room and all its leases, and goes on as a queue does.
template <typename Policy>
void expect_whole(queue<numbered, Policy>& q) {
  numbered x;
  for (int lap = 0; lap < 2; ++lap) {
    for (uint64_t i = 0; i < kOperationCapacity; ++i) {
      EXPECT_TRUE(q.try_push(numbered::of(500 + i))) << "room is lost";
    }
    EXPECT_EQ(q.try_push(numbered::of(600)), outcome::full);
    for (uint64_t i = 0; i < kOperationCapacity; ++i) {
      EXPECT_TRUE(q.try_pop(x));
      EXPECT_EQ(x.id, 500 + i);
    }
  }
  std::vector<leased<numbered, Policy>> held;
  for (uint32_t i = 0; i < kOperationLeases; ++i) {
    EXPECT_TRUE(q.try_push(numbered::of(700 + i)));
    held.push_back(q.try_lease());
    EXPECT_TRUE(held.back()) << "a lease entry is lost";
  }
  for (auto& h : held) EXPECT_TRUE(h.ack());
}

}  // namespace zeroipc::internal

#endif  // ZEROIPC_QUEUE_QUEUE_RIG_H_
