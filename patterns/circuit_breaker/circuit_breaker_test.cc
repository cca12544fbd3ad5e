#include "patterns/circuit_breaker/circuit_breaker.h"

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/chaos/chaos.h"
#include "testing/evidence/evidence.h"
#include "testing/harness/harness.h"
#include "zeroipc/name_table/name_table.h"

namespace zeroipc::patterns {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using S = CircuitState;

// A clock that stands until it is moved, the same for all processes of a test.
std::atomic<int64_t>* test_clock = nullptr;
int64_t test_now() { return test_clock->load(); }

class CircuitBreakerTest : public ::testing::Test {
 protected:
  CircuitBreakerTest() {
    test_clock = &*clock_;
    *clock_ = 1'000'000'000;
  }
  ~CircuitBreakerTest() override { test_clock = nullptr; }

  static CircuitBreakerOptions quick() {
    CircuitBreakerOptions o;
    o.failure_threshold = 2;
    o.open_for = 100ms;
    o.success_threshold = 2;
    o.probe_timeout = 1s;
    o.clock = &test_now;
    return o;
  }
  void pass(std::chrono::nanoseconds time) { *clock_ += time.count(); }
  void fail(CircuitBreaker& b, int times = 1) {
    for (int i = 0; i < times; ++i) b.call([]() -> int { throw std::runtime_error("down"); });
  }

  harness::unique_segment segment_;
  memory mem_{segment_.name(), 1 << 20};
  harness::shared_state<std::atomic<int64_t>> clock_;
};

TEST_F(CircuitBreakerTest, CallsAsTheSpecificationDoes) {
  CircuitBreaker breaker(mem_);
  EXPECT_EQ(breaker.call([] { return 7; }), 7);
  EXPECT_EQ(breaker.call([]() -> int { throw 1; }), std::nullopt);
  bool called = false;
  EXPECT_TRUE(breaker.call([&] { called = true; }));
  EXPECT_TRUE(called);
  EXPECT_EQ(breaker.stats().succeeded, 2u);
  EXPECT_EQ(breaker.stats().failed, 1u);
  EXPECT_TRUE(breaker.health());
}

TEST_F(CircuitBreakerTest, OpensForAllProcessesAndIsProbedUntilItCloses) {
  CircuitBreaker breaker(mem_, "b", quick());
  fail(breaker);
  EXPECT_EQ(breaker.call([] { return 1; }), 1) << "a success makes up for the failures before";
  fail(breaker);
  EXPECT_EQ(breaker.state(), S::kClosed);
  harness::process other([&] {
    CircuitBreaker same(memory(segment_.name()), "b", quick());
    EXPECT_FALSE(same.call([]() -> bool { throw 1; }));
    EXPECT_EQ(same.state(), S::kOpen);
  });
  EXPECT_EQ(other.wait(), harness::exited(0));
  bool called = false;
  EXPECT_FALSE(breaker.call([&] { called = true; }));
  EXPECT_FALSE(called);
  EXPECT_EQ(breaker.stats().refused, 1u);
  EXPECT_EQ(breaker.stats().until_probe, 100ms);
  EXPECT_THAT(breaker.health().reason, HasSubstr("circuit breaker 'b': open, for 100 ms yet"));
  pass(99ms);
  EXPECT_FALSE(breaker.try_enter());
  pass(1ms);
  auto probe = breaker.try_enter();
  EXPECT_TRUE(probe && probe.is_probe());
  EXPECT_EQ(breaker.state(), S::kHalfOpen);
  EXPECT_FALSE(breaker.try_enter()) << "one at a time";
  EXPECT_TRUE(probe.succeeded());
  EXPECT_FALSE(probe.succeeded()) << "there is but one verdict";
  EXPECT_EQ(breaker.state(), S::kHalfOpen);
  EXPECT_EQ(breaker.call([] { return 2; }), 2);
  EXPECT_EQ(breaker.state(), S::kClosed);
  EXPECT_EQ(breaker.stats().probes, 2u);
  EXPECT_EQ(breaker.stats().opened, 1u);
}

TEST_F(CircuitBreakerTest, AProbeThatFailsOpensItAgainAndForLonger) {
  CircuitBreakerOptions o = quick();
  o.growth = 3;
  o.open_for_most = 500ms;
  CircuitBreaker breaker(mem_, "b", o);
  fail(breaker, 2);
  for (const auto expected : {300ms, 500ms, 500ms}) {
    pass(breaker.stats().until_probe);
    fail(breaker);
    EXPECT_EQ(breaker.stats().until_probe, expected);
  }
  pass(500ms);
  EXPECT_TRUE(breaker.call([] {}));
  fail(breaker);
  EXPECT_EQ(breaker.state(), S::kOpen) << "the last of several probes counts as much as the first";
  pass(500ms);
  EXPECT_TRUE(breaker.call([] {}));
  EXPECT_TRUE(breaker.call([] {}));
  fail(breaker, 2);
  EXPECT_EQ(breaker.stats().until_probe, 100ms) << "it begins anew";
}

TEST_F(CircuitBreakerTest, OpensByTheRateOfFailures) {
  CircuitBreakerOptions o = quick();
  o.failure_threshold = 0;
  o.failure_rate = 0.5;
  o.window = 800ms;
  o.least_calls = 4;
  CircuitBreaker breaker(mem_, "b", o);
  fail(breaker, 3);
  EXPECT_EQ(breaker.state(), S::kClosed) << "too few calls to say";
  pass(900ms);
  fail(breaker);
  EXPECT_EQ(breaker.state(), S::kClosed) << "what was before the window is forgotten";
  for (int i = 0; i < 4; ++i) breaker.call([] {});
  pass(300ms);
  fail(breaker, 2);
  EXPECT_EQ(breaker.state(), S::kClosed) << "3 of 7";
  fail(breaker);
  EXPECT_EQ(breaker.state(), S::kOpen) << "4 of 8";
}

TEST_F(CircuitBreakerTest, SlowCallsHaveFailed) {
  CircuitBreakerOptions o = quick();
  o.slow_call = 10ms;
  CircuitBreaker breaker(mem_, "b", o);
  EXPECT_EQ(breaker.call([&] { return pass(10ms), 5; }), 5) << "its result is there all the same";
  EXPECT_TRUE(breaker.call([&] { pass(9ms); }));
  EXPECT_EQ(breaker.stats().slow, 1u);
  EXPECT_EQ(breaker.stats().failed, 1u);
}

TEST_F(CircuitBreakerTest, StatusesThatAreNotOkHaveFailed) {
  CircuitBreaker breaker(mem_, "b", quick());
  EXPECT_EQ(*breaker.call_status([]() -> absl::StatusOr<int> { return 3; }), 3);
  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(absl::IsNotFound(breaker.call_status([] { return absl::NotFoundError("no"); })));
  }
  const absl::Status refused = breaker.call_status([] { return absl::OkStatus(); });
  EXPECT_TRUE(absl::IsUnavailable(refused));
  EXPECT_THAT(std::string(refused.message()), HasSubstr("circuit breaker 'b': open, for 100 ms"));
}

TEST_F(CircuitBreakerTest, APermitWithoutAVerdictHasFailed) {
  CircuitBreaker breaker(mem_, "b", quick());
  { const auto dropped = breaker.try_enter(); }
  auto other = breaker.try_enter();
  other = breaker.try_enter();
  EXPECT_EQ(breaker.stats().failed, 2u);
  EXPECT_EQ(breaker.state(), S::kOpen);
  EXPECT_TRUE(other.succeeded()) << "a success...";
  EXPECT_EQ(breaker.state(), S::kOpen) << "...of before does not close it";
}

TEST_F(CircuitBreakerTest, AProberThatDiesHasFailed) {
  CircuitBreaker breaker(mem_, "b", quick());
  fail(breaker, 2);
  pass(100ms);
  harness::shared_state<harness::gate> probing;
  harness::process prober([&] {
    const auto probe = CircuitBreaker(memory(segment_.name()), "b", quick()).try_enter();
    EXPECT_TRUE(probe.is_probe());
    probing->open();
    ::pause();
  });
  ASSERT_TRUE(probing->wait());
  EXPECT_FALSE(breaker.try_enter());
  EXPECT_EQ(breaker.state(), S::kHalfOpen) << "it lives";
  prober.kill();
  prober.wait();
  EXPECT_FALSE(breaker.try_enter());
  EXPECT_EQ(breaker.state(), S::kOpen);
  EXPECT_EQ(breaker.stats().lost_probes, 1u);
  pass(100ms);
  EXPECT_TRUE(breaker.try_enter().is_probe());
}

TEST_F(CircuitBreakerTest, AProberThatHangsIsOvertakenAndItsVerdictCountsForNothing) {
  CircuitBreaker breaker(mem_, "b", quick());
  fail(breaker, 2);
  pass(100ms);
  auto hanging = breaker.try_enter();
  pass(999ms);
  EXPECT_FALSE(breaker.try_enter());
  EXPECT_EQ(breaker.state(), S::kHalfOpen);
  pass(1ms);
  EXPECT_FALSE(breaker.try_enter());
  EXPECT_EQ(breaker.state(), S::kOpen);
  pass(100ms);
  auto next = breaker.try_enter();
  EXPECT_TRUE(next.is_probe());
  EXPECT_FALSE(hanging.succeeded());
  EXPECT_FALSE(breaker.try_enter()) << "the one that counts is still at it";
  EXPECT_TRUE(next.succeeded());
}

TEST_F(CircuitBreakerTest, AForkedChildHasNoSayInItsParentsPermit) {
  CircuitBreaker breaker(mem_, "b", quick());
  auto permit = breaker.try_enter();
  harness::process child(
      [&] { EXPECT_FALSE(std::exchange(permit, breaker.try_enter()).failed()); });
  EXPECT_EQ(child.wait(), harness::exited(0));
  EXPECT_TRUE(permit.succeeded());
}

TEST_F(CircuitBreakerTest, CanBeWaitedFor) {
  CircuitBreaker breaker(mem_, "b", quick());
  EXPECT_TRUE(breaker.wait_until_closed_for(0ms));
  breaker.trip();
  EXPECT_EQ(breaker.state(), S::kOpen);
  EXPECT_EQ(breaker.wait_until_closed_for(1ms), outcome::timed_out);
  harness::process waiting([&] {
    EXPECT_TRUE(CircuitBreaker(memory(segment_.name()), "b", quick()).wait_until_closed_for(1min));
  });
  breaker.reset();
  EXPECT_EQ(waiting.wait(), harness::exited(0));
}

TEST_F(CircuitBreakerTest, SaysWhatIsWrongAndLeavesNothing) {
  const auto message = [&](auto change) {
    CircuitBreakerOptions o = quick();
    change(o);
    const auto made = CircuitBreaker::open_or_create(mem_, "b", o);
    EXPECT_TRUE(absl::IsInvalidArgument(made.status()));
    return std::string(made.status().message());
  };
  EXPECT_THAT(message([](auto& o) { o.failure_threshold = 0; }), HasSubstr("found: neither"));
  EXPECT_THAT(message([](auto& o) { o.failure_rate = 2; }), HasSubstr("found: 2"));
  EXPECT_THAT(message([](auto& o) { o.growth = 0.5; }), HasSubstr("0.5"));
  EXPECT_THAT(message([](auto& o) { o.open_for = 0ms; }), HasSubstr("found: 0 ns"));
  EXPECT_THAT(message([](auto& o) { o.success_threshold = 0; }), HasSubstr("at least 1"));
  EXPECT_THAT(message([](auto& o) { o.probe_timeout = 0ms; }), HasSubstr("probe_timeout"));
  EXPECT_THAT(message([](auto& o) { o.window = 1ns; }), HasSubstr("found: 1 ns"));
  const size_t before = list(mem_).size();
  const CircuitBreaker breaker(mem_, "b", quick());
  EXPECT_TRUE(breaker.remove().ok());
  EXPECT_TRUE(breaker.remove().ok()) << "somebody else has done it";
  EXPECT_EQ(list(mem_).size(), before);
}

struct books {
  std::atomic<bool> stop{false};
  std::atomic<bool> up{true};
  std::atomic<uint64_t> calls{0}, refused{0}, together{0};
};

TEST_F(CircuitBreakerTest, WithCallersKilledAtRandomItOpensClosesAndIsProbedByOneAtATime) {
  CircuitBreakerOptions o;
  o.failure_threshold = 3;
  o.open_for = 1ms;
  o.success_threshold = 2;
  harness::shared_state<books> b;
  // Who probes now, by his number; a dead one's is overwritten by the next.
  struct prober {
    std::atomic<int> who{-1};
  };
  harness::shared_state<prober> now;
  CircuitBreaker breaker(mem_, "b", o);
  chaos::chaos callers({.workers = 4, .seed = 13}, [&](int me) {
    CircuitBreaker own(mem_, "b", o);
    while (!b->stop) {
      auto permit = own.try_enter();
      if (!permit) {
        ++b->refused;
        if (me == 0 && b->refused % 64 == 0) b->up = !b->up;
        continue;
      }
      if (permit.is_probe()) now->who = me;
      ++b->calls;
      if (me == 0 && b->calls % 64 == 0) b->up = !b->up;
      const bool good = b->up;
      // Whoever else was let through to probe would have put his number there.
      if (permit.is_probe()) b->together += now->who != me;
      good ? permit.succeeded() : permit.failed();
    }
  });
  callers.run_for(std::chrono::seconds(zeroipc::testing::quick_or_full(2, 60)));
  b->stop = true;
  ASSERT_TRUE(callers.finish()) << callers.so_far().text();
  EXPECT_EQ(b->together, 0u);
  const CircuitBreakerStats s = breaker.stats();
  EXPECT_GT(s.opened, 10u);
  EXPECT_GT(s.succeeded, 100u);
  // With the service up, it closes, whatever those who died have left.
  for (int i = 0; breaker.state() != S::kClosed && i < 100'000; ++i) {
    breaker.wait_until_closed_for(1ms);
    breaker.call([] {});
  }
  EXPECT_EQ(breaker.state(), S::kClosed);
  zeroipc::testing::evidence("pattern circuit breaker", zeroipc::testing::instrument::chaos)
      .figure("kills", callers.so_far().kills)
      .figure("stops", callers.so_far().stops)
      .figure("calls", b->calls)
      .figure("refused", b->refused)
      .figure("times opened", s.opened)
      .figure("lost probes", s.lost_probes);
}

}  // namespace
}  // namespace zeroipc::patterns
