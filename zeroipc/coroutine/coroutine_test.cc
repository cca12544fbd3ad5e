// Tasks, and what they wait for.
#include "zeroipc/coroutine/coroutine.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "testing/harness/harness.h"
#include "zeroipc/base/error.h"
#include "zeroipc/cell/cell.h"
#include "zeroipc/channel/channel.h"
#include "zeroipc/future/future.h"
#include "zeroipc/stream/stream.h"

namespace zeroipc {
namespace {

using namespace std::chrono_literals;

class CoroutineTest : public ::testing::Test {
 protected:
  // Runs one task to its end.
  void run(task<> t) {
    ex_.spawn(std::move(t));
    EXPECT_TRUE(ex_.run());
  }
  // Another process, which does this once this thread sleeps.
  template <typename F>
  std::unique_ptr<harness::process> when_asleep(F f) {
    const pid_t waiter = ::getpid();
    return std::make_unique<harness::process>([=] {
      ASSERT_TRUE(harness::wait_until_asleep(waiter));
      f();
    });
  }

  const harness::unique_segment name_;
  memory mem_{name_.name(), 16 << 20};
  executor ex_;
};

// --- tasks ---

task<int> number(int x) { co_return x; }
task<int> sum_to(int n) {
  int sum = 0;
  for (int i = 1; i <= n; ++i) sum += co_await number(i);
  co_return sum;
}
task<> fail(const char* how) {
  throw std::runtime_error(how);
  co_return;
}

TEST_F(CoroutineTest, ATaskGivesItsValueToWhoAwaitsIt) {
  int sum = 0;
  const auto body = [](int& to) -> task<> {
    to = co_await sum_to(1000);
    std::unique_ptr<int> moved =
        co_await []() -> task<std::unique_ptr<int>> { co_return std::make_unique<int>(5); }();
    to += *moved;
  };
  run(body(sum));
  EXPECT_EQ(sum, 500505);
}

TEST_F(CoroutineTest, WhatATaskThrowsComesOutOfTheAwait) {
  std::string caught;
  const auto body = [](std::string& to) -> task<> {
    try {
      co_await fail("inner");
    } catch (const std::runtime_error& e) {
      to = e.what();
    }
  };
  run(body(caught));
  EXPECT_EQ(caught, "inner");
}

// --- what can be waited for ---

TEST_F(CoroutineTest, TakesWhatIsThereWithoutWaiting) {
  channel<int> c(mem_, "c", 4);
  stream<int> s(mem_, "s", 4);
  future<int> f(mem_, "f");
  cell<int> newest(mem_, "cell");
  auto reader = s.subscriber();
  EXPECT_TRUE(c.send(1) && s.emit(2) && f.set_value(3) && newest.store(4));
  const auto body = [&]() -> task<> {
    EXPECT_EQ(co_await async_receive(c), 1);
    EXPECT_EQ(co_await async_next(reader), 2);
    EXPECT_EQ(co_await f, 3);
    EXPECT_EQ(co_await async_get_for(f, 1h), 3);
    EXPECT_EQ(co_await async_change(newest, 0), 1u);
    EXPECT_TRUE(co_await async_send(c, 5));
    int x = 0;
    EXPECT_TRUE(co_await async_receive(c, x));
    EXPECT_EQ(x, 5);
    EXPECT_TRUE(s.emit(6));
    EXPECT_TRUE(co_await async_next(reader, x));
    EXPECT_EQ(x, 6);
    EXPECT_TRUE(co_await async_get(f, x));
    EXPECT_EQ(x, 3);
  };
  run(body());
}

TEST_F(CoroutineTest, EachKindOfThingWakesTheSleeper) {
  channel<int> c(mem_, "c", 4), full(mem_, "full", 1), direct(mem_, "direct", 0);
  stream<int> s(mem_, "s", 4);
  future<int> f(mem_, "f");
  cell<int> newest(mem_, "cell");
  auto reader = s.subscriber();
  EXPECT_TRUE(full.send(0));
  const auto expect = [&](auto act, task<> t) {
    const auto other = when_asleep(act);
    run(std::move(t));
    EXPECT_EQ(other->wait(), harness::exited(0));
  };
  const auto receives = [](channel<int>& from, int x) -> task<> {
    EXPECT_EQ(co_await async_receive(from), x);
  };
  const auto sends = [](channel<int>& to, int x) -> task<> {
    EXPECT_TRUE(co_await async_send(to, x));
  };
  const auto reads = [](subscriber<int>& from, int x) -> task<> {
    EXPECT_EQ(co_await async_next(from), x);
  };
  const auto gets = [](future<int>& from, int x) -> task<> { EXPECT_EQ(co_await from, x); };
  const auto changes = [](cell<int>& of, uint64_t version) -> task<> {
    EXPECT_EQ(co_await async_change(of, version - 1), version);
  };
  expect([&] { EXPECT_TRUE(c.send(1)); }, receives(c, 1));
  expect([&] { EXPECT_TRUE(full.receive()); }, sends(full, 2));
  expect([&] { EXPECT_TRUE(direct.send(3)); }, receives(direct, 3));
  expect([&] { EXPECT_EQ(direct.receive(), 4); }, sends(direct, 4));
  expect([&] { EXPECT_TRUE(s.emit(5)); }, reads(reader, 5));
  expect([&] { EXPECT_TRUE(f.set_value(6)); }, gets(f, 6));
  expect([&] { EXPECT_TRUE(newest.store(7)); }, changes(newest, 1));
}

TEST_F(CoroutineTest, TheEndOfThingsIsAnAnswer) {
  channel<int> c(mem_, "c", 1), direct(mem_, "direct", 0);
  stream<int> s(mem_, "s", 4);
  future<int> f(mem_, "f");
  auto reader = s.subscriber();
  const auto body = [&]() -> task<> {
    int x = 0;
    EXPECT_EQ(co_await async_receive(c), std::nullopt);
    EXPECT_EQ(co_await async_receive(c, x), outcome::closed);
    EXPECT_EQ(co_await async_send(c, 1), outcome::closed);
    EXPECT_EQ(co_await async_send(direct, 1), outcome::closed);
    EXPECT_EQ(co_await async_next(reader), std::nullopt);
    EXPECT_EQ(co_await async_next(reader, x), outcome::closed);
    EXPECT_EQ(co_await async_get(f, x), outcome::failed);
    EXPECT_EQ(co_await async_get_for(f, 1s), std::nullopt);
    try {
      co_await f;
      ADD_FAILURE();
    } catch (const error&) {
    }
    EXPECT_EQ((co_await async_select(on_receive(c, [](int) {}), on_send(direct, 1, [] {}))).why(),
              outcome::closed);
  };
  const auto other = when_asleep([&] {
    EXPECT_TRUE(c.close() && direct.close());
    s.close();
    EXPECT_TRUE(f.set_error("no"));
  });
  run(body());
  EXPECT_EQ(other->wait(), harness::exited(0));
}

TEST_F(CoroutineTest, EachFormWithALimitIsLate) {
  channel<int> c(mem_, "c", 1), full(mem_, "full", 1), direct(mem_, "direct", 0);
  stream<int> s(mem_, "s", 4);
  future<int> f(mem_, "f");
  cell<int> newest(mem_, "cell");
  auto reader = s.subscriber();
  EXPECT_TRUE(full.send(0));
  for (const auto limit : {0ms, 1ms}) {
    const auto body = [&]() -> task<> {
      int x = 0;
      EXPECT_EQ(co_await async_receive_for(c, limit), std::nullopt);
      EXPECT_EQ(co_await async_receive_for(c, x, limit), outcome::timed_out);
      EXPECT_EQ(co_await async_send_for(full, 1, limit), outcome::timed_out);
      EXPECT_EQ(co_await async_send_for(direct, 1, limit), outcome::timed_out);
      EXPECT_EQ(co_await async_next_for(reader, limit), std::nullopt);
      EXPECT_EQ(co_await async_next_for(reader, x, limit), outcome::timed_out);
      EXPECT_EQ(co_await async_get_for(f, limit), std::nullopt);
      EXPECT_EQ(co_await async_get_for(f, x, limit), outcome::timed_out);
      EXPECT_EQ(co_await async_change_for(newest, 0, limit), 0u);
      EXPECT_EQ((co_await async_select_for(limit, on_receive(c, [](int) {}))).why(),
                outcome::timed_out);
    };
    run(body());
  }
  EXPECT_EQ(direct.size(), 0u) << "what was late does not stand any more";
}

TEST_F(CoroutineTest, TimeOrdersWhatSleeps) {
  std::string order;
  const auto body = [&](char name, std::chrono::milliseconds t) -> task<> {
    co_await sleep_for(t);
    order += name;
    co_await sleep_until(std::chrono::steady_clock::now() + 20ms);
    order += name;
  };
  const auto begun = std::chrono::steady_clock::now();
  ex_.spawn(body('c', 12ms));
  ex_.spawn(body('a', 0ms));
  ex_.spawn(body('b', 6ms));
  EXPECT_TRUE(ex_.run());
  EXPECT_GE(std::chrono::steady_clock::now() - begun, 32ms);
  EXPECT_EQ(order.size(), 6u);
  EXPECT_EQ(order[0], 'a');
  EXPECT_LT(order.find('b'), order.find('c'));
}

TEST_F(CoroutineTest, ALimitThatWasNotReachedIsForgotten) {
  channel<int> c(mem_, "c", 1);
  const auto receives = [&]() -> task<> { EXPECT_EQ(co_await async_receive_for(c, 4ms), 1); };
  const auto sends = [&]() -> task<> {
    co_await sleep_for(1ms);
    EXPECT_TRUE(co_await async_send(c, 1));
    co_await sleep_for(5ms);
  };
  ex_.spawn(receives());
  run(sends());
}

// One whose word has changed is looked at; what comes after that, and before the word is prepared anew, tells nobody.
TEST_F(CoroutineTest, WhatComesBetweenALookAndTheSleepIsFound) {
  channel<int> x(mem_, "x", 1), y(mem_, "y", 1);
  const auto receives = [&]() -> task<> { EXPECT_EQ(co_await async_receive(x), 2); };
  const auto sends = [&]() -> task<> {
    EXPECT_EQ(co_await async_receive(y), 1);
    EXPECT_TRUE(co_await async_send(x, 2));
  };
  ex_.spawn(receives());
  ex_.spawn(sends());
  EXPECT_FALSE(ex_.run_for(2ms));  // both have come to wait
  EXPECT_TRUE(x.send(0) &&
              x.receive());  // the word has changed, for nothing, and nobody is marked as waiting
  EXPECT_TRUE(y.send(1));
  EXPECT_TRUE(ex_.run_for(harness::kPatience));
}

TEST_F(CoroutineTest, OfSeveralExactlyOneIsTaken) {
  channel<int> a(mem_, "a", 4), b(mem_, "b", 4), out(mem_, "out", 0);
  int got = 0;
  const auto body = [&]() -> task<> {
    selection s = co_await async_select(on_receive(a, [&](int x) { got = x; }),
                                        on_send(out, 9, [&] { got = 9; }),
                                        on_receive(b, [&](int x) { got = x; }));
    EXPECT_EQ(s.index(), 2u);
    EXPECT_EQ(got, 7);
    EXPECT_EQ(out.size(), 0u) << "it stands no longer";
    EXPECT_TRUE(a.send(1) && b.send(2));
    s = co_await async_select_by_priority(on_receive(b, [&](int x) { got = x; }),
                                          on_receive(a, [&](int x) { got = x; }));
    EXPECT_EQ(got, 2);
    EXPECT_EQ(a.size(), 1u);
    s = co_await async_select(on_timer(1ms, [&] { got = -1; }), on_receive(b, [](int) {}));
    EXPECT_EQ(got, -1);
    try {
      co_await async_select(on_receive(a, [](int) { throw std::runtime_error("handler"); }));
      ADD_FAILURE();
    } catch (const std::runtime_error&) {
    }
    EXPECT_TRUE(a.empty());
  };
  const auto other = when_asleep([&] { EXPECT_TRUE(b.send(7)); });
  run(body());
  EXPECT_EQ(other->wait(), harness::exited(0));
}

}  // namespace
}  // namespace zeroipc
