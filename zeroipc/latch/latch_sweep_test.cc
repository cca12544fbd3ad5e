// Property: a process killed at any instruction of an operation leaves a latch with the arrivals that were made, and opens with the others; and so
// does the next one, killed at any instruction of its own.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <string>

#include "testing/kill_sweep/blocked_kill.h"
#include "testing/kill_sweep/structure_sweep.h"
#include "zeroipc/latch/latch.h"

namespace zeroipc {
namespace {

using testing::moment;

struct rig {
  memory mem = testing::small_memory();
  latch l{mem, "l", 3};
};

TEST(LatchSweep, AnyInstructionMayBeTheLast) {
  testing::structure_sweep<rig> sweep("latch");
  sweep.operation("count_down", [](rig& r) { r.l.count_down(); });
  sweep.operation("promise", [](rig& r) {
    const latch::promised p = r.l.promise();  // and taken back
  });
  sweep.operation("promise and arrive", [](rig& r) { r.l.promise().arrive(); });
  sweep.operation("count_down, all of them", [](rig& r) {
    while (r.l.count_down()) {
    }
    r.l.wait();
  });
  sweep.recoverer(
      [](const memory& copy) { return [l = latch(copy, "l")]() mutable { l.count_down(); }; });
  sweep.run([](const memory& copy, const std::string& operation, const moment& at) {
    latch l(copy, "l");
    const latch_stats found = l.stats();
    const bool all = operation == "count_down, all of them";
    EXPECT_LE(found.settled, all ? 3u : 1u + (at.second >= 0));
    if (at.returned && at.second < 0) {
      EXPECT_EQ(found.settled, all ? 3u : operation == "promise" ? 0u : 1u);
    }
    uint64_t made = found.settled;
    while (l.count_down()) ++made;
    EXPECT_TRUE(l.try_wait()) << "what the dead promised is forfeited";
    const latch_stats left = l.stats();
    EXPECT_EQ(left.settled, 3u);
    EXPECT_EQ(made + left.forfeited, 3u) << "an arrival is lost, or doubled";
  });
}

TEST(LatchSweep, WhoWaitsBesideOneThatDiesIsServed) {
  constexpr std::chrono::hours kLong(1);
  testing::blocked_kill<rig> kills("latch");
  const auto one_left = [](rig& r) {
    for (int i = 0; i < 2; ++i) EXPECT_TRUE(r.l.count_down());
  };
  const auto last = [](rig& r) { EXPECT_TRUE(r.l.count_down()); };
  kills.operation("wait", {.prepare = one_left, .wait = [](rig& r) { r.l.wait(); }, .serve = last});
  kills.operation("wait_for", {.prepare = one_left,
                               .wait = [](rig& r) { EXPECT_TRUE(r.l.wait_for(kLong)); },
                               .serve = last});
  kills.operation("arrive_and_wait",
                  {.wait = [](rig& r) { EXPECT_TRUE(r.l.arrive_and_wait()); },
                   .serve = last,
                   .have_come = [](rig& r, uint64_t n) { return r.l.stats().settled == n; }});
  kills.run();
}

}  // namespace
}  // namespace zeroipc
