// Property: while somebody overwrites the words of a latch, every operation with a deadline ends, and nobody crashes.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <random>
#include <vector>

#include "testing/harness/harness.h"
#include "testing/hostile/structure_scribble.h"
#include "zeroipc/latch/latch.h"

namespace zeroipc::internal {
namespace {

void operate(latch& victim, std::mt19937_64& random) {
  const std::chrono::microseconds patience(random() % 3000);
  switch (random() % 4) {
    case 0:
      victim.count_down();
      break;
    case 1:
      victim.promise().arrive();
      break;
    case 2:
      victim.promise();
      victim.stats();
      break;
    default:
      victim.wait_for(patience);
  }
}

TEST(LatchScribble, EveryOperationEnds) {
  harness::unique_segment segment;
  memory mem(segment.name(), 1 << 20);
  latch first(mem, "victim", 9);
  testing::scribble_structure(mem,
                              {.type = {.what = kind::latch},
                               .header = round_up(sizeof(latch_header<hardware>), kApart),
                               .known = {0, 1, 2, ~uint64_t{0}}},
                              [&](std::mt19937_64& random) { operate(first, random); });
}

}  // namespace
}  // namespace zeroipc::internal
