// Property: while somebody overwrites the words of a semaphore, every operation with a deadline ends, and nobody crashes.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <random>
#include <vector>

#include "testing/harness/harness.h"
#include "testing/hostile/structure_scribble.h"
#include "zeroipc/semaphore/semaphore.h"

namespace zeroipc::internal {
namespace {

void operate(semaphore& victim, std::mt19937_64& random) {
  const std::chrono::microseconds patience(random() % 3000);
  switch (random() % 4) {
    case 0:
      if (victim.try_acquire()) victim.release();
      break;
    case 1:
      victim.try_take_for(patience);
      break;
    case 2:
      victim.release();
      victim.stats();
      break;
    default:
      if (victim.try_acquire_for(patience)) victim.release();
  }
}

TEST(SemaphoreScribble, EveryOperationEnds) {
  harness::unique_segment segment;
  memory mem(segment.name(), 1 << 20);
  semaphore first(mem, "victim", 5);
  testing::scribble_structure(mem,
                              {.type = {.what = kind::semaphore},
                               .header = round_up(sizeof(semaphore_header<hardware>), kApart),
                               .known = {0, 1, ~uint64_t{0}}},
                              [&](std::mt19937_64& random) { operate(first, random); });
}

}  // namespace
}  // namespace zeroipc::internal
