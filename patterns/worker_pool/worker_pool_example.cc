// Worker pool: counts the primes below 3 million in 60 tasks, with a worker that is killed on the way, and two more: its task is
// done by one of them, and the sum is right.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <string>

#include "patterns/base/example_segment.h"
#include "patterns/worker_pool/worker_pool.h"
#include "zeroipc/segment/segment.h"

namespace {

using zeroipc::memory;

constexpr uint32_t kTasks = 60, kEach = 50'000, kPrimesBelow3Million = 216'816;
constexpr int kWorkers = 2, kKilledAt = 3;

struct Range {
  uint32_t first, end;
};
struct Count {
  uint32_t primes;
  int worker;
};
using Pool = zeroipc::patterns::WorkerPool<Range, Count>;

bool is_prime(uint32_t n) {
  if (n < 2) return false;
  for (uint32_t d = 2; d * d <= n; ++d) {
    if (n % d == 0) return false;
  }
  return true;
}

void work(const std::string& segment, bool is_victim) {
  Pool pool(memory(segment), "primes");
  int mine = 0;
  const size_t all = pool.work([&](const Range& r) {
    if (is_victim && ++mine == kKilledAt) {
      std::printf("process %d is killed at %u to %u\n", ::getpid(), r.first, r.end - 1);
      std::fflush(stdout);
      ::raise(SIGKILL);
    }
    Count c{0, ::getpid()};
    for (uint32_t n = r.first; n < r.end; ++n) c.primes += is_prime(n);
    return c;
  });
  std::printf("process %d has done %zu tasks\n", ::getpid(), all);
  std::fflush(stdout);
}

}  // namespace

int main() {
  const zeroipc::patterns::ExampleSegment own("worker-pool-example");
  uint32_t primes = 0, begun_again = 0;
  {
    const memory mem(own.name(), 1 << 20);
    Pool pool(mem, "primes", kTasks);
    const auto start_worker = [&](bool is_victim) {
      const pid_t pid = ::fork();
      if (pid != 0) return pid;
      work(own.name(), is_victim);
      ::_exit(0);
    };
    const pid_t victim = start_worker(true);
    for (uint32_t i = 0; i < kTasks; ++i) pool.submit({i * kEach, (i + 1) * kEach});
    pool.close();
    ::waitpid(victim, nullptr, 0);
    for (int i = 0; i < kWorkers; ++i) start_worker(false);
    while (const auto c = pool.collect()) {
      primes += c->result.ok() ? c->result->primes : 0;
      if (c->deaths == 0) continue;
      std::printf("process %d has done what a dead one had begun\n", c->result->worker);
      begun_again += c->deaths;
    }
    while (::wait(nullptr) > 0) {
    }
  }
  const bool right = primes == kPrimesBelow3Million && begun_again == 1;
  std::printf("%u primes below 3 million: %s\n", primes, right ? "right" : "WRONG");
  return right ? 0 : 1;
}
