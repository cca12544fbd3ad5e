// Asking for keys, putting them in and taking them out, at several sizes, beside absl::flat_hash_set in private memory.
#include <benchmark/benchmark.h>

#include <cstdint>

#include "absl/container/flat_hash_set.h"
#include "zeroipc/set/set.h"

namespace zeroipc {
namespace {

struct ours {
  explicit ours(int64_t n)
      : mem(*memory::create_anonymous(static_cast<uint64_t>(n) * 96 + (4 << 20))),
        keys(mem, "keys", static_cast<size_t>(n)) {}
  memory mem;
  set<uint64_t> keys;
  bool contains(uint64_t k) const { return keys.contains(k); }
  void insert(uint64_t k) { keys.insert(k); }
  void erase(uint64_t k) { keys.erase(k); }
};
struct flat_hash_set {
  explicit flat_hash_set(int64_t n) { keys.reserve(static_cast<size_t>(n)); }
  absl::flat_hash_set<uint64_t> keys;
  bool contains(uint64_t k) const { return keys.contains(k); }
  void insert(uint64_t k) { keys.insert(k); }
  void erase(uint64_t k) { keys.erase(k); }
};

// The next of n keys, in an order without locality.
uint64_t next(uint64_t k, uint64_t n) { return (k + 0x9e37'79b9'7f4a'7c15) % n; }

template <typename Set>
void BM_Contains(benchmark::State& state) {
  const auto n = static_cast<uint64_t>(state.range(0));
  Set s(state.range(0));
  for (uint64_t k = 0; k < n; ++k) s.insert(k);
  uint64_t k = 0;
  for (auto _ : state) benchmark::DoNotOptimize(s.contains(k = next(k, n)));
}
template <typename Set>
void BM_EraseInsert(benchmark::State& state) {
  const auto n = static_cast<uint64_t>(state.range(0));
  Set s(state.range(0));
  for (uint64_t k = 0; k < n; ++k) s.insert(k);
  uint64_t k = 0;
  for (auto _ : state) {
    k = next(k, n);
    s.erase(k);
    s.insert(k);
  }
}

BENCHMARK_TEMPLATE(BM_Contains, ours)->RangeMultiplier(10)->Range(1'000, 10'000'000);
BENCHMARK_TEMPLATE(BM_Contains, flat_hash_set)->RangeMultiplier(10)->Range(1'000, 10'000'000);
BENCHMARK_TEMPLATE(BM_EraseInsert, ours)->RangeMultiplier(10)->Range(1'000, 10'000'000);
BENCHMARK_TEMPLATE(BM_EraseInsert, flat_hash_set)->RangeMultiplier(10)->Range(1'000, 10'000'000);

}  // namespace
}  // namespace zeroipc
