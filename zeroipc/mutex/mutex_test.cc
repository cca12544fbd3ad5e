#include "zeroipc/mutex/mutex.h"

#include <signal.h>

#include <chrono>
#include <cstdint>
#include <mutex>
#include <thread>
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

class MutexTest : public ::testing::Test {
 protected:
  const harness::unique_segment name_;
  memory mem_{name_.name(), 4 << 20};
};

TEST_F(MutexTest, ExcludesThreadsOfItsOwnProcess) {
  mutex m(mem_, "m");
  EXPECT_EQ(m.lock(), outcome::ok);
  EXPECT_TRUE(m.stats().locked);
  std::thread([&] {
    EXPECT_EQ(m.try_lock(), outcome::taken);
    EXPECT_EQ(m.try_lock_for(1ms), outcome::timed_out);
    EXPECT_EQ(m.try_lock_until(std::chrono::system_clock::now() + 1ms), outcome::timed_out);
  }).join();
  EXPECT_TRUE(m.unlock());
  EXPECT_FALSE(m.stats().locked);
  EXPECT_EQ(m.unlock(), outcome::gone) << "it was not held";
  EXPECT_EQ(m.mark_consistent(), outcome::gone);
}

TEST_F(MutexTest, FitsTheStandardsGuards) {
  mutex m(mem_, "m"), n(mem_, "n");
  {
    const std::lock_guard hold(m);
    std::unique_lock other(m, std::try_to_lock);
    EXPECT_FALSE(other);
  }
  {
    const std::scoped_lock both(m, n);
    EXPECT_TRUE(m.stats().locked && n.stats().locked);
  }
  std::unique_lock late(m, std::defer_lock);
  EXPECT_TRUE(late.try_lock());
  late.unlock();
  EXPECT_TRUE(late.try_lock_for(1s));
  late.unlock();
  EXPECT_TRUE(late.try_lock_until(std::chrono::steady_clock::now() + 1s));
}

TEST_F(MutexTest, ThreadsOfManyProcessesTakeTurns) {
  constexpr int kEach = 5'000;
  struct shared {
    uint64_t plain[2];
  };
  harness::shared_state<shared> counter;
  mutex m(mem_, "m");
  std::vector<harness::process> all;
  for (int p = 0; p < 3; ++p) {
    all.emplace_back([&]() -> int {
      const auto work = [&] {
        for (int i = 0; i < kEach; ++i) {
          const std::lock_guard hold(m);
          ++counter->plain[0];
          ++counter->plain[1];
        }
      };
      std::thread other(work);
      work();
      other.join();
      return 0;
    });
  }
  for (harness::process& p : all) EXPECT_EQ(p.wait(), harness::exited(0));
  EXPECT_EQ(counter->plain[0], 6u * kEach);
  EXPECT_EQ(counter->plain[1], 6u * kEach);
  EXPECT_EQ(m.stats().deaths, 0u);
}

TEST_F(MutexTest, WhoeverComesAfterADeathIsToldUntilItIsRepaired) {
  mutex m(mem_, "m");
  harness::process dies([&]() -> int {
    m.lock();
    ::raise(SIGKILL);
    return 0;
  });
  EXPECT_EQ(dies.wait(), harness::killed_by(SIGKILL));
  EXPECT_EQ(m.lock(), outcome::owner_died);
  EXPECT_TRUE(m.suspect());
  m.unlock();
  {
    // A guard has it as well, and cannot say so.
    const std::unique_lock hold(m);
    EXPECT_TRUE(hold);
    EXPECT_TRUE(m.suspect());
  }
  EXPECT_EQ(m.try_lock(), outcome::owner_died);
  EXPECT_TRUE(m.mark_consistent());
  m.unlock();
  EXPECT_EQ(m.try_lock_for(1s), outcome::ok);
  EXPECT_EQ(m.stats().deaths, 1u);
  m.unlock();
}

TEST_F(MutexTest, AForkedChildDoesNotOwnWhatItsParentHolds) {
  mutex m(mem_, "m");
  m.lock();
  harness::process child([&]() -> int {
    EXPECT_EQ(m.unlock(), outcome::gone);
    EXPECT_EQ(m.try_lock(), outcome::taken);
    return 0;
  });
  EXPECT_EQ(child.wait(), harness::exited(0));
  EXPECT_TRUE(m.unlock());
}

TEST_F(MutexTest, StaysWhileItIsHeldThoughItsNameIsGone) {
  mutex m(mem_, "m");
  m.lock();
  ASSERT_TRUE(remove(mem_, "m").ok());
  EXPECT_TRUE(absl::IsNotFound(mutex::open(mem_, "m").status()));
  EXPECT_TRUE(m.unlock());
  EXPECT_TRUE(m.try_lock());
}

TEST_F(MutexTest, WhatItIsNotIsRefusedAndNamed) {
  const mutex m(mem_, "m");
  EXPECT_TRUE(mutex::open(mem_, "m").ok());
  EXPECT_TRUE(absl::IsAlreadyExists(mutex::create(mem_, "m").status()));
  EXPECT_TRUE(absl::IsNotFound(mutex::open(mem_, "n").status()));
  const cell<int> c(mem_, "c");
  const auto other = mutex::open(mem_, "c");
  EXPECT_TRUE(absl::IsFailedPrecondition(other.status()));
  EXPECT_THAT(other.status().message(), HasSubstr("mutex"));
  EXPECT_THAT(other.status().message(), HasSubstr("cell"));
  EXPECT_THROW(mutex(mem_, ""), error);
}

}  // namespace
}  // namespace zeroipc
