// Property: a process killed at any instruction of an operation leaves it done or to be done again; and so
// does the next one, killed at any instruction of its own.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "testing/harness/harness.h"
#include "testing/kill_sweep/blocked_kill.h"
#include "testing/kill_sweep/structure_sweep.h"
#include "zeroipc/cell/cell.h"
#include "zeroipc/once/once.h"

namespace zeroipc {
namespace {

using testing::moment;

struct rig {
  memory mem = testing::small_memory();
  once o{mem, "o"};
  cell<int> effect{mem, "effect"};
};

TEST(OnceSweep, AnyInstructionMayBeTheLast) {
  testing::structure_sweep<rig> sweep("once");
  sweep.operation("call", [](rig& r) { r.o.call([&] { r.effect.store(1); }); });
  sweep.operation("try_call", [](rig& r) { r.o.try_call([&] { r.effect.store(1); }); });
  sweep.operation("call_for",
                  [](rig& r) { r.o.call_for(std::chrono::hours(1), [&] { r.effect.store(1); }); });
  sweep.recoverer([](const memory& copy) {
    return [o = once(copy, "o"), effect = cell<int>(copy, "effect")]() mutable {
      o.call([&] { effect.store(2); });
    };
  });
  sweep.run([](const memory& copy, const std::string&, const moment& at) {
    once o(copy, "o");
    const cell<int> effect(copy, "effect");
    if (at.returned) {
      EXPECT_TRUE(o.done());
    }
    if (o.done()) {
      EXPECT_TRUE(effect.load()) << "done, and its effect is not there";
    }
    const bool was_done = o.done();
    bool ran = false;
    EXPECT_TRUE(o.try_call([&](bool again) {
      ran = true;
      EXPECT_TRUE(again || !effect.load()) << "run a second time, and not told";
    }));
    EXPECT_EQ(ran, !was_done);
    EXPECT_TRUE(o.done());
  });
}

// Somebody else runs it until told to stop.
struct busy_rig : rig {
  harness::shared_state<harness::gate> enough;
  std::unique_ptr<harness::process> runner;
  void run_elsewhere() {
    harness::shared_state<harness::gate> runs;
    runner = std::make_unique<harness::process>([&] {
      o.call([&] {
        runs->open();
        EXPECT_TRUE(enough->wait());
      });
    });
    EXPECT_TRUE(runs->wait());
  }
};

TEST(OnceSweep, WhoWaitsBesideOneThatDiesIsServed) {
  constexpr std::chrono::hours kLong(1);
  testing::blocked_kill<busy_rig> kills("once");
  const auto start = [](busy_rig& r) { r.run_elsewhere(); };
  const auto end = [](busy_rig& r) { r.enough->open(); };
  const auto call = [](busy_rig& r) { EXPECT_TRUE(r.o.call([&] { r.effect.store(1); })); };
  kills.operation("call", {.prepare = start, .wait = call, .serve = end});
  kills.operation("call, taken over from the dead",
                  {.prepare = start, .wait = call, .serve = [](busy_rig& r) { r.runner->kill(); }});
  kills.operation("wait",
                  {.prepare = start, .wait = [](busy_rig& r) { r.o.wait(); }, .serve = end});
  kills.operation("wait_for", {.prepare = start,
                               .wait = [](busy_rig& r) { EXPECT_TRUE(r.o.wait_for(kLong)); },
                               .serve = end});
  kills.run();
}

}  // namespace
}  // namespace zeroipc
