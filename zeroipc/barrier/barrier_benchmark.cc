// Phases of one party and of two processes, beside a POSIX barrier.
#include <benchmark/benchmark.h>
#include <pthread.h>

#include <cstdint>

#include "testing/harness/harness.h"
#include "zeroipc/barrier/barrier.h"

namespace zeroipc {
namespace {

struct posix_barrier {
  explicit posix_barrier(unsigned parties) {
    pthread_barrierattr_t shared;
    pthread_barrierattr_init(&shared);
    pthread_barrierattr_setpshared(&shared, PTHREAD_PROCESS_SHARED);
    pthread_barrier_init(&barrier, &shared, parties);
    pthread_barrierattr_destroy(&shared);
  }
  void arrive_and_wait() { pthread_barrier_wait(&barrier); }
  pthread_barrier_t barrier;
};

template <typename B>
void phases(benchmark::State& state, B& b) {
  for (auto _ : state) b.arrive_and_wait();
}
// The other one waits for this one, and this one for it.
template <typename B>
void phases_of_two(benchmark::State& state, B& b) {
  harness::process other([&]() -> int {
    for (;;) b.arrive_and_wait();
  });
  phases(state, b);
  other.kill();
  other.wait();
}

void BM_Phase(benchmark::State& state) {
  const memory mem = *memory::create_anonymous(1 << 20);
  barrier b(mem, "b", 1);
  phases(state, b);
}
void BM_PosixPhase(benchmark::State& state) {
  const harness::shared_state<posix_barrier> b(1u);
  phases(state, *b);
}
void BM_PhaseOfTwo(benchmark::State& state) {
  const memory mem = *memory::create_anonymous(1 << 20);
  barrier b(mem, "b", 2);
  phases_of_two(state, b);
}
void BM_PosixPhaseOfTwo(benchmark::State& state) {
  const harness::shared_state<posix_barrier> b(2u);
  phases_of_two(state, *b);
}
// So many arrivals of one process make a phase.
void BM_Arrivals(benchmark::State& state) {
  const auto n = static_cast<size_t>(state.range(0));
  const memory mem = *memory::create_anonymous(1 << 20);
  barrier b(mem, "b", n);
  barrier::phase k = 0;
  for (auto _ : state) b.arrive(k);
}

BENCHMARK(BM_Phase);
BENCHMARK(BM_PosixPhase);
BENCHMARK(BM_PhaseOfTwo)->UseRealTime();
BENCHMARK(BM_PosixPhaseOfTwo)->UseRealTime();
BENCHMARK(BM_Arrivals)->Arg(2)->Arg(16)->Arg(256)->Arg(4096);

}  // namespace
}  // namespace zeroipc
