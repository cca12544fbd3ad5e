// Property: while somebody overwrites the words of a once, every operation with a deadline ends, and nobody crashes.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <random>
#include <vector>

#include "testing/harness/harness.h"
#include "testing/hostile/structure_scribble.h"
#include "zeroipc/once/once.h"

namespace zeroipc::internal {
namespace {

void operate(once& victim, std::mt19937_64& random) {
  const std::chrono::microseconds patience(random() % 3000);
  switch (random() % 3) {
    case 0:
      victim.try_call([] {});
      break;
    case 1:
      victim.wait_for(patience);
      victim.stats();
      break;
    default:
      victim.call_for(patience, [] {});
  }
}

TEST(OnceScribble, EveryOperationEnds) {
  harness::unique_segment segment;
  memory mem(segment.name(), 1 << 20);
  once first(mem, "victim");
  testing::scribble_structure(
      mem,
      {.type = {.what = kind::once},
       .header = round_up(sizeof(once_header<hardware>), kApart),
       .known = {0, 1, ~uint64_t{0}},
       .locks = [](std::byte* bytes) -> std::vector<robust_lock<hardware>*> {
         return {&reinterpret_cast<once_header<hardware>*>(bytes)->runner};
       }},
      [&](std::mt19937_64& random) { operate(first, random); });
}

}  // namespace
}  // namespace zeroipc::internal
