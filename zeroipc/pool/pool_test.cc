#include "zeroipc/pool/pool.h"

#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <set>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/harness/harness.h"
#include "zeroipc/queue/queue.h"

namespace zeroipc {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

struct alignas(64) frame {
  uint64_t words[5];
};

class PoolTest : public ::testing::Test {
 protected:
  const harness::unique_segment name_;
  memory mem_{name_.name(), 16 << 20};
};

TEST_F(PoolTest, GivesEachCellOnce) {
  // Around the edges of words of hints and of the summary.
  for (const size_t capacity : {1, 2, 63, 64, 65, 128, 4095, 4096, 4097, 9000}) {
    SCOPED_TRACE(capacity);
    pool<uint32_t> p(mem_, "p" + std::to_string(capacity), capacity);
    for (int round = 0; round < 2; ++round) {
      std::set<uint32_t*> cells;
      while (uint32_t* c = p.allocate()) {
        EXPECT_TRUE(p.contains(c));
        EXPECT_TRUE(cells.insert(c).second);
      }
      EXPECT_EQ(cells.size(), capacity);
      EXPECT_EQ(p.stats().in_use, capacity);
      for (uint32_t* c : cells) EXPECT_TRUE(p.deallocate(c));
      EXPECT_EQ(p.stats().in_use, 0u);
    }
    EXPECT_EQ(p.stats().refused, 2u);
  }
}

TEST_F(PoolTest, CellsKeepWhatIsInThem) {
  pool<frame> p(mem_, "p", 3);
  frame* f = p.allocate();
  ASSERT_NE(f, nullptr);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(f) % 64, 0u);
  EXPECT_EQ(f->words[4], 0u);
  f->words[4] = 7;
  EXPECT_TRUE(p.deallocate(f));
  EXPECT_EQ(f->words[4], 7u);
}

TEST_F(PoolTest, WrongPointersAreToldApart) {
  pool<frame> p(mem_, "p", 3);
  pool<frame> q(mem_, "q", 3);
  frame* f = p.allocate();
  frame outside;
  EXPECT_EQ(p.deallocate(&outside), outcome::foreign);
  EXPECT_EQ(q.deallocate(f), outcome::foreign);
  EXPECT_EQ(p.deallocate(reinterpret_cast<frame*>(reinterpret_cast<char*>(f) + 64)), outcome::gone)
      << "the next cell is free";
  EXPECT_EQ(p.deallocate(reinterpret_cast<frame*>(reinterpret_cast<char*>(f) + 8)),
            outcome::foreign)
      << "not the start of a cell";
  EXPECT_EQ(p.deallocate(f - 1), outcome::foreign);
  EXPECT_EQ(p.deallocate(f + 3), outcome::foreign);
  EXPECT_TRUE(p.deallocate(nullptr));
  EXPECT_TRUE(p.deallocate(f));
  EXPECT_EQ(p.deallocate(f), outcome::gone) << "twice";
  EXPECT_EQ(p.stats().in_use, 0u);

  // Another process has it by now.
  harness::shared_state<harness::gate> taken, done;
  harness::process other([&]() -> int {
    for (int i = 0; i < 3; ++i) p.allocate();
    taken->open();
    return done->wait() ? 0 : 1;
  });
  ASSERT_TRUE(taken->wait());
  EXPECT_EQ(p.deallocate(f), outcome::taken);
  done->open();
  EXPECT_EQ(other.wait(), harness::exited(0));
}

TEST_F(PoolTest, TheCellsOfTheDeadComeBack) {
  pool<frame> p(mem_, "p", 100);
  frame* ours = p.allocate();
  harness::shared_state<harness::gate> taken;
  harness::process other([&] {
    while (frame* f = p.allocate()) f->words[0] = 5;
    taken->open();
    ::pause();
  });
  ASSERT_TRUE(taken->wait());
  EXPECT_EQ(p.allocate(), nullptr);
  EXPECT_EQ(p.stats().in_use, 100u);
  other.kill(SIGKILL);
  other.wait();
  // Whoever waits gets one as soon as the death is noticed.
  ASSERT_NE(p.allocate_wait(), nullptr);
  int more = 0;
  while (frame* f = p.allocate()) {
    ++more;
    EXPECT_EQ(f->words[0], 5u);
  }
  EXPECT_EQ(more, 98);
  EXPECT_EQ(p.stats().recovered, 99u);
  EXPECT_TRUE(p.deallocate(ours)) << "those of the living stay";
}

TEST_F(PoolTest, WaitingEndsWhenACellComesBack) {
  pool<int> p(mem_, "p", 1);
  int* cell = p.allocate();
  EXPECT_EQ(p.allocate_for(1ms), nullptr);
  int* none = cell;
  EXPECT_EQ(p.allocate(none, deadline::after(1ms)), outcome::timed_out);
  EXPECT_EQ(none, nullptr);
  harness::process waiter([&]() -> int { return p.allocate_wait() != nullptr ? 0 : 1; });
  ASSERT_TRUE(harness::wait_until_asleep(waiter.pid()));
  EXPECT_TRUE(p.deallocate(cell));
  EXPECT_EQ(waiter.wait(), harness::exited(0));
  EXPECT_NE(p.allocate_wait(), nullptr) << "and with its process that one comes back";
}

TEST_F(PoolTest, ABorrowedCellGoesBackWithItsScope) {
  pool<int> p(mem_, "p", 2);
  {
    auto a = p.borrow();
    ASSERT_TRUE(a);
    *a = 3;
    auto b = p.borrow_wait();
    ASSERT_TRUE(b);
    EXPECT_FALSE(p.borrow());
    EXPECT_FALSE(p.borrow_for(1ms));
    a = std::move(b);
    EXPECT_EQ(p.stats().in_use, 1u);
    EXPECT_TRUE(a.give_back());
    EXPECT_EQ(a.give_back(), outcome::gone);
    EXPECT_EQ(p.stats().in_use, 0u);
    auto c = p.borrow();
    // Somebody else's code gave it back, and it has been allocated since: not ours any more.
    EXPECT_TRUE(p.deallocate(c.get()));
    int* again = p.allocate();
    EXPECT_EQ(again, c.get());
    EXPECT_EQ(c.give_back(), outcome::gone);
    EXPECT_TRUE(p.deallocate(again));
    auto d = p.borrow();
    EXPECT_EQ(p.deallocate(p.ref(d.release())), outcome::ok);
  }
  EXPECT_EQ(p.stats().in_use, 0u);
}

TEST_F(PoolTest, CellsAreHandedOverByReference) {
  pool<frame> p(mem_, "p", 4);
  queue<pool_ref> refs(mem_, "refs", 4);
  harness::process taker([&]() -> int {
    const auto ref = refs.pop();
    frame* f = p.adopt(*ref);
    if (f == nullptr || f->words[0] != 11) return 1;
    if (p.adopt(*ref) != f) return 2;
    f->words[0] = 12;
    return p.deallocate(f) ? 0 : 3;
  });
  frame* f = p.allocate();
  f->words[0] = 11;
  const pool_ref ref = p.ref(f);
  EXPECT_TRUE(refs.push(ref));
  EXPECT_EQ(taker.wait(), harness::exited(0));
  EXPECT_EQ(p.adopt(ref), nullptr) << "given back";
  EXPECT_EQ(p.deallocate(ref), outcome::gone);
  EXPECT_EQ(f->words[0], 12u);
  frame outside;
  EXPECT_EQ(p.ref(&outside).generation, 0u);
  EXPECT_EQ(p.adopt({}), nullptr);
  EXPECT_EQ(p.adopt({99, 1}), nullptr);
  EXPECT_EQ(p.deallocate(pool_ref{99, 1}), outcome::foreign);
}

TEST_F(PoolTest, Batches) {
  pool<int> p(mem_, "p", 5);
  std::array<int*, 8> cells;
  EXPECT_EQ(p.allocate_n(cells), 5u);
  EXPECT_TRUE(p.deallocate(cells[2]));
  const batch_outcome r = p.deallocate_n(std::span(cells).first(5));
  EXPECT_EQ(r.count, 4u);
  EXPECT_EQ(r.why, outcome::gone);
}

// Threads of several processes, fewer cells than threads: whoever has a cell is alone in it.
TEST_F(PoolTest, WhoeverHasACellIsAlone) {
  struct plain {
    uint32_t users;
  };
  pool<plain> p(mem_, "p", 3);
  std::vector<harness::process> processes;
  for (int i = 0; i < 2; ++i) {
    processes.emplace_back([&]() -> int {
      std::atomic<int> wrong{0};
      const auto work = [&] {
        for (int n = 0; n < 10'000; ++n) {
          plain* c = n % 4 == 0 ? p.allocate() : p.allocate_wait();
          if (c == nullptr) continue;
          std::atomic_ref<uint32_t> users(c->users);
          if (users.fetch_add(1) != 0) ++wrong;
          users.fetch_sub(1);
          if (!p.deallocate(c)) ++wrong;
        }
      };
      std::thread other(work);
      work();
      other.join();
      return wrong == 0 ? 0 : 1;
    });
  }
  for (harness::process& q : processes) EXPECT_EQ(q.wait(), harness::exited(0));
  EXPECT_EQ(p.stats().in_use, 0u);
}

TEST_F(PoolTest, WhatItIsNotIsRefusedAndNamed) {
  pool<int> p(mem_, "p", 4);
  const auto other = pool<int>::open_or_create(mem_, "p", 5);
  EXPECT_TRUE(absl::IsFailedPrecondition(other.status()));
  EXPECT_THAT(other.status().message(), HasSubstr("capacity 4, asked for 5"));
  EXPECT_TRUE(absl::IsFailedPrecondition(pool<float>::open(mem_, "p").status()));
  EXPECT_TRUE(absl::IsNotFound(pool<int>::open(mem_, "q").status()));
  EXPECT_TRUE(absl::IsAlreadyExists(pool<int>::create(mem_, "p", 4).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(pool<int>::create(mem_, "q", 0).status()));
  EXPECT_TRUE(absl::IsResourceExhausted(pool<int>::create(mem_, "q", 1 << 30).status()));
  EXPECT_THROW(pool<int>(mem_, "q"), error);
}

}  // namespace
}  // namespace zeroipc
