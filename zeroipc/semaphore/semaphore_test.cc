#include "zeroipc/semaphore/semaphore.h"

#include <signal.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <thread>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/harness/harness.h"
#include "zeroipc/base/error.h"
#include "zeroipc/cell/cell.h"

namespace zeroipc {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

class SemaphoreTest : public ::testing::Test {
 protected:
  const harness::unique_segment name_;
  memory mem_{name_.name(), 4 << 20};
};

TEST_F(SemaphoreTest, GivesOutAsManyAsItHas) {
  semaphore s(mem_, "s", 3);
  EXPECT_EQ(s.permits(), 3u);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(s.acquire());
  EXPECT_EQ(s.available(), 0u);
  EXPECT_EQ(s.try_acquire(), outcome::empty);
  EXPECT_EQ(s.try_acquire_for(1ms), outcome::timed_out);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(s.release());
  EXPECT_EQ(s.release(), outcome::gone);
  EXPECT_EQ(s.available(), 3u);
}

TEST_F(SemaphoreTest, PermitsGoBackAtTheEndOfTheirScope) {
  semaphore s(mem_, "s", 2);
  {
    semaphore::permit a = s.take(), b = s.try_take();
    EXPECT_TRUE(a && b);
    const semaphore::permit none = s.try_take();
    EXPECT_FALSE(none);
    EXPECT_EQ(none.why(), outcome::empty);
    EXPECT_EQ(s.try_take_for(1ms).why(), outcome::timed_out);
    semaphore::permit moved = std::move(a);
    EXPECT_FALSE(a);  // NOLINT: that is what is asked
    EXPECT_TRUE(moved.release());
    EXPECT_EQ(moved.release(), outcome::gone);
    EXPECT_EQ(s.available(), 1u);
    moved = s.take();
    b = semaphore::permit();
    EXPECT_EQ(s.available(), 1u);
  }
  EXPECT_EQ(s.available(), 2u);
}

TEST_F(SemaphoreTest, ThePermitsOfTheDeadComeBack) {
  semaphore s(mem_, "s", 2);
  harness::process dies([&] {
    s.acquire();
    s.acquire();
    ::raise(SIGKILL);
  });
  EXPECT_EQ(dies.wait(), harness::killed_by(SIGKILL));
  EXPECT_TRUE(s.try_acquire());
  EXPECT_TRUE(s.acquire());
  EXPECT_EQ(s.try_acquire(), outcome::empty);
  EXPECT_EQ(s.stats().recovered, 2u);
}

TEST_F(SemaphoreTest, AForkedChildHoldsNothing) {
  semaphore s(mem_, "s", 1);
  semaphore::permit mine = s.take();
  harness::process child([&]() -> int {
    EXPECT_EQ(s.release(), outcome::gone);
    EXPECT_EQ(mine.release(), outcome::gone);
    EXPECT_EQ(s.try_acquire(), outcome::empty);
    return 0;
  });
  EXPECT_EQ(child.wait(), harness::exited(0));
  EXPECT_TRUE(mine.release());
}

// Never more than that many inside, in threads of several processes; all get their turns.
TEST_F(SemaphoreTest, BoundsHowManyAreInside) {
  constexpr int kPermits = 3, kEach = 3'000;
  harness::shared_state<std::atomic<int>> inside, most, turns;
  semaphore s(mem_, "s", kPermits);
  std::vector<harness::process> all;
  for (int p = 0; p < 3; ++p) {
    all.emplace_back([&]() -> int {
      const auto work = [&] {
        for (int i = 0; i < kEach; ++i) {
          const semaphore::permit permit = s.take();
          const int now = inside->fetch_add(1) + 1;
          int seen = *most;
          while (seen < now && !most->compare_exchange_weak(seen, now)) {
          }
          if (i % 64 == 0) std::this_thread::yield();
          inside->fetch_sub(1);
          turns->fetch_add(1);
        }
      };
      std::thread other(work);
      work();
      other.join();
      return 0;
    });
  }
  for (harness::process& p : all) EXPECT_EQ(p.wait(), harness::exited(0));
  EXPECT_LE(*most, kPermits);
  EXPECT_EQ(*turns, 6 * kEach);
  EXPECT_EQ(s.available(), static_cast<size_t>(kPermits));
}

TEST_F(SemaphoreTest, WhatItIsNotIsRefusedAndNamed) {
  const semaphore s(mem_, "s", 4);
  EXPECT_EQ(semaphore(mem_, "s").permits(), 4u);
  const auto other = semaphore::open_or_create(mem_, "s", 5);
  EXPECT_TRUE(absl::IsFailedPrecondition(other.status()));
  EXPECT_THAT(other.status().message(), HasSubstr("capacity 4, asked for 5"));
  EXPECT_TRUE(absl::IsInvalidArgument(semaphore::create(mem_, "t", 0).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(semaphore::create(mem_, "t", 1 << 21).status()));
  EXPECT_TRUE(absl::IsNotFound(semaphore::open(mem_, "n").status()));
  const cell<int> c(mem_, "c");
  EXPECT_THAT(semaphore::open(mem_, "c").status().message(), HasSubstr("semaphore"));
  EXPECT_THROW(semaphore(mem_, "n"), error);
}

}  // namespace
}  // namespace zeroipc
