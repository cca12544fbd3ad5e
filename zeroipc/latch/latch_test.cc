#include "zeroipc/latch/latch.h"

#include <signal.h>
#include <unistd.h>

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

class LatchTest : public ::testing::Test {
 protected:
  const harness::unique_segment name_;
  memory mem_{name_.name(), 4 << 20};
};

TEST_F(LatchTest, OpensWithTheLastArrival) {
  latch l(mem_, "l", 3);
  EXPECT_EQ(l.expected(), 3u);
  EXPECT_TRUE(l.count_down());
  EXPECT_TRUE(l.count_down());
  EXPECT_FALSE(l.try_wait());
  EXPECT_FALSE(l.wait_for(1ms));
  EXPECT_TRUE(l.arrive_and_wait());
  EXPECT_TRUE(l.try_wait());
  l.wait();
  EXPECT_EQ(l.count_down(), outcome::full);
  EXPECT_EQ(l.stats().settled, 3u);
}

TEST_F(LatchTest, SleepersOfOtherProcessesAreWoken) {
  constexpr int kParties = 4;
  latch l(mem_, "l", kParties);
  harness::shared_state<std::atomic<int>> arrived;
  std::vector<harness::process> all;
  for (int p = 0; p < kParties; ++p) {
    all.emplace_back([&]() -> int {
      arrived->fetch_add(1);
      l.arrive_and_wait();
      EXPECT_EQ(*arrived, kParties);
      return 0;
    });
  }
  for (harness::process& p : all) EXPECT_EQ(p.wait(), harness::exited(0));
}

TEST_F(LatchTest, WhatWasPromisedByTheDeadIsForfeited) {
  latch l(mem_, "l", 3);
  harness::process dies([&] {
    latch::promised kept = l.promise(), broken = l.promise();
    if (!kept.arrive()) return;
    ::raise(SIGKILL);
  });
  EXPECT_EQ(dies.wait(), harness::killed_by(SIGKILL));
  EXPECT_FALSE(l.try_wait()) << "one is nobody's";
  EXPECT_TRUE(l.arrive_and_wait());
  EXPECT_EQ(l.stats().forfeited, 1u);
}

TEST_F(LatchTest, ASleeperLearnsOfADeath) {
  latch l(mem_, "l", 1);
  harness::shared_state<std::atomic<bool>> promised;
  harness::process dies([&]() -> int {
    const latch::promised p = l.promise();
    *promised = true;
    for (;;) ::pause();
  });
  ASSERT_TRUE(harness::eventually([&] { return promised->load(); }));
  EXPECT_EQ(l.count_down(), outcome::full);
  harness::process waits([&] { l.wait(); });
  ASSERT_TRUE(harness::wait_until_asleep(waits.pid()));
  dies.kill();
  EXPECT_EQ(waits.wait(), harness::exited(0));
}

TEST_F(LatchTest, APromiseCanBeTakenBack) {
  latch l(mem_, "l", 1);
  {
    latch::promised p = l.promise();
    EXPECT_TRUE(p);
    EXPECT_EQ(l.promise().why(), outcome::full);
    harness::process child([&]() -> int { return static_cast<bool>(p.arrive()); });
    EXPECT_EQ(child.wait(), harness::exited(0))
        << "a forked child does not owe what its parent does";
    EXPECT_EQ(l.stats().promised, 1u);
  }
  latch::promised p = l.promise();
  EXPECT_TRUE(p.arrive());
  EXPECT_EQ(p.arrive(), outcome::gone);
  EXPECT_TRUE(l.try_wait());
}

TEST_F(LatchTest, WhatItIsNotIsRefusedAndNamed) {
  const latch l(mem_, "l", 4);
  EXPECT_EQ(latch(mem_, "l").expected(), 4u);
  const auto other = latch::open_or_create(mem_, "l", 5);
  EXPECT_TRUE(absl::IsFailedPrecondition(other.status()));
  EXPECT_THAT(other.status().message(), HasSubstr("capacity 4, asked for 5"));
  EXPECT_TRUE(absl::IsInvalidArgument(latch::create(mem_, "t", 0).status()));
  EXPECT_TRUE(absl::IsNotFound(latch::open(mem_, "n").status()));
  const cell<int> c(mem_, "c");
  EXPECT_THAT(latch::open(mem_, "c").status().message(), HasSubstr("latch"));
  EXPECT_THROW(latch(mem_, "n"), error);
}

}  // namespace
}  // namespace zeroipc
