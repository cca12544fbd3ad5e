// Property: a process killed at any instruction of an operation leaves all permits to be had, and not one more; and so
// does the next one, killed at any instruction of its own.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <string>

#include "testing/kill_sweep/blocked_kill.h"
#include "testing/kill_sweep/structure_sweep.h"
#include "zeroipc/semaphore/semaphore.h"

namespace zeroipc {
namespace {

using testing::moment;

struct rig {
  memory mem = testing::small_memory();
  semaphore s{mem, "s", 3};
};

TEST(SemaphoreSweep, AnyInstructionMayBeTheLast) {
  testing::structure_sweep<rig> sweep("semaphore");
  sweep.operation("acquire", [](rig& r) { r.s.acquire(); });
  sweep.operation("try_acquire, all of them", [](rig& r) {
    while (r.s.try_acquire()) {
    }
  });
  sweep.operation("try_acquire_for", [](rig& r) { r.s.try_acquire_for(std::chrono::hours(1)); });
  sweep.operation("acquire and release", [](rig& r) {
    r.s.acquire();
    r.s.release();
  });
  sweep.operation("take", [](rig& r) { const semaphore::permit p = r.s.take(); });
  sweep.recoverer([](const memory& copy) {
    return [s = semaphore(copy, "s")]() mutable {
      for (int i = 0; i < 3; ++i) s.acquire();
      s.release();
    };
  });
  sweep.run([](const memory& copy, const std::string&, const moment&) {
    semaphore s(copy, "s");
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(s.try_acquire());
    EXPECT_EQ(s.try_acquire(), outcome::empty);
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(s.release());
    EXPECT_EQ(s.release(), outcome::gone);
    EXPECT_EQ(s.available(), 3u);
  });
}

TEST(SemaphoreSweep, WhoWaitsBesideOneThatDiesIsServed) {
  constexpr std::chrono::hours kLong(1);
  testing::blocked_kill<rig> kills("semaphore");
  const auto take_all = [](rig& r) {
    while (r.s.try_acquire()) {
    }
  };
  const auto give_one = [](rig& r) { EXPECT_TRUE(r.s.release()); };
  kills.operation(
      "acquire",
      {.prepare = take_all, .wait = [](rig& r) { EXPECT_TRUE(r.s.acquire()); }, .serve = give_one});
  kills.operation("try_acquire_for",
                  {.prepare = take_all,
                   .wait = [](rig& r) { EXPECT_TRUE(r.s.try_acquire_for(kLong)); },
                   .serve = give_one});
  kills.operation(
      "take",
      {.prepare = take_all, .wait = [](rig& r) { EXPECT_TRUE(r.s.take()); }, .serve = give_one});
  kills.run();
}

}  // namespace
}  // namespace zeroipc
