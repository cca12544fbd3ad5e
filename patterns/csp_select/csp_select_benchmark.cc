// Serving N channels, fed by another process in turn: values per second, beside poll() on as many pipes.
#include <benchmark/benchmark.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "patterns/csp_select/csp_select.h"
#include "testing/harness/harness.h"
#include "zeroipc/segment/segment.h"

namespace zeroipc::patterns {
namespace {

void BM_PrioritySelect(benchmark::State& state) {
  harness::unique_segment segment;
  const memory mem(segment.name(), 8 << 20);
  std::vector<std::unique_ptr<channel<uint64_t>>> channels;
  uint64_t sum = 0;
  PrioritySelect s({.serve_all_every = 8});
  for (int i = 0; i < state.range(0); ++i) {
    channels.push_back(std::make_unique<channel<uint64_t>>(mem, std::to_string(i), 64));
    s.add_channel(i, *channels.back(), [&](uint64_t x) { sum += x; });
  }
  harness::process feeder([&] {
    for (uint64_t i = 0;; ++i) channels[i % channels.size()]->send(i);
  });
  for (auto _ : state) s.select();
  benchmark::DoNotOptimize(sum);
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_PrioritySelect)->Arg(2)->Arg(8)->Arg(64)->UseRealTime();

void BM_Poll(benchmark::State& state) {
  const auto n = static_cast<size_t>(state.range(0));
  std::vector<std::array<int, 2>> pipes(n);
  for (auto& p : pipes) {
    if (::pipe(p.data()) != 0) return state.SkipWithError("no pipes");
  }
  harness::process feeder([&] {
    for (uint64_t i = 0;; ++i) {
      if (::write(pipes[i % n][1], &i, sizeof i) != sizeof i) return;
    }
  });
  std::vector<pollfd> ready(n);
  uint64_t sum = 0;
  for (auto _ : state) {
    for (size_t i = 0; i < n; ++i) ready[i] = {pipes[i][0], POLLIN, 0};
    ::poll(ready.data(), n, -1);
    for (size_t i = 0; i < n; ++i) {
      uint64_t x;
      if ((ready[i].revents & POLLIN) == 0 || ::read(pipes[i][0], &x, sizeof x) != sizeof x)
        continue;
      sum += x;
      break;
    }
  }
  benchmark::DoNotOptimize(sum);
  state.SetItemsProcessed(state.iterations());
  for (const auto& p : pipes) {
    ::close(p[0]);
    ::close(p[1]);
  }
}
BENCHMARK(BM_Poll)->Arg(2)->Arg(8)->Arg(64)->UseRealTime();

}  // namespace
}  // namespace zeroipc::patterns
