// A value that is there, beside a cell and std::call_once; one that has to be computed, in this thread and in another process.
#include <benchmark/benchmark.h>
#include <unistd.h>

#include <cstdint>
#include <mutex>

#include "testing/harness/harness.h"
#include "zeroipc/cell/cell.h"
#include "zeroipc/lazy/lazy.h"

namespace zeroipc {
namespace {

template <size_t Bytes>
struct value {
  uint64_t words[Bytes / 8];
};

template <size_t Bytes>
void BM_Hit(benchmark::State& state) {
  const memory mem = *memory::create_anonymous(1 << 20);
  lazy<value<Bytes>> l(mem, "l");
  l.set_computation([] { return value<Bytes>{}; });
  value<Bytes> x{};
  l.get(x);
  for (auto _ : state) {
    l.get(x);
    benchmark::DoNotOptimize(x);
  }
}
template <size_t Bytes>
void BM_CellLoad(benchmark::State& state) {
  const memory mem = *memory::create_anonymous(1 << 20);
  cell<value<Bytes>> c(mem, "c");
  value<Bytes> x{};
  c.store(x);
  for (auto _ : state) {
    c.load(x);
    benchmark::DoNotOptimize(x);
  }
}
// Of one process, and never computed anew.
template <size_t Bytes>
void BM_StdCallOnce(benchmark::State& state) {
  std::once_flag once;
  value<Bytes> there{};
  for (auto _ : state) {
    std::call_once(once, [&] { ++there.words[0]; });
    benchmark::DoNotOptimize(there);
    value<Bytes> x = there;
    benchmark::DoNotOptimize(x);
  }
}

void BM_MissInThisThread(benchmark::State& state) {
  const memory mem = *memory::create_anonymous(1 << 20);
  lazy<value<64>> l(mem, "l");
  l.set_computation([] { return value<64>{}; });
  value<64> x{};
  for (auto _ : state) {
    l.invalidate();
    l.get(x);
  }
}
void BM_MissInAnotherProcess(benchmark::State& state) {
  const memory mem = *memory::create_anonymous(1 << 20);
  lazy<value<64>> l(mem, "l");
  const harness::process provider([&] {
    l.set_computation([] { return value<64>{}; });
    for (;;) ::pause();
  });
  value<64> x{};
  l.get(x);
  for (auto _ : state) {
    l.invalidate();
    l.get(x);
  }
}

BENCHMARK_TEMPLATE(BM_Hit, 64);
BENCHMARK_TEMPLATE(BM_Hit, 4096);
BENCHMARK_TEMPLATE(BM_CellLoad, 64);
BENCHMARK_TEMPLATE(BM_CellLoad, 4096);
BENCHMARK_TEMPLATE(BM_StdCallOnce, 64);
BENCHMARK(BM_MissInThisThread)->UseRealTime();
BENCHMARK(BM_MissInAnotherProcess)->UseRealTime();

}  // namespace
}  // namespace zeroipc
