#include "zeroipc/select/select.h"

#include <signal.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "testing/harness/harness.h"
#include "zeroipc/cell/cell.h"
#include "zeroipc/channel/channel.h"
#include "zeroipc/future/future.h"
#include "zeroipc/stream/stream.h"

namespace zeroipc {
namespace {

using namespace std::chrono_literals;

[[noreturn]] void pause_for_ever() {
  for (;;) ::pause();
}

class SelectTest : public ::testing::Test {
 protected:
  const harness::unique_segment name_;
  memory mem_{name_.name(), 16 << 20};
};

TEST_F(SelectTest, TakesWhatIsThere) {
  channel<int> a(mem_, "a", 4), b(mem_, "b", 4);
  int got = 0, idle = 0;
  const auto one = [&](int x) { got = x; };
  const auto ten = [&](int x) { got = 10 * x; };
  EXPECT_EQ(try_select(on_receive(a, one), on_receive(b, ten)).why(), outcome::empty);
  EXPECT_TRUE(b.send(7));
  const selection s = try_select(on_receive(a, one), on_receive(b, ten));
  EXPECT_TRUE(s);
  EXPECT_EQ(s.index(), 1u);
  EXPECT_EQ(got, 70);
  EXPECT_EQ(select_for(1ms, on_receive(a, one), on_receive(b, ten)).why(), outcome::timed_out);
  EXPECT_EQ(select(on_receive(a, one), on_timer(1ms, [&] { ++idle; })).index(), 1u);
  EXPECT_EQ(select(on_timer(1h, [&] { ++idle; }),
                   on_timer(std::chrono::steady_clock::now() + 1ms, [&] { ++idle; }))
                .index(),
            1u);
  EXPECT_EQ(idle, 2);
  EXPECT_EQ(select().why(), outcome::closed) << "of nothing nothing comes";
}

TEST_F(SelectTest, OfSeveralOnlyOneIsTaken) {
  channel<int> a(mem_, "a", 4), b(mem_, "b", 4), out(mem_, "out", 4);
  EXPECT_TRUE(a.send(1) && b.send(2));
  int calls = 0;
  const auto count = [&](int) { ++calls; };
  EXPECT_TRUE(
      select(on_receive(a, count), on_receive(b, count), on_send(out, 3, [&] { ++calls; })));
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(a.size() + b.size() + (out.empty() ? 1 : 0), 2u);
}

TEST_F(SelectTest, FairlyOrByPriority) {
  channel<int> a(mem_, "a", 1000), b(mem_, "b", 1000);
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(a.send(i) && b.send(i));
  const auto nothing = [](int) {};
  int first = 0;
  for (int i = 0; i < 400; ++i)
    first += select(on_receive(a, nothing), on_receive(b, nothing)).index() == 0;
  EXPECT_GT(first, 100);
  EXPECT_LT(first, 300);
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(select_by_priority(on_receive(b, nothing), on_receive(a, nothing)).index(), 0u);
  }
}

TEST_F(SelectTest, WakesForEachKindOfThing) {
  channel<int> buffered(mem_, "buffered", 1), direct(mem_, "direct", 0), full(mem_, "full", 1);
  future<int> answer(mem_, "answer");
  stream<int> events(mem_, "events", 8);
  cell<int> newest(mem_, "newest");
  auto reader = events.subscriber();
  EXPECT_TRUE(full.send(0));
  uint64_t seen = newest.version();
  harness::shared_state<std::atomic<uint32_t>> participant_slot;
  harness::process mortal([&] {
    channel<int> own(mem_, "buffered");
    *participant_slot = mem_.attachment()->self->self().slot() + 1;
    pause_for_ever();
  });
  ASSERT_TRUE(harness::eventually([&] { return *participant_slot != 0; }));
  internal::participant_info who;
  for (const auto& p : mem_.participants()) {
    if (p.slot + 1 == *participant_slot) who = p;
  }
  int value = 0;
  const auto waits = [&] {
    const selection s = select(
        on_receive(buffered, [&](int x) { value = x; }),
        on_receive(direct, [&](int x) { value = x; }), on_send(full, 99, [&] { value = 99; }),
        on_ready(answer, [&](int x) { value = x; }), on_next(reader, [&](int x) { value = x; }),
        on_change(newest, seen, [&](int x) { value = x; }),
        on_death(mem_, who, [&] { value = -1; }));
    EXPECT_TRUE(s);
    return s.index();
  };
  const auto when_it_sleeps = [&](auto f) {
    const pid_t waiter = ::getpid();
    return std::make_unique<harness::process>([=] {
      ASSERT_TRUE(harness::wait_until_asleep(waiter));
      f();
    });
  };
  const auto expect = [&](size_t index, int v, auto f) {
    auto other = when_it_sleeps(f);
    EXPECT_EQ(waits(), index);
    EXPECT_EQ(value, v);
    EXPECT_EQ(other->wait(), harness::exited(0));
  };
  expect(0, 1, [&] { EXPECT_TRUE(buffered.send(1)); });
  expect(1, 2, [&] { EXPECT_TRUE(direct.send(2)); });
  expect(4, 5, [&] { EXPECT_TRUE(events.emit(5)); });
  expect(5, 6, [&] { EXPECT_TRUE(newest.store(6)); });
  EXPECT_EQ(seen, newest.version());
  expect(2, 99, [&] { EXPECT_EQ(full.receive(), 0); });
  {
    const pid_t waiter = ::getpid(), victim = mortal.pid();
    harness::process killer([=] {
      ASSERT_TRUE(harness::wait_until_asleep(waiter));
      ::kill(victim, SIGKILL);
    });
    EXPECT_EQ(waits(), 6u);
    EXPECT_EQ(value, -1);
    EXPECT_EQ(killer.wait(), harness::exited(0));
    EXPECT_EQ(mortal.wait(), harness::killed_by(SIGKILL));
  }
  harness::process other([&] { EXPECT_TRUE(answer.set_value(4)); });
  // A death stays one, so the future has to be preferred.
  EXPECT_EQ(select_by_priority(on_ready(answer, [&](int x) { value = x; })).index(), 0u);
  EXPECT_EQ(value, 4);
  EXPECT_EQ(other.wait(), harness::exited(0));
}

TEST_F(SelectTest, TheEndOfThings) {
  channel<int> a(mem_, "a", 4), b(mem_, "b", 0);
  stream<int> events(mem_, "events", 4);
  future<int> failed(mem_, "failed");
  auto reader = events.subscriber();
  int ends = 0;
  const auto nothing = [](int) {};
  const auto end = [&] { ++ends; };
  EXPECT_TRUE(a.send(1));
  a.close();
  b.close();
  events.close();
  EXPECT_TRUE(failed.set_error("no"));
  EXPECT_EQ(select(on_receive(a, nothing), on_receive(b, nothing)).index(), 0u);
  EXPECT_EQ(select(on_receive(a, nothing), on_receive(b, nothing), on_send(a, 1, end),
                   on_send(b, 1, end), on_next(reader, nothing), on_ready(failed, nothing))
                .why(),
            outcome::closed);
  EXPECT_EQ(select(on_receive(b, nothing), on_receive(a, nothing, end)).index(), 1u);
  EXPECT_EQ(select(on_next(reader, nothing, end)).index(), 0u);
  std::string why;
  EXPECT_EQ(select(on_ready(failed, nothing,
                            [&](const future_error& e) { why = std::string(e.message.view()); }))
                .index(),
            0u);
  EXPECT_EQ(why, "no");
  EXPECT_EQ(ends, 2);
}

TEST_F(SelectTest, ClosingWakesOneThatSleeps) {
  channel<int> a(mem_, "a", 4), b(mem_, "b", 0);
  const auto nothing = [](int) {};
  const pid_t waiter = ::getpid();
  harness::process other([&] {
    ASSERT_TRUE(harness::wait_until_asleep(waiter));
    b.close();
    a.close();
  });
  EXPECT_EQ(select(on_receive(a, nothing), on_send(b, 1, [] {})).why(), outcome::closed);
  EXPECT_EQ(other.wait(), harness::exited(0));
}

TEST_F(SelectTest, SelectsMeetEachOtherHandToHand) {
  channel<int> there(mem_, "there", 0), back(mem_, "back", 0);
  constexpr int kRounds = 200;
  harness::process other([&] {
    int expected = 0;
    while (expected < kRounds) {
      ASSERT_TRUE(select(on_receive(there, [&](int x) { EXPECT_EQ(x, expected++); })));
      ASSERT_TRUE(select(on_send(back, expected, [] {})));
    }
  });
  for (int i = 0; i < kRounds; ++i) {
    bool sent = false, answered = false;
    while (!sent || !answered) {
      if (!sent) {
        ASSERT_TRUE(select(on_send(there, i, [&] { sent = true; }),
                           on_receive(back, [&](int) { ADD_FAILURE() << "not asked yet"; })));
      } else {
        ASSERT_TRUE(select(on_receive(back, [&](int x) {
          EXPECT_EQ(x, i + 1);
          answered = true;
        })));
      }
    }
  }
  EXPECT_EQ(other.wait(), harness::exited(0));
}

// Each of four sends or receives, whichever comes first; what is sent is received once.
TEST_F(SelectTest, EachValueGoesToOneOfThem) {
  channel<uint64_t> a(mem_, "a", 0), b(mem_, "b", 2);
  struct books {
    std::atomic<uint64_t> sent{0}, received{0}, sum_sent{0}, sum_received{0};
    std::atomic<bool> stop{false};
  };
  harness::shared_state<books> all;
  std::vector<std::unique_ptr<harness::process>> others;
  for (uint64_t who = 0; who < 4; ++who) {
    others.push_back(std::make_unique<harness::process>([&, who] {
      uint64_t next = who + 1;
      const auto got = [&](uint64_t x) {
        all->received.fetch_add(1);
        all->sum_received.fetch_add(x);
      };
      const auto sent = [&] {
        all->sent.fetch_add(1);
        all->sum_sent.fetch_add(next);
        next += 4;
      };
      while (!all->stop) {
        if (who % 2 == 0) {
          select_for(2ms, on_send(a, next, sent), on_receive(b, got));
        } else {
          select_for(2ms, on_receive(a, got), on_send(b, next, sent));
        }
      }
    }));
  }
  EXPECT_TRUE(harness::eventually([&] { return all->received > 2000; }));
  all->stop = true;
  for (const auto& p : others) EXPECT_EQ(p->wait(), harness::exited(0));
  while (const auto x = b.try_receive()) {
    all->received.fetch_add(1);
    all->sum_received.fetch_add(*x);
  }
  EXPECT_EQ(all->sent, all->received);
  EXPECT_EQ(all->sum_sent, all->sum_received);
  EXPECT_EQ(a.size(), 0u);
}

// One is woken for each value of a buffered channel: if that one takes something else, another one has to be told.
TEST_F(SelectTest, WhoWasWokenForSomethingElsePassesItOn) {
  channel<int> a(mem_, "a", 4), b(mem_, "b", 4);
  for (int round = 0; round < 50; ++round) {
    const auto nothing = [](int) {};
    harness::process selects(
        [&] { EXPECT_TRUE(select(on_receive(a, nothing), on_receive(b, nothing))); });
    harness::process receives([&] { EXPECT_TRUE(a.receive()); });
    ASSERT_TRUE(harness::wait_until_asleep(selects.pid()));
    ASSERT_TRUE(harness::wait_until_asleep(receives.pid()));
    EXPECT_TRUE(a.send(1) && b.send(2));
    // The select takes either; if it took b's, a's is there for the other, and if not, one more is.
    EXPECT_EQ(selects.wait(), harness::exited(0));
    if (b.try_receive()) {
      EXPECT_TRUE(a.send(3));
    }
    EXPECT_EQ(receives.wait(), harness::exited(0));
    EXPECT_TRUE(a.empty() && b.empty());
  }
}

TEST_F(SelectTest, OneThatIsKilledWhileItStandsIsNotMet) {
  channel<int> a(mem_, "a", 0), b(mem_, "b", 1);
  harness::process victim([&] { select(on_send(a, 1, [] {}), on_receive(b, [](int) {})); });
  ASSERT_TRUE(harness::wait_until_asleep(victim.pid()));
  EXPECT_TRUE(harness::eventually([&] { return a.size() == 1; })) << "it stands";
  victim.kill();
  EXPECT_EQ(victim.wait(), harness::killed_by(SIGKILL));
  EXPECT_TRUE(b.send(2));
  EXPECT_EQ(b.receive(), 2);
  a.try_receive();
  EXPECT_EQ(a.size(), 0u);
}

TEST_F(SelectTest, WhatIsNotTakenStandsNoLonger) {
  channel<int> a(mem_, "a", 0), b(mem_, "b", 1);
  const pid_t waiter = ::getpid();
  harness::process other([&] {
    ASSERT_TRUE(harness::wait_until_asleep(waiter));
    EXPECT_TRUE(b.send(1));
  });
  EXPECT_EQ(select(on_send(a, 1, [] {}), on_receive(b, [](int) {})).index(), 1u);
  EXPECT_EQ(a.size(), 0u);
  EXPECT_EQ(a.try_receive(), std::nullopt);
  EXPECT_EQ(other.wait(), harness::exited(0));
  EXPECT_EQ(select_for(1ms, on_send(a, 1, [] {})).why(), outcome::timed_out);
  EXPECT_EQ(a.size(), 0u);
  // A select does not meet itself, nor does it spin over that.
  EXPECT_EQ(select_for(1ms, on_send(a, 1, [] {}), on_receive(a, [](int) {})).why(),
            outcome::timed_out);
}

TEST_F(SelectTest, AsManyAsThereAreAtRunTime) {
  std::vector<channel<int>> all;
  selector s;
  std::set<size_t> from;
  int value = 0;
  for (int i = 0; i < 64; ++i) all.emplace_back(mem_, "c" + std::to_string(i), 2);
  for (auto& c : all) s.add(on_receive(c, [&](int x) { value = x; }));
  EXPECT_EQ(s.size(), 64u);
  EXPECT_EQ(s.try_select().why(), outcome::empty);
  const pid_t waiter = ::getpid();
  harness::process other([&] {
    for (int i = 63; i >= 0; --i) {
      ASSERT_TRUE(harness::wait_until_asleep(waiter));
      EXPECT_TRUE(all[static_cast<size_t>(i)].send(i));
    }
  });
  for (int i = 0; i < 64; ++i) {
    const selection r = s.select();
    ASSERT_TRUE(r);
    EXPECT_EQ(r.index(), static_cast<size_t>(value));
    from.insert(r.index());
  }
  EXPECT_EQ(from.size(), 64u);
  EXPECT_EQ(other.wait(), harness::exited(0));
  while (s.size() <= kMostCases) s.add(on_timer(1h, [] {}));
  EXPECT_EQ(s.try_select().why(), outcome::exhausted);
  s.clear();
  EXPECT_EQ(s.select().why(), outcome::closed);
}

TEST_F(SelectTest, ThingsInSeveralSegments) {
  const harness::unique_segment elsewhere_name;
  memory elsewhere(elsewhere_name.name(), 1 << 20);
  channel<int> a(mem_, "a", 1), b(elsewhere, "b", 1);
  const auto nothing = [](int) {};
  for (int i = 0; i < 20; ++i) {
    const pid_t waiter = ::getpid();
    harness::process other([&] {
      ASSERT_TRUE(harness::wait_until_asleep(waiter));
      EXPECT_TRUE((i % 2 != 0 ? a : b).send(i));
    });
    EXPECT_EQ(select(on_receive(b, nothing), on_receive(a, nothing)).index(),
              static_cast<size_t>(i % 2));
    EXPECT_EQ(other.wait(), harness::exited(0));
  }
}

TEST_F(SelectTest, WhatAHandlerThrowsComesOut) {
  channel<int> a(mem_, "a", 1);
  EXPECT_TRUE(a.send(1));
  EXPECT_THROW(select(on_receive(a, [](int) { throw std::runtime_error("no"); })),
               std::runtime_error);
  EXPECT_TRUE(a.empty()) << "it was received";
}

}  // namespace
}  // namespace zeroipc
