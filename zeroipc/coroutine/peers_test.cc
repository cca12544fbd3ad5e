// Executors and other processes, which meet, wake each other, and die.
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

#include "gtest/gtest.h"
#include "testing/harness/harness.h"
#include "zeroipc/channel/channel.h"
#include "zeroipc/coroutine/coroutine.h"

namespace zeroipc {
namespace {

using namespace std::chrono_literals;

class PeersTest : public ::testing::Test {
 protected:
  const harness::unique_segment name_;
  memory mem_{name_.name(), 16 << 20};
};

TEST_F(PeersTest, TasksOfOneExecutorMeetHandToHand) {
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
TEST_F(PeersTest, OfTwoSelectsThatMeetEachTakesOne) {
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

TEST_F(PeersTest, ExecutorsOfTwoProcessesMeetHandToHand) {
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
TEST_F(PeersTest, WhoWasWokenForSomethingElsePassesItOn) {
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

TEST_F(PeersTest, ThingsInSeveralSegmentsAndADeathInOne) {
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

// Peers that are killed at any moment: what was sent hand to hand was received, once, and nobody waits for the dead.
TEST_F(PeersTest, PeersThatAreKilledDisturbNobody) {
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
