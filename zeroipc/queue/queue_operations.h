// Every mutating operation of zeroipc::queue, with what it does to a queue that holds items 1 to `filled`: for the tests
// that kill processes in the middle of them.
#ifndef ZEROIPC_QUEUE_QUEUE_OPERATIONS_H_
#define ZEROIPC_QUEUE_QUEUE_OPERATIONS_H_

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "zeroipc/queue/queue.h"

namespace zeroipc::internal {

struct numbered {
  uint64_t id = 0;
  uint64_t check[2] = {};

  static numbered of(uint64_t id) { return {id, {~id, id * 5}}; }
  bool whole() const { return check[0] == ~id && check[1] == id * 5; }
};

inline constexpr uint64_t kOperationCapacity = 4;
inline constexpr uint32_t kOperationLeases = 2;

template <typename Policy>
struct queue_operation {
  using queue_type = queue<numbered, Policy>;

  // A constructor, for g++ 12 does not survive a list of aggregates with initialized members.
  queue_operation(std::string called, uint64_t before, std::function<void(queue_type&)> operation,
                  std::vector<uint64_t> added = {}, uint64_t taken = 0, bool closing = false)
      : name(std::move(called)),
        filled(before),
        run(std::move(operation)),
        adds(std::move(added)),
        takes(taken),
        closes(closing) {}

  std::string name;
  uint64_t filled;
  std::function<void(queue_type&)> run;
  std::vector<uint64_t> adds;  // in this order; those before one that is there are there
  uint64_t takes;              // of the first that are there
  bool closes;
};

// Keeps a guard beyond the operation: its process dies with it.
template <typename Guard>
void keep_forever(Guard guard) {
  new Guard(std::move(guard));  // NOLINT: that is the point
}

inline constexpr std::chrono::seconds kAWhile{60};
inline constexpr std::chrono::nanoseconds kNoTime{0};
inline const std::array<numbered, 3> kThree = {numbered::of(101), numbered::of(102),
                                               numbered::of(103)};

template <typename Policy>
std::vector<queue_operation<Policy>> push_operations() {
  using Q = queue<numbered, Policy>;
  constexpr uint64_t kFull = kOperationCapacity;
  const numbered one = kThree[0];
  return {
      {"push", 1, [=](Q& q) { q.push(one); }, {101}},
      {"try_push", 1, [=](Q& q) { q.try_push(one); }, {101}},
      {"push_for", 1, [=](Q& q) { q.push_for(one, kAWhile); }, {101}},
      {"push_n", 1, [](Q& q) { q.push_n(kThree); }, {101, 102, 103}},
      {"try_push_n", 2, [](Q& q) { q.try_push_n(kThree); }, {101, 102}},
      {"push_n_for", 1, [=](Q& q) { q.push_n_for(kThree, kAWhile); }, {101, 102, 103}},
      {"reserve, commit",
       1,
       [=](Q& q) {
         auto r = q.reserve();
         *r = one;
         r.commit();
       },
       {101}},
      {"try_reserve, abort", 1,
       [=](Q& q) {
         auto r = q.try_reserve();
         *r = one;
         r.abort();
       }},
      {"reserve_for, kept", 1, [=](Q& q) { keep_forever(q.reserve_for(kAWhile)); }},
      {"producer, push, release_role",
       1,
       [=](Q& q) {
         auto p = q.producer();
         p->push(one);
         p->release_role();
       },
       {101}},
      {"try_push, full", kFull, [=](Q& q) { q.try_push(one); }},
      {"push_for, full", kFull, [=](Q& q) { q.push_for(one, kNoTime); }},
      {"try_push_n, full", kFull, [](Q& q) { q.try_push_n(kThree); }},
      {"try_reserve, full", kFull, [](Q& q) { q.try_reserve(); }},
  };
}

template <typename Policy>
std::vector<queue_operation<Policy>> pop_operations() {
  using Q = queue<numbered, Policy>;
  return {
      {"pop", 3, [](Q& q) { q.pop(); }, {}, 1},
      {"try_pop", 3, [](Q& q) { q.try_pop(); }, {}, 1},
      {"pop_for", 3, [=](Q& q) { q.pop_for(kAWhile); }, {}, 1},
      {"pop_n",
       3,
       [](Q& q) {
         numbered out[2];
         q.pop_n(out);
       },
       {},
       2},
      {"try_pop_n",
       kOperationCapacity,
       [](Q& q) {
         numbered out[3];
         q.try_pop_n(out);
       },
       {},
       3},
      {"pop_n_for",
       3,
       [=](Q& q) {
         numbered out[4];
         q.pop_n_for(out, kAWhile);
       },
       {},
       3},
      {"peek, release", 3, [](Q& q) { q.peek().release(); }, {}, 1},
      {"try_peek, put_back", 3, [](Q& q) { q.try_peek().put_back(); }},
      {"peek_for, kept", 3, [=](Q& q) { keep_forever(q.peek_for(kAWhile)); }},
      {"lease, ack", 3, [](Q& q) { q.lease().ack(); }, {}, 1},
      {"try_lease, nack", 3, [](Q& q) { q.try_lease().nack(); }},
      {"lease_for, kept", 3, [=](Q& q) { keep_forever(q.lease_for(kAWhile)); }},
      {"consumer, pop, release_role",
       3,
       [](Q& q) {
         auto c = q.consumer();
         c->pop();
         c->release_role();
       },
       {},
       1},
      {"try_pop, empty", 0, [](Q& q) { q.try_pop(); }},
      {"pop_for, empty", 0, [=](Q& q) { q.pop_for(kNoTime); }},
      {"try_peek, empty", 0, [](Q& q) { q.try_peek(); }},
      {"try_lease, empty", 0, [](Q& q) { q.try_lease(); }},
  };
}

template <typename Policy>
std::vector<queue_operation<Policy>> all_queue_operations() {
  using Q = queue<numbered, Policy>;
  std::vector<queue_operation<Policy>> all = push_operations<Policy>();
  for (auto& op : pop_operations<Policy>()) all.push_back(std::move(op));
  all.push_back({"push, pop",
                 2,
                 [](Q& q) {
                   q.push(kThree[0]);
                   q.pop();
                 },
                 {101},
                 1});
  all.push_back({"reserve, abort, pop past it",
                 1,
                 [](Q& q) {
                   q.try_reserve().abort();
                   q.pop();
                   q.try_pop();
                 },
                 {},
                 1});
  all.push_back({"close", 2, [](Q& q) { q.close(); }, {}, 0, true});
  return all;
}

}  // namespace zeroipc::internal

#endif  // ZEROIPC_QUEUE_QUEUE_OPERATIONS_H_
