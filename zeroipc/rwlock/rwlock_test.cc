#include "zeroipc/rwlock/rwlock.h"

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <shared_mutex>
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

class RwlockTest : public ::testing::Test {
 protected:
  const harness::unique_segment name_;
  memory mem_{name_.name(), 4 << 20};
};

TEST_F(RwlockTest, ManyReadersOrOneWriter) {
  rwlock l(mem_, "l");
  EXPECT_EQ(l.lock_shared(), outcome::ok);
  EXPECT_TRUE(l.try_lock_shared());
  EXPECT_EQ(l.stats().readers, 2u);
  EXPECT_EQ(l.try_lock(), outcome::taken);
  EXPECT_EQ(l.try_lock_for(1ms), outcome::timed_out);
  EXPECT_TRUE(l.unlock_shared());
  EXPECT_TRUE(l.unlock_shared());
  EXPECT_EQ(l.unlock_shared(), outcome::gone);
  EXPECT_TRUE(l.lock());
  EXPECT_EQ(l.try_lock_shared(), outcome::taken);
  EXPECT_EQ(l.try_lock_shared_for(1ms), outcome::timed_out);
  EXPECT_EQ(l.try_lock(), outcome::taken);
  EXPECT_TRUE(l.unlock());
  EXPECT_EQ(l.unlock(), outcome::gone);
  EXPECT_EQ(l.stats().readers, 0u);
}

TEST_F(RwlockTest, FitsTheStandardsGuards) {
  rwlock l(mem_, "l");
  {
    const std::shared_lock a(l), b(l, 1s);
    EXPECT_TRUE(a && b);
    const std::unique_lock c(l, std::try_to_lock);
    EXPECT_FALSE(c);
  }
  const std::unique_lock d(l, std::chrono::steady_clock::now() + 1s);
  const std::shared_lock e(l, std::try_to_lock);
  EXPECT_TRUE(d);
  EXPECT_FALSE(e);
}

// Readers never see a half change, writers lose none; neither side starves the other.
TEST_F(RwlockTest, ThreadsOfManyProcesses) {
  constexpr uint64_t kWrites = 1'000;
  struct shared {
    uint64_t a, b;
    std::atomic<uint64_t> reads, torn;
    std::atomic<bool> over;
  };
  harness::shared_state<shared> data;
  rwlock l(mem_, "l");
  std::vector<harness::process> writers, readers;
  for (int p = 0; p < 2; ++p) {
    readers.emplace_back([&]() -> int {
      const auto read = [&] {
        while (!data->over) {
          const std::shared_lock hold(l);
          data->torn += data->a != data->b;
          ++data->reads;
        }
      };
      std::thread other(read);
      read();
      other.join();
      return 0;
    });
    writers.emplace_back([&]() -> int {
      const auto write = [&] {
        for (uint64_t i = 0; i < kWrites; ++i) {
          const std::unique_lock hold(l);
          ++data->a;
          ++data->b;
        }
      };
      std::thread other(write);
      write();
      other.join();
      return 0;
    });
  }
  for (harness::process& p : writers) EXPECT_EQ(p.wait(), harness::exited(0));
  data->over = true;
  for (harness::process& p : readers) EXPECT_EQ(p.wait(), harness::exited(0));
  EXPECT_EQ(data->a, 4 * kWrites);
  EXPECT_EQ(data->torn, 0u);
  EXPECT_GT(data->reads, 0u);
  EXPECT_TRUE(l.try_lock());
}

TEST_F(RwlockTest, ReadersThatWaitGetInBeforeTheNextWriter) {
  rwlock l(mem_, "l");
  l.lock();
  harness::process reads([&] {
    l.lock_shared();
    l.unlock_shared();
  });
  ASSERT_TRUE(harness::eventually([&] { return l.stats().waiting == 1; }));
  // It can do nothing for itself.
  reads.stop();
  l.unlock();
  EXPECT_EQ(l.stats().readers, 1u);
  EXPECT_EQ(l.try_lock(), outcome::taken);
  reads.cont();
  EXPECT_EQ(reads.wait(), harness::exited(0));
  EXPECT_EQ(l.try_lock(), outcome::ok);
}

TEST_F(RwlockTest, AWriterThatWaitsKeepsNewReadersOut) {
  rwlock l(mem_, "l");
  l.lock_shared();
  harness::process writes([&] {
    l.lock();
    l.unlock();
  });
  ASSERT_TRUE(harness::eventually([&] { return l.stats().written; }));
  EXPECT_EQ(l.try_lock_shared(), outcome::taken);
  EXPECT_EQ(l.try_lock_shared_for(1ms), outcome::timed_out);
  l.unlock_shared();
  EXPECT_EQ(writes.wait(), harness::exited(0));
  EXPECT_TRUE(l.try_lock_shared());
}

TEST_F(RwlockTest, TheDeadDoNotHoldIt) {
  rwlock l(mem_, "l");
  harness::process reads([&] {
    l.lock_shared();
    l.lock_shared();
    ::raise(SIGKILL);
  });
  EXPECT_EQ(reads.wait(), harness::killed_by(SIGKILL));
  EXPECT_EQ(l.try_lock(), outcome::ok) << "nothing was changed";
  l.unlock();
  harness::process writes([&] {
    l.lock();
    ::raise(SIGKILL);
  });
  EXPECT_EQ(writes.wait(), harness::killed_by(SIGKILL));
  EXPECT_EQ(l.try_lock_shared(), outcome::owner_died);
  l.unlock_shared();
  EXPECT_EQ(l.lock_shared(), outcome::owner_died) << "until it is repaired";
  l.unlock_shared();
  EXPECT_EQ(l.mark_consistent(), outcome::gone);
  EXPECT_EQ(l.lock(), outcome::owner_died);
  EXPECT_TRUE(l.suspect());
  EXPECT_TRUE(l.mark_consistent());
  l.unlock();
  EXPECT_EQ(l.lock_shared(), outcome::ok);
  EXPECT_EQ(l.stats().deaths, 1u);
}

TEST_F(RwlockTest, SleepersLearnOfADeath) {
  rwlock l(mem_, "l");
  for (const bool reader_dies : {true, false}) {
    for (const bool reader_sleeps : {true, false}) {
      if (reader_dies && reader_sleeps) continue;
      harness::shared_state<std::atomic<bool>> in;
      harness::process dies([&]() -> int {
        reader_dies ? l.lock_shared() : l.lock();
        *in = true;
        for (;;) ::pause();
      });
      ASSERT_TRUE(harness::eventually([&] { return in->load(); }));
      harness::process sleeps([&]() -> int {
        if (reader_sleeps) {
          EXPECT_TRUE(l.lock_shared());
          EXPECT_TRUE(l.unlock_shared());
        } else {
          EXPECT_TRUE(l.lock());
          EXPECT_TRUE(l.unlock());
        }
        return 0;
      });
      ASSERT_TRUE(harness::wait_until_asleep(sleeps.pid()));
      dies.kill();
      EXPECT_EQ(sleeps.wait(), harness::exited(0));
    }
  }
}

TEST_F(RwlockTest, AForkedChildHoldsNothing) {
  rwlock l(mem_, "l");
  l.lock_shared();
  harness::process child([&]() -> int {
    EXPECT_EQ(l.unlock_shared(), outcome::gone);
    EXPECT_EQ(l.try_lock(), outcome::taken);
    return 0;
  });
  EXPECT_EQ(child.wait(), harness::exited(0));
  EXPECT_TRUE(l.unlock_shared());
}

TEST_F(RwlockTest, WhatItIsNotIsRefusedAndNamed) {
  const rwlock l(mem_, "l");
  EXPECT_TRUE(rwlock::open(mem_, "l").ok());
  EXPECT_TRUE(absl::IsAlreadyExists(rwlock::create(mem_, "l").status()));
  EXPECT_TRUE(absl::IsNotFound(rwlock::open(mem_, "n").status()));
  const cell<int> c(mem_, "c");
  EXPECT_THAT(rwlock::open(mem_, "c").status().message(), HasSubstr("rwlock"));
  EXPECT_THROW(rwlock(mem_, ""), error);
}

}  // namespace
}  // namespace zeroipc
