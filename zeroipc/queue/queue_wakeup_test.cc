// Who is to be woken is: wake-ups that arrive at somebody who has no use for them are passed on. Each scene lays out who sleeps,
// in which order, before the one notification that matters.
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <optional>

#include "testing/harness/harness.h"
#include "zeroipc/queue/queue.h"

namespace zeroipc {
namespace {

using namespace std::chrono_literals;
using harness::exited;
using harness::process;
using harness::wait_until_asleep;

class QueueWakeup : public ::testing::Test {
 protected:
  struct scene {
    harness::tally done;
    harness::gate over;
    // For an actor: its part is done, well or not.
    int leave(bool well) {
      if (well) done.add();
      return over.wait() && well ? 0 : 1;
    }
  };
  harness::shared_state<scene> scene_;
  const harness::unique_segment name_;
  memory mem_{name_.name(), 1 << 20};
};

TEST_F(QueueWakeup, ACommittedReservationWakesAConsumer) {
  queue<int> q(mem_, "q", 4);
  auto r = q.reserve();
  process taker([&]() -> int { return q.pop() == 1 ? 0 : 1; });
  ASSERT_TRUE(wait_until_asleep(taker.pid()));
  *r = 1;
  EXPECT_TRUE(r.commit());
  EXPECT_EQ(taker.wait(), exited(0));
}

TEST_F(QueueWakeup, AConsumerThatWasToldTooEarlyTellsTheNext) {
  queue<int> q(mem_, "q", 4);
  auto first = q.reserve();
  const auto take = [&]() -> int { return scene_->leave(q.pop().has_value()); };
  process one(take), two(take);
  ASSERT_TRUE(wait_until_asleep(one.pid()));
  ASSERT_TRUE(wait_until_asleep(two.pid()));
  // Wakes one of them, who cannot get past the reservation and sleeps again.
  EXPECT_TRUE(q.push(2));
  ASSERT_TRUE(wait_until_asleep(one.pid()));
  ASSERT_TRUE(wait_until_asleep(two.pid()));
  *first = 1;
  EXPECT_TRUE(first.commit());
  EXPECT_TRUE(scene_->done.wait_for_at_least(2));
  scene_->over.open();
  EXPECT_EQ(one.wait(), exited(0));
  EXPECT_EQ(two.wait(), exited(0));
}

TEST_F(QueueWakeup, AProducerThatWasToldTooEarlyTellsTheNext) {
  queue<int> q(mem_, "q", 2);
  EXPECT_TRUE(q.push(1));
  EXPECT_TRUE(q.push(2));
  auto first = q.peek();
  const auto give = [&]() -> int { return scene_->leave(static_cast<bool>(q.push(3))); };
  process one(give), two(give);
  ASSERT_TRUE(wait_until_asleep(one.pid()));
  ASSERT_TRUE(wait_until_asleep(two.pid()));
  // Wakes one of them, who cannot get past the view and sleeps again.
  EXPECT_EQ(q.pop(), 2);
  ASSERT_TRUE(wait_until_asleep(one.pid()));
  ASSERT_TRUE(wait_until_asleep(two.pid()));
  EXPECT_TRUE(first.release());
  EXPECT_TRUE(scene_->done.wait_for_at_least(2));
  scene_->over.open();
  EXPECT_EQ(one.wait(), exited(0));
  EXPECT_EQ(two.wait(), exited(0));
}

TEST_F(QueueWakeup, WhoHasNoLeaseEntryForAnItemTellsTheNext) {
  queue<int> q(mem_, "q", 4, {.max_leases = 1});
  EXPECT_TRUE(q.push(1));
  auto held = q.lease();
  process leaser([&]() -> int { return q.lease() ? 0 : 1; });
  ASSERT_TRUE(wait_until_asleep(leaser.pid()));
  process popper([&]() -> int { return q.pop() == 2 ? 0 : 1; });
  ASSERT_TRUE(wait_until_asleep(popper.pid()));
  EXPECT_TRUE(q.push(2));
  EXPECT_EQ(popper.wait(), exited(0));
  EXPECT_TRUE(q.push(3));
  EXPECT_TRUE(held.ack());
  EXPECT_EQ(leaser.wait(), exited(0));
}

TEST_F(QueueWakeup, WhoHasNoItemForALeaseEntryTellsTheNext) {
  queue<int> q(mem_, "q", 4, {.max_leases = 1});
  EXPECT_TRUE(q.push(1));
  auto held = q.lease();
  EXPECT_TRUE(q.push(2));
  // Both wait for the entry.
  process first(
      [&]() -> int { return scene_->leave(q.lease_for(1s).why() == outcome::timed_out); });
  ASSERT_TRUE(wait_until_asleep(first.pid()));
  process second([&]() -> int { return *q.lease() == 3 ? 0 : 1; });
  ASSERT_TRUE(wait_until_asleep(second.pid()));
  EXPECT_EQ(q.pop(), 2);
  // The first is woken, finds no item, and goes away after a while; the second has to wait for items from now on.
  EXPECT_TRUE(held.ack());
  EXPECT_TRUE(scene_->done.wait_for_at_least(1));
  EXPECT_TRUE(q.push(3));
  EXPECT_EQ(second.wait(), exited(0));
  scene_->over.open();
  EXPECT_EQ(first.wait(), exited(0));
}

}  // namespace
}  // namespace zeroipc
