// Property: while somebody overwrites the words of a array, every operation with a deadline ends, and nobody crashes.
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

#include "testing/harness/harness.h"
#include "testing/hostile/structure_scribble.h"
#include "zeroipc/array/array.h"

namespace zeroipc::internal {
namespace {

struct item {
  uint64_t words[3];
};

void operate(array<item>& s, std::mt19937_64& random) {
  item x{};
  std::array<item, 5> some{};
  switch (random() % 8) {
    case 0:
      s.store(random() % 9, x);
      break;
    case 1:
      s.load(random() % 9, x);
      break;
    case 2:
      s.update(random() % 9, [](item& i) { ++i.words[0]; });
      break;
    case 3:
      s.copy_out(2, some);
      s.stats();
      break;
    default:
      some[1] = s.load(random() % 9);
  }
}

TEST(ArrayScribble, EveryOperationEnds) {
  harness::unique_segment segment;
  memory mem(segment.name(), 1 << 20);
  array<item> first(mem, "victim", 9);
  first.fill(item{});
  testing::scribble_structure(
      mem,
      {.type = structure_type::of<item>(kind::array),
       .header = sizeof(array_header<hardware>),
       .known = {0, 1, 2, 8, 9, ~uint64_t{0}},
       .locks =
           [](std::byte* bytes) {
             structure_geometry g;
             std::memcpy(&g, bytes, sizeof g);
             std::vector<robust_lock<hardware>*> all;
             for (uint64_t i = 0; i < g.extra; ++i) {
               all.push_back(
                   &reinterpret_cast<array_stripe<hardware>*>(item_of(bytes, g, 0, i))->lock);
             }
             return all;
           }},
      [&](std::mt19937_64& random) { operate(first, random); });
}

}  // namespace
}  // namespace zeroipc::internal
