// Allocating and freeing: the segment's heap (crash-safe) beside Boost.Interprocess (not) and
// malloc (private).
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "zeroipc/heap/heap.h"

#ifdef ZEROIPC_PEER_BOOST
#include <unistd.h>

#include <boost/interprocess/managed_shared_memory.hpp>
#endif

namespace zeroipc::internal {
namespace {

constexpr size_t kSegment = 256 << 20;
constexpr size_t kLive = 64;

// Runs pairs of allocate and free over a small set of live blocks of mixed sizes, as a long-lived
// segment sees them.
template <typename Allocate, typename Free>
void run(benchmark::State& state, Allocate allocate, Free release) {
  const auto bytes = static_cast<uint64_t>(state.range(0));
  std::vector<decltype(allocate(bytes))> live;
  for (size_t i = 0; i < kLive; ++i) live.push_back(allocate(bytes + 64 * (i % 7)));
  size_t i = 0;
  for (auto _ : state) {
    release(live[i]);
    live[i] = allocate(bytes + 64 * (i % 5));
    i = (i + 7) % kLive;
  }
  for (auto block : live) release(block);
}

void BM_Heap(benchmark::State& state) {
  memory mem = *memory::create_anonymous(kSegment);
  const attachment& a = *mem.attachment();
  run(
      state,
      [&](uint64_t bytes) {
        absl::StatusOr<control_session> session = control_session::enter(a);
        transaction tx(a.base, a.geometry);
        const uint64_t offset = *heap(a).allocate(tx, bytes, 64);
        tx.commit().IgnoreError();
        return offset;
      },
      [&](uint64_t offset) {
        absl::StatusOr<control_session> session = control_session::enter(a);
        transaction tx(a.base, a.geometry);
        heap(a).free(tx, offset).IgnoreError();
        tx.commit().IgnoreError();
      });
}
BENCHMARK(BM_Heap)->Arg(64)->Arg(1024)->Arg(16384);

#ifdef ZEROIPC_PEER_BOOST
void BM_BoostInterprocess(benchmark::State& state) {
  namespace bip = boost::interprocess;
  const std::string name = "zeroipc_heap_benchmark." + std::to_string(::getpid());
  bip::shared_memory_object::remove(name.c_str());
  {
    bip::managed_shared_memory segment(bip::create_only, name.c_str(), kSegment);
    run(
        state, [&](uint64_t bytes) { return segment.allocate(bytes); },
        [&](void* block) { segment.deallocate(block); });
  }
  bip::shared_memory_object::remove(name.c_str());
}
BENCHMARK(BM_BoostInterprocess)->Arg(64)->Arg(1024)->Arg(16384);
#endif

void BM_Malloc(benchmark::State& state) {
  run(
      state, [&](uint64_t bytes) { return std::malloc(bytes); },
      [&](void* block) { std::free(block); });
}
BENCHMARK(BM_Malloc)->Arg(64)->Arg(1024)->Arg(16384);

}  // namespace
}  // namespace zeroipc::internal
