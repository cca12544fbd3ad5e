// Property: with processes killed, stopped and starved at random, and replaced: no two are inside, no acknowledged change is
// lost, whoever comes after one that died inside is told, and nobody is stuck.
//
// Runs for 2 s; for longer: --test_env=ZEROIPC_LAB=full.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>

#include "testing/chaos/chaos.h"
#include "testing/evidence/evidence.h"
#include "testing/harness/harness.h"
#include "zeroipc/mutex/mutex.h"

namespace zeroipc {
namespace {

constexpr int kWorkers = 4;

struct books {
  std::atomic<bool> over{false};
  // Guarded by the mutex; the same while nobody is inside.
  uint64_t a = 0, b = 0;
  std::atomic<uint64_t> acknowledged[kWorkers]{};
  std::atomic<uint64_t> wrong{0}, told{0};
};

void work(mutex& m, books& book, int me) {
  while (!book.over) {
    const lock_outcome got = m.lock();
    if (book.a != book.b) {
      book.wrong += got != outcome::owner_died;
      book.a = book.b = std::max(book.a, book.b);
    }
    if (got == outcome::owner_died) {
      ++book.told;
      m.mark_consistent();
    }
    ++book.a;
    ++book.b;
    if (!m.unlock()) ++book.wrong;
    ++book.acknowledged[me];
  }
}

TEST(MutexKill, OneInsideAtATimeAndNoChangeIsLost) {
  const auto for_how_long = testing::quick_or_full<std::chrono::seconds>(std::chrono::seconds(2),
                                                                         std::chrono::seconds(120));
  harness::unique_segment segment;
  memory mem(segment.name(), 1 << 20);
  mutex m(mem, "m");
  const auto b = std::make_unique<harness::shared_state<books>>();
  books& book = **b;
  chaos::chaos all({.workers = kWorkers, .seed = 11}, [&](int me) { work(m, book, me); });
  all.run_for(for_how_long);
  book.over = true;
  ASSERT_TRUE(all.finish()) << "somebody is stuck; " << all.so_far().text();
  uint64_t acknowledged = 0;
  for (const auto& n : book.acknowledged) acknowledged += n;
  m.lock();
  EXPECT_EQ(book.wrong, 0u);
  EXPECT_GE(std::max(book.a, book.b), acknowledged) << "a change is lost";
  EXPECT_LE(std::min(book.a, book.b), acknowledged + all.so_far().kills);
  EXPECT_GT(acknowledged, 1000u);
  EXPECT_EQ(m.stats().deaths, book.told + m.suspect());
  testing::evidence("mutex", testing::instrument::chaos)
      .figure("kills", all.so_far().kills)
      .figure("stops", all.so_far().stops)
      .figure("interruptions", all.so_far().interruptions)
      .figure("sections", acknowledged);
}

}  // namespace
}  // namespace zeroipc
