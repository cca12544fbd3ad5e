// Locking to read and to write, alone and beside readers in another process, beside POSIX rwlocks.
#include <benchmark/benchmark.h>
#include <pthread.h>

#include <atomic>
#include <cstdint>

#include "testing/harness/harness.h"
#include "zeroipc/rwlock/rwlock.h"

namespace zeroipc {
namespace {

class posix_rwlock {
 public:
  posix_rwlock() {
    pthread_rwlockattr_t shared;
    pthread_rwlockattr_init(&shared);
    pthread_rwlockattr_setpshared(&shared, PTHREAD_PROCESS_SHARED);
    pthread_rwlock_init(&lock_, &shared);
    pthread_rwlockattr_destroy(&shared);
  }
  void lock() { pthread_rwlock_wrlock(&lock_); }
  void unlock() { pthread_rwlock_unlock(&lock_); }
  void lock_shared() { pthread_rwlock_rdlock(&lock_); }
  void unlock_shared() { pthread_rwlock_unlock(&lock_); }

 private:
  pthread_rwlock_t lock_;
};

template <typename L>
void read(benchmark::State& state, L& l) {
  for (auto _ : state) {
    l.lock_shared();
    l.unlock_shared();
  }
}
template <typename L>
void write(benchmark::State& state, L& l) {
  for (auto _ : state) {
    l.lock();
    l.unlock();
  }
}

struct counters {
  alignas(64) std::atomic<bool> over{false};
  alignas(64) std::atomic<uint64_t> other{0};
};

// Another process reads all the time.
template <typename L, typename F>
void beside_a_reader(benchmark::State& state, L& l, F&& measured) {
  harness::shared_state<counters> c;
  harness::process other([&] {
    while (!c->over.load(std::memory_order_relaxed)) {
      l.lock_shared();
      l.unlock_shared();
      c->other.fetch_add(1, std::memory_order_relaxed);
    }
  });
  while (c->other < 100) {
  }
  measured(state, l);
  c->over = true;
  other.wait();
}

struct ours {
  memory mem = *memory::create_anonymous(1 << 20);
  rwlock l{mem, "l"};
};

void BM_Read(benchmark::State& state) {
  ours o;
  read(state, o.l);
}
void BM_PosixRead(benchmark::State& state) {
  harness::shared_state<posix_rwlock> l;
  read(state, *l);
}
void BM_Write(benchmark::State& state) {
  ours o;
  write(state, o.l);
}
void BM_PosixWrite(benchmark::State& state) {
  harness::shared_state<posix_rwlock> l;
  write(state, *l);
}
void BM_ReadBesideAReader(benchmark::State& state) {
  ours o;
  beside_a_reader(state, o.l, read<rwlock>);
}
void BM_PosixReadBesideAReader(benchmark::State& state) {
  harness::shared_state<posix_rwlock> l;
  beside_a_reader(state, *l, read<posix_rwlock>);
}
void BM_WriteBesideAReader(benchmark::State& state) {
  ours o;
  beside_a_reader(state, o.l, write<rwlock>);
}

BENCHMARK(BM_Read);
BENCHMARK(BM_PosixRead);
BENCHMARK(BM_Write);
BENCHMARK(BM_PosixWrite);
BENCHMARK(BM_ReadBesideAReader)->UseRealTime();
BENCHMARK(BM_PosixReadBesideAReader)->UseRealTime();
// POSIX prefers readers: beside one that never pauses a writer may never come in.
BENCHMARK(BM_WriteBesideAReader)->UseRealTime();

}  // namespace
}  // namespace zeroipc
