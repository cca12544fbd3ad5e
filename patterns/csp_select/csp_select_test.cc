#include "patterns/csp_select/csp_select.h"

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/chaos/accounts.h"
#include "testing/chaos/chaos.h"
#include "testing/evidence/evidence.h"
#include "testing/harness/harness.h"
#include "zeroipc/segment/segment.h"

namespace zeroipc::patterns {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class CspSelectTest : public ::testing::Test {
 protected:
  CspSelectTest() {
    low_.send(1);
    low_.send(2);
    high_.send(11);
    high_.send(12);
  }
  auto note() {
    return [this](int x) { served_.push_back(x); };
  }

  harness::unique_segment segment_;
  memory mem_{segment_.name(), 1 << 20};
  channel<int> low_{mem_, "low", 100}, high_{mem_, "high", 100};
  std::vector<int> served_;
};

TEST_F(CspSelectTest, TheMoreUrgentAreServedFirst) {
  PrioritySelect s;
  s.add_channel(1, low_, note());
  s.add_channel(2, high_, note());
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(s.select());
  EXPECT_THAT(served_, ElementsAre(11, 12, 1, 2));
  EXPECT_EQ(s.try_select(), outcome::empty);
  EXPECT_EQ(s.select_for(1ms), outcome::timed_out);
  high_.close();
  low_.send(3);
  EXPECT_TRUE(s.select()) << "one of them is still open";
  EXPECT_TRUE(s.health());
  low_.close();
  EXPECT_EQ(s.select(), outcome::closed);
  EXPECT_EQ(s.health().reason, "all its channels are closed");
}

TEST_F(CspSelectTest, OfEqualPriorityTheFirstOneFirst) {
  channel<int> third(mem_, "third", 10);
  third.send(21);
  PrioritySelect s;
  s.add_channel(1, low_, note());
  s.add_channel(1, high_, note());
  EXPECT_TRUE(s.select());
  s.add_channel(5, third, note());
  EXPECT_TRUE(s.select()) << "channels may be added at any time";
  EXPECT_TRUE(s.select());
  EXPECT_TRUE(s.select());
  EXPECT_THAT(served_, ElementsAre(1, 21, 2, 11));
}

TEST_F(CspSelectTest, NobodyStarvesWhereThatIsAskedFor) {
  channel<int> third(mem_, "third", 100);
  PrioritySelect s({.serve_all_every = 4});
  s.add_channel(3, high_, [&](int x) {
    high_.send(x);  // there is always something
    note()(x);
  });
  s.add_channel(2, low_, [&](int x) {
    low_.send(x);
    note()(x);
  });
  s.add_channel(1, third, note());
  third.send(99);
  for (int i = 0; i < 4 * 3; ++i) EXPECT_TRUE(s.select());
  const auto stats = s.stats();
  EXPECT_EQ(stats[0].name, "high");
  EXPECT_EQ(stats[0].served, 10u);
  EXPECT_EQ(stats[1].served, 1u);
  EXPECT_EQ(stats[2].served, 1u);
  PrioritySelect strict;
  strict.add_channel(3, high_, [&](int x) { high_.send(x); });
  strict.add_channel(1, third, note());
  third.send(99);
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(strict.select());
  EXPECT_EQ(strict.stats()[1].served, 0u);
  EXPECT_EQ(strict.stats()[1].waiting, 1u);
}

TEST_F(CspSelectTest, WhatAHandlerThrowsComesOut) {
  PrioritySelect s;
  s.add_channel(1, low_, [](int) { throw std::runtime_error("no"); });
  EXPECT_THROW(s.select(), std::runtime_error);
  EXPECT_EQ(low_.size(), 1u) << "it was served";
}

TEST_F(CspSelectTest, WithoutAChannelThereIsNothingToWaitFor) {
  PrioritySelect s;
  EXPECT_EQ(s.select(), outcome::closed);
  EXPECT_FALSE(s.health());
  EXPECT_THAT(s.stats(), IsEmpty());
}

TEST_F(CspSelectTest, ALoopServesAllToTheirEnd) {
  channel<double> numbers(mem_, "numbers", 10);
  numbers.send(0.5);
  EXPECT_FALSE(select_loop_for(1ms, low_, note(), numbers,
                               [&](double x) { served_.push_back(static_cast<int>(2 * x)); }));
  EXPECT_THAT(served_, ::testing::UnorderedElementsAre(1, 1, 2));
  harness::process other([&] {
    channel<int> high(memory(segment_.name()), "high");
    high.send(13);
    high.close();
  });
  served_.clear();
  select_loop(high_, note());
  EXPECT_THAT(served_, ElementsAre(11, 12, 13));
  EXPECT_EQ(other.wait(), harness::exited(0));
}

constexpr int kSenders = 3;

struct books {
  std::atomic<bool> stop{false};
  std::array<chaos::account, kSenders> senders;
};

TEST_F(CspSelectTest, WithSendersKilledAtRandomEachValueIsServedOnce) {
  struct numbered {
    int sender;
    uint64_t number;
  };
  harness::shared_state<books> b;
  std::vector<channel<numbered>> channels;
  channels.emplace_back(mem_, "buffered", 8);
  channels.emplace_back(mem_, "small", 1);
  channels.emplace_back(mem_, "rendezvous", 0);
  harness::process server([&] {
    PrioritySelect s({.serve_all_every = 3});
    for (int i = 0; i < 3; ++i) {
      s.add_channel(i, channels[static_cast<size_t>(i)], [&](const numbered& x) {
        b->senders[static_cast<size_t>(x.sender)].handle(x.number);
      });
    }
    outcome r;
    while ((r = s.select_for(1min))) {
    }
    EXPECT_EQ(r, outcome::closed);
  });
  chaos::chaos senders({.workers = kSenders, .seed = 7}, [&](int me) {
    chaos::account& mine = b->senders[static_cast<size_t>(me)];
    while (!b->stop) {
      const uint64_t n = mine.next();
      if (channels[n % 3].send_for({me, n}, 1min)) mine.acknowledge(n);
    }
  });
  senders.run_for(std::chrono::seconds(zeroipc::testing::quick_or_full(2, 60)));
  b->stop = true;
  ASSERT_TRUE(senders.finish()) << senders.so_far().text();
  for (auto& c : channels) c.close();
  EXPECT_EQ(server.wait(), harness::exited(0));
  chaos::account::sums sum;
  for (chaos::account& a : b->senders) sum += a.total();
  EXPECT_EQ(sum.lost, 0u);
  EXPECT_EQ(sum.again, 0u);
  EXPECT_GT(sum.acknowledged, 100u);
  zeroipc::testing::evidence("pattern csp-select", zeroipc::testing::instrument::chaos)
      .figure("kills", senders.so_far().kills)
      .figure("stops", senders.so_far().stops)
      .figure("values served", sum.acknowledged);
}

}  // namespace
}  // namespace zeroipc::patterns
