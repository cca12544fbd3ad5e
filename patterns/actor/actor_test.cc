#include "patterns/actor/actor.h"

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
#include "testing/chaos/accounts.h"
#include "testing/chaos/chaos.h"
#include "testing/evidence/evidence.h"
#include "testing/harness/harness.h"
#include "zeroipc/latch/latch.h"
#include "zeroipc/name_table/name_table.h"

namespace zeroipc::patterns {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

struct Deposit {
  int64_t amount;
};
struct Account {
  int64_t balance, deposits;
};
using Bank = Actor<Deposit, Account, int64_t>;
using Teller = ActorRef<Deposit, int64_t>;

void book(Bank::Self& self, Account& a, const Deposit& d) {
  a.balance += d.amount;
  ++a.deposits;
  self.reply(a.balance);
}

class ActorTest : public ::testing::Test {
 protected:
  Bank bank(ActorOptions options = {}) { return Bank(memory(segment_.name()), "a", 8, options); }
  // In a process of its own, until it is stopped.
  std::unique_ptr<harness::process> running() {
    return std::make_unique<harness::process>(
        [this] { EXPECT_EQ(bank().run(book), outcome::closed); });
  }

  harness::unique_segment segment_;
  memory mem_{segment_.name(), 4 << 20};
};

TEST_F(ActorTest, HandlesWhatIsSentInOrder) {
  Teller teller(mem_, "a", 8);
  for (int i = 1; i <= 3; ++i) EXPECT_TRUE(teller.send({i}));
  teller.stop();
  EXPECT_EQ(teller.send({4}), outcome::closed);
  Actor<Deposit, Account, int64_t> actor(mem_, "a", 8);
  std::vector<int64_t> seen;
  EXPECT_EQ(actor.run([&](auto& self, Account& a, const Deposit& d) {
    EXPECT_FALSE(self.asked());
    book(self, a, d);
    seen.push_back(d.amount);
  }),
            outcome::closed);
  EXPECT_THAT(seen, ::testing::ElementsAre(1, 2, 3));
  EXPECT_EQ(actor.state()->balance, 6);
  EXPECT_EQ(actor.stats().handled, 3u);
}

TEST_F(ActorTest, AnswersWhoAsks) {
  const auto process = running();
  Teller teller(mem_, "a", 8);
  EXPECT_EQ(*teller.ask({5}, 1min), 5);
  EXPECT_EQ(*teller.ask({7}), 12);
  teller.stop();
  EXPECT_TRUE(absl::IsUnavailable(teller.ask({1}).status()));
  EXPECT_EQ(process->wait(), harness::exited(0));
  EXPECT_EQ(teller.stats().answered, 2u);
}

TEST_F(ActorTest, SaysWhyThereIsNoAnswer) {
  set_callback_error_handler([](const callback_error&) {});
  Teller teller(mem_, "a", 2);
  const auto late = teller.ask({1}, 1ms);
  EXPECT_TRUE(absl::IsDeadlineExceeded(late.status()));
  EXPECT_THAT(std::string(late.status().message()), HasSubstr("0 processes run it"));
  EXPECT_TRUE(teller.send({1}));
  EXPECT_EQ(teller.try_send({1}), outcome::full);
  EXPECT_EQ(teller.send_for({1}, 1ms), outcome::timed_out);
  EXPECT_TRUE(absl::IsResourceExhausted(teller.ask({1}, 1ms).status()));
  EXPECT_THAT(teller.health().reason, HasSubstr("no process runs it, 2 messages wait"));
  harness::process actor([&] {
    set_callback_error_handler([](const callback_error&) {});
    Bank(memory(segment_.name()), "a", 2).run([](Bank::Self& self, Account& a, const Deposit& d) {
      a.balance += 1000;
      if (d.amount < 0) throw std::runtime_error("below zero");
      a.balance -= 1000;
      if (d.amount > 0) self.reply(d.amount);
    });
  });
  EXPECT_EQ(teller.ask({-1}, 1min).status(), absl::UnknownError("below zero"));
  EXPECT_TRUE(absl::IsUnimplemented(teller.ask({0}, 1min).status()));
  EXPECT_EQ(*teller.ask({2}, 1min), 2);
  teller.stop();
  EXPECT_EQ(actor.wait(), harness::exited(0));
  EXPECT_EQ(Bank(mem_, "a", 2).state()->balance, 0) << "what throws has changed nothing";
  EXPECT_EQ(teller.stats().late, 1u) << "the first one's";
}

TEST_F(ActorTest, BehavesAsItHasBecome) {
  struct Door {
    int opened;
  };
  using Doors = Actor<char, Door>;
  Doors door(mem_, "door", 8);
  ActorRef<char> ref(mem_, "door");
  for (const char c : {'o', 'o', 'c', 'c', 'o'}) ref.send(c);
  ref.send('x');
  const auto closed = [](Doors::Self& self, Door& d, const char& c) {
    if (c != 'o') return;
    ++d.opened;
    self.become(1);
  };
  const auto open = [](Doors::Self& self, Door&, const char& c) {
    EXPECT_EQ(self.behaviour(), 1u);
    if (c == 'c') self.become(0);
    if (c == 'x') self.stop();
  };
  EXPECT_EQ(door.run({closed, open}), outcome::closed);
  EXPECT_EQ(door.state()->opened, 2);
}

TEST_F(ActorTest, OneRunsItAndAnotherTakesOver) {
  auto first = running();
  Teller teller(mem_, "a", 8);
  EXPECT_EQ(*teller.ask({5}, 1min), 5);
  auto second = running();
  EXPECT_TRUE(harness::eventually([&] { return teller.stats().processes == 2; }));
  EXPECT_TRUE(teller.health()) << teller.health().reason;
  first->kill();
  EXPECT_EQ(*teller.ask({6}, 1min), 11) << "with the state of the first";
  teller.stop();
  EXPECT_EQ(second->wait(), harness::exited(0));
  EXPECT_EQ(teller.stats().takeovers, 1u);
  first->wait();
}

TEST_F(ActorTest, AMessageThatKillsIsADeadLetter) {
  Teller teller(mem_, "a", 8);
  teller.send({1});
  for (int i = 0; i < 2; ++i) {
    harness::process victim([&] {
      bank({.most_deaths = 2}).run([](Bank::Self& self, Account& a, const Deposit& d) {
        if (d.amount == 13) ::raise(SIGKILL);
        book(self, a, d);
      });
    });
    if (i == 0) teller.send({13});
    EXPECT_EQ(victim.wait(), harness::killed_by(SIGKILL));
  }
  teller.send({2});
  teller.stop();
  Bank last = bank({.most_deaths = 2});
  EXPECT_EQ(last.run(book), outcome::closed);
  EXPECT_EQ(last.state()->balance, 3);
  EXPECT_EQ(last.stats().dead_letters, 1u);
}

TEST_F(ActorTest, WhatADeadAskerWaitsForIsForgotten) {
  Teller teller(mem_, "a", 8);
  harness::process asker([&] { Teller(memory(segment_.name()), "a").ask({1}).IgnoreError(); });
  EXPECT_TRUE(harness::eventually([&] { return teller.stats().asked == 1; }));
  asker.kill();
  asker.wait();
  const auto process = running();
  for (int i = 0; i < 2000; ++i) ASSERT_TRUE(teller.ask({1}, 1min).ok());
  teller.stop();
  EXPECT_EQ(process->wait(), harness::exited(0));
  EXPECT_EQ(bank().state()->balance, 2001) << "it is handled all the same";
}

TEST_F(ActorTest, NoWaitIsWithoutAnEnd) {
  EXPECT_EQ(bank().run_for(1ms, book), outcome::timed_out);
  const auto process = running();
  EXPECT_TRUE(harness::eventually([&] { return bank().stats().processes == 1; }));
  EXPECT_EQ(*Teller(mem_, "a").ask({1}, 1min), 1);
  EXPECT_EQ(bank().run_for(1ms, book), outcome::timed_out) << "another one runs it";
  Teller(mem_, "a").stop();
  EXPECT_EQ(process->wait(), harness::exited(0));
}

TEST_F(ActorTest, SaysWhatIsWrongAndLeavesNothing) {
  EXPECT_TRUE(absl::IsNotFound(Teller::open(mem_, "a").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(Teller::open_or_create(mem_, "b", 0).status()));
  EXPECT_TRUE(
      absl::IsInvalidArgument(Bank::open_or_create(mem_, "a", 8, {.most_deaths = 0}).status()));
  const size_t before = list(mem_).size();
  const Bank b(mem_, "a", 8);
  EXPECT_TRUE(absl::IsFailedPrecondition(Teller::open_or_create(mem_, "a", 9).status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(ActorRef<double>::open(mem_, "a").status()));
  EXPECT_TRUE(b.remove().ok());
  EXPECT_TRUE(b.remove().ok()) << "somebody else has done it";
  EXPECT_EQ(list(mem_).size(), before);
}

constexpr size_t kSenders = 2;

struct Numbered {
  uint64_t sender, number;
};
// Everything that counted, by sender: how many, and whether in order.
struct Tally {
  std::array<uint64_t, kSenders> count, last, disorder;
};
struct books {
  std::atomic<bool> stop{false};
  std::array<std::atomic<uint64_t>, kSenders> next, acknowledged;
  std::atomic<uint64_t> asked{0}, wrong{0};
};

TEST_F(ActorTest, WithEverybodyKilledAtRandomEachMessageCountsOnce) {
  harness::shared_state<books> b;
  using Counting = Actor<Numbered, Tally, uint64_t>;
  Counting outside(mem_, "tally", 16, {.most_deaths = 1'000'000});
  chaos::chaos all({.workers = kSenders + 2, .seed = 31}, [&](int me) {
    if (me >= static_cast<int>(kSenders)) {
      Counting(mem_, "tally", 16, {.most_deaths = 1'000'000})
          .run([](Counting::Self& self, Tally& t, const Numbered& m) {
            for (int i = 0; i < 300; ++i) hardware::pause();
            ++t.count[m.sender];
            t.disorder[m.sender] += m.number <= t.last[m.sender];
            t.last[m.sender] = m.number;
            self.reply(m.number);
          });
      return;
    }
    ActorRef<Numbered, uint64_t> ref(mem_, "tally", 16);
    const auto sender = static_cast<size_t>(me);
    while (!b->stop) {
      const uint64_t n = ++b->next[sender];
      if (n % 4 != 0) {
        if (ref.send({sender, n})) ++b->acknowledged[sender];
        continue;
      }
      const auto r = ref.ask({sender, n}, 1min);
      b->wrong += !r.ok() || *r != n;
      ++b->asked;
      ++b->acknowledged[sender];
    }
  });
  all.run_for(std::chrono::seconds(zeroipc::testing::quick_or_full(2, 60)));
  b->stop = true;
  EXPECT_TRUE(harness::eventually([&] { return outside.stats().waiting == 0; }));
  ActorRef<Numbered, uint64_t>(mem_, "tally", 16).stop();
  ASSERT_TRUE(all.finish()) << all.so_far().text();
  EXPECT_EQ(b->wrong, 0u);
  const Tally t = *outside.state();
  uint64_t handled = 0;
  for (size_t s = 0; s < kSenders; ++s) {
    EXPECT_EQ(t.disorder[s], 0u) << "twice, or out of order";
    // One more for each sender that was killed between the message and the note of it.
    EXPECT_GE(t.count[s], b->acknowledged[s]);
    EXPECT_LE(t.count[s], b->next[s]);
    EXPECT_LE(t.count[s] - b->acknowledged[s], all.so_far().kills);
    handled += t.count[s];
  }
  EXPECT_GT(handled, 200u);
  EXPECT_EQ(outside.stats().dead_letters, 0u);
  zeroipc::testing::evidence("pattern actor", zeroipc::testing::instrument::chaos)
      .figure("kills", all.so_far().kills)
      .figure("stops", all.so_far().stops)
      .figure("messages counted", handled)
      .figure("asks answered", b->asked)
      .figure("takeovers", outside.stats().takeovers);
}

}  // namespace
}  // namespace zeroipc::patterns
