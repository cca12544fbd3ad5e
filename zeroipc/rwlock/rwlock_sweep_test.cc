// Property: a process killed at any instruction of an operation leaves a lock that writers and readers get, told if a writer was inside; and so
// does the next one, killed at any instruction of its own.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <string>

#include "testing/kill_sweep/blocked_kill.h"
#include "testing/kill_sweep/structure_sweep.h"
#include "zeroipc/rwlock/rwlock.h"

namespace zeroipc {
namespace {

using testing::moment;

struct rig {
  memory mem = testing::small_memory();
  rwlock l{mem, "l"};
};

TEST(RwlockSweep, AnyInstructionMayBeTheLast) {
  testing::structure_sweep<rig> sweep("rwlock");
  sweep.operation("lock", [](rig& r) { r.l.lock(); });
  sweep.operation("try_lock_for", [](rig& r) { r.l.try_lock_for(std::chrono::hours(1)); });
  sweep.operation("lock and unlock", [](rig& r) {
    r.l.lock();
    r.l.unlock();
  });
  sweep.operation("lock_shared", [](rig& r) { r.l.lock_shared(); });
  sweep.operation("lock_shared and unlock_shared", [](rig& r) {
    r.l.lock_shared();
    r.l.unlock_shared();
  });
  // Against each other: the second fails and undoes itself.
  sweep.operation("lock, try_lock_shared", [](rig& r) {
    r.l.lock();
    r.l.try_lock_shared();
    r.l.try_lock_shared_for(std::chrono::microseconds(1));
    r.l.unlock();
  });
  sweep.operation("lock_shared, try_lock", [](rig& r) {
    r.l.lock_shared();
    r.l.try_lock();
    r.l.unlock_shared();
  });
  for (const bool shared : {false, true}) {
    sweep.recoverer([shared](const memory& copy) {
      return [l = rwlock(copy, "l"), shared]() mutable {
        if (shared) {
          l.lock_shared();
          l.unlock_shared();
        } else {
          l.lock();
          l.mark_consistent();
          l.unlock();
        }
      };
    });
  }
  sweep.run([](const memory& copy, const std::string& operation, const moment& at) {
    rwlock l(copy, "l");
    lock_outcome got = l.try_lock_shared();
    EXPECT_TRUE(got) << got.name();
    if (operation.starts_with("lock_shared") && at.second < 0) {
      EXPECT_EQ(got, outcome::ok);
    }
    EXPECT_TRUE(l.unlock_shared());
    got = l.try_lock();
    EXPECT_TRUE(got) << got.name();
    if (operation.starts_with("lock_shared") && at.second < 0) {
      EXPECT_EQ(got, outcome::ok) << "nobody wrote";
    }
    if (at.returned && at.second < 0) {
      EXPECT_EQ(got == outcome::owner_died, operation == "lock" || operation == "try_lock_for");
    }
    EXPECT_EQ(l.stats().readers, 0u) << "a dead reader counts";
    EXPECT_TRUE(l.mark_consistent());
    EXPECT_TRUE(l.unlock());
    EXPECT_EQ(l.try_lock_shared(), outcome::ok);
    EXPECT_EQ(l.try_lock(), outcome::taken);
  });
}

TEST(RwlockSweep, WhoWaitsBesideOneThatDiesIsServed) {
  constexpr std::chrono::hours kLong(1);
  testing::blocked_kill<rig> kills("rwlock");
  const auto write = [](rig& r) { EXPECT_TRUE(r.l.lock()); };
  const auto read = [](rig& r) { EXPECT_TRUE(r.l.lock_shared()); };
  const auto write_no_more = [](rig& r) { EXPECT_TRUE(r.l.unlock()); };
  const auto read_no_more = [](rig& r) { EXPECT_TRUE(r.l.unlock_shared()); };
  kills.operation("lock, behind a writer",
                  {.prepare = write, .wait = write, .serve = write_no_more});
  kills.operation("lock, behind a reader", {.prepare = read, .wait = write, .serve = read_no_more});
  kills.operation("lock_shared", {.prepare = write, .wait = read, .serve = write_no_more});
  kills.operation("try_lock_for", {.prepare = read,
                                   .wait = [](rig& r) { EXPECT_TRUE(r.l.try_lock_for(kLong)); },
                                   .serve = read_no_more});
  kills.operation("try_lock_shared_for",
                  {.prepare = write,
                   .wait = [](rig& r) { EXPECT_TRUE(r.l.try_lock_shared_for(kLong)); },
                   .serve = write_no_more});
  kills.run();
}

}  // namespace
}  // namespace zeroipc
