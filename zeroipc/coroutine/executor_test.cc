// How an executor treats its tasks: their ends, stopping and cancelling, their turns, and forked children.
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
#include "zeroipc/coroutine/coroutine.h"
#include "zeroipc/future/future.h"
#include "zeroipc/stream/stream.h"

namespace zeroipc {
namespace {

using namespace std::chrono_literals;

class ExecutorTest : public ::testing::Test {
 protected:
  // Runs one task to its end.
  void run(task<> t) {
    ex_.spawn(std::move(t));
    EXPECT_TRUE(ex_.run());
  }

  const harness::unique_segment name_;
  memory mem_{name_.name(), 16 << 20};
  executor ex_;
};

task<> fail(const char* how) {
  throw std::runtime_error(how);
  co_return;
}
struct counted {
  explicit counted(int& n) : n_(n) { ++n_; }
  counted(const counted&) = delete;
  ~counted() { --n_; }
  int& n_;
};

TEST_F(ExecutorTest, WhatASpawnedTaskThrowsComesOutOfRunAndTheOthersGoOn) {
  int done = 0;
  const auto body = [](int& n) -> task<> {
    co_await yield();
    ++n;
  };
  ex_.spawn(body(done));
  ex_.spawn(fail("first"));
  ex_.spawn(body(done));
  ex_.spawn(fail("second"));
  EXPECT_THROW(ex_.run(), std::runtime_error);
  EXPECT_THROW(ex_.run(), std::runtime_error);
  EXPECT_TRUE(ex_.run());
  EXPECT_EQ(done, 2);
  EXPECT_EQ(ex_.size(), 0u);
}

TEST_F(ExecutorTest, ATaskWaitsForTheEndOfAnother) {
  std::string order;
  const auto child = [](std::string& s, bool throws) -> task<> {
    co_await sleep_for(1ms);
    s += throws ? "t" : "c";
    if (throws) throw std::runtime_error("child");
  };
  const auto parent = [&](executor& ex, std::string& s) -> task<> {
    spawned a = ex.spawn(child(s, false)), b = ex.spawn(child(s, true));
    EXPECT_FALSE(a.done());
    co_await a;
    EXPECT_TRUE(a.done());
    co_await a;  // again
    try {
      co_await b;
      ADD_FAILURE();
    } catch (const std::runtime_error&) {
      s += "p";
    }
  };
  run(parent(ex_, order));
  EXPECT_EQ(order, "ctp");
}

TEST_F(ExecutorTest, WhatNobodyAwaitedComesOutOfRunInTheEnd) {
  const auto waits = []() -> task<> { co_await sleep_for(2ms); };
  const spawned kept = ex_.spawn(fail("kept"));
  const spawned other = ex_.spawn(waits());
  EXPECT_THROW(ex_.run(), std::runtime_error);
  EXPECT_TRUE(kept.done() && other.done());
  EXPECT_TRUE(ex_.run());
}

TEST_F(ExecutorTest, WithoutAnExecutorWaitingIsAnError) {
  channel<int> c(mem_, "c", 1);
  const auto body = [](channel<int>& from) -> task<> { co_await async_receive(from); };
  task<> t = body(c);
  auto h = t.release();
  h.resume();
  ASSERT_TRUE(h.done());
  EXPECT_THROW(std::rethrow_exception(h.promise().thrown()), error);
  h.destroy();
  const auto nested = [](executor& ex) -> task<> {
    EXPECT_THROW(ex.run(), error);
    co_return;
  };
  run(nested(ex_));
}

TEST_F(ExecutorTest, StopEndsRunFromAnyThreadAndRunGoesOn) {
  channel<int> c(mem_, "c", 1);
  std::optional<int> got;
  const auto body = [&]() -> task<> { got = co_await async_receive(c); };
  ex_.spawn(body());
  const pid_t loop = ::getpid();
  std::thread stopper([&] {
    ASSERT_TRUE(harness::wait_until_asleep(loop));
    ex_.stop();
  });
  EXPECT_FALSE(ex_.run());
  stopper.join();
  EXPECT_FALSE(ex_.run_for(1ms));
  EXPECT_FALSE(ex_.run_until(std::chrono::steady_clock::now()));
  EXPECT_EQ(ex_.size(), 1u);
  ex_.stop();
  EXPECT_FALSE(ex_.run()) << "it was stopped before it began";
  EXPECT_TRUE(c.send(3));
  EXPECT_TRUE(ex_.run());
  EXPECT_EQ(got, 3);
}

TEST_F(ExecutorTest, SpawnWakesALoopThatSleeps) {
  channel<int> c(mem_, "c", 1);
  int sum = 0;
  const auto receives = [&]() -> task<> {
    for (int i = 0; i < 100; ++i) sum += (co_await async_receive(c)).value();
  };
  const auto sends = [&](int x) -> task<> { co_await async_send(c, x); };
  ex_.spawn(receives());
  const pid_t loop = ::getpid();
  std::thread spawner([&] {
    ASSERT_TRUE(harness::wait_until_asleep(loop));
    for (int i = 0; i < 100; ++i) ex_.spawn(sends(i));
  });
  EXPECT_TRUE(ex_.run());
  spawner.join();
  EXPECT_EQ(sum, 4950);
  EXPECT_TRUE(ex_.run());
}

TEST_F(ExecutorTest, ACancelledWaitTakesNothing) {
  channel<int> a(mem_, "a", 1), b(mem_, "b", 1), out(mem_, "out", 0);
  int alive = 0;
  const auto waits = [&]() -> task<> {
    const counted here(alive);
    co_await async_select(on_receive(a, [](int) { ADD_FAILURE(); }),
                          on_send(out, 1, [] { ADD_FAILURE(); }));
  };
  const auto outer = [&]() -> task<> {
    const counted here(alive);
    co_await waits();
  };
  const auto cancels = [&](spawned t) -> task<> {
    co_await sleep_for(2ms);
    EXPECT_EQ(out.size(), 1u) << "it stands";
    EXPECT_TRUE(a.send(1));  // it is here, and the other has not seen it yet
    EXPECT_EQ(alive, 2);
    t.cancel();
    EXPECT_EQ(alive, 0);
    EXPECT_TRUE(t.done());
    co_await t;
  };
  ex_.spawn(cancels(ex_.spawn(outer())));
  EXPECT_TRUE(ex_.run());
  EXPECT_EQ(a.try_receive(), 1);
  EXPECT_EQ(out.try_receive(), std::nullopt);
}

TEST_F(ExecutorTest, ATaskCancelsItselfAndOnesThatHaveNotBegun) {
  int alive = 0;
  std::optional<spawned> self;
  const auto body = [&]() -> task<> {
    const counted here(alive);
    spawned never = ex_.spawn([]() -> task<> {
      ADD_FAILURE();
      co_return;
    }());
    never.cancel();
    EXPECT_TRUE(never.done());
    self->cancel();
    co_await sleep_for(1h);
    ADD_FAILURE();
  };
  self.emplace(ex_.spawn(body()));
  EXPECT_TRUE(ex_.run());
  EXPECT_TRUE(self->done());
  EXPECT_EQ(alive, 0);
}

TEST_F(ExecutorTest, AnExecutorIsDestroyedWithItsWaits) {
  channel<int> c(mem_, "c", 1), direct(mem_, "direct", 0);
  future<int> f(mem_, "f");
  int alive = 0;
  {
    executor ex;
    const auto receives = [&]() -> task<> {
      const counted here(alive);
      co_await async_receive_for(c, 1h);
    };
    const auto sends = [&]() -> task<> {
      const counted here(alive);
      co_await async_send(direct, 1);
    };
    const auto gets = [&]() -> task<> {
      const counted here(alive);
      co_await f;
    };
    for (int i = 0; i < 3; ++i) {
      ex.spawn(receives());
      ex.spawn(sends());
      ex.spawn(gets());
    }
    EXPECT_FALSE(ex.run_for(2ms));
    EXPECT_EQ(alive, 9);
    EXPECT_EQ(direct.size(), 3u);
    ex.spawn(gets());
  }
  EXPECT_EQ(alive, 0);
  EXPECT_EQ(direct.size(), 0u);
  EXPECT_TRUE(c.send(1));
  EXPECT_EQ(c.size(), 1u);
}

TEST_F(ExecutorTest, NoneThatAlwaysFindsSomethingKeepsTheOthersFromTheirTurn) {
  channel<int> busy(mem_, "busy", 1), other(mem_, "other", 1), direct(mem_, "direct", 0);
  bool over = false;
  const auto spins = [&]() -> task<> {
    while (!over) {
      EXPECT_TRUE(co_await async_send(busy, 1));
      EXPECT_TRUE(co_await async_receive(busy));
    }
  };
  const auto waits = [&]() -> task<> {
    EXPECT_EQ(co_await async_receive(other), 1);
    EXPECT_TRUE(co_await async_send(direct, 2));
    co_await sleep_for(1ms);
    over = true;
  };
  harness::process peer([&] {
    EXPECT_TRUE(other.send(1));
    int got = 0;  // a select sits in no seat: it meets who stands
    EXPECT_TRUE(select(on_receive(direct, [&](int x) { got = x; })));
    EXPECT_EQ(got, 2);
  });
  ex_.spawn(spins());
  ex_.spawn(waits());
  EXPECT_TRUE(ex_.run_for(harness::kPatience));
  EXPECT_EQ(peer.wait(), harness::exited(0));
}

TEST_F(ExecutorTest, InAForkedChildTheParentsExecutorIsOfNoUse) {
  channel<int> direct(mem_, "direct", 0);
  const auto sends = [&]() -> task<> { EXPECT_TRUE(co_await async_send(direct, 1)); };
  auto ex = std::make_unique<executor>();
  spawned waits = ex->spawn(sends());
  EXPECT_FALSE(ex->run_for(2ms));
  harness::process child([&] {
    EXPECT_THROW(ex->run(), error);
    EXPECT_THROW(ex->spawn(sends()), error);
    waits.cancel();
    ex.reset();
    executor own;
    own.spawn([](channel<int>& c) -> task<> { EXPECT_TRUE(co_await async_receive(c)); }(direct));
    EXPECT_TRUE(own.run()) << "the parent's offer stands";
  });
  EXPECT_EQ(child.wait(), harness::exited(0));
  EXPECT_TRUE(ex->run());
}

}  // namespace
}  // namespace zeroipc
