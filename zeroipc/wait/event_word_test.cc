// Nobody sleeps through what he waits for: not under stress, not when somebody dies on the way.
#include "zeroipc/wait/event_word.h"

#include <signal.h>
#include <sys/time.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "testing/harness/harness.h"
#include "zeroipc/participant/test_support.h"
#include "zeroipc/wait/wait.h"

namespace zeroipc::internal {
namespace {

using harness::exited;
using harness::killed_by;
using harness::process;
using harness::unique_segment;
using harness::wait_until_asleep;
using std::chrono::milliseconds;

// The least that can be waited for: a number of tokens, each for one taker.
struct tokens {
  std::atomic<uint32_t> count;
  event_word<hardware> event;
  std::atomic<uint32_t> taken;
  std::atomic<uint32_t> ready;

  bool try_take() {
    uint32_t n = count.load(std::memory_order_acquire);
    while (n != 0) {
      if (count.compare_exchange_weak(n, n - 1, std::memory_order_acq_rel)) {
        taken.fetch_add(1);
        return true;
      }
    }
    return false;
  }
  bool take(participant& env, deadline until = deadline::after(harness::kPatience)) {
    return wait_until<hardware>(env, event, until, [&] { return try_take(); });
  }
  template <typename Env>
  void put(Env& env, uint32_t n = 1) {
    count.fetch_add(n, std::memory_order_release);
    event.notify(env, static_cast<int>(n));
  }
};

// Counts the system calls that notify() makes.
struct counting_env {
  participant& env;
  int wakes = 0;
  int woken = 0;
  void light_fence() { env.light_fence(); }
  int wake(std::atomic<uint32_t>& word, int n) {
    ++wakes;
    const int now = env.wake(word, n);
    woken += now;
    return now;
  }
};

class event_word_test : public ::testing::TestWithParam<fence_mode> {
 protected:
  event_word_test() { env_.set_spins(0); }
  unique_segment name_;
  memory mem_{
      name_.name(), kTestSegmentBytes, {.symmetric_fences = GetParam() == fence_mode::symmetric}};
  participant& env_ = self_of(mem_);
  tokens& tokens_ = scratch<tokens>(mem_);

  // A process that runs `body`; returns when that sleeps.
  template <typename Body>
  std::unique_ptr<process> asleep_in(Body body) {
    const uint32_t before = tokens_.ready.load();
    auto p = std::make_unique<process>([&] {
      EXPECT_TRUE(env_.self());  // starting the watcher is a sleep, too
      tokens_.ready.fetch_add(1);
      body();
    });
    EXPECT_TRUE(harness::eventually([&] { return tokens_.ready.load() != before; }));
    EXPECT_TRUE(wait_until_asleep(p->pid()));
    return p;
  }
  std::unique_ptr<process> sleeper() {
    return asleep_in([this] { EXPECT_TRUE(tokens_.take(env_)); });
  }

  void each_token_is_taken_once(uint32_t per_putter,
                                const std::function<void(std::function<void()>)>& run) {
    constexpr uint32_t kPutters = 2, kTakers = 3;
    const uint32_t total = kPutters * per_putter;
    for (uint32_t i = 0; i < kTakers; ++i) {
      run([this, i, total] {
        const uint32_t share = total / kTakers + (i < total % kTakers ? 1 : 0);
        for (uint32_t k = 0; k < share; ++k) ASSERT_TRUE(tokens_.take(env_)) << "a lost wake-up";
      });
    }
    for (uint32_t i = 0; i < kPutters; ++i) {
      run([this, per_putter] {
        for (uint32_t k = 0; k < per_putter; ++k) {
          tokens_.put(env_);
          // Lets the takers run dry, so that they sleep again and again.
          while (tokens_.count.load() > 2) std::this_thread::yield();
        }
      });
    }
  }
};

INSTANTIATE_TEST_SUITE_P(fences, event_word_test,
                         ::testing::Values(fence_mode::symmetric, fence_mode::asymmetric),
                         [](const auto& info) {
                           return info.param == fence_mode::symmetric ? "symmetric" : "asymmetric";
                         });

TEST_P(event_word_test, one_thread_no_waiter_no_system_call) {
  counting_env env{env_};
  tokens_.put(env, 2);
  EXPECT_EQ(env.wakes, 0);
  EXPECT_TRUE(tokens_.take(env_));
  EXPECT_TRUE(tokens_.take(env_));
  EXPECT_FALSE(tokens_.take(env_, deadline::at_once()));
  EXPECT_FALSE(tokens_.take(env_, deadline::after(milliseconds(1))));
}

TEST_P(event_word_test, no_wake_up_is_lost_between_threads) {
  std::vector<std::thread> threads;
  each_token_is_taken_once(5'000, [&](auto body) { threads.emplace_back(body); });
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(tokens_.count, 0u);
}

TEST_P(event_word_test, no_wake_up_is_lost_between_processes) {
  std::vector<std::unique_ptr<process>> all;
  each_token_is_taken_once(5'000,
                           [&](auto body) { all.push_back(std::make_unique<process>(body)); });
  for (auto& p : all) EXPECT_EQ(p->wait(), exited(0));
  EXPECT_EQ(tokens_.count, 0u);
}

// With three who wait, each token is taken soon, whoever is killed over it.
TEST_P(event_word_test, no_wake_up_is_lost_while_sleepers_are_killed) {
  harness::shared_state<harness::gate> stop;
  harness::killer sleepers({.workers = 3, .seed = 5}, [&](int) {
    while (!stop->is_open()) EXPECT_TRUE(tokens_.take(env_) || stop->is_open());
  });
  std::atomic<bool> enough{false};
  int put = 0;
  std::thread putter([&] {
    for (; !enough; ++put) {
      tokens_.put(env_);
      EXPECT_TRUE(harness::eventually([&] { return tokens_.count.load() == 0; }))
          << "a lost wake-up";
    }
  });
  EXPECT_TRUE(sleepers.run_until([&] { return sleepers.kills() >= 150; }));
  enough = true;
  putter.join();
  stop->open();
  tokens_.put(env_, 3);
  EXPECT_TRUE(sleepers.finish());
  std::printf("[          ] %d kills, %d tokens\n", sleepers.kills(), put);
}

TEST_P(event_word_test, a_killed_sleeper_costs_the_next_publisher_one_system_call_and_then_none) {
  const auto victim = sleeper();
  EXPECT_TRUE(tokens_.event.somebody_waits());
  victim->kill();
  ASSERT_EQ(victim->wait(), killed_by(SIGKILL));
  EXPECT_TRUE(tokens_.event.somebody_waits());
  counting_env env{env_};
  tokens_.put(env);
  EXPECT_EQ(env.wakes, 1);
  EXPECT_EQ(env.woken, 0);
  EXPECT_FALSE(tokens_.event.somebody_waits());
  tokens_.put(env);
  EXPECT_EQ(env.wakes, 1);
}

TEST_P(event_word_test, wakes_as_many_as_it_is_told_to) {
  std::vector<std::unique_ptr<process>> sleepers;
  for (int i = 0; i < 3; ++i) {
    sleepers.push_back(sleeper());
  }
  counting_env env{env_};
  tokens_.put(env, 2);
  EXPECT_EQ(env.woken, 2);
  ASSERT_TRUE(harness::eventually([&] { return tokens_.taken == 2; }));
  EXPECT_EQ(tokens_.count, 0u);
  // The third one is woken by their ends, perhaps, and sleeps on.
  tokens_.put(env);
  for (auto& s : sleepers) EXPECT_EQ(s->wait(), exited(0));
}

TEST_P(event_word_test, a_woken_sleeper_that_dies_does_not_swallow_the_wake_up) {
  int died = 0;
  for (int i = 0; i < 30; ++i) {
    // The first to sleep is the first to be woken, as a rule. It dies of it.
    const auto first = asleep_in([&] {
      wait_until<hardware>(env_, tokens_.event, deadline::after(harness::kPatience), [&] {
        if (tokens_.count.load() != 0) ::raise(SIGKILL);
        return false;
      });
    });
    const auto second = sleeper();
    counting_env env{env_};
    tokens_.put(env);
    EXPECT_EQ(env.woken, 1);
    EXPECT_EQ(second->wait(), exited(0));
    died += first->wait_for(std::chrono::nanoseconds(0)) == killed_by(SIGKILL);
  }
  EXPECT_GT(died, 5);
}

TEST_P(event_word_test, a_publisher_that_dies_before_it_notifies_is_made_up_for) {
  for (int i = 0; i < 20; ++i) {
    const auto taker = sleeper();
    process publisher([&] {
      EXPECT_TRUE(env_.self());
      tokens_.count.fetch_add(1);
      ::raise(SIGKILL);
    });
    EXPECT_EQ(publisher.wait(), killed_by(SIGKILL));
    EXPECT_EQ(taker->wait(), exited(0));
  }
}

TEST_P(event_word_test, a_publisher_that_leaves_before_it_notifies_is_made_up_for) {
  const auto taker = sleeper();
  process publisher([&] {
    EXPECT_TRUE(env_.self());
    tokens_.count.fetch_add(1);
    memory mine = std::move(mem_);
  });
  EXPECT_EQ(publisher.wait(), exited(0));
  EXPECT_EQ(taker->wait(), exited(0));
}

// Not earlier, whatever wakes it in between, and not much later.
void expect_deadline_kept(participant& env, event_word<hardware>& event, milliseconds timeout) {
  const int64_t start = deadline::now_ns();
  EXPECT_FALSE(wait_until<hardware>(env, event, deadline::after(timeout), [] { return false; }));
  const int64_t took = deadline::now_ns() - start;
  EXPECT_GE(took, std::chrono::nanoseconds(timeout).count());
  EXPECT_LT(took, std::chrono::nanoseconds(timeout + std::chrono::seconds(20)).count());
}

TEST_P(event_word_test, deadlines_are_kept) {
  for (int ms : {1, 3, 30, 100}) {
    expect_deadline_kept(env_, tokens_.event, milliseconds(ms));
  }
  EXPECT_EQ(deadline::after(std::chrono::hours(24 * 365 * 1000)).is_never(), true);
}

TEST_P(event_word_test, a_storm_of_signals_breaks_no_deadline_and_no_wait) {
  process p([&] {
    struct sigaction nothing {};
    nothing.sa_handler = [](int) {};
    ::sigaction(SIGALRM, &nothing, nullptr);
    const itimerval storm{{0, 300}, {0, 300}};
    ::setitimer(ITIMER_REAL, &storm, nullptr);
    expect_deadline_kept(env_, tokens_.event, milliseconds(100));
    process putter([&] { tokens_.put(env_); });
    EXPECT_TRUE(tokens_.take(env_));
    EXPECT_EQ(putter.wait(), exited(0));
    const itimerval calm{};
    ::setitimer(ITIMER_REAL, &calm, nullptr);
  });
  EXPECT_EQ(p.wait(), exited(0));
}

TEST_P(event_word_test, a_storm_of_wake_ups_breaks_no_deadline) {
  std::atomic<bool> stop{false};
  std::thread noise([&] {
    while (!stop) tokens_.event.notify(env_, 100);
  });
  expect_deadline_kept(env_, tokens_.event, milliseconds(100));
  stop = true;
  noise.join();
}

// As an operation does that gives back what it took for its look: its own notification ends the sleep that follows.
TEST_P(event_word_test, who_wakes_himself_with_each_look_breaks_no_deadline) {
  const int64_t end = deadline::now_ns() + 20'000'000;
  const bool settled =
      wait_until<hardware>(env_, tokens_.event, deadline::after(milliseconds(20)), [&] {
        tokens_.event.notify(env_, 1);
        return deadline::now_ns() > end + int64_t{20'000'000'000};
      });
  EXPECT_FALSE(settled);
  EXPECT_GE(deadline::now_ns(), end);
}

// An environment in which a sleep ends as the test says, and everything is counted.
struct scripted_env {
  std::function<bool()> sleeps = [] { return true; };
  int slept = 0, fences = 0;

  uint32_t death_epoch() const { return 0; }
  void heavy_fence() { ++fences; }
  int spins() const { return 0; }
  bool sleep(std::atomic<uint32_t>&, uint32_t, uint32_t, deadline) {
    ++slept;
    return sleeps();
  }
};

TEST(WaitUntil, WhatIsThereAlreadyCostsALook) {
  scripted_env env;
  event_word<hardware> event{};
  int looks = 0;
  EXPECT_TRUE(wait_until<hardware>(env, event, deadline::never(), [&] { return ++looks == 1; }));
  EXPECT_EQ(env.fences, 0);
  EXPECT_EQ(event.word, 0u);
}

TEST(WaitUntil, ATryFormLooksOnce) {
  scripted_env env;
  event_word<hardware> event{};
  int looks = 0;
  EXPECT_FALSE(wait_until<hardware>(env, event, deadline::at_once(), [&] { return ++looks > 1; }));
  EXPECT_EQ(looks, 1);
  EXPECT_EQ(env.slept, 0);
}

TEST(WaitUntil, WhatComesWithTheDeadlineCounts) {
  bool there = false;
  scripted_env env{.sleeps = [&] {
    there = true;
    return false;
  }};
  event_word<hardware> event{};
  EXPECT_TRUE(wait_until<hardware>(env, event, deadline::never(), [&] { return there; }));
  there = false;
  env.sleeps = [] { return false; };
  EXPECT_FALSE(wait_until<hardware>(env, event, deadline::never(), [&] { return there; }));
}

}  // namespace
}  // namespace zeroipc::internal
