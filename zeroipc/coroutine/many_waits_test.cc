// Many waits at once, other executors and processes, and the dead among them.
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <numeric>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "testing/harness/harness.h"
#include "zeroipc/base/error.h"
#include "zeroipc/channel/channel.h"
#include "zeroipc/coroutine/coroutine.h"
#include "zeroipc/future/future.h"

namespace zeroipc {
namespace {

using namespace std::chrono_literals;

class ManyWaitsTest : public ::testing::Test {
 protected:
  const harness::unique_segment name_;
  memory mem_{name_.name(), 64 << 20};
};

template <typename T>
std::vector<T> make_many(const memory& mem, int n, auto... args) {
  std::vector<T> all;
  for (int i = 0; i < n; ++i) {
    all.emplace_back(mem, "m" + std::to_string(i), args...);
  }
  return all;
}

std::vector<size_t> shuffled(size_t n) {
  std::vector<size_t> order(n);
  std::iota(order.begin(), order.end(), 0);
  std::shuffle(order.begin(), order.end(), std::mt19937(1));
  return order;
}

TEST_F(ManyWaitsTest, AThousandFuturesThatAreSetInAnyOrder) {
  constexpr size_t kMany = 1000;
  auto all = make_many<future<uint64_t>>(mem_, kMany);
  std::vector<size_t> seen;
  const auto gets = [&](size_t i) -> task<> {
    EXPECT_EQ(co_await all[i], i);
    seen.push_back(i);
  };
  const pid_t waiter = ::getpid();
  harness::process sets([&] {
    ASSERT_TRUE(harness::wait_until_asleep(waiter));
    for (const size_t i : shuffled(kMany)) EXPECT_TRUE(all[i].set_value(i));
  });
  executor ex;
  for (size_t i = 0; i < kMany; ++i) ex.spawn(gets(i));
  EXPECT_TRUE(ex.run());
  EXPECT_EQ(sets.wait(), harness::exited(0));
  std::sort(seen.begin(), seen.end());
  EXPECT_EQ(seen.size(), kMany);
  EXPECT_EQ(std::unique(seen.begin(), seen.end()), seen.end());
}

// Each is woken by itself, wherever its word is slept on.
TEST_F(ManyWaitsTest, EveryOneOfAThousandIsWokenByItself) {
  constexpr size_t kMany = 1000;
  auto all = make_many<future<uint64_t>>(mem_, kMany);
  harness::shared_state<harness::tally> got;
  const auto gets = [&](size_t i) -> task<> {
    EXPECT_EQ(co_await all[i], i);
    got->add();
  };
  harness::process sets([&] {
    uint32_t n = 0;
    for (const size_t i : shuffled(kMany)) {
      EXPECT_TRUE(all[i].set_value(i));
      ASSERT_TRUE(got->wait_for_at_least(++n)) << i;
    }
  });
  executor ex;
  for (size_t i = 0; i < kMany; ++i) ex.spawn(gets(i));
  EXPECT_TRUE(ex.run());
  EXPECT_EQ(sets.wait(), harness::exited(0));
}

TEST_F(ManyWaitsTest, ThreeHundredChannelsAreServedForLong) {
  constexpr size_t kMany = 300, kEach = 20;
  auto all = make_many<channel<uint64_t>>(mem_, kMany, 2);
  std::vector<uint64_t> next(kMany);
  const auto receives = [&](size_t i) -> task<> {
    while (const auto x = co_await async_receive(all[i])) EXPECT_EQ(*x, next[i]++);
  };
  harness::process sends([&] {
    for (uint64_t x = 0; x < kEach; ++x) {
      for (const size_t i : shuffled(kMany)) EXPECT_TRUE(all[i].send(x));
    }
    for (auto& c : all) c.close();
  });
  executor ex;
  for (size_t i = 0; i < kMany; ++i) ex.spawn(receives(i));
  EXPECT_TRUE(ex.run());
  EXPECT_EQ(sends.wait(), harness::exited(0));
  EXPECT_EQ(next, std::vector<uint64_t>(kMany, kEach));
}

// Limits that pass, and cancels, while helpers sleep on the words; nothing is lost by it.
TEST_F(ManyWaitsTest, WaitsThatGiveUpLeaveTheirWords) {
  constexpr size_t kMany = 300;
  auto all = make_many<channel<uint64_t>>(mem_, kMany, 2);
  size_t late = 0, got = 0;
  const auto gives_up = [&](size_t i) -> task<> {
    if (co_await async_receive_for(all[i], std::chrono::milliseconds(1 + i % 7))) ADD_FAILURE();
    ++late;
    while (co_await async_receive(all[i])) ++got;
  };
  executor ex;
  std::vector<spawned> idle;
  const auto for_ever = [&](size_t i) -> task<> { co_await async_receive(all[i]); };
  for (size_t i = 0; i < kMany; ++i) idle.push_back(ex.spawn(for_ever(i)));
  for (size_t i = 0; i < kMany; ++i) ex.spawn(gives_up(i));
  while (late < kMany) ASSERT_FALSE(ex.run_for(1ms));
  for (size_t i = 0; i < kMany; i += 2) idle[i].cancel();
  const auto cancels = [&]() -> task<> {
    co_await sleep_for(2ms);
    for (size_t i = 1; i < kMany; i += 2) idle[i].cancel();
    for (auto& c : all) {
      EXPECT_TRUE(c.send(1));
      c.close();
    }
  };
  ex.spawn(cancels());
  EXPECT_TRUE(ex.run());
  EXPECT_EQ(got, kMany);
}

int64_t cpu_us(const rusage& u) {
  return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1'000'000 + u.ru_utime.tv_usec +
         u.ru_stime.tv_usec;
}

TEST_F(ManyWaitsTest, AHundredThatWaitCostNothing) {
  auto channels = make_many<channel<uint64_t>>(mem_, 100, 2);
  channel<uint64_t> direct(mem_, "direct", 0);
  const auto receives = [&](size_t i) -> task<> { co_await async_receive(channels[i]); };
  const auto sends = [&]() -> task<> { co_await async_send(direct, 1); };
  executor ex;
  for (size_t i = 0; i < 100; ++i) ex.spawn(receives(i));
  ex.spawn(sends());
  EXPECT_FALSE(ex.run_for(1ms));  // all have come to wait
  rusage before, after;
  ::getrusage(RUSAGE_THREAD, &before);
  EXPECT_FALSE(ex.run_for(300ms));
  ::getrusage(RUSAGE_THREAD, &after);
  EXPECT_LE(after.ru_nvcsw - before.ru_nvcsw, 5);
  EXPECT_LT(cpu_us(after) - cpu_us(before), 30'000) << "us of processor time";
}

TEST_F(ManyWaitsTest, TasksOfOneExecutorMeetHandToHand) {
  channel<uint64_t> there(mem_, "there", 0), back(mem_, "back", 0);
  constexpr uint64_t kRounds = 200;
  const auto asks = [&]() -> task<> {
    for (uint64_t i = 0; i < kRounds; ++i) {
      EXPECT_TRUE(co_await async_send(there, i));
      EXPECT_EQ(co_await async_receive(back), i + 1);
    }
    there.close();
  };
  const auto answers = [&]() -> task<> {
    while (const auto x = co_await async_receive(there)) {
      EXPECT_TRUE(co_await async_send(back, *x + 1));
    }
  };
  executor ex;
  ex.spawn(answers());
  ex.spawn(asks());
  EXPECT_TRUE(ex.run_for(harness::kPatience));
  EXPECT_EQ(there.size() + back.size(), 0u);
}

// Two that would send and receive the other way round: exactly one of the two happens.
TEST_F(ManyWaitsTest, OfTwoSelectsThatMeetEachTakesOne) {
  channel<int> a(mem_, "a", 0), b(mem_, "b", 0);
  for (int round = 0; round < 50; ++round) {
    int took = 0, gave = 0;
    const auto meets = [&](channel<int>& to, channel<int>& from) -> task<> {
      EXPECT_TRUE(co_await async_select(on_send(to, 1, [&] { ++gave; }),
                                        on_receive(from, [&](int) { ++took; })));
    };
    executor ex;
    ex.spawn(meets(a, b));
    ex.spawn(meets(b, a));
    ASSERT_TRUE(ex.run_for(harness::kPatience));
    ASSERT_EQ(took, 1);
    ASSERT_EQ(gave, 1);
  }
}

TEST_F(ManyWaitsTest, ExecutorsOfTwoProcessesMeetHandToHand) {
  channel<uint64_t> there(mem_, "there", 0), back(mem_, "back", 0);
  constexpr uint64_t kTasks = 8, kRounds = 50;
  harness::process other([&] {
    executor ex;
    const auto answers = [&]() -> task<> {
      while (const auto x = co_await async_receive(there)) {
        EXPECT_TRUE(co_await async_send(back, *x));
      }
    };
    for (uint64_t i = 0; i < kTasks; ++i) ex.spawn(answers());
    EXPECT_TRUE(ex.run());
  });
  uint64_t sent = 0, received = 0, left = kTasks;
  const auto asks = [&](uint64_t who) -> task<> {
    for (uint64_t i = 0; i < kRounds; ++i) {
      const uint64_t x = who * kRounds + i;
      EXPECT_TRUE(co_await async_send(there, x));
      sent += x;
      received += (co_await async_receive(back)).value_or(0);
    }
    if (--left == 0) there.close();
  };
  executor ex;
  for (uint64_t i = 0; i < kTasks; ++i) ex.spawn(asks(i));
  EXPECT_TRUE(ex.run_for(harness::kPatience));
  EXPECT_EQ(sent, received);
  EXPECT_EQ(other.wait(), harness::exited(0));
}

// One is woken for each value of a buffered channel. A task that was woken, and took something else or was cancelled, has another told.
TEST_F(ManyWaitsTest, WhoWasWokenForSomethingElsePassesItOn) {
  channel<int> a(mem_, "a", 4), b(mem_, "b", 4);
  for (int round = 0; round < 30; ++round) {
    harness::process selects([&] {
      executor ex;
      ex.spawn([](channel<int>& x, channel<int>& y) -> task<> {
        EXPECT_TRUE(co_await async_select(on_receive(x, [](int) {}), on_receive(y, [](int) {})));
      }(a, b));
      EXPECT_TRUE(ex.run());
    });
    ASSERT_TRUE(harness::wait_until_asleep(selects.pid()));
    harness::process receives([&] { EXPECT_TRUE(a.receive()); });
    ASSERT_TRUE(harness::wait_until_asleep(receives.pid()));
    EXPECT_TRUE(a.send(1) && b.send(2));
    EXPECT_EQ(selects.wait(), harness::exited(0));
    if (b.try_receive()) {
      EXPECT_TRUE(a.send(3));
    }
    ASSERT_EQ(receives.wait(), harness::exited(0));
    EXPECT_TRUE(a.empty() && b.empty());
  }
}

// The same for one that is cancelled: after a helper was woken for it and before it was looked at, or before that, when no helper may
// be woken for it any more.
TEST_F(ManyWaitsTest, NoWakeUpIsLostWithAWaitThatIsCancelled) {
  for (const bool before : {false, true}) {
    channel<int> a(mem_, before ? "before" : "after", 4);
    auto idle = make_many<future<uint64_t>>(mem_, 300);
    harness::shared_state<harness::gate> go;
    harness::process receives([&] {
      EXPECT_TRUE(go->wait());
      EXPECT_EQ(a.receive(), 1);
    });
    executor ex;
    const auto waits_for_a = [&]() -> task<> { co_await async_receive(a); };
    const auto waits = [&](size_t i) -> task<> { co_await idle[i]; };
    const auto cancels = [&](spawned t) -> task<> {
      co_await sleep_for(1ms);
      co_await sleep_for(
          1ms);  // nothing else happens meanwhile, so the loop sleeps, and helpers do
      if (before) t.cancel();
      go->open();
      EXPECT_TRUE(harness::wait_until_asleep(receives.pid()));
      EXPECT_TRUE(a.send(1));  // this wakes one: who sleeps for longest
      t.cancel();
      ex.stop();
    };
    // The word that has been there for longest is a helper's.
    ex.spawn(cancels(ex.spawn(waits_for_a())));
    for (size_t i = 0; i < idle.size(); ++i) ex.spawn(waits(i));
    EXPECT_FALSE(ex.run());
    EXPECT_EQ(receives.wait(), harness::exited(0));
  }
}

TEST_F(ManyWaitsTest, ThingsInSeveralSegmentsAndADeathInOne) {
  constexpr size_t kSegments = 4;
  std::vector<std::unique_ptr<harness::unique_segment>> names;
  std::vector<memory> segments;
  std::vector<channel<uint64_t>> channels;
  for (size_t i = 0; i < kSegments; ++i) {
    names.push_back(std::make_unique<harness::unique_segment>());
    segments.emplace_back(names[i]->name(), 1 << 20);
    channels.emplace_back(segments[i], "c", 2);
  }
  harness::shared_state<std::atomic<uint32_t>> slot;
  harness::process mortal([&] {
    *slot = segments[0].attachment()->self->self().slot() + 1;
    for (;;) ::pause();
  });
  ASSERT_TRUE(harness::eventually([&] { return *slot != 0; }));
  internal::participant_info who;
  for (const auto& p : segments[0].participants()) {
    if (p.slot + 1 == *slot) who = p;
  }
  const pid_t waiter = ::getpid(), victim = mortal.pid();
  harness::process other([&] {
    ASSERT_TRUE(harness::wait_until_asleep(waiter));
    for (size_t i = 0; i < 100; ++i) EXPECT_TRUE(channels[i % kSegments].send(i));
    for (auto& c : channels) c.close();
    ASSERT_TRUE(harness::wait_until_asleep(waiter));
    ::kill(victim, SIGKILL);
  });
  uint64_t sum = 0;
  bool dead = false;
  const auto receives = [&](size_t i) -> task<> {
    while (const auto x = co_await async_receive(channels[i])) sum += *x;
  };
  const auto mourns = [&]() -> task<> {
    EXPECT_TRUE(co_await async_select(on_death(segments[0], who, [&] { dead = true; }),
                                      on_timer(harness::kPatience, [] { ADD_FAILURE(); })));
  };
  executor ex;
  for (size_t i = 0; i < kSegments; ++i) ex.spawn(receives(i));
  ex.spawn(mourns());
  EXPECT_TRUE(ex.run());
  EXPECT_TRUE(dead);
  EXPECT_EQ(sum, 4950u);
  EXPECT_EQ(other.wait(), harness::exited(0));
  EXPECT_EQ(mortal.wait(), harness::killed_by(SIGKILL));
}

TEST_F(ManyWaitsTest, ADeathWakesWhoWaitsForThePromiseOfTheDead) {
  constexpr size_t kMany = 200;
  auto all = make_many<future<uint64_t>>(mem_, kMany);
  harness::shared_state<harness::gate> claimed;
  const pid_t waiter = ::getpid();
  harness::process promises([&] {
    std::vector<promise<uint64_t>> mine;
    for (auto& f : all) mine.push_back(f.claim());
    claimed->open();
    for (;;) ::pause();
  });
  ASSERT_TRUE(claimed->wait());
  const pid_t victim = promises.pid();
  harness::process killer([=] {
    ASSERT_TRUE(harness::wait_until_asleep(waiter));
    ::kill(victim, SIGKILL);
  });
  size_t broken = 0;
  const auto gets = [&](size_t i) -> task<> {
    uint64_t x = 0;
    if (co_await async_get(all[i], x) == outcome::broken) ++broken;
  };
  executor ex;
  for (size_t i = 0; i < kMany; ++i) ex.spawn(gets(i));
  EXPECT_TRUE(ex.run_for(harness::kPatience));
  EXPECT_EQ(broken, kMany);
  EXPECT_EQ(promises.wait(), harness::killed_by(SIGKILL));
  EXPECT_EQ(killer.wait(), harness::exited(0));
}

// Peers that are killed at any moment: what was sent hand to hand was received, once, and nobody waits for the dead.
TEST_F(ManyWaitsTest, PeersThatAreKilledDisturbNobody) {
  channel<uint64_t> direct(mem_, "direct", 0), buffered(mem_, "buffered", 4);
  const auto peer = [&] {
    return harness::process([&] {
      executor ex;
      const auto hands_on = [&]() -> task<> {
        for (;;) {
          const auto x = co_await async_receive(direct);
          if (!x || !co_await async_send(buffered, *x)) break;
        }
      };
      for (int i = 0; i < 4; ++i) ex.spawn(hands_on());
      ex.run();
    });
  };
  std::vector<harness::process> peers;
  for (int i = 0; i < 2; ++i) peers.push_back(peer());
  constexpr uint64_t kKills = 25, kBetween = 40;
  uint64_t sent = 0, kills = 0;
  std::vector<bool> got;
  bool over = false;
  executor ex;
  const auto sends = [&]() -> task<> {
    while (kills < kKills) EXPECT_TRUE(co_await async_send(direct, sent++));
    over = true;
    direct.close();
  };
  const auto receives = [&]() -> task<> {
    while (const auto x = co_await async_receive(buffered)) {
      if (*x >= got.size()) got.resize(*x + 1);
      EXPECT_FALSE(got[*x]) << "twice";
      got[*x] = true;
    }
  };
  ex.spawn(sends());
  ex.spawn(receives());
  while (!ex.run_for(1ms)) {
    if (over) {
      // They end when they are through with what they have.
      const auto ended = [](harness::process& p) { return p.poll() != harness::still_running(); };
      if (std::all_of(peers.begin(), peers.end(), ended)) buffered.close();
      continue;
    }
    if (sent < (kills + 1) * kBetween) continue;
    peers[kills % 2].kill();
    EXPECT_EQ(peers[kills % 2].wait(), harness::killed_by(SIGKILL));
    peers[kills++ % 2] = peer();
  }
  EXPECT_LE(got.size(), sent);
  // Each of the dead had at most four values in its own memory.
  const auto n = static_cast<uint64_t>(std::count(got.begin(), got.end(), true));
  EXPECT_GE(n + 4 * kills, sent);
}

}  // namespace
}  // namespace zeroipc
