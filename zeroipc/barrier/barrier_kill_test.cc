// Property: with processes killed, stopped and starved at random, and replaced: the living go on step by step, and nobody is
// stuck.
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
#include "zeroipc/barrier/barrier.h"

namespace zeroipc {
namespace {

constexpr int kWorkers = 4;

struct books {
  std::atomic<bool> over{false};
  std::atomic<uint64_t> steps{0}, wrong{0};
};

void work(barrier& b, books& book) {
  // The seat of its predecessor, or one that has been given up.
  while (b.join() == outcome::full) {
    if (book.over) return;
  }
  while (!book.over) {
    const outcome r = b.arrive_and_wait();
    // Its seat was taken for that of the process it replaces, in a phase for which that had arrived.
    if (!r && r != outcome::full) ++book.wrong;
    ++book.steps;
  }
  while (b.drop() == outcome::gone) {
    barrier::phase k;
    if (!b.arrive(k)) break;
  }
}

TEST(BarrierKill, TheLivingGoOn) {
  const auto for_how_long = testing::quick_or_full<std::chrono::seconds>(std::chrono::seconds(2),
                                                                         std::chrono::seconds(120));
  harness::unique_segment segment;
  memory mem(segment.name(), 1 << 20);
  barrier b(mem, "b", kWorkers, on_death::shrink);
  const auto shared = std::make_unique<harness::shared_state<books>>();
  books& book = **shared;
  chaos::chaos all({.workers = kWorkers, .seed = 15}, [&](int) { work(b, book); });
  all.run_for(for_how_long);
  book.over = true;
  ASSERT_TRUE(all.finish()) << "somebody is stuck; " << all.so_far().text();
  EXPECT_EQ(book.wrong, 0u);
  EXPECT_GT(book.steps, 500u);
  EXPECT_GT(b.stats().completed, 100u);
  testing::evidence("barrier", testing::instrument::chaos)
      .figure("kills", all.so_far().kills)
      .figure("stops", all.so_far().stops)
      .figure("interruptions", all.so_far().interruptions)
      .figure("steps", book.steps);
}

}  // namespace
}  // namespace zeroipc
