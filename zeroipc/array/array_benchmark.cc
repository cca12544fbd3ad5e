// Elements one after the other and untorn, alone and beside a writer, beside a C array and a mutex of Boost.Interprocess.
#include <benchmark/benchmark.h>

#include <array>
#include <cstdint>
#include <numeric>
#include <vector>

#include "testing/harness/beside.h"
#include "testing/harness/harness.h"
#include "zeroipc/array/array.h"

#ifdef ZEROIPC_PEER_BOOST
#include <boost/interprocess/sync/interprocess_mutex.hpp>
#include <boost/interprocess/sync/scoped_lock.hpp>
#endif

namespace zeroipc {
namespace {

struct item {
  uint64_t words[8];
};

// 8 KiB to 80 MB.
template <typename Numbers>
void sum(benchmark::State& state, const Numbers& numbers) {
  for (auto _ : state) {
    benchmark::DoNotOptimize(std::accumulate(numbers.begin(), numbers.end(), uint64_t{0}));
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
void BM_Sum(benchmark::State& state) {
  const auto n = static_cast<size_t>(state.range(0));
  const memory mem = *memory::create_anonymous(n * 8 * 17 / 16 + (4 << 20));
  const array<uint64_t> a(mem, "a", n);
  a.fill(1);
  sum(state, a);
}
void BM_SumOfVector(benchmark::State& state) {
  sum(state, std::vector<uint64_t>(static_cast<size_t>(state.range(0)), 1));
}

template <typename T>
struct shared_array {
  static constexpr size_t kSize = 1024;
  memory mem = *memory::create_anonymous(2 << 20);
  array<T> a{mem, "a", kSize};
};

template <typename T>
void BM_Load(benchmark::State& state) {
  const shared_array<T> s;
  T x{};
  size_t i = 0;
  for (auto _ : state) benchmark::DoNotOptimize(s.a.load(i++ % s.kSize, x));
}
template <typename T>
void BM_Store(benchmark::State& state) {
  const shared_array<T> s;
  const T x{};
  size_t i = 0;
  for (auto _ : state) benchmark::DoNotOptimize(s.a.store(i++ % s.kSize, x));
}
void BM_LoadBesideAWriter(benchmark::State& state) {
  const shared_array<item> s;
  size_t i = 0;
  item x{};
  const harness::beside writer([&] { s.a.store(i++ % s.kSize, x); });
  for (auto _ : state) benchmark::DoNotOptimize(s.a.load(i++ % s.kSize, x));
}

#ifdef ZEROIPC_PEER_BOOST
namespace ipc = boost::interprocess;

struct locked_array {
  ipc::interprocess_mutex mutex;
  std::array<item, 1024> items;

  void load(size_t i, item& x) {
    const ipc::scoped_lock lock(mutex);
    x = items[i % items.size()];
  }
  void store(size_t i, const item& x) {
    const ipc::scoped_lock lock(mutex);
    items[i % items.size()] = x;
  }
};
void BM_BoostMutexLoad(benchmark::State& state) {
  const harness::shared_state<harness::undestroyed<locked_array>> shared;
  locked_array& s = **shared;
  item x{};
  size_t i = 0;
  for (auto _ : state) s.load(i++, x);
  benchmark::DoNotOptimize(x);
}
void BM_BoostMutexStore(benchmark::State& state) {
  const harness::shared_state<harness::undestroyed<locked_array>> shared;
  locked_array& s = **shared;
  const item x{};
  size_t i = 0;
  for (auto _ : state) s.store(i++, x);
}
void BM_BoostMutexLoadBesideAWriter(benchmark::State& state) {
  const harness::shared_state<harness::undestroyed<locked_array>> shared;
  locked_array& s = **shared;
  size_t i = 0;
  item x{};
  const harness::beside writer([&] { s.store(i++, x); });
  for (auto _ : state) s.load(i++, x);
  benchmark::DoNotOptimize(x);
}
BENCHMARK(BM_BoostMutexLoad);
BENCHMARK(BM_BoostMutexStore);
BENCHMARK(BM_BoostMutexLoadBesideAWriter)->UseRealTime();
#endif

BENCHMARK(BM_Sum)->RangeMultiplier(10)->Range(1'000, 10'000'000);
BENCHMARK(BM_SumOfVector)->RangeMultiplier(10)->Range(1'000, 10'000'000);
BENCHMARK_TEMPLATE(BM_Load, uint64_t);
BENCHMARK_TEMPLATE(BM_Store, uint64_t);
BENCHMARK_TEMPLATE(BM_Load, item);
BENCHMARK_TEMPLATE(BM_Store, item);
BENCHMARK(BM_LoadBesideAWriter)->UseRealTime();

}  // namespace
}  // namespace zeroipc
