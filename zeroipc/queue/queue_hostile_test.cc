// Property: whatever stands in a queue's memory, no operation crashes, reads or writes outside it, or fails to end.
//
// The queue lies in memory of the test's own, between guard bytes that the address sanitizer watches; every word of it, or
// some of them, is scribbled over, with random bits and with values near the right ones, and every operation is run.
#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "testing/harness/harness.h"
#include "zeroipc/queue/crash_world.h"
#include "zeroipc/queue/queue.h"

namespace zeroipc::internal {
namespace {

struct item {
  uint64_t words[3];
};
constexpr deadline kNow = deadline::at_once();

template <typename Policy>
class HostileQueue : public ::testing::Test {};
using policies = ::testing::Types<mpmc, mpsc, spmc, spsc>;
TYPED_TEST_SUITE(HostileQueue, policies);

template <typename Core>
void try_everything(Core& core) {
  item x{}, some[5] = {};
  uint64_t n;
  for (int i = 0; i < 3; ++i) {
    core.push(x, kNow);
    core.push_n(some, 5, n, kNow);
    core.pop(x, kNow);
    core.pop_n(some, 5, n, kNow);
    typename Core::ticket t;
    if (core.reserve(t, kNow)) {
      std::memset(t.payload, 1, sizeof(item));
      i % 2 != 0 ? core.commit(t) : core.abort(t);
    }
    typename Core::view_ticket v;
    if (core.peek(v, kNow)) {
      x = *core.value(v);
      i % 2 != 0 ? core.release(v) : core.put_back(v);
    }
    typename Core::held_lease h;
    if (core.lease(h, kNow)) {
      x = core.value(h);
      i % 2 != 0 ? core.ack(h) : core.nack(h);
    }
    core.recover();
    core.stats();
    core.depth();
    core.give_up_producer();
    core.give_up_consumer();
  }
  core.close();
  core.pop(x, kNow);
  core.push(x, kNow);
}

TYPED_TEST(HostileQueue, NoScribbleMakesAnOperationCrashOrHang) {
  std::mt19937_64 random(42);
  for (uint64_t capacity : {1, 3, 4, 13}) {
    for (int round = 0; round < 400; ++round) {
      crash_queue<item, TypeParam> q(capacity, 3);
      for (int i = 0; i < round % 4; ++i) q.as(0).push(item{}, kNow);
      if (round % 3 == 0) q.as(0).give_up_producer();
      // The geometry too: handles do not look at it again.
      auto* words = reinterpret_cast<uint64_t*>(q.bytes());
      const uint64_t n = q.geometry().bytes / 8;
      const auto evil = [&]() -> uint64_t {
        switch (random() % 6) {
          case 0:
            return random();
          case 1:
            return random() % 64;
          case 2:
            return ~uint64_t{0} - random() % 4;
          case 3:
            return uint64_t{1} << (random() % 64);
          case 4:
            return (random() % 4) << 56 | random() % 2 << 12 | random() % 4;
          default:
            return (random() % 8) << 8 | random() % 8;
        }
      };
      if (round % 2 == 0) {
        for (uint64_t i = 0; i < n; ++i) words[i] = evil();
        // A recovery lock in the hands of a live process would only be waited for.
        q.header().recovery.owner.store(0, std::memory_order_relaxed);
      } else {
        for (int i = 0; i < 3; ++i) words[random() % n] = evil();
        q.header().recovery.owner.store(0, std::memory_order_relaxed);
      }
      for (uint32_t a = 0; a < world::kActors; ++a) {
        for (auto& claim : q.all().records[a].claims) {
          claim.announce(static_cast<claim_kind>(random() % 4), 7, evil(), random() % 99);
        }
        for (size_t k = 0; k < 5; ++k) q.all().records[a].claims[k].clear();
      }
      q.all().bury(1);
      try_everything(q.as(2));
      if (round % 5 == 0) try_everything(q.as(3));
    }
  }
}

TEST(HostileHeader, OpeningChecksEveryFieldAndNamesBothSides) {
  harness::unique_segment segment;
  memory mem(segment.name(), 1 << 20);
  queue<item> q(mem, "victim", 10);
  // The header, by way of a second handle on the same structure.
  auto held =
      open_structure(mem, "victim", structure_type::of<item>(kind::queue, mpmc::variant, "mpmc"));
  ASSERT_TRUE(held.ok());
  auto& geometry = *static_cast<queue_geometry*>(held->data());
  const queue_geometry good = geometry;
  auto* bytes = reinterpret_cast<unsigned char*>(&geometry);
  for (size_t i = 0; i < sizeof geometry; ++i) {
    for (unsigned char flip : {0x01, 0x80, 0xff}) {
      bytes[i] ^= flip;
      const auto opened = queue<item>::open(mem, "victim");
      // A smaller queue of another geometry may be consistent in itself only if every field agrees.
      EXPECT_FALSE(opened.ok()) << "byte " << i;
      if (!opened.ok()) {
        EXPECT_EQ(opened.status().code(), absl::StatusCode::kDataLoss) << opened.status();
        EXPECT_NE(opened.status().message().find("victim"), std::string::npos);
        EXPECT_NE(opened.status().message().find("expected"), std::string::npos) << opened.status();
      }
      geometry = good;
    }
  }
  EXPECT_TRUE(queue<item>::open(mem, "victim").ok());
  // Consistent, but larger than the structure.
  geometry = *make_queue_geometry(10'000, 10, {sizeof(item), alignof(item), mpmc::variant, false},
                                  1 << 30, "x");
  EXPECT_EQ(queue<item>::open(mem, "victim").status().code(), absl::StatusCode::kDataLoss);
  geometry = good;
  EXPECT_TRUE(q.push(item{})) << "a handle keeps the geometry it has checked";
}

}  // namespace
}  // namespace zeroipc::internal
