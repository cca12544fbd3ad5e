// Property: while somebody overwrites the words of an rwlock, every operation with a deadline ends, and nobody crashes.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <random>
#include <vector>

#include "testing/harness/harness.h"
#include "testing/hostile/structure_scribble.h"
#include "zeroipc/rwlock/rwlock.h"

namespace zeroipc::internal {
namespace {

void operate(rwlock& victim, std::mt19937_64& random) {
  const std::chrono::microseconds patience(random() % 3000);
  switch (random() % 5) {
    case 0:
      if (victim.try_lock()) victim.unlock();
      break;
    case 1:
      if (victim.try_lock_shared()) victim.unlock_shared();
      break;
    case 2:
      if (victim.try_lock_shared_for(patience)) victim.unlock_shared();
      break;
    case 3:
      victim.mark_consistent();
      victim.stats();
      break;
    default:
      if (victim.try_lock_for(patience)) victim.unlock();
  }
}

TEST(RwlockScribble, EveryOperationEnds) {
  harness::unique_segment segment;
  memory mem(segment.name(), 1 << 20);
  rwlock first(mem, "victim");
  testing::scribble_structure(
      mem,
      {.type = {.what = kind::rwlock},
       .header = round_up(sizeof(rwlock_header<hardware>), kApart),
       .known = {0, 1, 1 << 10, 1 << 20, ~uint64_t{0}},
       .locks = [](std::byte* bytes) -> std::vector<robust_lock<hardware>*> {
         return {&reinterpret_cast<rwlock_header<hardware>*>(bytes)->writer};
       }},
      [&](std::mt19937_64& random) { operate(first, random); });
}

}  // namespace
}  // namespace zeroipc::internal
