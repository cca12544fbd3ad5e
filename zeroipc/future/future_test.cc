#include "zeroipc/future/future.h"

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/harness/harness.h"
#include "zeroipc/base/error.h"
#include "zeroipc/cell/cell.h"
#include "zeroipc/future/half_set.h"
#include "zeroipc/name_table/name_table.h"

namespace zeroipc {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::HasSubstr;

struct block {
  uint64_t words[100];
  static block of(uint64_t x) {
    block b;
    for (uint64_t& w : b.words) w = x++;
    return b;
  }
  bool whole() const {
    for (uint64_t i = 0; i < 100; ++i) {
      if (words[i] != words[0] + i) return false;
    }
    return true;
  }
};
// Neither small nor easily made.
struct alignas(256) wide {
  explicit wide(double x) : x(x) {}
  double x;
};

class FutureTest : public ::testing::Test {
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

TEST_F(FutureTest, IsSetOnceAndGotByAnybodyAnyNumberOfTimes) {
  future<int> f(mem_, "f");
  int x = 5;
  EXPECT_EQ(f.try_get(x), outcome::empty);
  EXPECT_EQ(f.get_for(x, 0s), outcome::timed_out);
  EXPECT_EQ(f.get_for(x, 1ms), outcome::timed_out);
  EXPECT_EQ(f.try_get(), std::nullopt);
  EXPECT_EQ(f.get_for(1ms), std::nullopt);
  EXPECT_EQ(f.peek(), nullptr);
  EXPECT_FALSE(f.ready());
  EXPECT_EQ(f.state(), future_state::empty);
  EXPECT_EQ(x, 5);

  EXPECT_TRUE(f.set_value(7));
  EXPECT_EQ(f.set_value(8), outcome::exists);
  EXPECT_EQ(f.set_value_for(8, 0s), outcome::exists);
  EXPECT_EQ(f.set_error("too late"), outcome::exists);
  EXPECT_EQ(f.claim().why(), outcome::exists);
  EXPECT_FALSE(f.error());
  EXPECT_TRUE(f.status().ok());

  harness::process other([&] {
    const future<int> same(mem_, "f", true);
    EXPECT_EQ(same.get(), 7);
    EXPECT_EQ(same.try_get(), 7);
    EXPECT_EQ(*same.peek(), 7);
  });
  EXPECT_EQ(other.wait(), harness::exited(0));
  EXPECT_TRUE(f.get(x));
  EXPECT_EQ(x, 7);
  EXPECT_EQ(f.get_for(1h), 7);
  EXPECT_TRUE(f.ready() && f.has_value() && f.wait() && f.wait_for(1h));
  EXPECT_EQ(f.state(), future_state::value);
}

TEST_F(FutureTest, MayBeOpenedAndWaitedForBeforeItsProducerHasCreatedIt) {
  harness::process asks([&] { EXPECT_EQ(future<int>(mem_, "f", true).get(), 3); });
  ASSERT_TRUE(harness::eventually([&] { return find(mem_, "f").ok(); }));
  ASSERT_TRUE(harness::wait_until_asleep(asks.pid()));
  EXPECT_TRUE(future<int>(mem_, "f").set_value(3));
  EXPECT_EQ(asks.wait(), harness::exited(0));
}

TEST_F(FutureTest, AllWhoWaitAreWokenByTheValue) {
  future<block> f(mem_, "f");
  harness::shared_state<harness::tally> got;
  std::vector<harness::process> all;
  for (uint64_t i = 0; i < 3; ++i) {
    all.emplace_back([&]() -> int {
      const bool right = f.get().whole();
      got->add();
      // Stays until all are: the end of one would wake the others.
      return right && got->wait_for_at_least(3) ? 0 : 1;
    });
    ASSERT_TRUE(harness::eventually([&] { return f.stats().waits > i; }));
    ASSERT_TRUE(harness::wait_until_asleep(all.back().pid()));
  }
  EXPECT_TRUE(f.set_value(block::of(11)));
  for (harness::process& p : all) EXPECT_EQ(p.wait(), harness::exited(0));
}

TEST_F(FutureTest, OfManyWhoSetItOneDoes) {
  constexpr int kFutures = 300;
  harness::shared_state<std::atomic<int>> set;
  const auto race = [&](uint64_t me) {
    for (int i = 0; i < kFutures; ++i) {
      future<block> f(mem_, std::to_string(i));
      const outcome r = i % 3 == 0 ? f.set_error("no") : f.set_value(block::of(me * 1000));
      EXPECT_TRUE(r || r == outcome::exists) << r.name();
      *set += static_cast<bool>(r);
      block b;
      const outcome g = f.try_get(b);
      EXPECT_TRUE(i % 3 == 0 ? g == outcome::failed : g && b.whole());
    }
  };
  std::vector<harness::process> all;
  for (uint64_t p = 0; p < 2; ++p) {
    all.emplace_back([&, p] {
      std::thread other([&] { race(p * 2); });
      race(p * 2 + 1);
      other.join();
    });
  }
  for (harness::process& p : all) EXPECT_EQ(p.wait(), harness::exited(0));
  EXPECT_EQ(*set, kFutures);
}

TEST_F(FutureTest, ValuesOfAnySizeAndAlignment) {
  future<char> one(mem_, "one");
  EXPECT_TRUE(one.set_value('x'));
  EXPECT_EQ(one.get(), 'x');
  future<wide> aligned(mem_, "aligned");
  EXPECT_TRUE(aligned.set_value(wide(2.5)));
  EXPECT_EQ(aligned.get().x, 2.5);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(aligned.peek()) % alignof(wide), 0u);
  future<block> large(mem_, "large");
  EXPECT_TRUE(large.set_value(block::of(1)));
  EXPECT_TRUE(large.peek()->whole());
}

TEST_F(FutureTest, AnErrorTakesThePlaceOfTheValue) {
  future<int> f(mem_, "f");
  EXPECT_TRUE(f.set_error("disk full", 28));
  EXPECT_EQ(f.set_value(1), outcome::exists);
  int x = 0;
  EXPECT_EQ(f.get(x), outcome::failed);
  EXPECT_EQ(f.wait(), outcome::failed);
  EXPECT_EQ(f.try_get(), std::nullopt);
  EXPECT_EQ(f.peek(), nullptr);
  EXPECT_TRUE(f.ready());
  EXPECT_EQ(f.state(), future_state::error);
  EXPECT_EQ(f.error()->code, 28);
  EXPECT_EQ(f.error()->message, "disk full");
  EXPECT_FALSE(f.error()->broken_promise);
  EXPECT_EQ(f.status().code(), absl::StatusCode::kUnknown);
  try {
    f.get();
    FAIL() << "it has no value";
  } catch (const error& e) {
    EXPECT_THAT(e.what(), AllOf(HasSubstr(name_.name()), HasSubstr("'f'"), HasSubstr("disk full"),
                                HasSubstr("28")));
  }
}

TEST_F(FutureTest, AStatusIsAnErrorThatKeepsItsCode) {
  future<int> f(mem_, "f"), ok(mem_, "ok"), late(mem_, "late");
  EXPECT_TRUE(f.set_error(absl::NotFoundError("no such row")));
  EXPECT_TRUE(absl::IsNotFound(f.status()));
  EXPECT_THAT(f.status().message(), HasSubstr("no such row"));
  EXPECT_EQ(f.error()->code, static_cast<int>(absl::StatusCode::kNotFound));
  EXPECT_TRUE(ok.set_error(absl::OkStatus()));
  EXPECT_TRUE(absl::IsInternal(ok.status())) << "that is an error too";
  EXPECT_TRUE(absl::IsUnavailable(late.status()));
  EXPECT_TRUE(late.set_error_for(1h, std::string(200, 'x')));
  future<int> silent(mem_, "silent");
  EXPECT_TRUE(silent.set_error(std::string_view(), 3));
  EXPECT_EQ(silent.error()->message, "");
  EXPECT_EQ(silent.error()->code, 3);
  EXPECT_EQ(late.error()->message.view(), std::string(96, 'x')) << "cut off";
}

TEST_F(FutureTest, WhoHasClaimedItAloneSetsIt) {
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

TEST_F(FutureTest, AClaimThatIsReleasedIsAnybodys) {
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

TEST_F(FutureTest, TwoClaimsOfOneProcessAreTwo) {
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

TEST_F(FutureTest, APromiseThatIsDroppedIsBrokenAndAllAreTold) {
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

TEST_F(FutureTest, ADeathBreaksThePromiseAndWakesAllWhoWait) {
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

TEST_F(FutureTest, TheDeadAreFoundOutByWhoeverComes) {
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

TEST_F(FutureTest, AForkedChildDoesNotHoldWhatItsParentClaimed) {
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

TEST_F(FutureTest, AStoppedClaimantIsNotADeadOne) {
  future<int> f(mem_, "f");
  harness::process slow = claimant_of(f);
  slow.stop();
  EXPECT_EQ(f.wait_for(1ms), outcome::timed_out);
  EXPECT_EQ(f.set_value(1), outcome::taken);
  EXPECT_EQ(f.state(), future_state::claimed);
}

TEST_F(FutureTest, WhoSetsItWaitsForAnotherWhoIsSettingIt) {
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

TEST_F(FutureTest, WhoDiesSettingItHasNotSetIt) {
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

TEST_F(FutureTest, GoesOnWithoutItsNameWhichIsFreeAgain) {
  future<int> f(mem_, "f");
  const future<int> same(mem_, "f");
  EXPECT_TRUE(f.remove().ok());
  EXPECT_TRUE(absl::IsNotFound(f.remove()));
  EXPECT_TRUE(absl::IsNotFound(future<int>::open(mem_, "f").status()));
  future<double> anew(mem_, "f");
  EXPECT_TRUE(absl::IsNotFound(same.remove())) << "the name is another's now";
  EXPECT_TRUE(find(mem_, "f").ok());
  EXPECT_TRUE(f.set_value(4));
  EXPECT_EQ(same.get(), 4);
  EXPECT_FALSE(anew.ready());
}

TEST_F(FutureTest, WhatItIsNotIsRefusedAndNamed) {
  const future<int> f(mem_, "f");
  const auto other = future<double>::open(mem_, "f");
  EXPECT_TRUE(absl::IsFailedPrecondition(other.status()));
  EXPECT_THAT(other.status().message(),
              AllOf(HasSubstr("future<int>"), HasSubstr("future<double>")));
  const cell<int> c(mem_, "c");
  EXPECT_THAT(future<int>::open(mem_, "c").status().message(),
              AllOf(HasSubstr("future<int>"), HasSubstr("cell<int>")));
  EXPECT_TRUE(future<int>::open(mem_, "f").ok());
  EXPECT_TRUE(absl::IsAlreadyExists(future<int>::create(mem_, "f").status()));
  EXPECT_TRUE(absl::IsNotFound(future<int>::open(mem_, "n").status()));
  EXPECT_THROW(future<double>(mem_, "f"), error);
  absl::StatusOr<memory> looking = memory::open_read_only(name_.name());
  EXPECT_TRUE(absl::IsPermissionDenied(future<int>::open(*looking, "f").status()));
}

TEST_F(FutureTest, WhatNobodyCanHaveWrittenIsCorrupt) {
  using namespace internal;  // NOLINT: of no other test
  future<int> f(mem_, "f"), g(mem_, "g");
  const auto of = [&](const char* name) {
    return *open_structure(mem_, name, structure_type::of<int>(kind::future));
  };
  testing::slot_of(of("f")).word.store(7);
  int x = 0;
  EXPECT_EQ(f.get(x), outcome::corrupt);
  EXPECT_EQ(f.wait(), outcome::corrupt);
  EXPECT_EQ(f.set_value(1), outcome::corrupt);
  EXPECT_EQ(f.claim().why(), outcome::corrupt);
  EXPECT_EQ(f.peek(), nullptr);
  EXPECT_FALSE(f.error());
  EXPECT_TRUE(absl::IsDataLoss(f.status()));
  EXPECT_THROW(f.get(), error);

  const structure held = of("g");
  testing::slot_of(held).word.store(static_cast<uint64_t>(future_phase::error));
  future_error_record& e = static_cast<future_header<hardware>*>(held.data())->error;
  e.length = 0xffff;
  e.is_status = 1;
  EXPECT_EQ(g.error()->message.size(), kFutureErrorText);
  EXPECT_TRUE(absl::IsDataLoss(g.status())) << "an error that is OK";
}

TEST_F(FutureTest, AChildThatCouldNotJoinGetsAndClaimsNothing) {
  memory mem = *memory::create_anonymous(1 << 20, {.max_participants = 1});
  future<int> f(mem, "f");
  harness::process child([&] {
    EXPECT_EQ(f.set_value(1), outcome::exhausted);
    EXPECT_EQ(f.claim().why(), outcome::exhausted);
    EXPECT_EQ(f.try_get(), std::nullopt);
  });
  EXPECT_EQ(child.wait(), harness::exited(0));
  EXPECT_TRUE(f.set_value(2));
}

}  // namespace
}  // namespace zeroipc
