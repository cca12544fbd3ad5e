#include "patterns/producer_consumer/producer_consumer.h"

#include <signal.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/chaos/accounts.h"
#include "testing/chaos/chaos.h"
#include "testing/evidence/evidence.h"
#include "testing/harness/harness.h"
#include "zeroipc/name_table/name_table.h"

namespace zeroipc::patterns {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ProducerConsumerTest : public ::testing::Test {
 protected:
  auto note() {
    return [this](int x) { handled_.push_back(x); };
  }
  Producer<int> full_with(WhenFull policy, ProducerOptions options = {}) {
    options.when_full = policy;
    Producer<int> p(mem_, "b", 2, options);
    EXPECT_TRUE(p.put(1));
    EXPECT_TRUE(p.put(2));
    return p;
  }

  harness::unique_segment segment_;
  memory mem_{segment_.name(), 1 << 20};
  std::vector<int> handled_;
};

TEST_F(ProducerConsumerTest, RunsUntilItIsClosedAndDrained) {
  Producer<int> p(mem_, "b", 100);
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(p.put(i));
  EXPECT_TRUE(p.health());
  p.close();
  EXPECT_EQ(p.put(10), outcome::closed);
  Consumer<int> c(mem_, "b");
  EXPECT_EQ(c.run(note()), outcome::closed);
  EXPECT_THAT(handled_, ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8, 9));
  EXPECT_EQ(c.stats().put, 10u);
  EXPECT_EQ(c.stats().at_work, 0u);
  EXPECT_THAT(c.health().reason, HasSubstr("closed, 0 items left"));
}

TEST_F(ProducerConsumerTest, ConsumersWaitAndMayBeThereFirst) {
  Consumer<int> c(mem_, "b", 10);
  EXPECT_EQ(c.try_consume(note()), outcome::empty);
  EXPECT_EQ(c.consume_for(1ms, note()), outcome::timed_out);
  harness::process producer(
      [&] { EXPECT_TRUE(Producer<int>(memory(segment_.name()), "b", 10).put(7)); });
  EXPECT_TRUE(c.consume(note()));
  EXPECT_THAT(handled_, ElementsAre(7));
  EXPECT_EQ(producer.wait(), harness::exited(0));
}

TEST_F(ProducerConsumerTest, AFullBufferHoldsUp) {
  Producer<int> p = full_with(WhenFull::kBlock);
  EXPECT_FALSE(p.health());
  EXPECT_THAT(p.health().reason, HasSubstr("full, 2 of 2"));
  EXPECT_EQ(p.put_for(3, 1ms), outcome::timed_out);
  EXPECT_GE(p.stats().held_up, 1ms);
  harness::process consumer([&] {
    Consumer<int> c(memory(segment_.name()), "b");
    EXPECT_TRUE(c.consume([](int) {}));
  });
  EXPECT_TRUE(p.put(3));
  EXPECT_EQ(consumer.wait(), harness::exited(0));
}

TEST_F(ProducerConsumerTest, OrRefuses) {
  Producer<int> p = full_with(WhenFull::kRefuse);
  EXPECT_EQ(p.put(3), outcome::full);
  EXPECT_EQ(p.stats().refused, 1u);
  EXPECT_EQ(p.stats().dropped_newest, 0u);
}

TEST_F(ProducerConsumerTest, OrDropsTheNewest) {
  Producer<int> p = full_with(WhenFull::kDropNewest);
  EXPECT_EQ(p.put(3), outcome::full);
  EXPECT_EQ(p.stats().dropped_newest, 1u);
}

TEST_F(ProducerConsumerTest, OrDropsTheOldest) {
  Producer<int> p = full_with(WhenFull::kDropOldest);
  EXPECT_TRUE(p.put(3));
  EXPECT_EQ(p.stats().dropped_oldest, 1u);
  p.close();
  Consumer<int>(mem_, "b").run(note());
  EXPECT_THAT(handled_, ElementsAre(2, 3));
}

TEST_F(ProducerConsumerTest, OrBacksOffAndGivesUp) {
  ProducerOptions options;
  options.backoff = {.first = 100us, .most = 300us, .attempts = 4};
  Producer<int> p = full_with(WhenFull::kBackOff, options);
  EXPECT_EQ(p.put(3), outcome::timed_out);
  EXPECT_EQ(p.stats().backed_off, 4u);
  EXPECT_GE(p.stats().held_up, 900us) << "100, 200, 300 and 300";
  Consumer<int>(mem_, "b").consume(note());
  EXPECT_TRUE(p.put(3));
  EXPECT_EQ(p.stats().backed_off, 4u) << "there was room";
}

TEST_F(ProducerConsumerTest, ABackoffMustMakeSense) {
  ProducerOptions options{.when_full = WhenFull::kBackOff};
  options.backoff.attempts = 0;
  EXPECT_TRUE(
      absl::IsInvalidArgument(Producer<int>::open_or_create(mem_, "b", 2, options).status()));
  options.backoff = {.first = 2ms, .most = 1ms, .attempts = 1};
  EXPECT_THAT(std::string(Producer<int>::open_or_create(mem_, "b", 2, options).status().message()),
              HasSubstr("1 attempts, 2000000 ns at first, 1000000 ns at most"));
}

TEST_F(ProducerConsumerTest, AHandlerThatThrowsHasNotHandledIt) {
  std::vector<std::string> reports;
  set_callback_error_handler(
      [&](const callback_error& e) { reports.push_back(e.where + ": " + e.what); });
  Producer<int> p(mem_, "b", 10);
  p.put(1);
  p.put(2);
  Consumer<int> c(mem_, "b", {.most_deliveries = 3});
  int tries = 0;
  for (int i = 0; i < 4; ++i) {
    EXPECT_TRUE(c.consume([&](int x) {
      if (x == 1 && ++tries <= 3) throw std::runtime_error("not one");
      note()(x);
    }));
  }
  set_callback_error_handler({});
  EXPECT_EQ(tries, 3);
  EXPECT_THAT(handled_, ElementsAre(2));
  EXPECT_THAT(reports, ElementsAre("buffer 'b', consumer: not one", "buffer 'b', consumer: not one",
                                   "buffer 'b', consumer: not one"));
  EXPECT_EQ(c.stats().given_up, 1u);
  EXPECT_EQ(queue<int>(c.given_up()).try_pop(), 1) << "set aside";
  EXPECT_THAT(c.health().reason, HasSubstr("1 items could be handled by nobody"));
}

TEST_F(ProducerConsumerTest, AnItemThatKillsIsSetAside) {
  Producer<int> p(mem_, "b", 10);
  p.put(1);
  p.put(2);
  p.close();
  for (int i = 0; i < 2; ++i) {
    harness::process consumer([&] {
      Consumer<int>(memory(segment_.name()), "b", {.most_deliveries = 2}).run([](int x) {
        if (x == 1) ::raise(SIGKILL);
      });
    });
    EXPECT_EQ(consumer.wait(), harness::killed_by(SIGKILL));
  }
  Consumer<int> c(mem_, "b", {.most_deliveries = 2});
  EXPECT_EQ(c.run(note()), outcome::closed);
  EXPECT_THAT(handled_, ElementsAre(2));
  EXPECT_EQ(c.stats().given_up, 1u);
}

TEST_F(ProducerConsumerTest, DepthIsSampled) {
  Producer<int> p(mem_, "b", 100, {.sample_every = 1});
  for (int i = 0; i < 9; ++i) p.put(i);
  EXPECT_EQ(p.stats().highest_depth, 9u);
  EXPECT_EQ(p.stats().mean_depth, 5);
  Consumer<int>(mem_, "b").consume(note());
  EXPECT_EQ(p.stats().depth, 8u);
  EXPECT_EQ(p.stats().highest_depth, 9u);
}

TEST_F(ProducerConsumerTest, SaysWhatIsWrongAndLeavesNothing) {
  EXPECT_TRUE(absl::IsNotFound(Consumer<int>::open(mem_, "b").status()));
  const size_t before = list(mem_).size();
  const Producer<int> p(mem_, "b", 10);
  EXPECT_TRUE(absl::IsFailedPrecondition(Producer<int>::open_or_create(mem_, "b", 11).status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(Consumer<double>::open(mem_, "b").status()));
  EXPECT_TRUE(p.remove().ok());
  EXPECT_TRUE(p.remove().ok()) << "somebody else has done it";
  EXPECT_EQ(list(mem_).size(), before);
}

constexpr int kProducers = 2, kConsumers = 2;

struct books {
  std::atomic<bool> stop{false};
  std::array<chaos::account, kProducers> producers;
};

TEST_F(ProducerConsumerTest, WithBothSidesKilledAtRandomEverythingAcknowledgedIsHandled) {
  struct item {
    int producer;
    uint64_t number;
  };
  harness::shared_state<books> b;
  Producer<item> made(mem_, "items", 16);
  chaos::chaos all({.workers = kProducers + kConsumers, .seed = 3}, [&](int me) {
    if (me >= kProducers) {
      // A death counts as a delivery in vain; here it is nobody's fault.
      Consumer<item>(mem_, "items", {.most_deliveries = 1000}).run([&](const item& x) {
        b->producers[static_cast<size_t>(x.producer)].handle(x.number);
      });
      return;
    }
    Producer<item> own(mem_, "items", 16);
    chaos::account& mine = b->producers[static_cast<size_t>(me)];
    while (!b->stop) {
      const uint64_t n = mine.next();
      if (own.put_for({me, n}, 1min)) mine.acknowledge(n);
    }
  });
  all.run_for(std::chrono::seconds(zeroipc::testing::quick_or_full(2, 60)));
  b->stop = true;
  // Producers end by themselves; those that still wait for room find it, for the consumers go on. Then comes the end for those.
  const auto room = [&] { return made.stats().depth < 16; };
  EXPECT_TRUE(harness::eventually(room));
  made.close();
  ASSERT_TRUE(all.finish()) << all.so_far().text();
  chaos::account::sums sum;
  for (chaos::account& a : b->producers) sum += a.total();
  EXPECT_EQ(sum.lost, 0u);
  EXPECT_LE(sum.again, all.so_far().kills)
      << "once more for each consumer that died between handling and end";
  EXPECT_GT(sum.acknowledged, 100u);
  EXPECT_EQ(made.stats().at_work, 0u);
  zeroipc::testing::evidence("pattern producer-consumer", zeroipc::testing::instrument::chaos)
      .figure("kills", all.so_far().kills)
      .figure("stops", all.so_far().stops)
      .figure("items handled", sum.acknowledged)
      .figure("handled again", sum.again);
}

}  // namespace
}  // namespace zeroipc::patterns
