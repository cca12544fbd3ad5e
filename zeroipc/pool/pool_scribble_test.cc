// Property: while somebody overwrites the words of a pool, every operation with a deadline ends, and nobody crashes.
#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <random>
#include <span>

#include "testing/harness/harness.h"
#include "testing/hostile/structure_scribble.h"
#include "zeroipc/pool/pool.h"

namespace zeroipc::internal {
namespace {

struct item {
  uint64_t words[3];
};

void operate(pool<item>& s, std::mt19937_64& random) {
  const std::chrono::microseconds patience(random() % 3000);
  item x{};
  std::array<item, 5> some{};
  switch (random() % 8) {
    case 0:
      s.deallocate(s.allocate_for(patience));
      break;
    case 1: {
      std::array<item*, 80> cells;
      const size_t n = s.allocate_n(cells);
      s.deallocate_n(std::span(cells).first(n));
      break;
    }
    case 2:
      s.borrow_for(patience);
      break;
    case 3:
      s.adopt({static_cast<uint32_t>(random() % 80), 1});
      break;
    case 4:
      s.recover();
      s.stats();
      break;
    default:
      if (item* c = s.allocate()) {
        *c = x;
        s.deallocate(c);
      }
      some[0] = x;
  }
}

TEST(PoolScribble, EveryOperationEnds) {
  harness::unique_segment segment;
  memory mem(segment.name(), 1 << 20);
  pool<item> first(mem, "victim", 70);
  first.allocate();
  testing::scribble_structure(mem,
                              {.type = structure_type::of<item>(kind::pool),
                               .header = sizeof(pool_header<hardware>),
                               .known = {0, 1, 2, ~uint64_t{0}}},
                              [&](std::mt19937_64& random) { operate(first, random); });
}

}  // namespace
}  // namespace zeroipc::internal
