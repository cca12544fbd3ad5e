#include "patterns/saga/saga.h"

#include <signal.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "patterns/saga/effect_ledger.h"
#include "patterns/saga/sagas.h"
#include "testing/chaos/chaos.h"
#include "testing/evidence/evidence.h"
#include "testing/harness/harness.h"
#include "zeroipc/latch/latch.h"
#include "zeroipc/name_table/name_table.h"

namespace zeroipc::patterns {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// What is done and undone, in words, and where something else happens than it should.
struct Script {
  std::vector<std::string> done;
  std::string fails, kills;

  absl::Status run(const std::string& what) {
    if (what == kills) ::raise(SIGKILL);
    done.push_back(what);
    return what == fails ? absl::InternalError(what + " fails") : absl::OkStatus();
  }
};

struct Trip {
  int booked;
};

class SagaTest : public ::testing::Test {
 protected:
  // Three steps: flight, hotel, car.
  static Sagas<Trip> trips(const memory& mem, Script& script, SagaOptions options = {}) {
    Sagas<Trip> all(mem, "trips", 8, options);
    for (const std::string name : {"flight", "hotel", "car"}) {
      all.add_step(
          name,
          [&script, name](const SagaStep&, Trip& t) {
            absl::Status s = script.run(name);
            if (s.ok()) ++t.booked;
            return s;
          },
          [&script, name](const SagaStep& step, Trip& t) {
            if (!step.doubtful) --t.booked;
            return script.run((step.doubtful ? "perhaps -" : "-") + name);
          });
    }
    return all;
  }
  // In a process that is killed where the script says so.
  void killed_at(const std::string& what, SagaOptions options = {}) {
    harness::process victim([&] {
      Script script{.done = {}, .fails = fails_, .kills = what};
      trips(memory(segment_.name()), script, options).execute(1, {0}).IgnoreError();
    });
    EXPECT_EQ(victim.wait(), harness::killed_by(SIGKILL));
  }

  harness::unique_segment segment_;
  memory mem_{segment_.name(), 4 << 20};
  Script script_;
  std::string fails_;
};

TEST_F(SagaTest, AllStepsHappen) {
  auto all = trips(mem_, script_);
  const auto end = all.execute(1, {0});
  ASSERT_TRUE(end.ok()) << end.status();
  EXPECT_TRUE(end->completed());
  EXPECT_THAT(script_.done, ElementsAre("flight", "hotel", "car"));
  EXPECT_EQ(all.data(1)->booked, 3);
  EXPECT_EQ(all.stats().completed, 1u);
}

TEST_F(SagaTest, OrWhatHasHappenedIsUndoneTheLastFirst) {
  script_.fails = "car";
  auto all = trips(mem_, script_);
  const auto end = all.execute(1, {0});
  EXPECT_EQ(end->state, SagaState::kCompensated);
  EXPECT_EQ(end->why, absl::InternalError("car fails"));
  EXPECT_THAT(script_.done, ElementsAre("flight", "hotel", "car", "-hotel", "-flight"));
  EXPECT_EQ(all.data(1)->booked, 0);
  script_.fails = "flight";
  EXPECT_EQ(all.execute(2, {0})->state, SagaState::kCompensated);
  EXPECT_EQ(script_.done.size(), 6u) << "nothing was to be undone";
}

TEST_F(SagaTest, ANumberIsUsedOnce) {
  auto all = trips(mem_, script_);
  EXPECT_TRUE(all.execute(1, {0})->completed());
  EXPECT_TRUE(all.execute(1, {0})->completed());
  EXPECT_TRUE(all.start(1, {0}).ok());
  EXPECT_EQ(script_.done.size(), 3u);
  EXPECT_TRUE(all.forget(1));
  EXPECT_EQ(all.forget(1), outcome::missing);
  EXPECT_EQ(all.state(1), std::nullopt);
}

TEST_F(SagaTest, ThoseThatAreOverMakeRoom) {
  auto all = trips(mem_, script_, {.when_full = WhenLogIsFull::kForgetEnded});
  for (uint64_t n = 1; n <= 1000; ++n) ASSERT_TRUE(all.execute(n, {0})->completed());
  EXPECT_EQ(all.state(1), std::nullopt);
  EXPECT_EQ(all.state(1000), SagaState::kCompleted);
}

TEST_F(SagaTest, OthersDoTheWork) {
  harness::process worker([&] {
    Script script;
    EXPECT_EQ(trips(memory(segment_.name()), script).work(), 2u);
  });
  auto all = trips(mem_, script_);
  EXPECT_TRUE(all.start(1, {0}).ok());
  EXPECT_TRUE(all.start(2, {0}).ok());
  EXPECT_TRUE(all.wait(1)->completed());
  EXPECT_TRUE(all.wait_for(2, 1min)->completed());
  all.stop();
  EXPECT_EQ(worker.wait(), harness::exited(0));
  EXPECT_THAT(script_.done, IsEmpty());
  EXPECT_TRUE(absl::IsUnavailable(all.start(3, {0})));
  EXPECT_TRUE(absl::IsUnavailable(all.execute(3, {0}).status()));
}

TEST_F(SagaTest, AfterADeathAtAnActionThatIsUndoneFirst) {
  killed_at("hotel");
  auto all = trips(mem_, script_);
  EXPECT_EQ(all.state(1), SagaState::kRunning);
  const auto end = all.wait_for(1, 1min);
  EXPECT_EQ(end->state, SagaState::kCompensated);
  EXPECT_EQ(end->why, absl::AbortedError("its process died at step 1"));
  EXPECT_THAT(script_.done, ElementsAre("perhaps -hotel", "-flight"));
  EXPECT_EQ(all.stats().resumed, 1u);
  EXPECT_EQ(all.stats().doubtful, 1u);
}

TEST_F(SagaTest, OrBegunAgainWithTheSameKey) {
  killed_at("hotel", {.when_in_doubt = WhenInDoubt::kRepeat});
  auto all = trips(mem_, script_, {.when_in_doubt = WhenInDoubt::kRepeat});
  EXPECT_EQ(all.recover(), 1u) << "everybody was dead when this process came";
  EXPECT_EQ(all.state(1), SagaState::kCompleted);
  EXPECT_THAT(script_.done, ElementsAre("hotel", "car"));
  EXPECT_EQ(all.data(1)->booked, 3) << "what the dead one had done stays";
}

TEST_F(SagaTest, AfterADeathAtACompensationThatIsBegunAgain) {
  fails_ = "car";
  killed_at("-hotel");
  auto all = trips(mem_, script_);
  EXPECT_EQ(all.execute(1, {0})->state, SagaState::kCompensated);
  EXPECT_THAT(script_.done, ElementsAre("-hotel", "-flight"));
}

TEST_F(SagaTest, WhoWaitsGoesOnWithIt) {
  latch begun(mem_, "begun", 1);
  auto first = std::make_unique<harness::process>([&] {
    Sagas<Trip> all(memory(segment_.name()), "one", 8);
    all.add_step(
        "it",
        [&](const SagaStep&, Trip&) {
          begun.count_down();
          ::pause();
          return absl::OkStatus();
        },
        [](const SagaStep&, Trip&) { return absl::OkStatus(); });
    all.execute(7, {0}).IgnoreError();
  });
  begun.wait();
  const absl::Status late = Sagas<Trip>(mem_, "one", 8).wait_for(7, 1ms).status();
  EXPECT_TRUE(absl::IsDeadlineExceeded(late)) << late;
  EXPECT_THAT(std::string(late.message()), HasSubstr("number 7 is running, at step 0 of 1"));
  harness::process waiting([&] {
    Sagas<Trip> all(memory(segment_.name()), "one", 8);
    bool undone = false;
    all.add_step(
        "it", [](const SagaStep&, Trip&) { return absl::OkStatus(); },
        [&](const SagaStep& step, Trip&) {
          undone = step.doubtful && step.compensating && step.key() == EffectKey{7, 0, 1};
          return absl::OkStatus();
        });
    EXPECT_EQ(all.wait(7)->state, SagaState::kCompensated);
    EXPECT_TRUE(undone);
  });
  EXPECT_TRUE(harness::wait_until_asleep(waiting.pid()));
  first->kill();
  first->wait();
  EXPECT_EQ(waiting.wait(), harness::exited(0));
}

TEST_F(SagaTest, ACompensationIsTriedAgainAndThenStuck) {
  script_.fails = "car";
  int refusals = 0;
  Sagas<Trip> all(mem_, "trips", 8, {.most_attempts = 3});
  all.add_step(
      "a", [](const SagaStep&, Trip&) { return absl::OkStatus(); },
      [&](const SagaStep& step, Trip&) {
        EXPECT_EQ(step.attempt, static_cast<uint32_t>(refusals % 3 + 1));
        ++refusals;
        return step.saga == 1 && step.attempt == 3 ? absl::OkStatus()
                                                   : absl::UnavailableError("not now");
      });
  all.add_step(
      "b", [](const SagaStep&, Trip&) -> absl::Status { throw std::runtime_error("no"); },
      [](const SagaStep&, Trip&) { return absl::OkStatus(); });
  EXPECT_EQ(all.execute(1, {0})->state, SagaState::kCompensated);
  EXPECT_EQ(all.execute(1, {0})->why, absl::UnknownError("no"));
  const auto stuck = all.execute(2, {0});
  EXPECT_EQ(stuck->state, SagaState::kStuck);
  EXPECT_EQ(stuck->why, absl::UnavailableError("compensation of step 0: not now"));
  EXPECT_THAT(all.health().reason, HasSubstr("1 are stuck in a compensation"));
}

TEST_F(SagaTest, ACancelledOneIsUndone) {
  Sagas<Trip> all = trips(mem_, script_);
  all.add_step(
      "late", [](const SagaStep&, Trip&) { return absl::OkStatus(); },
      [](const SagaStep&, Trip&) { return absl::OkStatus(); });
  EXPECT_EQ(all.cancel(1), outcome::missing);
  EXPECT_TRUE(all.start(1, {0}).ok());
  EXPECT_TRUE(all.cancel(1));
  EXPECT_EQ(all.work_for(100ms), 1u);
  EXPECT_EQ(all.wait(1)->why, absl::CancelledError("before step 0"));
  EXPECT_EQ(all.cancel(1), outcome::gone);
  EXPECT_THAT(script_.done, IsEmpty());
}

TEST_F(SagaTest, OthersStepsAreNotTaken) {
  killed_at("hotel");
  Sagas<Trip> others(mem_, "trips", 8);
  others.add_step(
      "flight", [](const SagaStep&, Trip&) { return absl::OkStatus(); },
      [](const SagaStep&, Trip&) { return absl::OkStatus(); });
  EXPECT_EQ(others.recover(), 0u);
  const auto end = others.wait_for(1, 1ms);
  EXPECT_TRUE(absl::IsFailedPrecondition(end.status()));
  EXPECT_THAT(std::string(end.status().message()), HasSubstr("with 3 steps"));
  EXPECT_EQ(trips(mem_, script_).recover(), 1u);
}

TEST_F(SagaTest, TellsWhatHappens) {
  auto all = trips(mem_, script_);
  script_.fails = "hotel";
  all.execute(1, {0}).IgnoreError();
  std::vector<SagaEventKind> kinds;
  for (const SagaEvent& e : all.events().history()) kinds.push_back(e.kind);
  using enum SagaEventKind;
  EXPECT_THAT(kinds, ElementsAre(kStarted, kStepStarted, kStepCompleted, kStepStarted, kStepFailed,
                                 kCompensationStarted, kCompensationCompleted, kEnded));
}

TEST_F(SagaTest, SaysWhatIsWrongAndLeavesNothing) {
  EXPECT_TRUE(absl::IsInvalidArgument(Sagas<Trip>::open_or_create(mem_, "trips", 0).status()));
  const size_t before = list(mem_).size();
  auto all = trips(mem_, script_);
  EXPECT_TRUE(absl::IsFailedPrecondition(Sagas<Trip>::open_or_create(mem_, "trips", 9).status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(Sagas<char>::open_or_create(mem_, "trips", 8).status()));
  EXPECT_TRUE(absl::IsNotFound(all.wait(99).status()));
  for (uint64_t i = 1; i <= 8; ++i) EXPECT_TRUE(all.start(i, {0}).ok());
  EXPECT_TRUE(absl::IsResourceExhausted(all.start_for(9, {0}, 1ms)));
  EXPECT_THAT(all.health().reason, HasSubstr("full"));
  EXPECT_EQ(all.forget(1), outcome::taken);
  EXPECT_TRUE(all.remove().ok());
  EXPECT_TRUE(all.remove().ok()) << "somebody else has done it";
  EXPECT_EQ(list(mem_).size(), before);
}

TEST_F(SagaTest, OneUnderAName) {
  bool has_stock = true;
  int reserved = 0;
  const auto order = [&](const char* name) {
    Saga saga(mem_, name);
    saga.add_step(
        [&] {
          ++reserved;
          return true;
        },
        [&] { --reserved; });
    saga.add_step([&](const SagaStep& s) { return s.step == 1 && has_stock; }, [] {});
    return saga;
  };
  EXPECT_TRUE(order("order_1").execute());
  EXPECT_TRUE(order("order_1").execute()) << "it has happened";
  EXPECT_EQ(reserved, 1);
  has_stock = false;
  Saga second = order("order_2");
  EXPECT_FALSE(second.execute());
  EXPECT_EQ(second.last()->why, absl::AbortedError("it has not happened"));
  EXPECT_EQ(reserved, 1);
}

TEST_F(SagaTest, AnEffectHappensOnceForEachKey) {
  EffectLedger ledger(mem_, "effects", 100);
  int happened = 0;
  const auto effect = [&] { ++happened; };
  EXPECT_EQ(ledger.look({1, 0, 0}), outcome::missing);
  EXPECT_EQ(ledger.once({1, 0, 0}, effect), outcome::ok);
  EXPECT_EQ(ledger.once({1, 0, 0}, effect), outcome::exists);
  EXPECT_EQ(ledger.once({1, 0, 1}, effect), outcome::ok);
  EXPECT_EQ(happened, 2);
  EXPECT_THROW(ledger.once({2, 0, 0}, [] { throw std::runtime_error("no"); }), std::runtime_error);
  EXPECT_EQ(ledger.once({2, 0, 0}, effect), outcome::ok) << "it had not happened";
  harness::process victim([&] {
    EffectLedger(memory(segment_.name()), "effects", 100).once({3, 0, 0}, [] { ::raise(SIGKILL); });
  });
  EXPECT_EQ(victim.wait(), harness::killed_by(SIGKILL));
  EXPECT_EQ(ledger.once({3, 0, 0}, effect), outcome::broken);
  EXPECT_EQ(ledger.look({3, 0, 0}), outcome::broken);
  EXPECT_EQ(ledger.once_for({1, 0, 0}, 1s, effect), outcome::exists);
  ledger.forget(1, 1);
  EXPECT_EQ(ledger.size(), 2u);
  EXPECT_EQ(happened, 3);
}

constexpr uint64_t kMostOrders = 100'000;

// What happened to each order, in memory of the test's own, and what was said of it.
struct books {
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> next{1};
  std::array<std::atomic<uint8_t>, kMostOrders> actions[3], compensations[3], told;
  std::atomic<uint64_t> wrong{0}, again{0};
};

// Every seventh fails at the third step.
void declare(Sagas<Trip>& orders, books& b) {
  for (uint32_t i = 0; i < 3; ++i) {
    orders.add_step(
        std::string(1, static_cast<char>('a' + i)),
        [&b, i](const SagaStep& s, Trip& t) -> absl::Status {
          for (int n = 0; n < 300; ++n) hardware::pause();
          if (i == 2 && s.saga % 7 == 0) return absl::UnavailableError("out of stock");
          if (b.actions[i][s.saga].fetch_add(1) != 0) ++b.again;
          t.booked |= 1 << i;
          return absl::OkStatus();
        },
        [&b, i](const SagaStep& s, Trip& t) -> absl::Status {
          if (!s.doubtful && (t.booked & 1 << i) == 0) ++b.wrong;
          t.booked &= ~(1 << i);
          b.compensations[i][s.saga] = 1;  // may be done again
          return absl::OkStatus();
        });
  }
}

TEST_F(SagaTest, WithEverybodyKilledAtRandomEachSagaIsWholeOrUndone) {
  harness::shared_state<books> b;
  constexpr SagaOptions kOptions = {.when_full = WhenLogIsFull::kForgetEnded};
  Sagas<Trip> outside(mem_, "orders", 64, kOptions);
  declare(outside, *b);
  chaos::chaos all({.workers = 4, .seed = 23}, [&](int me) {
    Sagas<Trip> orders(mem_, "orders", 64, kOptions);
    declare(orders, *b);
    if (me >= 2) {
      orders.work();
      return;
    }
    while (!b->stop) {
      const uint64_t n = b->next++;
      if (n >= kMostOrders) break;
      const bool here = me == 0;
      if (!here && !orders.start(n, {0}).ok()) break;
      const auto end = here ? orders.execute(n, {0}) : orders.wait_for(n, 1min);
      if (!end.ok()) {
        b->wrong += !absl::IsNotFound(end.status());  // forgotten when there was no room
        continue;
      }
      b->told[n] = static_cast<uint8_t>(end->state);
    }
  });
  all.run_for(std::chrono::seconds(zeroipc::testing::quick_or_full(2, 60)));
  b->stop = true;
  const auto idle = [&] {
    outside.recover();
    const SagaStats s = outside.stats();
    return s.waiting + s.running == 0;
  };
  EXPECT_TRUE(harness::eventually(idle));
  outside.stop();
  ASSERT_TRUE(all.finish()) << all.so_far().text();
  EXPECT_EQ(b->wrong, 0u);
  EXPECT_EQ(b->again, 0u) << "no action is begun twice";
  uint64_t whole = 0, none = 0, torn = 0;
  for (uint64_t n = 1; n < b->next && n < kMostOrders; ++n) {
    int done = 0;
    for (int i = 0; i < 3; ++i) done += b->actions[i][n] != 0 && b->compensations[i][n] == 0;
    whole += done == 3;
    none += done == 0;
    torn += done % 3 != 0;
    if (const auto told = static_cast<SagaState>(b->told[n].load()); told != SagaState{}) {
      EXPECT_EQ(told, done == 3 ? SagaState::kCompleted : SagaState::kCompensated) << n;
    }
  }
  EXPECT_EQ(torn, 0u);
  EXPECT_GT(whole, 20u);
  EXPECT_GT(none, 5u);
  outside.for_each([&](uint64_t n, SagaState state, const Trip& t) {
    EXPECT_EQ(t.booked, state == SagaState::kCompleted ? 7 : 0) << n << ": " << name_of(state);
  });
  const SagaStats s = outside.stats();
  zeroipc::testing::evidence("pattern saga", zeroipc::testing::instrument::chaos)
      .figure("kills", all.so_far().kills)
      .figure("stops", all.so_far().stops)
      .figure("sagas completed", s.completed)
      .figure("undone", s.compensated)
      .figure("taken over", s.resumed)
      .figure("of those in doubt", s.doubtful);
}

}  // namespace
}  // namespace zeroipc::patterns
