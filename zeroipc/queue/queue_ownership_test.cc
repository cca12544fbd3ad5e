// What belongs to whom: claims of one queue are none of another's, a forked child is not its parent, and a lease that has been
// given back is nobody's.
#include <gtest/gtest.h>
#include <unistd.h>

#include <optional>
#include <vector>

#include "testing/harness/harness.h"
#include "zeroipc/queue/crash_world.h"
#include "zeroipc/queue/queue.h"

namespace zeroipc {
namespace {

using harness::exited;
using harness::process;

class QueueOwnership : public ::testing::Test {
 protected:
  // Kills a process that has just done `work`, and waits until everybody knows.
  template <typename F>
  void DieAfter(F&& work) {
    harness::shared_state<harness::gate> done;
    process victim([&] {
      work();
      done->open();
      ::pause();
    });
    ASSERT_TRUE(done->wait());
    victim.kill(SIGKILL);
    victim.wait();
    mem_.attachment()->self->notice_deaths();
  }

  const harness::unique_segment name_;
  memory mem_{name_.name(), 1 << 20, {.max_participants = 4}};
};

TEST_F(QueueOwnership, AClaimIsOfOneQueue) {
  queue<int> one(mem_, "one", 4), other(mem_, "other", 4);
  auto ours = one.reserve();
  ASSERT_TRUE(ours);
  // The same position of the other queue.
  DieAfter([&] { new queue<int>::reservation(other.reserve()); });
  EXPECT_TRUE(other.push(5));
  EXPECT_EQ(other.try_pop(), 5) << "stuck behind what a dead process had claimed";
}

TEST_F(QueueOwnership, AReservationThatStandsIsNoOperationInProgress) {
  queue<int> q(mem_, "q", 4);
  auto ours = q.reserve();
  DieAfter([&] { new queue<int>::reservation(q.reserve()); });
  // Somebody else looks, for this thread's next operation would end what was left of its last.
  process other([&]() -> int {
    if (q.try_pop()) return 1;
    const uint64_t once = q.stats().recoveries;
    for (int i = 0; i < 10; ++i) {
      if (q.try_pop()) return 1;
    }
    return q.stats().recoveries == once ? 0 : 2;  // 2: recovery waits for it to end
  });
  EXPECT_EQ(other.wait(), exited(0));
  *ours = 1;
  EXPECT_TRUE(ours.commit());
  EXPECT_EQ(q.try_pop(), 1);
}

TEST_F(QueueOwnership, AForkedChildIsNotItsParent) {
  queue<int, spsc> q(mem_, "q", 4);
  EXPECT_TRUE(q.push(1));
  process child([&]() -> int { return q.try_push(2) == outcome::taken ? 0 : 1; });
  EXPECT_EQ(child.wait(), exited(0));
  EXPECT_EQ(q.size(), 1u);
}

TEST_F(QueueOwnership, ARoleStaysWhileSomethingOfItIsOut) {
  queue<int, spsc> q(mem_, "q", 4);
  EXPECT_TRUE(q.push(1));
  {
    auto out = q.reserve();
    EXPECT_EQ(q.release_role(), outcome::taken);
    process other([&]() -> int { return q.try_push(2) == outcome::taken ? 0 : 1; });
    EXPECT_EQ(other.wait(), exited(0));
  }
  {
    auto seen = q.peek();
    EXPECT_EQ(q.release_role(), outcome::taken);
    process other([&]() -> int {
      int x;
      return q.try_pop(x) == outcome::taken ? 0 : 1;
    });
    EXPECT_EQ(other.wait(), exited(0));
  }
  EXPECT_TRUE(q.release_role());
}

TEST_F(QueueOwnership, WhoCouldNotJoinTakesNothing) {
  queue<int, spsc> q(mem_, "q", 4);
  harness::shared_state<harness::gate> go;
  // All places are taken but ours.
  std::vector<process> others;
  for (int i = 0; i < 3; ++i) {
    others.emplace_back([&] {
      mem_.attachment()->self->self();
      EXPECT_TRUE(go->wait());
    });
  }
  process child([&]() -> int {
    int x;
    return q.try_push(2) == outcome::exhausted && q.try_pop(x) == outcome::exhausted ? 0 : 1;
  });
  EXPECT_EQ(child.wait(), exited(0));
  go->open();
  for (process& p : others) EXPECT_EQ(p.wait(), exited(0));
  EXPECT_TRUE(q.push(1)) << "the roles are free";
  EXPECT_EQ(q.pop(), 1);
}

TEST_F(QueueOwnership, ALeaseThatWasGivenBackIsNobodys) {
  using core_world = internal::crash_queue<int, mpmc>;
  core_world w(4, 1);
  auto& us = w.as(0);
  auto& others = w.as(1);
  const int one = 1, two = 2;
  ASSERT_TRUE(us.push(one, deadline::at_once()));
  ASSERT_TRUE(us.push(two, deadline::at_once()));
  core_world::core_type::held_lease ours, theirs;
  ASSERT_TRUE(us.lease(ours, deadline::at_once()));
  const auto stale = ours;
  ASSERT_TRUE(us.ack(ours));
  ASSERT_TRUE(others.lease(theirs, deadline::at_once()));
  ours = stale;
  EXPECT_EQ(us.ack(ours), outcome::gone);
  ours = stale;
  EXPECT_EQ(us.nack(ours), outcome::gone);
  EXPECT_EQ(others.stats().leased, 1u);
  EXPECT_EQ(others.value(theirs), two);
  EXPECT_TRUE(others.ack(theirs));
}

}  // namespace
}  // namespace zeroipc
