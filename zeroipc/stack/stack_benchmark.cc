// Pushing and popping, alone and beside another process, beside Boost's lock-free stack and a vector behind a mutex.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <vector>

#include "testing/harness/beside.h"
#include "testing/harness/harness.h"
#include "zeroipc/stack/stack.h"

#ifdef ZEROIPC_PEER_BOOST
#include <boost/interprocess/sync/interprocess_mutex.hpp>
#include <boost/interprocess/sync/scoped_lock.hpp>
#include <boost/lockfree/stack.hpp>
#endif

namespace zeroipc {
namespace {

struct item {
  uint64_t words[8];
};

struct ours {
  explicit ours(size_t capacity = 1024)
      : mem(*memory::create_anonymous(capacity * sizeof(item) * 17 / 16 + (4 << 20))),
        s(mem, "s", capacity) {}
  memory mem;
  stack<item> s;
  void push(const item& x) { s.try_push(x); }
  void pop(item& x) { s.try_pop(x); }
};

template <typename S>
void push_and_pop(benchmark::State& state, S& s) {
  item x{};
  for (auto _ : state) {
    s.push(x);
    s.pop(x);
  }
}
template <typename S>
void beside_another(benchmark::State& state, S& s) {
  item x{};
  const harness::beside other([&] {
    s.push(x);
    s.pop(x);
  });
  push_and_pop(state, s);
}

void BM_PushAndPop(benchmark::State& state) {
  ours s;
  push_and_pop(state, s);
}
void BM_PushAndPopBesideAnother(benchmark::State& state) {
  ours s;
  beside_another(state, s);
}
// All the way up and down.
void BM_FillAndDrain(benchmark::State& state) {
  const auto n = static_cast<size_t>(state.range(0));
  ours s(n);
  item x{};
  for (auto _ : state) {
    for (size_t i = 0; i < n; ++i) s.push(x);
    for (size_t i = 0; i < n; ++i) s.pop(x);
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
void BM_Batch(benchmark::State& state) {
  ours s;
  std::vector<item> some(32);
  for (auto _ : state) {
    s.s.try_push_n(some);
    s.s.try_pop_n(some);
  }
  state.SetItemsProcessed(state.iterations() * 32);
}

#ifdef ZEROIPC_PEER_BOOST
namespace ipc = boost::interprocess;

struct lock_free {
  boost::lockfree::stack<item, boost::lockfree::capacity<1024>> s;
  void push(const item& x) { s.push(x); }
  void pop(item& x) { s.pop(x); }
};
struct behind_mutex {
  ipc::interprocess_mutex mutex;
  size_t count = 0;
  item items[1024];
  void push(const item& x) {
    const ipc::scoped_lock lock(mutex);
    if (count < 1024) items[count++] = x;
  }
  void pop(item& x) {
    const ipc::scoped_lock lock(mutex);
    if (count > 0) x = items[--count];
  }
};
template <typename S>
void BM_BoostPushAndPop(benchmark::State& state) {
  const harness::shared_state<harness::undestroyed<S>> s;
  push_and_pop(state, **s);
}
template <typename S>
void BM_BoostPushAndPopBesideAnother(benchmark::State& state) {
  const harness::shared_state<harness::undestroyed<S>> s;
  beside_another(state, **s);
}
BENCHMARK_TEMPLATE(BM_BoostPushAndPop, lock_free);
BENCHMARK_TEMPLATE(BM_BoostPushAndPop, behind_mutex);
BENCHMARK_TEMPLATE(BM_BoostPushAndPopBesideAnother, lock_free)->UseRealTime();
BENCHMARK_TEMPLATE(BM_BoostPushAndPopBesideAnother, behind_mutex)->UseRealTime();
#endif

BENCHMARK(BM_PushAndPop);
BENCHMARK(BM_PushAndPopBesideAnother)->UseRealTime();
BENCHMARK(BM_FillAndDrain)->RangeMultiplier(10)->Range(1'000, 10'000'000);
BENCHMARK(BM_Batch);

}  // namespace
}  // namespace zeroipc
