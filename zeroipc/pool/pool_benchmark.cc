// Allocating and giving back, alone and beside another process, with few cells free and many, beside Boost.Interprocess and malloc.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <cstdlib>
#include <new>
#include <vector>

#include "testing/harness/beside.h"
#include "testing/harness/harness.h"
#include "zeroipc/pool/pool.h"

#ifdef ZEROIPC_PEER_BOOST
#include <boost/interprocess/indexes/iset_index.hpp>
#include <boost/interprocess/managed_external_buffer.hpp>
#include <boost/interprocess/mem_algo/rbtree_best_fit.hpp>
#endif

namespace zeroipc {
namespace {

struct cell {
  uint64_t words[8];
};

struct ours {
  explicit ours(size_t capacity)
      : mem(*memory::create_anonymous(capacity * (sizeof(cell) + 16) + (4 << 20))),
        p(mem, "p", capacity) {}
  memory mem;
  pool<cell> p;
  void* take() { return p.allocate(); }
  void give(void* c) { p.deallocate(static_cast<cell*>(c)); }
};

template <typename P>
void take_and_give(benchmark::State& state, P& p) {
  for (auto _ : state) {
    void* c = p.take();
    benchmark::DoNotOptimize(c);
    p.give(c);
  }
}
template <typename P>
void beside_another(benchmark::State& state, P& p) {
  const harness::beside other([&] {
    if (void* c = p.take()) p.give(c);
  });
  take_and_give(state, p);
}

void BM_AllocateAndFree(benchmark::State& state) {
  ours s(static_cast<size_t>(state.range(0)));
  take_and_give(state, s);
}
void BM_AllocateAndFreeBesideAnother(benchmark::State& state) {
  ours s(1024);
  beside_another(state, s);
}
// One is free, and somewhere.
void BM_LastCell(benchmark::State& state) {
  const auto n = static_cast<size_t>(state.range(0));
  ours s(n);
  std::vector<void*> all(n);
  for (void*& c : all) c = s.take();
  s.give(all[n / 2]);
  take_and_give(state, s);
}

struct malloc_of_this_process {
  void* take() { return std::malloc(sizeof(cell)); }
  void give(void* c) { std::free(c); }
};
void BM_Malloc(benchmark::State& state) {
  malloc_of_this_process m;
  take_and_give(state, m);
}

#ifdef ZEROIPC_PEER_BOOST
struct boost_segment {
  static constexpr size_t kBytes = 1 << 20;
  struct room {
    alignas(4096) std::byte bytes[kBytes];
  };
  harness::shared_state<room> shared;
  // The one of that name takes no lock.
  boost::interprocess::basic_managed_external_buffer<
      char, boost::interprocess::rbtree_best_fit<boost::interprocess::mutex_family>,
      boost::interprocess::iset_index>
      segment{boost::interprocess::create_only, shared->bytes, kBytes};
  void* take() { return segment.allocate(sizeof(cell), std::nothrow); }
  void give(void* c) { segment.deallocate(c); }
};
void BM_BoostAllocateAndFree(benchmark::State& state) {
  boost_segment s;
  take_and_give(state, s);
}
void BM_BoostAllocateAndFreeBesideAnother(benchmark::State& state) {
  boost_segment s;
  beside_another(state, s);
}
BENCHMARK(BM_BoostAllocateAndFree);
BENCHMARK(BM_BoostAllocateAndFreeBesideAnother)->UseRealTime();
#endif

BENCHMARK(BM_AllocateAndFree)->RangeMultiplier(10)->Range(1'000, 10'000'000);
BENCHMARK(BM_LastCell)->RangeMultiplier(10)->Range(1'000, 10'000'000);
BENCHMARK(BM_AllocateAndFreeBesideAnother)->UseRealTime();
BENCHMARK(BM_Malloc);

}  // namespace
}  // namespace zeroipc
