// Finding, opening, creating and removing names, at several counts of names, beside
// Boost.Interprocess.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "zeroipc/name_table/lookup.h"
#include "zeroipc/name_table/name_table.h"

#ifdef ZEROIPC_PEER_BOOST
#include <unistd.h>

#include <boost/interprocess/managed_shared_memory.hpp>
#endif

namespace zeroipc::internal {
namespace {

constexpr size_t kSegment = size_t{1} << 30;
const structure_type kRaw = {.what = kind::raw};

std::vector<std::string> names(int n) {
  std::vector<std::string> all;
  for (int i = 0; i < n; ++i) all.push_back("queue-" + std::to_string(i));
  return all;
}
// A few names, over and over, are in the cache whatever the count; so every name has its turn.
std::vector<std::string> shuffled(int n) {
  std::vector<std::string> all = names(n);
  std::shuffle(all.begin(), all.end(), std::mt19937(1));
  return all;
}

const memory& segment_with(int n) {
  static std::map<int, memory> segments;
  auto it = segments.find(n);
  if (it == segments.end()) {
    memory mem = *memory::create_anonymous(kSegment);
    for (const std::string& name : names(n)) {
      create_structure(mem, name, kRaw, 64, 64, [](void*) {}).IgnoreError();
    }
    it = segments.emplace(n, std::move(mem)).first;
  }
  return it->second;
}

void BM_Lookup(benchmark::State& state) {
  const int n = static_cast<int>(state.range(0));
  const memory& mem = segment_with(n);
  const std::vector<std::string> all = shuffled(n);
  const name_view view(*mem.attachment());
  size_t i = 0;
  for (auto _ : state) {
    const located found = view.find(name_key(all[i]));
    if (found.result != lookup_result::found) state.SkipWithError("lost a name");
    benchmark::DoNotOptimize(found.offset);
    i = i + 1 == all.size() ? 0 : i + 1;
  }
}
BENCHMARK(BM_Lookup)->Arg(100)->Arg(10'000)->Arg(100'000);

void BM_OpenAndClose(benchmark::State& state) {
  const int n = static_cast<int>(state.range(0));
  const memory& mem = segment_with(n);
  const std::vector<std::string> all = shuffled(n);
  size_t i = 0;
  for (auto _ : state) {
    if (!open_structure(mem, all[i], kRaw).ok()) state.SkipWithError("lost a name");
    i = i + 1 == all.size() ? 0 : i + 1;
  }
}
BENCHMARK(BM_OpenAndClose)->Arg(100)->Arg(10'000)->Arg(100'000);

void BM_CreateAndRemove(benchmark::State& state) {
  const memory& mem = segment_with(static_cast<int>(state.range(0)));
  for (auto _ : state) {
    create_structure(mem, "another", kRaw, 1000, 64, [](void*) {}).IgnoreError();
    if (!remove(mem, "another").ok()) state.SkipWithError("lost a name");
  }
}
BENCHMARK(BM_CreateAndRemove)->Arg(100)->Arg(10'000)->Arg(100'000);

#ifdef ZEROIPC_PEER_BOOST
namespace bip = boost::interprocess;
struct sixty_four {
  char bytes[64];
};

class boost_segment {
 public:
  explicit boost_segment(int n)
      : name_("zeroipc_name_benchmark." + std::to_string(::getpid()) + "." + std::to_string(n)) {
    bip::shared_memory_object::remove(name_.c_str());
    segment =
        std::make_unique<bip::managed_shared_memory>(bip::create_only, name_.c_str(), kSegment);
    bip::shared_memory_object::remove(name_.c_str());
    for (const std::string& name : names(n)) segment->construct<sixty_four>(name.c_str())();
  }
  std::unique_ptr<bip::managed_shared_memory> segment;

 private:
  std::string name_;
};

bip::managed_shared_memory& boost_segment_with(int n) {
  static std::map<int, std::unique_ptr<boost_segment>> segments;
  std::unique_ptr<boost_segment>& s = segments[n];
  if (s == nullptr) s = std::make_unique<boost_segment>(n);
  return *s->segment;
}

void BM_BoostFind(benchmark::State& state) {
  const int n = static_cast<int>(state.range(0));
  bip::managed_shared_memory& segment = boost_segment_with(n);
  const std::vector<std::string> all = shuffled(n);
  size_t i = 0;
  for (auto _ : state) {
    auto found = segment.find<sixty_four>(all[i].c_str());
    if (found.first == nullptr) state.SkipWithError("lost a name");
    benchmark::DoNotOptimize(found);
    i = i + 1 == all.size() ? 0 : i + 1;
  }
}
BENCHMARK(BM_BoostFind)->Arg(100)->Arg(10'000)->Arg(100'000);

void BM_BoostConstructAndDestroy(benchmark::State& state) {
  bip::managed_shared_memory& segment = boost_segment_with(static_cast<int>(state.range(0)));
  for (auto _ : state) {
    segment.construct<char>("another")[1000](0);
    segment.destroy<char>("another");
  }
}
BENCHMARK(BM_BoostConstructAndDestroy)->Arg(100)->Arg(10'000)->Arg(100'000);
#endif

}  // namespace
}  // namespace zeroipc::internal
