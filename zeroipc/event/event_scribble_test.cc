// Property: while somebody overwrites the words of an event, every operation with a deadline ends, and nobody crashes.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <random>
#include <vector>

#include "testing/harness/harness.h"
#include "testing/hostile/structure_scribble.h"
#include "zeroipc/event/event.h"

namespace zeroipc::internal {
namespace {

void operate(event& victim, std::mt19937_64& random) {
  const std::chrono::microseconds patience(random() % 3000);
  switch (random() % 3) {
    case 0:
      victim.set();
      break;
    case 1:
      victim.reset();
      victim.stats();
      break;
    default:
      victim.wait_for(patience);
  }
}

TEST(EventScribble, EveryOperationEnds) {
  harness::unique_segment segment;
  memory mem(segment.name(), 1 << 20);
  event first(mem, "victim", event_reset::automatic);
  testing::scribble_structure(mem,
                              {.type = {.what = kind::event},
                               .header = round_up(sizeof(event_header<hardware>), kApart),
                               .known = {0, 1, ~uint64_t{0}}},
                              [&](std::mt19937_64& random) { operate(first, random); });
}

}  // namespace
}  // namespace zeroipc::internal
