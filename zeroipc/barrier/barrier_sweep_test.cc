// Property: a process killed at any instruction of an operation leaves a barrier at which the living meet; and so
// does the next one, killed at any instruction of its own.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <string>

#include "testing/kill_sweep/blocked_kill.h"
#include "testing/kill_sweep/structure_sweep.h"
#include "zeroipc/barrier/barrier.h"

namespace zeroipc {
namespace {

using testing::moment;

struct rig {
  memory mem = testing::small_memory();
  barrier b{mem, "b", 2, on_death::shrink};
};

TEST(BarrierSweep, AnyInstructionMayBeTheLast) {
  testing::structure_sweep<rig> sweep("barrier");
  sweep.operation("join", [](rig& r) { r.b.join(); });
  sweep.operation("arrive", [](rig& r) {
    barrier::phase k;
    r.b.arrive(k);
  });
  sweep.operation("arrive, twice", [](rig& r) {
    barrier::phase k;
    r.b.arrive(k);
    r.b.arrive_and_wait();
  });
  sweep.operation("join and drop", [](rig& r) {
    r.b.join();
    r.b.drop();
  });
  sweep.recoverer([](const memory& copy) {
    return [b = barrier(copy, "b")]() mutable {
      barrier::phase k;
      b.arrive(k);
      b.arrive(k);
    };
  });
  sweep.run([](const memory& copy, const std::string& operation, const moment& at) {
    barrier b(copy, "b");
    const uint64_t completed = b.stats().completed;
    if (at.second < 0) {
      EXPECT_LE(completed, operation == "arrive, twice");
      if (at.returned) {
        EXPECT_EQ(completed, operation == "arrive, twice");
      }
    }
    // Nobody but this process lives. It takes the seats that are left, and the phases go on.
    if (b.stats().dropped == 2) {
      EXPECT_TRUE(b.join());
    }
    barrier::phase first = 0, k = 0;
    EXPECT_TRUE(b.arrive(first));
    while (!b.try_wait(first)) {
      ASSERT_TRUE(b.arrive(k)) << "a phase that nobody is awaited in does not end";
      ASSERT_EQ(k, first);
    }
    EXPECT_EQ(b.stats().completed, first);
  });
}

// Two who wait, and who serves them.
struct rig_of_three {
  memory mem = testing::small_memory();
  barrier shrinks{mem, "s", 3, on_death::shrink}, breaks{mem, "b", 3, on_death::break_all};
};

TEST(BarrierSweep, WhoWaitsBesideOneThatDiesIsServed) {
  constexpr std::chrono::hours kLong(1);
  testing::blocked_kill<rig_of_three> kills("barrier");
  using rig = rig_of_three;
  kills.operation("arrive_and_wait",
                  {.wait = [](rig& r) { EXPECT_TRUE(r.shrinks.arrive_and_wait()); },
                   .serve = [](rig& r) { EXPECT_TRUE(r.shrinks.arrive_and_wait()); },
                   .have_come = [](rig& r, uint64_t n) { return r.shrinks.stats().arrived == n; }});
  kills.operation("arrive_and_wait_for",
                  {.wait = [](rig& r) { EXPECT_TRUE(r.shrinks.arrive_and_wait_for(kLong)); },
                   .serve = [](rig& r) { EXPECT_TRUE(r.shrinks.arrive_and_wait()); },
                   .have_come = [](rig& r, uint64_t n) { return r.shrinks.stats().arrived == n; }});
  // Whoever has arrived holds nobody up any more, and breaks nothing.
  kills.operation("arrive_and_wait, where a death breaks it",
                  {.wait = [](rig& r) { EXPECT_TRUE(r.breaks.arrive_and_wait()); },
                   .serve = [](rig& r) { EXPECT_TRUE(r.breaks.arrive_and_wait()); },
                   .have_come = [](rig& r, uint64_t n) { return r.breaks.stats().arrived == n; }});
  kills.run();
}

}  // namespace
}  // namespace zeroipc
