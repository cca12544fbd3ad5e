// Acquiring and releasing, alone and beside another process, beside a POSIX semaphore.
#include <benchmark/benchmark.h>
#include <semaphore.h>

#include <atomic>
#include <cstdint>

#include "testing/harness/harness.h"
#include "zeroipc/semaphore/semaphore.h"

namespace zeroipc {
namespace {

class posix_semaphore {
 public:
  posix_semaphore() { ::sem_init(&semaphore_, 1, 1); }
  void acquire() { ::sem_wait(&semaphore_); }
  void release() { ::sem_post(&semaphore_); }

 private:
  sem_t semaphore_;
};

template <typename S>
void alone(benchmark::State& state, S& s) {
  for (auto _ : state) {
    s.acquire();
    s.release();
  }
}

struct counters {
  alignas(64) std::atomic<bool> over{false};
  alignas(64) std::atomic<uint64_t> other{0};
};

template <typename S>
void beside_another(benchmark::State& state, S& s) {
  harness::shared_state<counters> c;
  harness::process other([&] {
    while (!c->over.load(std::memory_order_relaxed)) {
      s.acquire();
      s.release();
      c->other.fetch_add(1, std::memory_order_relaxed);
    }
  });
  while (c->other < 100) {
  }
  alone(state, s);
  c->over = true;
  other.wait();
}

void BM_Semaphore(benchmark::State& state) {
  const memory mem = *memory::create_anonymous(1 << 20);
  semaphore s(mem, "s", static_cast<size_t>(state.range(0)));
  alone(state, s);
}
// All permits but one are taken: it has to be found.
void BM_SemaphoreLastPermit(benchmark::State& state) {
  const memory mem = *memory::create_anonymous(1 << 20);
  const auto n = static_cast<size_t>(state.range(0));
  semaphore s(mem, "s", n);
  for (size_t i = 1; i < n; ++i) s.acquire();
  alone(state, s);
}
void BM_PosixSemaphore(benchmark::State& state) {
  harness::shared_state<posix_semaphore> s;
  alone(state, *s);
}
void BM_SemaphoreBesideAnother(benchmark::State& state) {
  const memory mem = *memory::create_anonymous(1 << 20);
  semaphore s(mem, "s", 1);
  beside_another(state, s);
}
void BM_PosixSemaphoreBesideAnother(benchmark::State& state) {
  harness::shared_state<posix_semaphore> s;
  beside_another(state, *s);
}

BENCHMARK(BM_Semaphore)->Arg(1)->Arg(64);
BENCHMARK(BM_SemaphoreLastPermit)->Arg(64)->Arg(4096);
BENCHMARK(BM_PosixSemaphore);
BENCHMARK(BM_SemaphoreBesideAnother)->UseRealTime();
BENCHMARK(BM_PosixSemaphoreBesideAnother)->UseRealTime();

}  // namespace
}  // namespace zeroipc
