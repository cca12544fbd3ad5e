#include "zeroipc/barrier/barrier.h"

#include <signal.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/harness/harness.h"
#include "zeroipc/base/error.h"
#include "zeroipc/cell/cell.h"

namespace zeroipc {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

class BarrierTest : public ::testing::Test {
 protected:
  const harness::unique_segment name_;
  memory mem_{name_.name(), 4 << 20};
};

TEST_F(BarrierTest, PartiesGoStepByStep) {
  constexpr int kParties = 4, kSteps = 500;
  barrier b(mem_, "b", kParties);
  struct shared {
    std::atomic<int> arrived[kSteps];
  };
  harness::shared_state<shared> book;
  std::vector<harness::process> all;
  for (int p = 0; p < kParties / 2; ++p) {
    all.emplace_back([&]() -> int {
      const auto go = [&] {
        for (auto& step : book->arrived) {
          step.fetch_add(1);
          if (!b.arrive_and_wait()) std::abort();
          EXPECT_EQ(step, kParties);
        }
      };
      std::thread other(go);
      go();
      other.join();
      return 0;
    });
  }
  for (harness::process& p : all) EXPECT_EQ(p.wait(), harness::exited(0));
  EXPECT_EQ(b.stats().completed, static_cast<uint64_t>(kSteps));
}

TEST_F(BarrierTest, ArrivingAndWaitingAreTwoThings) {
  barrier b(mem_, "b", 2);
  barrier::phase mine = 0, other = 0;
  EXPECT_TRUE(b.arrive(mine));
  EXPECT_EQ(b.try_wait(mine), outcome::empty);
  EXPECT_EQ(b.wait_for(mine, 1ms), outcome::timed_out);
  EXPECT_EQ(b.stats().arrived, 1u);
  EXPECT_TRUE(b.arrive(other));
  EXPECT_EQ(mine, other);
  EXPECT_TRUE(b.wait(mine));
  EXPECT_TRUE(b.try_wait(other));
}

TEST_F(BarrierTest, WhoGivesUpIsNotWaitedFor) {
  barrier b(mem_, "b", 3);
  EXPECT_TRUE(b.join());
  EXPECT_TRUE(b.join());
  EXPECT_TRUE(b.join());
  EXPECT_EQ(b.drop(), outcome::ok);
  barrier::phase k = 0;
  EXPECT_TRUE(b.arrive(k));
  EXPECT_TRUE(b.arrive_and_wait());
  EXPECT_TRUE(b.drop());
  EXPECT_TRUE(b.arrive_and_wait());
  EXPECT_TRUE(b.drop());
  EXPECT_EQ(b.drop(), outcome::gone);
  EXPECT_EQ(b.arrive_and_wait(), outcome::full) << "all seats were given up";
  EXPECT_TRUE(b.join());
  EXPECT_TRUE(b.arrive_and_wait());
}

TEST_F(BarrierTest, ShrinksByTheDead) {
  barrier b(mem_, "b", 2, on_death::shrink);
  harness::process dies([&] {
    b.arrive_and_wait();
    ::raise(SIGKILL);
  });
  EXPECT_TRUE(b.arrive_and_wait()) << "its arrival stands";
  EXPECT_EQ(dies.wait(), harness::killed_by(SIGKILL));
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(b.arrive_and_wait()) << "alone now";
  EXPECT_EQ(b.stats().dropped, 1u);
  // A replacement steps in.
  harness::process comes([&]() -> int {
    EXPECT_TRUE(b.join());
    EXPECT_TRUE(b.arrive_and_wait());
    EXPECT_TRUE(b.drop());
    return 0;
  });
  while (b.stats().dropped != 0) std::this_thread::yield();
  EXPECT_TRUE(b.arrive_and_wait());
  EXPECT_EQ(comes.wait(), harness::exited(0));
}

TEST_F(BarrierTest, OrBreaks) {
  barrier b(mem_, "b", 3, on_death::break_all);
  harness::process sleeps([&]() -> int {
    EXPECT_EQ(b.arrive_and_wait(), outcome::broken);
    return 0;
  });
  // Who comes after a death takes the seat of the dead, and nothing is broken.
  ASSERT_TRUE(harness::eventually([&] { return b.stats().arrived == 1; }));
  harness::process dies([&] {
    b.join();
    ::raise(SIGKILL);
  });
  EXPECT_EQ(dies.wait(), harness::killed_by(SIGKILL));
  EXPECT_EQ(sleeps.wait(), harness::exited(0)) << "though another seat is awaited as well";
  EXPECT_TRUE(b.stats().broken);
  EXPECT_EQ(b.arrive_and_wait(), outcome::broken);
  EXPECT_EQ(b.join(), outcome::broken);
}

// Three seats in order: of one who lives and does not come, of one who dies, of one who waits.
TEST_F(BarrierTest, ADeathBreaksItThoughSomebodyElseHoldsItUp) {
  barrier b(mem_, "b", 3, on_death::break_all);
  EXPECT_TRUE(b.join());
  harness::shared_state<harness::gate> die;
  harness::process dies([&] {
    EXPECT_TRUE(b.join());
    EXPECT_TRUE(die->wait());
    ::raise(SIGKILL);
  });
  ASSERT_TRUE(harness::eventually([&] { return b.stats().joined == 2; }));
  harness::process sleeps([&]() -> int {
    EXPECT_EQ(b.arrive_and_wait(), outcome::broken);
    return 0;
  });
  ASSERT_TRUE(harness::eventually([&] { return b.stats().arrived == 1; }));
  die->open();
  EXPECT_EQ(sleeps.wait(), harness::exited(0));
}

TEST_F(BarrierTest, WhoArrivesAfterADeathFindsItBroken) {
  barrier b(mem_, "b", 2, on_death::break_all);
  harness::process dies([&] {
    EXPECT_TRUE(b.join());
    ::raise(SIGKILL);
  });
  // A seat of its own, before that one is free.
  EXPECT_TRUE(b.join());
  EXPECT_EQ(dies.wait(), harness::killed_by(SIGKILL));
  barrier::phase k = 0;
  b.arrive(k);
  EXPECT_EQ(b.try_wait(k), outcome::broken);
  EXPECT_EQ(b.stats().completed, 0u);
}

TEST_F(BarrierTest, AReplacementTakesTheSeatOfTheDead) {
  barrier b(mem_, "b", 2, on_death::break_all);
  harness::process dies([&] {
    b.join();
    ::raise(SIGKILL);
  });
  EXPECT_EQ(dies.wait(), harness::killed_by(SIGKILL));
  barrier::phase mine = 0;
  EXPECT_TRUE(b.join());
  EXPECT_TRUE(b.join());
  EXPECT_EQ(b.join(), outcome::full);
  EXPECT_TRUE(b.arrive(mine));
  EXPECT_TRUE(b.arrive_and_wait());
  EXPECT_FALSE(b.stats().broken);
}

TEST_F(BarrierTest, WhatItIsNotIsRefusedAndNamed) {
  const barrier b(mem_, "b", 4, on_death::shrink);
  EXPECT_EQ(barrier(mem_, "b").parties(), 4u);
  EXPECT_EQ(barrier(mem_, "b").rule(), on_death::shrink);
  EXPECT_THAT(barrier::open_or_create(mem_, "b", 5).status().message(),
              HasSubstr("capacity 4, asked for 5"));
  EXPECT_THAT(barrier::open_or_create(mem_, "b", 4, on_death::break_all).status().message(),
              HasSubstr("rule on death"));
  EXPECT_TRUE(absl::IsInvalidArgument(barrier::create(mem_, "t", 0).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(barrier::create(mem_, "t", 4097).status()));
  EXPECT_TRUE(absl::IsNotFound(barrier::open(mem_, "n").status()));
  const cell<int> c(mem_, "c");
  EXPECT_THAT(barrier::open(mem_, "c").status().message(), HasSubstr("barrier"));
  EXPECT_THROW(barrier(mem_, "n"), error);
}

}  // namespace
}  // namespace zeroipc
