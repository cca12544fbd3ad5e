// Who sets it: claims, what becomes of them when their process dies, forks or stops, and of those who die in the middle.
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/harness/harness.h"
#include "zeroipc/base/error.h"
#include "zeroipc/future/future.h"
#include "zeroipc/future/half_set.h"
#include "zeroipc/future/layout.h"
#include "zeroipc/name_table/name_table.h"

namespace zeroipc {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::HasSubstr;

class PromiseTest : public ::testing::Test {
 protected:
  // A process that has claimed `f` and waits to be killed.
  template <typename T>
  harness::process claimant_of(future<T>& f) {
    harness::shared_state<harness::gate> claimed;
    harness::process p([&] {
      const promise<T> mine = f.claim();
      EXPECT_TRUE(mine);
      claimed->open();
      for (;;) ::pause();
    });
    EXPECT_TRUE(claimed->wait());
    return p;
  }

  const harness::unique_segment name_;
  memory mem_{name_.name(), 4 << 20};
};

TEST_F(PromiseTest, WhoHasClaimedItAloneSetsIt) {
  future<int> f(mem_, "f");
  promise<int> p = f.claim();
  ASSERT_TRUE(p);
  EXPECT_TRUE(p.why());
  EXPECT_EQ(f.state(), future_state::claimed);
  EXPECT_EQ(f.claim().why(), outcome::taken) << "two claims of one process are two";
  EXPECT_EQ(f.set_value(1), outcome::taken);
  EXPECT_EQ(f.set_error("no"), outcome::taken);
  harness::process other([&] {
    EXPECT_EQ(future<int>(mem_, "f").set_value_for(1, 1h), outcome::taken);
    EXPECT_EQ(f.get_for(1ms), std::nullopt);
  });
  EXPECT_EQ(other.wait(), harness::exited(0));
  promise<int> moved = std::move(p);
  EXPECT_FALSE(p);
  EXPECT_EQ(p.set_value(2), outcome::gone);
  EXPECT_TRUE(moved.set_value(3));
  EXPECT_EQ(moved.set_value(4), outcome::gone);
  EXPECT_EQ(moved.why(), outcome::gone);
  EXPECT_EQ(f.get(), 3);
  future<int> g(mem_, "g");
  EXPECT_TRUE(g.claim().set_error("not today", 5));
  EXPECT_EQ(g.error()->code, 5);
}

TEST_F(PromiseTest, AClaimThatIsReleasedIsAnybodys) {
  future<int> f(mem_, "f");
  promise<int> p = f.claim();
  EXPECT_TRUE(p.release());
  EXPECT_EQ(p.release(), outcome::gone);
  EXPECT_EQ(f.state(), future_state::empty);
  harness::process other([&] {
    promise<int> theirs = f.claim();
    EXPECT_TRUE(theirs.release());
    promise<int> again = f.claim();
    EXPECT_TRUE(again.set_error(absl::CancelledError("enough")));
  });
  EXPECT_EQ(other.wait(), harness::exited(0));
  EXPECT_TRUE(absl::IsCancelled(f.status()));
}

TEST_F(PromiseTest, TwoClaimsOfOneProcessAreTwo) {
  future<int> f(mem_, "f");
  internal::future_shared::core_type core = f.waitable();
  uint64_t first = 0, second = 0;
  ASSERT_TRUE(core.claim(1, first) && core.give_back(first));
  ASSERT_TRUE(core.claim(1, second));
  EXPECT_EQ(core.keep(first, 1), outcome::gone);
  EXPECT_EQ(core.drop(first), outcome::gone);
  EXPECT_TRUE(core.keep(second, 2));
  EXPECT_EQ(f.get(), 2);
}

TEST_F(PromiseTest, APromiseThatIsDroppedIsBrokenAndAllAreTold) {
  future<int> f(mem_, "f");
  harness::process waits([&] { EXPECT_EQ(f.wait(), outcome::broken); });
  ASSERT_TRUE(harness::wait_until_asleep(waits.pid()));
  { const promise<int> p = f.claim(); }
  EXPECT_EQ(waits.wait(), harness::exited(0));
  EXPECT_EQ(f.state(), future_state::broken);
  EXPECT_EQ(f.set_value(1), outcome::broken);
  EXPECT_EQ(f.claim().why(), outcome::broken);
  const std::optional<future_error> e = f.error();
  ASSERT_TRUE(e && e->broken_promise);
  EXPECT_FALSE(e->died);
  EXPECT_EQ(e->pid, ::getpid());
  EXPECT_THAT(e->message.str(), HasSubstr("dropped it"));
  EXPECT_EQ(f.stats().deaths, 0u);

  future<int> g(mem_, "g"), h(mem_, "h");
  promise<int> p = g.claim();
  p = h.claim();
  EXPECT_EQ(g.state(), future_state::broken) << "assigned over";
  EXPECT_EQ(h.state(), future_state::claimed);
}

TEST_F(PromiseTest, ADeathBreaksThePromiseAndWakesAllWhoWait) {
  future<int> f(mem_, "f");
  harness::process dies = claimant_of(f);
  harness::shared_state<harness::tally> told;
  std::vector<harness::process> all;
  for (int i = 0; i < 2; ++i) {
    all.emplace_back([&]() -> int {
      int x;
      const bool broken = f.get(x) == outcome::broken;
      told->add();
      return broken && told->wait_for_at_least(2) ? 0 : 1;
    });
    ASSERT_TRUE(harness::wait_until_asleep(all.back().pid()));
  }
  const pid_t pid = dies.pid();
  dies.kill();
  for (harness::process& p : all) EXPECT_EQ(p.wait(), harness::exited(0));
  EXPECT_EQ(dies.wait(), harness::killed_by(SIGKILL));
  EXPECT_EQ(f.set_value(1), outcome::broken);
  EXPECT_EQ(f.stats().deaths, 1u);
  const std::optional<future_error> e = f.error();
  ASSERT_TRUE(e && e->broken_promise && e->died);
  EXPECT_EQ(e->pid, pid);
  EXPECT_TRUE(absl::IsAborted(f.status()));
  EXPECT_THAT(f.status().message(), AllOf(HasSubstr(std::to_string(pid)), HasSubstr("died")));
  EXPECT_THROW(f.get(), error);
}

TEST_F(PromiseTest, WhoDiesBeforeItCouldSayWhoItIsIsNotTakenForTheLastClaimant) {
  future<int> f(mem_, "f");
  EXPECT_TRUE(f.claim().release());
  harness::process dies([&] {
    using namespace internal;  // NOLINT: of no other test
    auto held = open_structure(mem_, "f", structure_type::of<int>(kind::future));
    ASSERT_TRUE(held.ok());
    testing::slot_of(*held).word.store(
        future_word{future_phase::claimed, 2, held->env().self()}.word());
  });
  EXPECT_EQ(dies.wait(), harness::exited(0));
  const std::optional<future_error> e = f.error();
  ASSERT_TRUE(e && e->died);
  EXPECT_NE(e->pid, ::getpid());
}

TEST_F(PromiseTest, TheDeadAreFoundOutByWhoeverComes) {
  const auto die_holding = [&](future<int>& f) {
    harness::process dies = claimant_of(f);
    dies.kill();
    EXPECT_EQ(dies.wait(), harness::killed_by(SIGKILL));
  };
  future<int> looked(mem_, "looked"), set(mem_, "set"), claimed(mem_, "claimed");
  die_holding(looked);
  EXPECT_EQ(looked.try_get(), std::nullopt);
  EXPECT_TRUE(looked.error());
  die_holding(set);
  EXPECT_EQ(set.set_value(1), outcome::broken);
  die_holding(claimed);
  EXPECT_EQ(claimed.claim().why(), outcome::broken);
}

TEST_F(PromiseTest, AForkedChildDoesNotHoldWhatItsParentClaimed) {
  future<int> f(mem_, "f");
  promise<int> p = f.claim();
  harness::process child([&] {
    EXPECT_EQ(f.claim().why(), outcome::taken);
    {
      promise<int> copy = std::move(p);
      EXPECT_EQ(copy.set_value(1), outcome::gone);
    }
    EXPECT_EQ(f.state(), future_state::claimed);
  });
  EXPECT_EQ(child.wait(), harness::exited(0));
  harness::process drops([&] { const promise<int> copy = std::move(p); });
  EXPECT_EQ(drops.wait(), harness::exited(0));
  harness::process releases([&] { EXPECT_EQ(p.release(), outcome::gone); });
  EXPECT_EQ(releases.wait(), harness::exited(0));
  harness::process fails([&] { EXPECT_EQ(p.set_error("no"), outcome::gone); });
  EXPECT_EQ(fails.wait(), harness::exited(0));
  EXPECT_EQ(f.state(), future_state::claimed) << "no child drops what is its parent's";
  EXPECT_TRUE(p.set_value(2));
  EXPECT_EQ(f.get(), 2);
}

TEST_F(PromiseTest, AStoppedClaimantIsNotADeadOne) {
  future<int> f(mem_, "f");
  harness::process slow = claimant_of(f);
  slow.stop();
  EXPECT_EQ(f.wait_for(1ms), outcome::timed_out);
  EXPECT_EQ(f.set_value(1), outcome::taken);
  EXPECT_EQ(f.state(), future_state::claimed);
}

TEST_F(PromiseTest, WhoSetsItWaitsForAnotherWhoIsSettingIt) {
  future<int> f(mem_, "f");
  testing::half_set<int> other(mem_, f, 5);
  EXPECT_EQ(f.state(), future_state::setting);
  EXPECT_EQ(f.set_value_for(1, 1ms), outcome::timed_out);
  EXPECT_EQ(f.set_value_for(1, 0s), outcome::taken);
  EXPECT_EQ(f.set_error_for(1ms, "no"), outcome::timed_out);
  EXPECT_EQ(f.claim().why(), outcome::taken);
  EXPECT_EQ(f.get_for(1ms), std::nullopt);
  harness::process sets([&] { EXPECT_EQ(f.set_value(1), outcome::exists); });
  ASSERT_TRUE(harness::wait_until_asleep(sets.pid()));
  other.go_on();
  EXPECT_EQ(sets.wait(), harness::exited(0));
  EXPECT_EQ(f.get(), 5);
}

TEST_F(PromiseTest, WhoDiesSettingItHasNotSetIt) {
  for (const bool claims : {false, true}) {
    future<int> f(mem_, claims ? "claims" : "sets");
    testing::half_set<int> dies(mem_, f, 5);
    harness::process waits([&] { EXPECT_EQ(f.get(), 6); });
    ASSERT_TRUE(harness::wait_until_asleep(waits.pid()));
    dies.kill();
    EXPECT_EQ(dies.wait(), harness::killed_by(SIGKILL));
    EXPECT_EQ(f.state(), future_state::empty) << "and no promise is broken";
    EXPECT_TRUE(claims ? f.claim().set_value(6) : f.set_value(6));
    EXPECT_EQ(waits.wait(), harness::exited(0));
    EXPECT_EQ(f.stats().deaths, 1u);
  }
}

}  // namespace
}  // namespace zeroipc
