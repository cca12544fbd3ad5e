// Property: with processes killed, stopped and starved at random, and replaced: no permit is lost, none is added, and
// nobody is stuck.
//
// Runs for 2 s; for longer: --test_env=ZEROIPC_LAB=full.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>

#include "testing/chaos/chaos.h"
#include "testing/evidence/evidence.h"
#include "testing/harness/harness.h"
#include "zeroipc/semaphore/semaphore.h"

namespace zeroipc {
namespace {

constexpr int kWorkers = 5;
constexpr size_t kPermits = 3;

struct books {
  std::atomic<bool> over{false};
  std::atomic<uint64_t> turns{0}, wrong{0};
};

void work(semaphore& s, books& book) {
  while (!book.over) {
    // Two of the three ways in each turn, so that the dead hold one or two.
    if (!s.acquire()) ++book.wrong;
    const semaphore::permit other = s.try_take();
    if (!other && other.why() != outcome::empty) ++book.wrong;
    ++book.turns;
    if (!s.release()) ++book.wrong;
  }
}

TEST(SemaphoreKill, NoPermitIsLostOrAdded) {
  const auto for_how_long = testing::quick_or_full<std::chrono::seconds>(std::chrono::seconds(2),
                                                                         std::chrono::seconds(120));
  harness::unique_segment segment;
  memory mem(segment.name(), 1 << 20);
  semaphore s(mem, "s", kPermits);
  const auto b = std::make_unique<harness::shared_state<books>>();
  books& book = **b;
  chaos::chaos all({.workers = kWorkers, .seed = 13}, [&](int) { work(s, book); });
  all.run_for(for_how_long);
  book.over = true;
  ASSERT_TRUE(all.finish()) << "somebody is stuck; " << all.so_far().text();
  for (size_t i = 0; i < kPermits; ++i) EXPECT_TRUE(s.try_acquire()) << "a permit is lost";
  EXPECT_EQ(s.try_acquire(), outcome::empty) << "a permit too many";
  EXPECT_EQ(book.wrong, 0u);
  EXPECT_GT(book.turns, 1000u);
  testing::evidence("semaphore", testing::instrument::chaos)
      .figure("kills", all.so_far().kills)
      .figure("stops", all.so_far().stops)
      .figure("interruptions", all.so_far().interruptions)
      .figure("turns", book.turns);
}

}  // namespace
}  // namespace zeroipc
