// Property: while somebody overwrites the words of a cell, every operation with a deadline ends, and nobody crashes.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <random>
#include <vector>

#include "testing/harness/harness.h"
#include "testing/hostile/structure_scribble.h"
#include "zeroipc/cell/cell.h"

namespace zeroipc::internal {
namespace {

struct item {
  uint64_t words[3];
};

void operate(cell<item>& s, std::mt19937_64& random) {
  const std::chrono::microseconds patience(random() % 3000);
  item x{};
  switch (random() % 8) {
    case 0:
      s.store_for(x, patience);
      break;
    case 1:
      s.load(x);
      break;
    case 2:
      s.wait_for_change_for(s.version(), patience);
      break;
    case 3:
      s.stats();
      break;
    default:
      s.store_for(x, std::chrono::microseconds(500));
      s.load(x);
  }
}

TEST(CellScribble, EveryOperationEnds) {
  harness::unique_segment segment;
  memory mem(segment.name(), 1 << 20);
  cell<item> first(mem, "victim");
  ASSERT_TRUE(first.store(item{}));
  testing::scribble_structure(
      mem,
      {.type = structure_type::of<item>(kind::cell),
       .header = sizeof(cell_header<hardware>),
       .known = {0, 1, 2, 5, ~uint64_t{0}},
       .locks = [](std::byte* bytes) -> std::vector<robust_lock<hardware>*> {
         return {&reinterpret_cast<cell_header<hardware>*>(bytes)->writer};
       }},
      [&](std::mt19937_64& random) { operate(first, random); });
}

}  // namespace
}  // namespace zeroipc::internal
