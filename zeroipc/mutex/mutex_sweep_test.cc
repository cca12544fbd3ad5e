// Property: a process killed at any instruction of an operation leaves a mutex that the next one gets, and is told if that one was inside; and so
// does the next one, killed at any instruction of its own.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <string>

#include "testing/kill_sweep/blocked_kill.h"
#include "testing/kill_sweep/structure_sweep.h"
#include "zeroipc/mutex/mutex.h"

namespace zeroipc {
namespace {

using testing::moment;

struct rig {
  memory mem = testing::small_memory();
  mutex m{mem, "m"};
};

TEST(MutexSweep, AnyInstructionMayBeTheLast) {
  testing::structure_sweep<rig> sweep("mutex");
  sweep.operation("lock", [](rig& r) { r.m.lock(); });
  sweep.operation("try_lock", [](rig& r) { r.m.try_lock(); });
  sweep.operation("try_lock_for", [](rig& r) { r.m.try_lock_for(std::chrono::hours(1)); });
  sweep.operation("lock and unlock", [](rig& r) {
    r.m.lock();
    r.m.unlock();
  });
  sweep.operation("mark_consistent", [](rig& r) {
    r.m.lock();
    r.m.mark_consistent();
  });
  sweep.recoverer([](const memory& copy) {
    return [m = mutex(copy, "m")]() mutable {
      m.lock();
      m.mark_consistent();
      m.unlock();
    };
  });
  sweep.run([](const memory& copy, const std::string& operation, const moment& at) {
    mutex m(copy, "m");
    const lock_outcome got = m.try_lock();
    EXPECT_TRUE(got) << got.name();
    EXPECT_EQ(m.suspect(), got == outcome::owner_died);
    if (at.returned && at.second < 0) {
      EXPECT_EQ(got == outcome::owner_died, operation != "lock and unlock");
    }
    EXPECT_TRUE(m.mark_consistent());
    EXPECT_TRUE(m.unlock());
    EXPECT_EQ(m.try_lock(), outcome::ok);
  });
}

TEST(MutexSweep, WhoWaitsBesideOneThatDiesIsServed) {
  constexpr std::chrono::hours kLong(1);
  testing::blocked_kill<rig> kills("mutex");
  const auto hold = [](rig& r) { EXPECT_TRUE(r.m.lock()); };
  const auto let_go = [](rig& r) { EXPECT_TRUE(r.m.unlock()); };
  kills.operation("lock", {.prepare = hold, .wait = hold, .serve = let_go});
  kills.operation("try_lock_for", {.prepare = hold,
                                   .wait = [](rig& r) { EXPECT_TRUE(r.m.try_lock_for(kLong)); },
                                   .serve = let_go});
  kills.run();
}

}  // namespace
}  // namespace zeroipc
