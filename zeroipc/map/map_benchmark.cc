// Finding and changing entries, at several sizes, beside absl::flat_hash_map and tbb::concurrent_hash_map in private memory, and
// LMDB, which shares; and readers beside a writer in another process.
#include <benchmark/benchmark.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <memory>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "testing/harness/harness.h"
#include "zeroipc/map/map.h"

#ifdef ZEROIPC_PEER_LMDB
#include <lmdb.h>
#endif
#ifdef ZEROIPC_PEER_TBB
#include <tbb/concurrent_hash_map.h>
#endif

namespace zeroipc {
namespace {

// Every key has its turn, in no order: a few of them are in the cache whatever the size.
std::vector<uint64_t> shuffled(int64_t n) {
  std::vector<uint64_t> keys(static_cast<size_t>(n));
  std::iota(keys.begin(), keys.end(), 0);
  std::shuffle(keys.begin(), keys.end(), std::mt19937_64(1));
  return keys;
}

struct filled {
  explicit filled(int64_t n)
      : mem(*memory::create_anonymous(static_cast<uint64_t>(n) * 128 + (4 << 20))),
        m(mem, "m", static_cast<size_t>(n)),
        keys(shuffled(n)) {
    for (const uint64_t k : keys) m.insert(k, k);
  }
  memory mem;
  map<uint64_t, uint64_t> m;
  std::vector<uint64_t> keys;
};

template <typename F>
void each_key(benchmark::State& state, const std::vector<uint64_t>& keys, F&& f) {
  size_t i = 0;
  for (auto _ : state) {
    f(keys[i]);
    if (++i == keys.size()) i = 0;
  }
  state.SetItemsProcessed(state.iterations());
}

void BM_Get(benchmark::State& state) {
  filled f(state.range(0));
  uint64_t v = 0;
  each_key(state, f.keys, [&](uint64_t k) { benchmark::DoNotOptimize(f.m.get(k, v)); });
}
void BM_GetMissing(benchmark::State& state) {
  filled f(state.range(0));
  uint64_t v = 0;
  each_key(state, f.keys, [&](uint64_t k) { benchmark::DoNotOptimize(f.m.get(~k, v)); });
}
void BM_Assign(benchmark::State& state) {
  filled f(state.range(0));
  each_key(state, f.keys, [&](uint64_t k) { benchmark::DoNotOptimize(f.m.assign(k, k + 1)); });
}
void BM_EraseInsert(benchmark::State& state) {
  filled f(state.range(0));
  each_key(state, f.keys, [&](uint64_t k) {
    f.m.erase(k);
    benchmark::DoNotOptimize(f.m.insert(k, k));
  });
}

absl::flat_hash_map<uint64_t, uint64_t> private_map(const std::vector<uint64_t>& keys) {
  absl::flat_hash_map<uint64_t, uint64_t> m;
  m.reserve(keys.size());
  for (const uint64_t k : keys) m.emplace(k, k);
  return m;
}
void BM_FlatHashMapFind(benchmark::State& state) {
  const std::vector<uint64_t> keys = shuffled(state.range(0));
  const auto m = private_map(keys);
  each_key(state, keys, [&](uint64_t k) { benchmark::DoNotOptimize(m.find(k)->second); });
}
void BM_FlatHashMapFindMissing(benchmark::State& state) {
  const std::vector<uint64_t> keys = shuffled(state.range(0));
  const auto m = private_map(keys);
  each_key(state, keys, [&](uint64_t k) { benchmark::DoNotOptimize(m.find(~k)); });
}
void BM_FlatHashMapAssign(benchmark::State& state) {
  const std::vector<uint64_t> keys = shuffled(state.range(0));
  auto m = private_map(keys);
  each_key(state, keys, [&](uint64_t k) { benchmark::DoNotOptimize(++m.find(k)->second); });
}
void BM_FlatHashMapEraseInsert(benchmark::State& state) {
  const std::vector<uint64_t> keys = shuffled(state.range(0));
  auto m = private_map(keys);
  each_key(state, keys, [&](uint64_t k) {
    m.erase(k);
    benchmark::DoNotOptimize(m.emplace(k, k));
  });
}

#ifdef ZEROIPC_PEER_TBB
void BM_TbbFind(benchmark::State& state) {
  const std::vector<uint64_t> keys = shuffled(state.range(0));
  tbb::concurrent_hash_map<uint64_t, uint64_t> m(keys.size());
  for (const uint64_t k : keys) m.emplace(k, k);
  each_key(state, keys, [&](uint64_t k) {
    decltype(m)::const_accessor found;
    benchmark::DoNotOptimize(m.find(found, k));
  });
}
void BM_TbbAssign(benchmark::State& state) {
  const std::vector<uint64_t> keys = shuffled(state.range(0));
  tbb::concurrent_hash_map<uint64_t, uint64_t> m(keys.size());
  for (const uint64_t k : keys) m.emplace(k, k);
  each_key(state, keys, [&](uint64_t k) {
    decltype(m)::accessor found;
    m.find(found, k);
    ++found->second;
  });
}
#endif

#ifdef ZEROIPC_PEER_LMDB
// In /dev/shm, and it need not reach a disk; a transaction for each operation, as ours are.
class lmdb {
 public:
  explicit lmdb(const std::vector<uint64_t>& keys) {
    ::mdb_env_create(&env_);
    ::mdb_env_set_mapsize(env_, keys.size() * 128 + (16 << 20));
    ::mdb_env_open(env_, file_.c_str(), MDB_NOSUBDIR | MDB_NOSYNC | MDB_NOMETASYNC | MDB_WRITEMAP,
                   0600);
    MDB_txn* t;
    ::mdb_txn_begin(env_, nullptr, 0, &t);
    ::mdb_dbi_open(t, nullptr, MDB_INTEGERKEY, &db_);
    for (const uint64_t k : keys) put(t, k, k);
    ::mdb_txn_commit(t);
    ::mdb_txn_begin(env_, nullptr, MDB_RDONLY, &reading_);
    ::mdb_txn_reset(reading_);
  }
  ~lmdb() {
    ::mdb_txn_abort(reading_);
    ::mdb_env_close(env_);
    for (const char* end : {"", "-lock"}) ::unlink((file_ + end).c_str());
  }
  bool get(uint64_t k, uint64_t& v) {
    ::mdb_txn_renew(reading_);
    MDB_val key = {sizeof k, &k}, value;
    const bool found = ::mdb_get(reading_, db_, &key, &value) == 0;
    if (found) std::memcpy(&v, value.mv_data, sizeof v);
    ::mdb_txn_reset(reading_);
    return found;
  }
  void assign(uint64_t k, uint64_t v) {
    MDB_txn* t;
    ::mdb_txn_begin(env_, nullptr, 0, &t);
    put(t, k, v);
    ::mdb_txn_commit(t);
  }

 private:
  void put(MDB_txn* t, uint64_t k, uint64_t v) {
    MDB_val key = {sizeof k, &k}, value = {sizeof v, &v};
    ::mdb_put(t, db_, &key, &value, 0);
  }

  const std::string file_ = "/dev/shm/zeroipc-map-benchmark-" + std::to_string(::getpid());
  MDB_env* env_;
  MDB_dbi db_;
  MDB_txn* reading_;
};
void BM_LmdbGet(benchmark::State& state) {
  const std::vector<uint64_t> keys = shuffled(state.range(0));
  lmdb m(keys);
  uint64_t v = 0;
  each_key(state, keys, [&](uint64_t k) { benchmark::DoNotOptimize(m.get(k, v)); });
}
void BM_LmdbAssign(benchmark::State& state) {
  const std::vector<uint64_t> keys = shuffled(state.range(0));
  lmdb m(keys);
  each_key(state, keys, [&](uint64_t k) { m.assign(k, k + 1); });
}
#endif

// Reads while another process writes, all the time, to all keys.
void BM_GetBesideAWriter(benchmark::State& state) {
  const harness::unique_segment segment;
  const memory mem(segment.name(), 64 << 20);
  map<uint64_t, uint64_t> m(mem, "m", 1000);
  for (uint64_t k = 0; k < 1000; ++k) m.insert(k, k);
  harness::shared_state<std::atomic<uint64_t>> written;
  harness::process writer([&]() -> int {
    for (uint64_t i = 0;; ++i) {
      m.assign(i % 1000, i);
      written->fetch_add(1, std::memory_order_relaxed);
    }
  });
  while (*written < 1000) {
  }
  const std::vector<uint64_t> keys = shuffled(1000);
  const uint64_t before = *written;
  uint64_t v = 0;
  each_key(state, keys, [&](uint64_t k) { benchmark::DoNotOptimize(m.get(k, v)); });
  state.counters["writes"] =
      benchmark::Counter(static_cast<double>(*written - before), benchmark::Counter::kIsRate);
  writer.kill();
  writer.wait();
}

constexpr int64_t kLeast = 1'000, kMost = 10'000'000;
BENCHMARK(BM_Get)->RangeMultiplier(10)->Range(kLeast, kMost);
BENCHMARK(BM_FlatHashMapFind)->RangeMultiplier(10)->Range(kLeast, kMost);
BENCHMARK(BM_GetMissing)->RangeMultiplier(10)->Range(kLeast, kMost);
BENCHMARK(BM_FlatHashMapFindMissing)->RangeMultiplier(10)->Range(kLeast, kMost);
BENCHMARK(BM_Assign)->RangeMultiplier(10)->Range(kLeast, kMost);
BENCHMARK(BM_FlatHashMapAssign)->RangeMultiplier(10)->Range(kLeast, kMost);
BENCHMARK(BM_EraseInsert)->RangeMultiplier(10)->Range(kLeast, kMost);
BENCHMARK(BM_FlatHashMapEraseInsert)->RangeMultiplier(10)->Range(kLeast, kMost);
BENCHMARK(BM_GetBesideAWriter)->UseRealTime();
#ifdef ZEROIPC_PEER_TBB
BENCHMARK(BM_TbbFind)->RangeMultiplier(10)->Range(kLeast, kMost);
BENCHMARK(BM_TbbAssign)->RangeMultiplier(10)->Range(kLeast, kMost);
#endif
#ifdef ZEROIPC_PEER_LMDB
BENCHMARK(BM_LmdbGet)->RangeMultiplier(10)->Range(kLeast, 1'000'000);
BENCHMARK(BM_LmdbAssign)->RangeMultiplier(10)->Range(kLeast, 1'000'000);
#endif

}  // namespace
}  // namespace zeroipc
