// Property: a process killed at any instruction of lock, guarded change and unlock leaves a lock that the next one gets, and
// says so if the change may be half done; and one that is killed while it waits for it leaves nothing behind.
#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "testing/evidence/evidence.h"
#include "testing/harness/harness.h"
#include "testing/kill_sweep/segment_sweep.h"
#include "zeroipc/participant/test_support.h"
#include "zeroipc/wait/robust_lock.h"

namespace zeroipc::internal {
namespace {

using harness::exited;
using harness::killed_by;
using harness::process;
using harness::wait_until_asleep;
using zeroipc::testing::evidence;
using zeroipc::testing::instrument;
using zeroipc::testing::moment;
using zeroipc::testing::quick_or_full;
using zeroipc::testing::segment_sweep;

// Two words that are equal whenever nobody is inside.
struct guarded {
  robust_lock<hardware> lock;
  std::atomic<uint64_t> one, other;
};

#if defined(__SANITIZE_THREAD__)  // which multiplies the instructions
constexpr int kQuickKills = 3;
constexpr segment_sweep::sample kQuickPairs = {.first = 2, .stride = 6, .second_stride = 3};
#else
constexpr int kQuickKills = 10;
constexpr segment_sweep::sample kQuickPairs = {};
#endif

class RobustLockSweep : public ::testing::Test {
 protected:
  guarded& shared(const memory& mem) { return scratch<guarded>(mem); }

  void Enter(const memory& mem) {
    guarded& g = shared(mem);
    const lock_result got = g.lock.lock(self_of(mem), deadline::after(harness::kPatience));
    ASSERT_NE(got, lock_result::busy) << "stuck";
    if (got == lock_result::inherited) {
      g.other = g.one.load();
    }
    EXPECT_EQ(g.one, g.other) << "half a change, and nobody was told";
    g.one = g.one + 1;
    g.other = g.other + 1;
    g.lock.unlock(self_of(mem));
  }

  void Judge(const memory& mem, const moment& at) {
    SCOPED_TRACE(at.text());
    const uint64_t before = shared(mem).one;
    EXPECT_LE(before, at.second < 0 ? 1u : 2u);
    if (at.returned) {
      EXPECT_GE(before, 1u);
    }
    Enter(mem);
    EXPECT_EQ(shared(mem).one, before + 1);
    EXPECT_EQ(shared(mem).lock.owner, 0u);
  }

  memory mem_ = *memory::create_anonymous(
      128 << 10, {.max_participants = 8, .max_threads = 8, .max_names = 4});
};

TEST_F(RobustLockSweep, AnyInstructionMayBeTheLastAndAnyOfItsHeirs) {
  segment_sweep once(mem_);
  once.every_instruction([&] { Enter(mem_); },
                         [&](const memory& copy, const moment& at) { Judge(copy, at); });
  evidence("robust lock", instrument::kill_sweep)
      .figure("operations", 2)
      .figure("instructions", static_cast<uint64_t>(once.instructions()))
      .figure("crash states", static_cast<uint64_t>(once.states()));

  shared(mem_).one = shared(mem_).other = 0;
  segment_sweep twice(mem_);
  twice.recoverer_too([&] { Enter(mem_); },
                      [&](const memory& copy) { return [&] { Enter(copy); }; },
                      [&](const memory& copy, const moment& at) { Judge(copy, at); },
                      quick_or_full(kQuickPairs, segment_sweep::sample{}));
  evidence("robust lock", instrument::double_kill)
      .figure("pairs of deaths", static_cast<uint64_t>(twice.states()));

  // Beside a survivor that wants it all along.
  const int kills = quick_or_full(kQuickKills, 500);
  for (int i = 0; i <= kills; ++i) {
    harness::shared_state<harness::gate> stop;
    process survivor([&] {
      while (!stop->is_open()) Enter(mem_);
    });
    EXPECT_FALSE(once.kill_after(once.instructions() * i / kills, [&] { Enter(mem_); }).broken);
    stop->open();
    EXPECT_EQ(survivor.wait(), exited(0)) << "stuck";
    Enter(mem_);
  }
  evidence("robust lock", instrument::kill_sweep)
      .figure("kills beside survivors", static_cast<uint64_t>(kills) + 1);
}

TEST_F(RobustLockSweep, OneKilledWhileItWaitsLeavesNothingBehind) {
  participant& self = self_of(mem_);
  robust_lock<hardware>& lock = shared(mem_).lock;
  const int kills = quick_or_full(kQuickKills, 200);
  for (int i = 0; i < kills; ++i) {
    ASSERT_EQ(lock.lock(self), lock_result::acquired);
    process victim([&] { Enter(mem_); });
    process other([&] { Enter(mem_); });
    ASSERT_TRUE(wait_until_asleep(victim.pid()));
    ASSERT_TRUE(wait_until_asleep(other.pid()));
    // Asleep, or just woken.
    if (i % 2 == 0) victim.kill();
    lock.unlock(self);
    victim.kill();
    EXPECT_EQ(other.wait(), exited(0)) << "the wake-up died with the one it went to";
    const harness::exit_state end = victim.wait();
    EXPECT_TRUE(end == killed_by(SIGKILL) || end == exited(0)) << end;
    Enter(mem_);
  }
  evidence("robust lock", instrument::blocked_kill)
      .figure("operations", 1)
      .figure("kills", static_cast<uint64_t>(kills));
}

}  // namespace
}  // namespace zeroipc::internal
