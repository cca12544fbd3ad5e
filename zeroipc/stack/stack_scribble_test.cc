// Property: while somebody overwrites the words of a stack, every operation with a deadline ends, and nobody crashes.
#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <random>
#include <span>
#include <vector>

#include "testing/harness/harness.h"
#include "testing/hostile/structure_scribble.h"
#include "zeroipc/stack/stack.h"

namespace zeroipc::internal {
namespace {

struct item {
  uint64_t words[3];
};

void operate(stack<item>& s, std::mt19937_64& random) {
  const std::chrono::microseconds patience(random() % 3000);
  item x{};
  std::array<item, 5> some{};
  switch (random() % 8) {
    case 0:
      s.push_for(x, patience);
      break;
    case 1:
      s.pop_for(x, patience);
      break;
    case 2:
      s.push_n_for(std::span<const item>(some), patience);
      break;
    case 3:
      s.pop_n_for(std::span<item>(some), patience);
      break;
    case 4:
      s.try_top(x);
      s.stats();
      break;
    case 5:
      // Undone with the next round, like everything else.
      if (random() % 8 == 0) s.close();
      break;
    default:
      s.push_for(x, patience);
      s.pop_for(x, patience);
  }
}

TEST(StackScribble, EveryOperationEnds) {
  harness::unique_segment segment;
  memory mem(segment.name(), 1 << 20);
  stack<item> first(mem, "victim", 7);
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(first.push(item{}));
  testing::scribble_structure(
      mem,
      {.type = structure_type::of<item>(kind::stack),
       .header = sizeof(stack_header<hardware>),
       .known = {0, 1, 7, 8, ~uint64_t{0}},
       .locks = [](std::byte* bytes) -> std::vector<robust_lock<hardware>*> {
         return {&reinterpret_cast<stack_header<hardware>*>(bytes)->lock};
       }},
      [&](std::mt19937_64& random) { operate(first, random); });
}

}  // namespace
}  // namespace zeroipc::internal
