// Items per second from one process to another, each acknowledged, through a buffer of 1024: beside a plain queue without leases, and a pipe,
// which forgets what a dead reader had taken.
#include <benchmark/benchmark.h>
#include <unistd.h>

#include <cstdint>

#include "patterns/producer_consumer/producer_consumer.h"
#include "testing/harness/harness.h"
#include "zeroipc/segment/segment.h"

namespace zeroipc::patterns {
namespace {

void BM_ProducerConsumer(benchmark::State& state) {
  harness::unique_segment segment;
  const memory mem(segment.name(), 4 << 20);
  Producer<uint64_t> items(mem, "items", 1024);
  harness::process consumer([&] {
    uint64_t sum = 0;
    Consumer<uint64_t>(memory(segment.name()), "items").run([&](uint64_t x) { sum += x; });
    benchmark::DoNotOptimize(sum);
  });
  uint64_t i = 0;
  for (auto _ : state) items.put(++i);
  items.close();
  consumer.wait();
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_ProducerConsumer)->UseRealTime();

void BM_QueueWithoutLeases(benchmark::State& state) {
  harness::unique_segment segment;
  const memory mem(segment.name(), 4 << 20);
  queue<uint64_t> items(mem, "items", 1024);
  harness::process consumer([&] {
    uint64_t sum = 0;
    queue<uint64_t> own(memory(segment.name()), "items");
    while (auto x = own.pop()) sum += *x;
    benchmark::DoNotOptimize(sum);
  });
  uint64_t i = 0;
  for (auto _ : state) items.push(++i);
  items.close();
  consumer.wait();
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_QueueWithoutLeases)->UseRealTime();

void BM_Pipe(benchmark::State& state) {
  int p[2];
  if (::pipe(p) != 0) return state.SkipWithError("no pipe");
  {
    harness::process consumer([&] {
      ::close(p[1]);
      uint64_t x, sum = 0;
      while (::read(p[0], &x, sizeof x) == sizeof x) sum += x;
      benchmark::DoNotOptimize(sum);
    });
    uint64_t i = 0;
    for (auto _ : state) {
      ++i;
      if (::write(p[1], &i, sizeof i) != sizeof i) state.SkipWithError("write");
    }
    ::close(p[1]);
    consumer.wait();
  }
  ::close(p[0]);
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_Pipe)->UseRealTime();

}  // namespace
}  // namespace zeroipc::patterns
