// Writing, and reading what another process writes, beside a ring of Boost behind a mutex.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <vector>

#include "testing/harness/beside.h"
#include "testing/harness/harness.h"
#include "zeroipc/ring/ring.h"

#ifdef ZEROIPC_PEER_BOOST
#include <boost/interprocess/sync/interprocess_mutex.hpp>
#include <boost/interprocess/sync/scoped_lock.hpp>
#endif

namespace zeroipc {
namespace {

template <size_t Bytes>
struct sample {
  uint64_t words[Bytes / 8];
};

template <size_t Bytes>
struct ours {
  explicit ours(size_t capacity = 1024)
      : mem(*memory::create_anonymous(capacity * (Bytes + 16) * 5 / 4 + (1 << 20))),
        r(mem, "r", capacity) {}
  memory mem;
  ring<sample<Bytes>> r;
};

// Of several sizes: it goes round, so a larger one is in no cache.
template <size_t Bytes>
void BM_Push(benchmark::State& state) {
  ours<Bytes> s(static_cast<size_t>(state.range(0)));
  const sample<Bytes> x{};
  for (auto _ : state) s.r.push(x);
}
template <size_t Bytes>
void BM_PushBatch(benchmark::State& state) {
  ours<Bytes> s;
  const std::vector<sample<Bytes>> some(32);
  for (auto _ : state) s.r.push_n(some);
  state.SetItemsProcessed(state.iterations() * 32);
}
template <size_t Bytes>
void BM_PushAndRead(benchmark::State& state) {
  ours<Bytes> s;
  auto reader = s.r.reader(read_from::next);
  sample<Bytes> x{};
  for (auto _ : state) {
    s.r.push(x);
    reader.try_read(x);
  }
}
template <size_t Bytes>
void BM_PushBesideAReader(benchmark::State& state) {
  ours<Bytes> s;
  sample<Bytes> x{};
  auto reader = s.r.reader(read_from::next);
  const harness::beside other([&] { reader.try_read(x); });
  for (auto _ : state) s.r.push(x);
}
// What the reader gets, of what a writer pushes as fast as it can.
template <size_t Bytes>
void BM_ReadBesideAWriter(benchmark::State& state) {
  ours<Bytes> s;
  sample<Bytes> x{};
  const harness::beside writer([&] { s.r.push(x); });
  auto reader = s.r.reader(read_from::next);
  for (auto _ : state) reader.read(x);
  state.counters["missed"] =
      static_cast<double>(reader.missed()) /
      static_cast<double>(reader.missed() + static_cast<uint64_t>(state.iterations()));
}

#ifdef ZEROIPC_PEER_BOOST
namespace ipc = boost::interprocess;

// boost::circular_buffer has its elements behind a plain pointer, so this is the same by hand.
template <size_t Bytes>
struct behind_mutex {
  static constexpr size_t kCapacity = 1024;
  ipc::interprocess_mutex mutex;
  uint64_t tail = 0;
  sample<Bytes> slots[kCapacity];

  void push(const sample<Bytes>& x) {
    const ipc::scoped_lock lock(mutex);
    slots[tail++ % kCapacity] = x;
  }
  bool read(uint64_t& position, sample<Bytes>& x) {
    const ipc::scoped_lock lock(mutex);
    if (position == tail) return false;
    if (tail - position > kCapacity) position = tail - kCapacity;
    x = slots[position++ % kCapacity];
    return true;
  }
};
template <size_t Bytes>
void BM_BoostMutexPush(benchmark::State& state) {
  const harness::shared_state<harness::undestroyed<behind_mutex<Bytes>>> shared;
  behind_mutex<Bytes>& s = **shared;
  const sample<Bytes> x{};
  for (auto _ : state) s.push(x);
}
template <size_t Bytes>
void BM_BoostMutexPushBesideAReader(benchmark::State& state) {
  const harness::shared_state<harness::undestroyed<behind_mutex<Bytes>>> shared;
  behind_mutex<Bytes>& s = **shared;
  sample<Bytes> x{};
  uint64_t position = 0;
  const harness::beside other([&] { s.read(position, x); });
  for (auto _ : state) s.push(x);
}
BENCHMARK_TEMPLATE(BM_BoostMutexPush, 64);
BENCHMARK_TEMPLATE(BM_BoostMutexPushBesideAReader, 64)->UseRealTime();
#endif

BENCHMARK_TEMPLATE(BM_Push, 64)->RangeMultiplier(10)->Range(1'000, 10'000'000);
BENCHMARK_TEMPLATE(BM_Push, 1024)->Arg(1'000);
BENCHMARK_TEMPLATE(BM_PushBatch, 64);
BENCHMARK_TEMPLATE(BM_PushAndRead, 64);
BENCHMARK_TEMPLATE(BM_PushBesideAReader, 64)->UseRealTime();
BENCHMARK_TEMPLATE(BM_ReadBesideAWriter, 64)->UseRealTime();

}  // namespace
}  // namespace zeroipc
