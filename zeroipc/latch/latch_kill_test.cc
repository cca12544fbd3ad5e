// Property: with processes killed, stopped and starved at random, and replaced: each of many latches opens, and nobody is
// stuck before one.
//
// Runs for 2 s; for longer: --test_env=ZEROIPC_LAB=full.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <iterator>
#include <memory>
#include <string>

#include "testing/chaos/chaos.h"
#include "testing/evidence/evidence.h"
#include "testing/harness/harness.h"
#include "zeroipc/latch/latch.h"

namespace zeroipc {
namespace {

constexpr int kWorkers = 3, kLatches = 20'000;

struct books {
  std::atomic<int> at[kWorkers]{};
  std::atomic<int> until{kLatches};  // all of them go that far
  std::atomic<uint64_t> wrong{0};
};

// Goes through all latches in order; a replacement goes on where its predecessor was killed.
void work(const memory& mem, books& book, int me) {
  for (int i = book.at[me]; i < book.until; ++i) {
    latch l(mem, std::to_string(i), kWorkers);
    latch::promised mine = l.promise();
    // Its predecessor may have arrived, or have been forfeited by now.
    if (mine) {
      if (!mine.arrive()) ++book.wrong;
    } else if (mine.why() != outcome::full) {
      ++book.wrong;
    }
    l.wait();
    if (l.stats().settled != kWorkers) ++book.wrong;
    book.at[me] = i + 1;
  }
}

TEST(LatchKill, EachOpens) {
  const auto for_how_long = testing::quick_or_full<std::chrono::seconds>(std::chrono::seconds(2),
                                                                         std::chrono::seconds(120));
  harness::unique_segment segment;
  memory mem(segment.name(), 64 << 20, {.max_names = kLatches + 8});
  const auto b = std::make_unique<harness::shared_state<books>>();
  books& book = **b;
  chaos::chaos all({.workers = kWorkers, .seed = 14}, [&](int me) { work(mem, book, me); });
  all.run_for(for_how_long);
  // Far enough that nobody has begun with one beyond it.
  const int furthest = *std::max_element(std::begin(book.at), std::end(book.at));
  book.until = std::min(furthest + 100, kLatches);
  ASSERT_TRUE(all.finish()) << "somebody is stuck; " << all.so_far().text();
  for (const auto& at : book.at) EXPECT_EQ(at, book.until);
  EXPECT_EQ(book.wrong, 0u);
  testing::evidence("latch", testing::instrument::chaos)
      .figure("kills", all.so_far().kills)
      .figure("stops", all.so_far().stops)
      .figure("interruptions", all.so_far().interruptions)
      .figure("latches", static_cast<uint64_t>(book.until));
}

}  // namespace
}  // namespace zeroipc
