// Asking whether it has been run, and running it, beside std::call_once and pthread_once.
#include <benchmark/benchmark.h>
#include <pthread.h>

#include <cstdint>
#include <mutex>
#include <optional>

#include "zeroipc/name_table/name_table.h"
#include "zeroipc/once/once.h"

namespace zeroipc {
namespace {

void BM_CallDone(benchmark::State& state) {
  const memory mem = *memory::create_anonymous(1 << 20);
  once o(mem, "o");
  uint64_t runs = 0;
  for (auto _ : state) o.call([&] { ++runs; });
  benchmark::DoNotOptimize(runs);
}
void BM_StdCallOnceDone(benchmark::State& state) {
  std::once_flag o;
  uint64_t runs = 0;
  for (auto _ : state) std::call_once(o, [&] { ++runs; });
  benchmark::DoNotOptimize(runs);
}
void BM_PthreadOnceDone(benchmark::State& state) {
  pthread_once_t o = PTHREAD_ONCE_INIT;
  for (auto _ : state) pthread_once(&o, [] {});
}
// By name, as a process does that starts; then the run.
void BM_OpenAndCall(benchmark::State& state) {
  const memory mem = *memory::create_anonymous(1 << 20);
  uint64_t runs = 0;
  for (auto _ : state) {
    once o(mem, "o");
    o.call([&] { ++runs; });
    remove(mem, "o").IgnoreError();
  }
  benchmark::DoNotOptimize(runs);
}

BENCHMARK(BM_CallDone);
BENCHMARK(BM_StdCallOnceDone);
BENCHMARK(BM_PthreadOnceDone);
BENCHMARK(BM_OpenAndCall);

}  // namespace
}  // namespace zeroipc
