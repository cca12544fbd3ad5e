// What a queue promises between processes: exact accounting with two producers and two consumers, wake-ups, and the return
// of what a killed process held.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "testing/harness/harness.h"
#include "zeroipc/queue/queue.h"

namespace zeroipc {
namespace {

using harness::exited;
using harness::killed_by;
using harness::process;

class QueueProcesses : public ::testing::Test {
 protected:
  harness::unique_segment segment_;
  memory mem_{segment_.name(), 4 << 20};
};

constexpr uint64_t kEach = 20'000;

struct totals {
  std::atomic<uint64_t> count{0};
  std::atomic<uint64_t> sum{0};
};

// Each producer's items in order, each item once. `Consumer(q, got)` takes until closed.
template <typename Policy, typename Consumer>
void every_item_arrives_once(const memory& mem, int producers, int consumers, Consumer consume) {
  queue<uint64_t, Policy> q(mem, "exact", 64);
  harness::shared_state<totals> sum;
  std::vector<process> in, out;
  for (int c = 0; c < consumers; ++c) {
    out.emplace_back([&] {
      std::array<uint64_t, 2> last{};
      consume(q, [&](uint64_t item) {
        // Of one producer, what one consumer sees only grows.
        uint64_t& before = last[item >> 32];
        EXPECT_GT(item & 0xffffffff, before);
        before = item & 0xffffffff;
        sum->count.fetch_add(1, std::memory_order_relaxed);
        sum->sum.fetch_add(item, std::memory_order_relaxed);
      });
    });
  }
  uint64_t expected = 0;
  for (uint64_t p = 0; p < static_cast<uint64_t>(producers); ++p) {
    for (uint64_t i = 1; i <= kEach; ++i) expected += p << 32 | i;
    in.emplace_back([&q, p] {
      for (uint64_t i = 1; i <= kEach; ++i) EXPECT_TRUE(q.push(p << 32 | i));
    });
  }
  for (process& p : in) EXPECT_EQ(p.wait(), exited(0));
  q.close();
  for (process& p : out) EXPECT_EQ(p.wait(), exited(0));
  EXPECT_EQ(sum->count, kEach * static_cast<uint64_t>(producers));
  EXPECT_EQ(sum->sum, expected);
  EXPECT_TRUE(q.empty());
}

constexpr auto kByPop = [](auto& q, auto&& got) {
  while (auto item = q.pop()) got(*item);
};
constexpr auto kByLease = [](auto& q, auto&& got) {
  while (auto item = q.lease()) {
    got(*item);
    EXPECT_TRUE(item.ack());
  }
};
constexpr auto kByBatch = [](auto& q, auto&& got) {
  std::array<uint64_t, 7> some;
  while (auto n = q.pop_n(some)) {
    for (size_t i = 0; i < n.count; ++i) got(some[i]);
  }
};
constexpr auto kByView = [](auto& q, auto&& got) {
  while (auto v = q.peek()) {
    const uint64_t item = *v;
    EXPECT_TRUE(v.release());
    got(item);
  }
};

TEST_F(QueueProcesses, MpmcByPop) { every_item_arrives_once<mpmc>(mem_, 2, 2, kByPop); }
TEST_F(QueueProcesses, MpmcByLease) { every_item_arrives_once<mpmc>(mem_, 2, 2, kByLease); }
TEST_F(QueueProcesses, MpmcByBatch) { every_item_arrives_once<mpmc>(mem_, 2, 2, kByBatch); }
TEST_F(QueueProcesses, MpmcByView) { every_item_arrives_once<mpmc>(mem_, 2, 2, kByView); }
TEST_F(QueueProcesses, MpscByPop) { every_item_arrives_once<mpsc>(mem_, 2, 1, kByPop); }
TEST_F(QueueProcesses, MpscByLease) { every_item_arrives_once<mpsc>(mem_, 2, 1, kByLease); }
TEST_F(QueueProcesses, SpmcByPop) { every_item_arrives_once<spmc>(mem_, 1, 2, kByPop); }
TEST_F(QueueProcesses, SpmcByBatch) { every_item_arrives_once<spmc>(mem_, 1, 2, kByBatch); }
TEST_F(QueueProcesses, SpscByPop) { every_item_arrives_once<spsc>(mem_, 1, 1, kByPop); }
TEST_F(QueueProcesses, SpscByBatch) { every_item_arrives_once<spsc>(mem_, 1, 1, kByBatch); }
TEST_F(QueueProcesses, SpscByLease) { every_item_arrives_once<spsc>(mem_, 1, 1, kByLease); }

// The same between threads, where the race detector looks on.
TEST_F(QueueProcesses, TwoProducerThreadsAndTwoConsumerThreads) {
  queue<uint64_t> q(mem_, "threads", 16);
  std::atomic<uint64_t> sum{0};
  std::vector<std::thread> in, out;
  for (int c = 0; c < 2; ++c) {
    out.emplace_back([&, c] {
      const auto got = [&](uint64_t item) { sum += item; };
      c == 0 ? kByPop(q, got) : kByLease(q, got);
    });
  }
  for (int p = 0; p < 2; ++p) {
    in.emplace_back([&, p] {
      for (uint64_t i = 1; i <= 5000; ++i) {
        if (p == 0) {
          EXPECT_TRUE(q.push(i));
        } else {
          auto r = q.reserve();
          *r = i;
          EXPECT_TRUE(r.commit());
        }
      }
    });
  }
  for (auto& t : in) t.join();
  q.close();
  for (auto& t : out) t.join();
  EXPECT_EQ(sum, 5000u * 5001);
}

template <typename Policy>
class QueueHolders : public QueueProcesses {};
using policies = ::testing::Types<mpmc, mpsc, spmc, spsc>;
TYPED_TEST_SUITE(QueueHolders, policies);

TYPED_TEST(QueueHolders, AKilledLeaseHoldersItemComesBackToOneWhoSleeps) {
  queue<int, TypeParam> q(this->mem_, "jobs", 4);
  {
    auto out = q.producer();
    ASSERT_TRUE(out.ok() && out->push(7));
  }
  ASSERT_TRUE(q.release_role());
  harness::shared_state<harness::gate> holding;
  process holder([&] {
    auto job = q.lease();
    EXPECT_TRUE(job && *job == 7);
    holding->open();
    for (;;) ::pause();
  });
  ASSERT_TRUE(holding->wait());
  if (TypeParam::multi_consumer) {
    process survivor([&] {
      auto job = q.lease();
      EXPECT_TRUE(job && *job == 7);
      EXPECT_EQ(job.deliveries(), 2u);
      EXPECT_TRUE(job.ack());
    });
    EXPECT_TRUE(harness::wait_until_asleep(survivor.pid()));
    holder.kill();
    EXPECT_EQ(holder.wait(), killed_by(SIGKILL));
    EXPECT_EQ(survivor.wait(), exited(0));
  } else {
    int x;
    EXPECT_EQ(q.try_pop(x), outcome::taken);
    holder.kill();
    EXPECT_EQ(holder.wait(), killed_by(SIGKILL));
    auto job = q.lease();
    EXPECT_TRUE(job && *job == 7);
    EXPECT_EQ(job.deliveries(), 2u);
    EXPECT_TRUE(job.ack());
  }
  EXPECT_EQ(q.stats().redelivered, 1u);
}

TYPED_TEST(QueueHolders, AKilledHoldersReservationAndViewGoAway) {
  queue<int, TypeParam> q(this->mem_, "held", 2);
  harness::shared_state<harness::gate> holding;
  process holder([&] {
    EXPECT_TRUE(q.push(1));
    auto v = q.peek();
    auto r = q.reserve();
    EXPECT_TRUE(v && r);
    *r = 2;
    holding->open();
    for (;;) ::pause();
  });
  ASSERT_TRUE(holding->wait());
  holder.kill();
  EXPECT_EQ(holder.wait(), killed_by(SIGKILL));
  EXPECT_EQ(q.pop(), 1) << "a view does not take the item along";
  EXPECT_TRUE(q.push(3));
  EXPECT_EQ(q.pop(), 3) << "an uncommitted reservation is never delivered";
  EXPECT_TRUE(q.push(4) && q.push(5));
  EXPECT_EQ(q.pop(), 4);
  EXPECT_EQ(q.pop(), 5);
}

TYPED_TEST(QueueHolders, ClosedIsAnsweredOnlyWhenNothingCanComeBack) {
  if constexpr (TypeParam::multi_consumer) {
    queue<int, TypeParam> q(this->mem_, "closing", 4);
    ASSERT_TRUE(q.push(1));
    harness::shared_state<harness::gate> holding;
    process holder([&] {
      auto job = q.lease();
      holding->open();
      for (;;) ::pause();
    });
    ASSERT_TRUE(holding->wait());
    q.close();
    int x;
    EXPECT_EQ(q.try_pop(x), outcome::empty);
    process survivor([&] {
      EXPECT_EQ(q.pop(), 1);
      EXPECT_EQ(q.pop(), std::nullopt);
    });
    EXPECT_TRUE(harness::wait_until_asleep(survivor.pid()));
    holder.kill();
    EXPECT_EQ(survivor.wait(), exited(0));
  }
}

TYPED_TEST(QueueHolders, AForkedChildDoesNotEndItsParentsGuards) {
  queue<int, TypeParam> q(this->mem_, "forked", 4);
  ASSERT_TRUE(q.push(1) && q.push(2));
  auto job = q.lease();
  auto v = q.peek();
  auto r = q.reserve();
  ASSERT_TRUE(job && v && r);
  *r = 3;
  process child([&] {
    EXPECT_EQ(job.ack(), outcome::gone);
    EXPECT_EQ(v.release(), outcome::gone);
    EXPECT_EQ(r.commit(), outcome::gone);
    job = {};
    if (!TypeParam::multi_producer) {
      EXPECT_EQ(q.push(9), outcome::taken);
    }
  });
  EXPECT_EQ(child.wait(), exited(0));
  EXPECT_TRUE(job.ack());
  EXPECT_TRUE(v.release());
  EXPECT_TRUE(r.commit());
  EXPECT_EQ(q.pop(), 3);
  EXPECT_TRUE(q.empty());
}

TEST_F(QueueProcesses, AStoppedConsumerKeepsItsLease) {
  queue<int> q(mem_, "stopped", 4);
  ASSERT_TRUE(q.push(1));
  harness::shared_state<harness::gate> holding, go_on;
  process slow([&] {
    auto job = q.lease();
    holding->open();
    EXPECT_TRUE(go_on->wait());
    EXPECT_TRUE(job.ack()) << "a stopped process is not dead";
  });
  ASSERT_TRUE(holding->wait());
  slow.stop();
  process other([] {});  // somebody else's death
  other.wait();
  EXPECT_EQ(q.try_pop(), std::nullopt);
  slow.cont();
  go_on->open();
  EXPECT_EQ(slow.wait(), exited(0));
  EXPECT_EQ(q.stats().redelivered, 0u);
}

}  // namespace
}  // namespace zeroipc
