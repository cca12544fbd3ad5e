// A job of 64 shares, from scatter to join, with two workers: shares per second, beside the same through pipes (a share's number to a
// worker, its result back), which does nothing about a worker's death.
#include <benchmark/benchmark.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <numeric>
#include <string>
#include <vector>

#include "patterns/fork_join/fork_join.h"
#include "testing/harness/harness.h"
#include "zeroipc/cell/cell.h"

namespace zeroipc::patterns {
namespace {

constexpr size_t kInputs = 64 * 1024, kShares = 64, kWorkers = 2;

uint64_t sum_of(std::span<const uint64_t> input) {
  return std::accumulate(input.begin(), input.end(), uint64_t{0});
}

void BM_ForkJoin(benchmark::State& state) {
  harness::unique_segment segment;
  const memory mem(segment.name(), 64 << 20);
  using Sums = ForkJoin<uint64_t, uint64_t>;
  cell<uint64_t> newest(mem, "newest");
  std::vector<std::unique_ptr<harness::process>> workers;
  for (size_t i = 0; i < kWorkers; ++i) {
    workers.push_back(std::make_unique<harness::process>([&] {
      const memory own(segment.name());
      cell<uint64_t> jobs(own, "newest");
      for (uint64_t seen = 0;;) {
        seen = jobs.wait_for_change(seen);
        auto job = Sums::open(own, std::to_string(*jobs.load()));
        if (job.ok()) job->work([](const Share<uint64_t>& s) { return sum_of(s.input); });
      }
    }));
  }
  uint64_t round = 0;
  for (auto _ : state) {
    ++round;
    Sums job(mem, std::to_string(round), kInputs, kShares);
    newest.store(round);
    job.scatter();
    benchmark::DoNotOptimize(job.join().ok());
    job.remove().IgnoreError();
  }
  state.SetItemsProcessed(static_cast<int64_t>(round * kShares));
}
BENCHMARK(BM_ForkJoin)->UseRealTime();

void BM_Pipes(benchmark::State& state) {
  std::vector<uint64_t> input(kInputs);
  struct pipes {
    int to[2], from[2];
  };
  std::array<pipes, kWorkers> all{};
  std::vector<std::unique_ptr<harness::process>> workers;
  for (pipes& p : all) {
    if (::pipe(p.to) != 0 || ::pipe(p.from) != 0) return state.SkipWithError("no pipes");
    workers.push_back(std::make_unique<harness::process>([&] {
      uint64_t share;
      while (::read(p.to[0], &share, sizeof share) == sizeof share) {
        const uint64_t sum =
            sum_of(std::span(input).subspan(share * (kInputs / kShares), kInputs / kShares));
        if (::write(p.from[1], &sum, sizeof sum) != sizeof sum) return;
      }
    }));
  }
  const auto give = [&](pipes& p, uint64_t share) {
    if (::write(p.to[1], &share, sizeof share) != sizeof share) state.SkipWithError("write");
  };
  for (auto _ : state) {
    uint64_t given = 0, sum = 0;
    for (pipes& p : all) give(p, given++);
    for (size_t got = 0; got < kShares;) {
      std::array<pollfd, kWorkers> ready{};
      for (size_t i = 0; i < kWorkers; ++i) ready[i] = {all[i].from[0], POLLIN, 0};
      ::poll(ready.data(), ready.size(), -1);
      for (size_t i = 0; i < kWorkers; ++i) {
        uint64_t one;
        if ((ready[i].revents & POLLIN) == 0 ||
            ::read(all[i].from[0], &one, sizeof one) != sizeof one)
          continue;
        sum += one;
        ++got;
        if (given < kShares) give(all[i], given++);
      }
    }
    benchmark::DoNotOptimize(sum);
  }
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations() * kShares));
  for (pipes& p : all) {
    for (const int fd : {p.to[0], p.to[1], p.from[0], p.from[1]}) ::close(fd);
  }
}
BENCHMARK(BM_Pipes)->UseRealTime();

}  // namespace
}  // namespace zeroipc::patterns
