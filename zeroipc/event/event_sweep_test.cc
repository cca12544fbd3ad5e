// Property: a process killed at any instruction of an operation leaves an event that is set or not, and works; and so
// does the next one, killed at any instruction of its own.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <string>

#include "testing/kill_sweep/blocked_kill.h"
#include "testing/kill_sweep/structure_sweep.h"
#include "zeroipc/event/event.h"

namespace zeroipc {
namespace {

using testing::moment;

struct rig {
  memory mem = testing::small_memory();
  event manual{mem, "manual", event_reset::manual},
      automatic{mem, "automatic", event_reset::automatic};
};

TEST(EventSweep, AnyInstructionMayBeTheLast) {
  testing::structure_sweep<rig> sweep("event");
  sweep.operation("set", [](rig& r) { r.manual.set(); });
  sweep.operation("set and reset", [](rig& r) {
    r.manual.set();
    r.manual.reset();
  });
  sweep.operation("set, automatic", [](rig& r) { r.automatic.set(); });
  sweep.operation("set and wait, automatic", [](rig& r) {
    r.automatic.set();
    r.automatic.wait();
  });
  sweep.operation("set and wait, manual", [](rig& r) {
    r.manual.set();
    r.manual.wait_for(std::chrono::hours(1));
  });
  sweep.recoverer([](const memory& copy) {
    return [e = event(copy, "automatic")]() mutable {
      e.try_wait();
      e.set();
    };
  });
  sweep.run([](const memory& copy, const std::string& operation, const moment& at) {
    event manual(copy, "manual"), automatic(copy, "automatic");
    if (at.returned && at.second < 0) {
      EXPECT_EQ(manual.is_set(), operation == "set" || operation == "set and wait, manual");
      EXPECT_EQ(automatic.is_set(), operation == "set, automatic");
    }
    manual.set();
    EXPECT_TRUE(manual.try_wait() && manual.try_wait());
    automatic.set();
    EXPECT_TRUE(automatic.try_wait());
    EXPECT_FALSE(automatic.try_wait());
  });
}

TEST(EventSweep, WhoWaitsBesideOneThatDiesIsServed) {
  constexpr std::chrono::hours kLong(1);
  testing::blocked_kill<rig> kills("event");
  kills.operation("wait, manual reset", {.wait = [](rig& r) { r.manual.wait(); },
                                         .serve = [](rig& r) { r.manual.set(); }});
  const auto set = [](rig& r) { r.automatic.set(); };
  // The dead one may have been let through: it takes that with it.
  const auto is_reset = [](rig& r) { return !r.automatic.is_set(); };
  kills.operation(
      "wait, automatic reset",
      {.wait = [](rig& r) { r.automatic.wait(); }, .serve = set, .is_used_up = is_reset});
  kills.operation("wait_for, automatic reset",
                  {.wait = [](rig& r) { EXPECT_TRUE(r.automatic.wait_for(kLong)); },
                   .serve = set,
                   .is_used_up = is_reset});
  kills.run();
}

}  // namespace
}  // namespace zeroipc
