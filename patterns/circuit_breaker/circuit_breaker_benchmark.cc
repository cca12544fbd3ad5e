// What a breaker adds to a call that succeeds, alone and with another process at it: beside counters behind a mutex, in one process, and
// in shared memory, where a death in the middle leaves them locked.
#include <benchmark/benchmark.h>
#include <pthread.h>
#include <sys/mman.h>

#include <cstdint>
#include <new>

#include "patterns/circuit_breaker/circuit_breaker.h"
#include "testing/harness/beside.h"
#include "testing/harness/harness.h"

namespace zeroipc::patterns {
namespace {

void call_once(const CircuitBreaker& breaker) { breaker.try_enter().succeeded(); }

void BM_CircuitBreaker(benchmark::State& state) {
  harness::unique_segment segment;
  const memory mem(segment.name(), 1 << 20);
  const CircuitBreaker breaker(mem);
  for (auto _ : state) call_once(breaker);
}
BENCHMARK(BM_CircuitBreaker);

void BM_CircuitBreakerByRate(benchmark::State& state) {
  harness::unique_segment segment;
  const memory mem(segment.name(), 1 << 20);
  CircuitBreakerOptions o;
  o.failure_rate = 0.5;
  const CircuitBreaker breaker(mem, "b", o);
  for (auto _ : state) call_once(breaker);
}
BENCHMARK(BM_CircuitBreakerByRate);

void BM_CircuitBreakerBesideAnother(benchmark::State& state) {
  harness::unique_segment segment;
  const memory mem(segment.name(), 1 << 20);
  const CircuitBreaker breaker(mem);
  const harness::beside other([&] { call_once(breaker); });
  for (auto _ : state) call_once(breaker);
}
BENCHMARK(BM_CircuitBreakerBesideAnother)->UseRealTime();

void BM_Refused(benchmark::State& state) {
  harness::unique_segment segment;
  const memory mem(segment.name(), 1 << 20);
  CircuitBreaker breaker(mem);
  breaker.trip();
  for (auto _ : state) benchmark::DoNotOptimize(static_cast<bool>(breaker.try_enter()));
}
BENCHMARK(BM_Refused);

struct locked_counters {
  pthread_mutex_t mutex;
  uint64_t calls = 0, failures = 0;
  bool open = false;

  explicit locked_counters(bool shared) {
    pthread_mutexattr_t a;
    ::pthread_mutexattr_init(&a);
    if (shared) ::pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
    ::pthread_mutex_init(&mutex, &a);
  }
  void call_once() {
    ::pthread_mutex_lock(&mutex);
    const bool may = !open;
    ::pthread_mutex_unlock(&mutex);
    if (!may) return;
    ::pthread_mutex_lock(&mutex);
    ++calls;
    failures = 0;
    ::pthread_mutex_unlock(&mutex);
  }
};

void BM_CountersBehindAMutex(benchmark::State& state) {
  locked_counters c(false);
  for (auto _ : state) c.call_once();
}
BENCHMARK(BM_CountersBehindAMutex);

void BM_CountersBehindASharedMutexBesideAnother(benchmark::State& state) {
  void* page = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  auto& c = *new (page) locked_counters(true);
  {
    const harness::beside other([&] { c.call_once(); });
    for (auto _ : state) c.call_once();
  }
  ::munmap(page, 4096);
}
BENCHMARK(BM_CountersBehindASharedMutexBesideAnother)->UseRealTime();

}  // namespace
}  // namespace zeroipc::patterns
