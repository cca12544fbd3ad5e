// Property: while somebody overwrites the words of a barrier, every operation with a deadline ends, and nobody crashes.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <random>
#include <vector>

#include "testing/harness/harness.h"
#include "testing/hostile/structure_scribble.h"
#include "zeroipc/barrier/barrier.h"

namespace zeroipc::internal {
namespace {

void operate(barrier& victim, std::mt19937_64& random) {
  const std::chrono::microseconds patience(random() % 3000);
  switch (random() % 3) {
    case 0:
      victim.join();
      break;
    case 1:
      victim.drop();
      victim.stats();
      break;
    default:
      victim.arrive_and_wait_for(patience);
  }
}

TEST(BarrierScribble, EveryOperationEnds) {
  harness::unique_segment segment;
  memory mem(segment.name(), 1 << 20);
  barrier first(mem, "victim", 3);
  testing::scribble_structure(mem,
                              {.type = {.what = kind::barrier},
                               .header = round_up(sizeof(barrier_header<hardware>), kApart),
                               .known = {0, 1, uint64_t{1} << 32, ~uint64_t{0}}},
                              [&](std::mt19937_64& random) { operate(first, random); });
}

}  // namespace
}  // namespace zeroipc::internal
