// Fork-join: how many primes there are below two million, counted in 64 shares by four processes, one of which is killed on the
// way. The result is compared with what is known.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <numeric>
#include <string>
#include <vector>

#include "patterns/base/example_segment.h"
#include "patterns/fork_join/fork_join.h"

namespace {

using zeroipc::memory;
using zeroipc::patterns::ForkJoin;
using zeroipc::patterns::Share;

constexpr uint32_t kNumbers = 2'000'000;
constexpr uint64_t kPrimesBelow = 148'933;

uint64_t primes_in(const Share<uint32_t>& share) {
  uint64_t primes = 0;
  for (const uint32_t n : share.input) {
    bool prime = n >= 2;
    for (uint32_t d = 2; prime && d * d <= n; ++d) prime = n % d != 0;
    primes += prime;
  }
  return primes;
}

int work(const std::string& segment, bool is_victim) {
  const ForkJoin<uint32_t, uint64_t> primes(memory(segment), "primes");
  const size_t done = primes.work([&](const Share<uint32_t>& share) {
    if (share.attempt > 1) {
      std::printf("process %d does share %zu once more\n", ::getpid(), share.number);
    }
    if (is_victim && share.number >= 8) {
      std::printf("process %d is killed at share %zu\n", ::getpid(), share.number);
      std::fflush(stdout);
      ::raise(SIGKILL);
    }
    return primes_in(share);
  });
  std::printf("process %d has done %zu shares\n", ::getpid(), done);
  std::fflush(stdout);
  return 0;
}

}  // namespace

int main() {
  const zeroipc::patterns::ExampleSegment own("fork-join-example");
  const std::string& segment = own.name();
  std::vector<pid_t> workers;
  uint64_t sum = 0;
  {
    const memory mem(segment, 32 << 20);
    ForkJoin<uint32_t, uint64_t> primes(mem, "primes", kNumbers, 64);
    std::iota(primes.input().begin(), primes.input().end(), 0u);
    for (int i = 0; i < 4; ++i) {
      const pid_t pid = ::fork();
      if (pid == 0) ::_exit(work(segment, i == 0));
      workers.push_back(pid);
    }
    primes.scatter();
    const auto results = primes.join_for(std::chrono::minutes(5));
    if (results.ok()) {
      sum = std::accumulate(results->begin(), results->end(), uint64_t{0});
    } else {
      std::printf("%s\n", results.status().ToString().c_str());
    }
    const auto stats = primes.stats();
    std::printf("%llu shares done, %llu of them taken from the dead\n",
                static_cast<unsigned long long>(stats.done),
                static_cast<unsigned long long>(stats.redelivered));
  }
  for (const pid_t pid : workers) ::waitpid(pid, nullptr, 0);
  std::printf("%llu primes below %u: %s\n", static_cast<unsigned long long>(sum), kNumbers,
              sum == kPrimesBelow ? "right" : "WRONG");
  return sum == kPrimesBelow ? 0 : 1;
}
