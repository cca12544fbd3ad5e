// Locking and unlocking, alone and beside another process, beside robust POSIX mutexes and those of this process alone.
#include <benchmark/benchmark.h>
#include <pthread.h>

#include <atomic>
#include <cstdint>
#include <mutex>

#include "testing/harness/harness.h"
#include "zeroipc/mutex/mutex.h"

namespace zeroipc {
namespace {

class posix_mutex {
 public:
  posix_mutex() {
    pthread_mutexattr_t shared;
    pthread_mutexattr_init(&shared);
    pthread_mutexattr_setpshared(&shared, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&shared, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&mutex_, &shared);
    pthread_mutexattr_destroy(&shared);
  }
  void lock() { pthread_mutex_lock(&mutex_); }
  void unlock() { pthread_mutex_unlock(&mutex_); }

 private:
  pthread_mutex_t mutex_;
};

template <typename M>
void alone(benchmark::State& state, M& m) {
  for (auto _ : state) {
    m.lock();
    m.unlock();
  }
}

struct counters {
  alignas(64) std::atomic<bool> over{false};
  alignas(64) std::atomic<uint64_t> other{0};
  alignas(64) uint64_t guarded = 0;
};

// Both do as little as possible inside, all the time.
template <typename M>
void beside_another(benchmark::State& state, M& m) {
  harness::shared_state<counters> c;
  harness::process other([&] {
    while (!c->over.load(std::memory_order_relaxed)) {
      m.lock();
      ++c->guarded;
      m.unlock();
      c->other.fetch_add(1, std::memory_order_relaxed);
    }
  });
  while (c->other < 100) {
  }
  for (auto _ : state) {
    m.lock();
    ++c->guarded;
    m.unlock();
  }
  c->over = true;
  other.wait();
  state.counters["share"] =
      static_cast<double>(state.iterations()) / static_cast<double>(c->guarded);
}

struct ours {
  memory mem = *memory::create_anonymous(1 << 20);
  mutex m{mem, "m"};
};

void BM_Mutex(benchmark::State& state) {
  ours o;
  alone(state, o.m);
}
void BM_PosixRobustMutex(benchmark::State& state) {
  harness::shared_state<posix_mutex> m;
  alone(state, *m);
}
void BM_StdMutex(benchmark::State& state) {
  std::mutex m;
  alone(state, m);
}
void BM_MutexBesideAnother(benchmark::State& state) {
  ours o;
  beside_another(state, o.m);
}
void BM_PosixRobustMutexBesideAnother(benchmark::State& state) {
  harness::shared_state<posix_mutex> m;
  beside_another(state, *m);
}

BENCHMARK(BM_Mutex);
BENCHMARK(BM_PosixRobustMutex);
BENCHMARK(BM_StdMutex);
BENCHMARK(BM_MutexBesideAnother)->UseRealTime();
BENCHMARK(BM_PosixRobustMutexBesideAnother)->UseRealTime();

}  // namespace
}  // namespace zeroipc
