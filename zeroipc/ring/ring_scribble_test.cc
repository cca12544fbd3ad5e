// Property: while somebody overwrites the words of a ring, every operation with a deadline ends, and nobody crashes.
#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <random>
#include <vector>

#include "testing/harness/harness.h"
#include "testing/hostile/structure_scribble.h"
#include "zeroipc/ring/ring.h"

namespace zeroipc::internal {
namespace {

struct item {
  uint64_t words[3];
};

void operate(ring<item>& s, std::mt19937_64& random) {
  const std::chrono::microseconds patience(random() % 3000);
  item x{};
  std::array<item, 5> some{};
  switch (random() % 8) {
    case 0:
      s.push_for(x, patience);
      break;
    case 1: {
      auto r = s.reader(read_from::oldest);
      r.try_read_n(some);
      break;
    }
    case 2: {
      auto r = s.reader();
      r.read_for(x, patience);
      break;
    }
    case 3:
      s.newest();
      s.stats();
      s.size();
      break;
    default:
      s.push_for(x, std::chrono::microseconds(500));
  }
}

TEST(RingScribble, EveryOperationEnds) {
  harness::unique_segment segment;
  memory mem(segment.name(), 1 << 20);
  ring<item> first(mem, "victim", 7);
  for (int i = 0; i < 9; ++i) ASSERT_TRUE(first.push(item{}));
  testing::scribble_structure(
      mem,
      {.type = structure_type::of<item>(kind::ring),
       .header = sizeof(ring_header<hardware>),
       .known = {0, 1, 7, 8, 9, 10, ~uint64_t{0}},
       .locks = [](std::byte* bytes) -> std::vector<robust_lock<hardware>*> {
         return {&reinterpret_cast<ring_header<hardware>*>(bytes)->writer};
       }},
      [&](std::mt19937_64& random) { operate(first, random); });
}

}  // namespace
}  // namespace zeroipc::internal
