// Property: processes share one value and one evaluation of it; who dies or stops on the way is replaced, and brings nothing back
// that has passed.
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "testing/harness/harness.h"
#include "zeroipc/lazy/lazy.h"

namespace zeroipc {
namespace {

using namespace std::chrono_literals;

class LazyProcesses : public ::testing::Test {
 protected:
  const harness::unique_segment name_;
  memory mem_{name_.name(), 4 << 20};
  lazy<int> l_{mem_, "l"};
  harness::shared_state<std::atomic<int>> runs_;
  harness::shared_state<harness::gate> inside_, go_on_;
  // Computes `x`, after the gate.
  auto computing(int x) {
    return [this, x] {
      ++*runs_;
      inside_->open();
      EXPECT_TRUE(go_on_->wait());
      return x;
    };
  }
  // A process that is a provider of its own until it is killed.
  harness::process provider(int x) {
    harness::shared_state<harness::gate> ready;
    harness::process p([&] {
      lazy<int> l(mem_, "l");
      EXPECT_TRUE(l.set_computation(computing(x)));
      ready->open();
      for (;;) ::pause();
    });
    EXPECT_TRUE(ready->wait());
    return p;
  }
};

TEST_F(LazyProcesses, OneOfAllComputesIt) {
  std::vector<harness::process> all;
  for (int i = 0; i < 4; ++i) {
    all.emplace_back([&, i] {
      lazy<int> l(mem_, "l");
      if (i < 2) {
        EXPECT_TRUE(l.set_computation(computing(5)));
      }
      std::thread other([&] { EXPECT_EQ(l.get(), 5); });
      EXPECT_EQ(l.get(), 5);
      other.join();
    });
  }
  EXPECT_TRUE(inside_->wait());
  ASSERT_TRUE(harness::eventually([&] { return l_.stats().waits == 8; }));
  go_on_->open();
  for (harness::process& p : all) EXPECT_EQ(p.wait(), harness::exited(0));
  EXPECT_EQ(*runs_, 1);
  EXPECT_EQ(l_.stats().evaluations, 1u);
}

TEST_F(LazyProcesses, TheDeathOfWhoComputesHandsOver) {
  harness::process first = provider(1);
  std::thread waits([&] { EXPECT_EQ(l_.get(), 2); });
  ASSERT_TRUE(inside_->wait());
  harness::process second = provider(2);
  EXPECT_EQ(*runs_, 1);
  EXPECT_EQ(l_.stats().providers, 2u);
  first.kill();
  go_on_->open();
  waits.join();
  EXPECT_EQ(*runs_, 2);
  EXPECT_EQ(l_.stats().handovers, 1u);
  first.wait();
  EXPECT_EQ(l_.stats().providers, 1u);
}

TEST_F(LazyProcesses, TheDeathOfTheOnlyOneLeavesTheDemand) {
  harness::process first = provider(1);
  std::thread waits([&] { EXPECT_EQ(l_.get(), 2); });
  ASSERT_TRUE(inside_->wait());
  first.kill();
  first.wait();
  int x = 0;
  EXPECT_EQ(l_.get_for(x, 1ms), outcome::missing);
  go_on_->open();
  harness::process second = provider(2);
  waits.join();
}

TEST_F(LazyProcesses, WhoAsksAndComputesItselfTakesOverFromTheDead) {
  harness::process first = provider(1);
  l_.refresh();
  ASSERT_TRUE(inside_->wait());
  first.kill();
  first.wait();
  EXPECT_TRUE(l_.set_computation([] { return 3; }));
  EXPECT_EQ(l_.get(), 3);
  EXPECT_EQ(l_.stats().handovers, 1u);
}

TEST_F(LazyProcesses, WhatAStoppedOneBringsLaterIsFenced) {
  harness::process first = provider(1);
  std::thread waits([&] { EXPECT_EQ(l_.get(), 2); });
  ASSERT_TRUE(inside_->wait());
  first.stop();
  harness::process second = provider(2);
  // A stopped process is not a dead one.
  EXPECT_EQ(l_.get_for(1ms), std::nullopt);
  EXPECT_EQ(*runs_, 1);
  go_on_->open();
  EXPECT_TRUE(l_.take_over());
  waits.join();
  EXPECT_EQ(l_.take_over(), outcome::empty);
  const uint64_t version = l_.version();
  first.cont();
  ASSERT_TRUE(harness::eventually([&] { return l_.stats().fenced == 1; }));
  EXPECT_EQ(l_.get(), 2);
  EXPECT_EQ(l_.version(), version);
  EXPECT_EQ(l_.stats().take_overs, 1u);
}

TEST_F(LazyProcesses, WhoWasGivenUpOnComputesAgainIfThereIsNobodyElse) {
  harness::process first = provider(1);
  l_.refresh();
  ASSERT_TRUE(inside_->wait());
  EXPECT_TRUE(l_.take_over());
  int x = 0;
  EXPECT_EQ(l_.get_for(x, 1ms), outcome::timed_out);
  go_on_->open();
  EXPECT_EQ(l_.get(), 1);
  EXPECT_EQ(*runs_, 2);
}

TEST_F(LazyProcesses, WhatIsInvalidatedUnderTheDeadIsComputedByTheNext) {
  harness::process first = provider(1);
  std::thread waits([&] { EXPECT_EQ(l_.get(), 2); });
  ASSERT_TRUE(inside_->wait());
  harness::process second = provider(2);
  l_.invalidate();
  first.kill();
  go_on_->open();
  waits.join();
}

TEST_F(LazyProcesses, SeatsOfTheDeadAreFree) {
  for (int i = 0; i < 17; ++i) {
    harness::process p = provider(1);
    p.kill();
    EXPECT_EQ(p.wait(), harness::killed_by(SIGKILL));
  }
  EXPECT_TRUE(l_.set_computation([] { return 1; }));
  EXPECT_EQ(l_.stats().providers, 1u);
}

TEST_F(LazyProcesses, ATableFullOfTheDeadHasRoom) {
  std::vector<harness::process> all;
  for (int i = 0; i < 16; ++i) all.push_back(provider(1));
  EXPECT_EQ(l_.set_computation([] { return 1; }), outcome::exhausted);
  for (harness::process& p : all) p.kill();
  for (harness::process& p : all) p.wait();
  int x = 0;
  EXPECT_EQ(l_.try_get(x), outcome::missing);
  EXPECT_TRUE(l_.set_computation([] { return 1; }));
}

TEST_F(LazyProcesses, AForkedChildIsNoProvider) {
  EXPECT_TRUE(l_.set_computation([] { return ::getpid(); }));
  EXPECT_EQ(l_.stats().providers, 1u);
  harness::process child([&] {
    const int parent = ::getppid();
    // By the handle that it inherited it asks, and its parent computes.
    EXPECT_EQ(l_.get(), parent);
    EXPECT_EQ(l_.stats().providers, 1u);
    EXPECT_TRUE(l_.set_computation([] { return ::getpid(); }));
    EXPECT_EQ(l_.stats().providers, 2u);
    l_.invalidate();
    EXPECT_EQ(l_.get(), ::getpid());
    l_ = lazy<int>(mem_, "l");
    EXPECT_EQ(l_.stats().providers, 1u) << "the parent's seat is the parent's";
  });
  EXPECT_EQ(child.wait(), harness::exited(0));
  EXPECT_EQ(l_.stats().providers, 1u);
  l_.invalidate();
  EXPECT_EQ(l_.get(), ::getpid());
}

TEST_F(LazyProcesses, AChildOfAComputationIsNotAtIt) {
  EXPECT_TRUE(l_.set_computation([&] {
    harness::process forked([&] {
      // The turn is its parent's, and so is what it computes.
      lazy<int> mine(mem_, "l");
      EXPECT_EQ(mine.get_for(1ms), std::nullopt);
      EXPECT_TRUE(mine.stats().evaluating);
    });
    EXPECT_EQ(forked.wait(), harness::exited(0));
    return 6;
  }));
  EXPECT_EQ(l_.get(), 6);
}

TEST_F(LazyProcesses, AChildThatReturnsFromItsParentsComputationIsFenced) {
  const pid_t parent = ::getpid();
  harness::shared_state<std::atomic<int>> child_got;
  EXPECT_TRUE(l_.set_computation([&]() -> int {
    const pid_t child = ::fork();
    if (child == 0) return -1;
    // Until it has tried to publish, and waits for us.
    EXPECT_TRUE(harness::wait_until_asleep(child));
    return 6;
  }));
  const int x = l_.get();
  if (::getpid() != parent) {
    *child_got = x;
    ::_exit(0);
  }
  EXPECT_EQ(x, 6);
  EXPECT_TRUE(harness::eventually([&] { return *child_got != 0; }));
  EXPECT_EQ(*child_got, 6);
}

}  // namespace
}  // namespace zeroipc
