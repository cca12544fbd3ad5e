// Property: while somebody overwrites the words of a mutex, every operation with a deadline ends, and nobody crashes.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <random>
#include <vector>

#include "testing/harness/harness.h"
#include "testing/hostile/structure_scribble.h"
#include "zeroipc/mutex/mutex.h"

namespace zeroipc::internal {
namespace {

void operate(mutex& victim, std::mt19937_64& random) {
  const std::chrono::microseconds patience(random() % 3000);
  switch (random() % 3) {
    case 0:
      if (victim.try_lock()) victim.unlock();
      break;
    case 1:
      victim.mark_consistent();
      victim.stats();
      break;
    default:
      if (victim.try_lock_for(patience)) victim.unlock();
  }
}

TEST(MutexScribble, EveryOperationEnds) {
  harness::unique_segment segment;
  memory mem(segment.name(), 1 << 20);
  mutex first(mem, "victim");
  testing::scribble_structure(
      mem,
      {.type = {.what = kind::mutex},
       .header = round_up(sizeof(mutex_header<hardware>), kApart),
       .known = {0, 1, ~uint64_t{0}},
       .locks = [](std::byte* bytes) -> std::vector<robust_lock<hardware>*> {
         return {&reinterpret_cast<mutex_header<hardware>*>(bytes)->lock};
       }},
      [&](std::mt19937_64& random) { operate(first, random); });
}

}  // namespace
}  // namespace zeroipc::internal
