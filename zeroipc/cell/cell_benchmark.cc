// Loading and storing, alone and beside another process that does the other, beside a mutex of Boost.Interprocess and a POSIX rwlock.
#include <benchmark/benchmark.h>
#include <pthread.h>

#include <cstdint>

#include "testing/harness/beside.h"
#include "testing/harness/harness.h"
#include "zeroipc/cell/cell.h"

#ifdef ZEROIPC_PEER_BOOST
#include <boost/interprocess/sync/interprocess_mutex.hpp>
#include <boost/interprocess/sync/scoped_lock.hpp>
#endif

namespace zeroipc {
namespace {

template <size_t Bytes>
struct value {
  uint64_t words[Bytes / 8];
};

template <typename Shared>
void load(benchmark::State& state, Shared& s) {
  typename Shared::type x{};
  for (auto _ : state) {
    s.load(x);
    benchmark::DoNotOptimize(x);
  }
}
template <typename Shared>
void store(benchmark::State& state, Shared& s) {
  typename Shared::type x{};
  for (auto _ : state) {
    ++x.words[0];
    s.store(x);
  }
}
template <typename Shared>
void load_beside(benchmark::State& state, Shared& s) {
  typename Shared::type x{};
  const harness::beside writer([&] { s.store(x); });
  load(state, s);
}
template <typename Shared>
void store_beside(benchmark::State& state, Shared& s) {
  typename Shared::type x{};
  const harness::beside reader([&] { s.load(x); });
  store(state, s);
}

template <typename T>
struct ours {
  using type = T;
  memory mem = *memory::create_anonymous(1 << 20);
  cell<T> c{mem, "c"};
  void load(T& x) { c.load(x); }
  void store(const T& x) { c.store(x); }
};
template <typename T>
struct behind_rwlock {
  using type = T;
  behind_rwlock() {
    pthread_rwlockattr_t shared;
    pthread_rwlockattr_init(&shared);
    pthread_rwlockattr_setpshared(&shared, PTHREAD_PROCESS_SHARED);
    pthread_rwlock_init(&lock, &shared);
    pthread_rwlockattr_destroy(&shared);
  }
  void load(T& to) {
    pthread_rwlock_rdlock(&lock);
    to = x;
    pthread_rwlock_unlock(&lock);
  }
  void store(const T& from) {
    pthread_rwlock_wrlock(&lock);
    x = from;
    pthread_rwlock_unlock(&lock);
  }
  pthread_rwlock_t lock;
  T x{};
};

template <size_t Bytes>
void BM_Load(benchmark::State& state) {
  ours<value<Bytes>> s;
  s.store({});
  load(state, s);
}
template <size_t Bytes>
void BM_Store(benchmark::State& state) {
  ours<value<Bytes>> s;
  store(state, s);
}
template <size_t Bytes>
void BM_LoadBesideAWriter(benchmark::State& state) {
  ours<value<Bytes>> s;
  load_beside(state, s);
}
template <size_t Bytes>
void BM_StoreBesideAReader(benchmark::State& state) {
  ours<value<Bytes>> s;
  s.store({});
  store_beside(state, s);
}
template <size_t Bytes>
void BM_PosixRwlockLoad(benchmark::State& state) {
  const harness::shared_state<behind_rwlock<value<Bytes>>> s;
  load(state, *s);
}
template <size_t Bytes>
void BM_PosixRwlockStore(benchmark::State& state) {
  const harness::shared_state<behind_rwlock<value<Bytes>>> s;
  store(state, *s);
}
template <size_t Bytes>
void BM_PosixRwlockLoadBesideAWriter(benchmark::State& state) {
  const harness::shared_state<behind_rwlock<value<Bytes>>> s;
  load_beside(state, *s);
}
template <size_t Bytes>
void BM_PosixRwlockStoreBesideAReader(benchmark::State& state) {
  const harness::shared_state<behind_rwlock<value<Bytes>>> s;
  store_beside(state, *s);
}

#ifdef ZEROIPC_PEER_BOOST
namespace ipc = boost::interprocess;

template <typename T>
struct behind_mutex {
  using type = T;
  void load(T& to) {
    const ipc::scoped_lock lock(mutex);
    to = x;
  }
  void store(const T& from) {
    const ipc::scoped_lock lock(mutex);
    x = from;
  }
  ipc::interprocess_mutex mutex;
  T x{};
};
template <size_t Bytes>
void BM_BoostMutexLoad(benchmark::State& state) {
  const harness::shared_state<harness::undestroyed<behind_mutex<value<Bytes>>>> shared;
  behind_mutex<value<Bytes>>& s = **shared;
  load(state, s);
}
template <size_t Bytes>
void BM_BoostMutexLoadBesideAWriter(benchmark::State& state) {
  const harness::shared_state<harness::undestroyed<behind_mutex<value<Bytes>>>> shared;
  behind_mutex<value<Bytes>>& s = **shared;
  load_beside(state, s);
}
template <size_t Bytes>
void BM_BoostMutexStoreBesideAReader(benchmark::State& state) {
  const harness::shared_state<harness::undestroyed<behind_mutex<value<Bytes>>>> shared;
  behind_mutex<value<Bytes>>& s = **shared;
  store_beside(state, s);
}
BENCHMARK_TEMPLATE(BM_BoostMutexLoad, 64);
BENCHMARK_TEMPLATE(BM_BoostMutexLoadBesideAWriter, 64)->UseRealTime();
BENCHMARK_TEMPLATE(BM_BoostMutexStoreBesideAReader, 64)->UseRealTime();
#endif

BENCHMARK_TEMPLATE(BM_Load, 64);
BENCHMARK_TEMPLATE(BM_Load, 4096);
BENCHMARK_TEMPLATE(BM_Store, 64);
BENCHMARK_TEMPLATE(BM_Store, 4096);
BENCHMARK_TEMPLATE(BM_PosixRwlockLoad, 64);
BENCHMARK_TEMPLATE(BM_PosixRwlockStore, 64);
BENCHMARK_TEMPLATE(BM_LoadBesideAWriter, 64)->UseRealTime();
BENCHMARK_TEMPLATE(BM_LoadBesideAWriter, 4096)->UseRealTime();
BENCHMARK_TEMPLATE(BM_StoreBesideAReader, 64)->UseRealTime();
BENCHMARK_TEMPLATE(BM_PosixRwlockLoadBesideAWriter, 64)->UseRealTime();
BENCHMARK_TEMPLATE(BM_PosixRwlockStoreBesideAReader, 64)->UseRealTime();

}  // namespace
}  // namespace zeroipc
