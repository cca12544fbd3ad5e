// Property: while somebody overwrites event words, robust locks and the death epoch, waiting and locking with a deadline end,
// and so do notifying and unlocking.
#include <gtest/gtest.h>

#include <chrono>
#include <random>

#include "testing/evidence/evidence.h"
#include "testing/harness/harness.h"
#include "testing/hostile/scribbler.h"
#include "zeroipc/participant/test_support.h"
#include "zeroipc/wait/robust_lock.h"
#include "zeroipc/wait/wait.h"

namespace zeroipc::internal {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::scribble_plan;
using testing::scribbled_work;

struct words {
  robust_lock<hardware> locks[2];
  event_word<hardware> events[2];
};

TEST(WaitScribble, WhatHasADeadlineEnds) {
  harness::unique_segment segment;
  memory mem(segment.name(), kTestSegmentBytes);
  words& shared = scratch<words>(mem);
  scribbled_work work(3, [&](int me, scribbled_work& w) {
    std::mt19937_64 random(static_cast<uint64_t>(me));
    participant& self = self_of(mem);
    w.ready(me);
    while (w.next()) {
      const deadline until = deadline::after(microseconds(random() % 3000));
      robust_lock<hardware>& lock = shared.locks[random() % 2];
      event_word<hardware>& event = shared.events[random() % 2];
      switch (random() % 4) {
        case 0:
          if (lock.lock(self, until) != lock_result::busy) lock.unlock(self);
          break;
        case 1:
          if (lock.try_lock(self) != lock_result::busy) lock.unlock(self);
          break;
        case 2:
          event.notify(self, 1 + static_cast<int>(random() % 3));
          break;
        default: {
          int looks = 0;
          const int enough = 500 + static_cast<int>(random() % 8);
          wait_until<hardware>(self, event, until, [&] { return ++looks > enough; });
        }
      }
    }
  });
  scribble_plan plan = {.regions = {{&shared, sizeof shared},
                                    {&shared, sizeof shared},
                                    {&header_of(mem).death_epoch, 8}},
                        .known = {1, 2, 3, 0xffff'ffff, 0x1'0000'0001}};
  for (uint32_t slot = 0; slot < 5; ++slot) plan.known.push_back(owner_tag(slot, 1).bits());
  work.scribble_for(
      testing::quick_or_full<std::chrono::nanoseconds>(milliseconds(1000), seconds(60)), plan);
  EXPECT_TRUE(work.finish());
  for (const char* structure : {"robust lock", "event word"}) {
    testing::evidence(structure, testing::instrument::scribbler)
        .figure("rounds", work.rounds())
        .figure("words overwritten", work.words())
        .figure("operations", work.operations());
  }
}

}  // namespace
}  // namespace zeroipc::internal
