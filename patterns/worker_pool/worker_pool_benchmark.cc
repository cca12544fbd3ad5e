// Tasks per second, from submission to collection, with one worker in a process of its own: beside a pair of pipes, which forget what a dead
// worker had.
#include <benchmark/benchmark.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>

#include "patterns/worker_pool/worker_pool.h"
#include "testing/harness/harness.h"
#include "zeroipc/segment/segment.h"

namespace zeroipc::patterns {
namespace {

// So many are submitted before the first is collected, as a manager does.
constexpr uint64_t kAhead = 256;

void BM_WorkerPool(benchmark::State& state) {
  harness::unique_segment segment;
  const memory mem(segment.name(), 4 << 20);
  WorkerPool<uint64_t, uint64_t> pool(mem, "tasks", 1024);
  harness::process worker([&] {
    WorkerPool<uint64_t, uint64_t>(memory(segment.name()), "tasks").work([](uint64_t x) {
      return x + 1;
    });
  });
  uint64_t submitted = 0, sum = 0;
  for (auto _ : state) {
    pool.submit(++submitted);
    if (submitted > kAhead) sum += *pool.collect()->result;
  }
  pool.close();
  while (pool.collect()) {
  }
  worker.wait();
  benchmark::DoNotOptimize(sum);
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_WorkerPool)->UseRealTime();

void BM_Pipes(benchmark::State& state) {
  int to[2], from[2];
  if (::pipe(to) != 0 || ::pipe(from) != 0) return state.SkipWithError("no pipe");
  {
    harness::process worker([&] {
      ::close(to[1]);
      uint64_t x;
      while (::read(to[0], &x, sizeof x) == sizeof x) {
        ++x;
        if (::write(from[1], &x, sizeof x) != sizeof x) return;
      }
    });
    uint64_t submitted = 0, sum = 0, x;
    const auto get = [&] {
      if (::read(from[0], &x, sizeof x) != sizeof x) state.SkipWithError("read");
      sum += x;
    };
    for (auto _ : state) {
      ++submitted;
      if (::write(to[1], &submitted, sizeof submitted) != sizeof submitted)
        state.SkipWithError("write");
      if (submitted > kAhead) get();
    }
    for (uint64_t i = 0; i < std::min(submitted, kAhead); ++i) get();
    ::close(to[1]);
    worker.wait();
    benchmark::DoNotOptimize(sum);
  }
  for (const int fd : {to[0], from[0], from[1]}) ::close(fd);
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_Pipes)->UseRealTime();

}  // namespace
}  // namespace zeroipc::patterns
