// Property: while somebody overwrites the words of a map, every operation ends, and nobody crashes.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <random>
#include <vector>

#include "testing/harness/harness.h"
#include "testing/hostile/structure_scribble.h"
#include "zeroipc/map/map.h"

namespace zeroipc::internal {
namespace {

struct item {
  uint64_t words[3];
};
constexpr size_t kCapacity = 20;

void operate(map<uint32_t, item>& m, std::mt19937_64& random) {
  const auto key = static_cast<uint32_t>(random() % 32);
  item x{};
  switch (random() % 8) {
    case 0:
      m.insert(key, x);
      break;
    case 1:
      m.insert_or_assign(key, x);
      break;
    case 2:
      m.erase(key);
      break;
    case 3:
      m.update(key, [](item& i) { ++i.words[1]; });
      break;
    case 4:
      m.wait_for_change_for(key, m.version(key), std::chrono::microseconds(random() % 3000));
      break;
    case 5:
      m.for_each([](uint32_t, const item&) {});
      m.stats();
      break;
    default:
      m.get(key, x);
  }
}

TEST(MapScribble, EveryOperationEnds) {
  harness::unique_segment segment;
  memory mem(segment.name(), 1 << 20);
  map<uint32_t, item> first(mem, "victim", kCapacity);
  for (uint32_t k = 0; k < kCapacity; ++k) ASSERT_TRUE(first.insert(k, item{}));
  constexpr size_t kHeader = round_up(sizeof(map_header<hardware>), kApart);
  testing::scribble_structure(
      mem,
      {.type = structure_type::of<map_entry<uint32_t, item>>(kind::map),
       .header = kHeader,
       .known = {0, 1, 5, uint64_t{1} << 63, ~uint64_t{0}},
       .locks =
           [](std::byte* bytes) {
             std::vector<robust_lock<hardware>*> locks;
             auto* stripes = reinterpret_cast<map_stripe<hardware>*>(bytes + kHeader);
             for (uint64_t i = 0; i < map_stripes(map_buckets(kCapacity)); ++i) {
               locks.push_back(&stripes[i].lock);
             }
             return locks;
           }},
      [&](std::mt19937_64& random) { operate(first, random); });
}

}  // namespace
}  // namespace zeroipc::internal
