#include "zeroipc/event/event.h"

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

class EventTest : public ::testing::Test {
 protected:
  const harness::unique_segment name_;
  memory mem_{name_.name(), 4 << 20};
};

TEST_F(EventTest, AManualOneStaysSet) {
  event e(mem_, "e", event_reset::manual);
  EXPECT_FALSE(e.is_set());
  EXPECT_FALSE(e.try_wait());
  EXPECT_FALSE(e.wait_for(1ms));
  e.set();
  e.set();
  EXPECT_TRUE(e.is_set() && e.try_wait() && e.try_wait() && e.wait_for(1h));
  e.wait();
  EXPECT_TRUE(e.reset());
  EXPECT_FALSE(e.reset());
  EXPECT_FALSE(e.try_wait());
  EXPECT_EQ(e.stats().sets, 1u);
}

TEST_F(EventTest, AnAutomaticOneLetsOneThrough) {
  event e(mem_, "e", event_reset::automatic);
  e.set();
  e.set();
  EXPECT_TRUE(e.is_set());
  EXPECT_TRUE(e.try_wait());
  EXPECT_FALSE(e.try_wait());
  e.set();
  EXPECT_TRUE(e.reset());
  EXPECT_FALSE(e.wait_for(0ms));
}

TEST_F(EventTest, SleepersOfOtherProcessesAreWoken) {
  event go(mem_, "go", event_reset::manual), one(mem_, "one", event_reset::automatic);
  harness::shared_state<std::atomic<int>> through;
  std::vector<harness::process> all;
  for (int p = 0; p < 4; ++p) {
    all.emplace_back([&] {
      go.wait();
      one.wait();
      through->fetch_add(1);
    });
  }
  for (harness::process& p : all) ASSERT_TRUE(harness::wait_until_asleep(p.pid()));
  EXPECT_EQ(*through, 0);
  go.set();
  for (int i = 1; i <= 4; ++i) {
    one.set();
    ASSERT_TRUE(harness::eventually([&] { return *through == i; }));
  }
  for (harness::process& p : all) EXPECT_EQ(p.wait(), harness::exited(0));
  EXPECT_FALSE(one.is_set());
}

// Some sleep, and all of them are killed and replaced at some time: what was set lets somebody through.
TEST_F(EventTest, WhatAKilledSleeperWasWokenForReachesAnother) {
  event e(mem_, "e", event_reset::automatic);
  harness::shared_state<std::atomic<int>> through;
  for (int i = 1; i <= 50; ++i) {
    const auto waits = [&] {
      e.wait();
      through->fetch_add(1);
    };
    harness::process first(waits), second(waits);
    ASSERT_TRUE(harness::wait_until_asleep(first.pid()));
    ASSERT_TRUE(harness::wait_until_asleep(second.pid()));
    const int before = *through;
    e.set();
    first.kill();
    first.wait();
    // If the first took it with it, another is needed.
    if (!harness::eventually([&] { return *through > before || !e.is_set(); })) {
      ADD_FAILURE() << "it is set, and the second sleeps";
    }
    e.set();
    EXPECT_EQ(second.wait(), harness::exited(0));
    e.reset();
  }
}

TEST_F(EventTest, WhatItIsNotIsRefusedAndNamed) {
  const event e(mem_, "e", event_reset::manual);
  EXPECT_EQ(event(mem_, "e").mode(), event_reset::manual);
  const auto other = event::open_or_create(mem_, "e", event_reset::automatic);
  EXPECT_TRUE(absl::IsFailedPrecondition(other.status()));
  EXPECT_THAT(other.status().message(), HasSubstr("reset mode"));
  EXPECT_TRUE(absl::IsAlreadyExists(event::create(mem_, "e", event_reset::manual).status()));
  EXPECT_TRUE(absl::IsNotFound(event::open(mem_, "n").status()));
  const cell<int> c(mem_, "c");
  EXPECT_THAT(event::open(mem_, "c").status().message(), HasSubstr("event"));
  EXPECT_THROW(event(mem_, "n"), error);
}

}  // namespace
}  // namespace zeroipc
