// Arriving and waiting, beside std::latch.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <latch>
#include <optional>

#include "zeroipc/latch/latch.h"
#include "zeroipc/name_table/name_table.h"

namespace zeroipc {
namespace {

// One latch after the other, each of that many arrivals; per arrival.
void BM_CountDown(benchmark::State& state) {
  const auto n = static_cast<size_t>(state.range(0));
  const memory mem = *memory::create_anonymous(n * 4 + (1 << 20));
  std::optional<latch> l;
  size_t left = 0;
  for (auto _ : state) {
    if (left == 0) {
      state.PauseTiming();
      if (l) remove(mem, "l").IgnoreError();
      l.emplace(mem, "l", n);
      left = n;
      state.ResumeTiming();
    }
    l->count_down();
    --left;
  }
}
void BM_Promise(benchmark::State& state) {
  const memory mem = *memory::create_anonymous(1 << 20);
  latch l(mem, "l", 2);
  for (auto _ : state) {
    // Taken back at the end of the scope.
    const latch::promised p = l.promise();
    benchmark::DoNotOptimize(&p);
  }
}
void BM_StdCountDown(benchmark::State& state) {
  const ptrdiff_t n = std::latch::max();
  std::latch l(n);
  for (auto _ : state) l.count_down();
}
void BM_WaitOpen(benchmark::State& state) {
  const auto n = static_cast<size_t>(state.range(0));
  const memory mem = *memory::create_anonymous(n * 4 + (1 << 20));
  latch l(mem, "l", n);
  for (size_t i = 0; i < n; ++i) l.count_down();
  for (auto _ : state) l.wait();
}
void BM_StdWaitOpen(benchmark::State& state) {
  std::latch l(1);
  l.count_down();
  for (auto _ : state) l.wait();
}

BENCHMARK(BM_CountDown)->RangeMultiplier(10)->Range(1'000, 1'000'000);
BENCHMARK(BM_Promise);
BENCHMARK(BM_StdCountDown);
BENCHMARK(BM_WaitOpen)->Arg(8)->Arg(1'000'000);
BENCHMARK(BM_StdWaitOpen);

}  // namespace
}  // namespace zeroipc
