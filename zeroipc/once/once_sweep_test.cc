// Property: a process killed at any instruction of an operation leaves it done or to be done again; and so
// does the next one, killed at any instruction of its own.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <string>

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

}  // namespace
}  // namespace zeroipc
