// Property: with processes killed, stopped and starved at random, and replaced: each of many is run, by none after it was
// done, whoever runs it again is told, and nobody is stuck.
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
#include <thread>

#include "testing/chaos/chaos.h"
#include "testing/evidence/evidence.h"
#include "testing/harness/harness.h"
#include "zeroipc/once/once.h"

namespace zeroipc {
namespace {

constexpr int kWorkers = 3, kOnces = 30'000;

struct books {
  std::atomic<bool> over{false};
  std::atomic<int> at[kWorkers]{};
  std::atomic<uint32_t> begun[kOnces]{}, ended[kOnces]{};
  std::atomic<uint64_t> wrong{0};
};

void work(const memory& mem, books& book, int me) {
  for (int i = book.at[me]; i < kOnces && !book.over; ++i) {
    once o(mem, std::to_string(i));
    const outcome r = o.call([&](bool again) {
      book.wrong += book.begun[i] != 0 && !again;
      ++book.begun[i];
      std::this_thread::yield();  // room to be killed in
      ++book.ended[i];
    });
    book.wrong += !r || !o.done() || book.ended[i] == 0;
    book.at[me] = i + 1;
  }
}

TEST(OnceKill, EachIsRun) {
  const auto for_how_long = testing::quick_or_full<std::chrono::seconds>(std::chrono::seconds(2),
                                                                         std::chrono::seconds(120));
  harness::unique_segment segment;
  memory mem(segment.name(), 64 << 20, {.max_names = kOnces + 8});
  const auto b = std::make_unique<harness::shared_state<books>>();
  books& book = **b;
  chaos::chaos all({.workers = kWorkers, .seed = 16}, [&](int me) { work(mem, book, me); });
  all.run_for(for_how_long);
  book.over = true;
  ASSERT_TRUE(all.finish()) << "somebody is stuck; " << all.so_far().text();
  uint64_t runs = 0;
  for (const auto& n : book.ended) runs += n;
  const int furthest = *std::max_element(std::begin(book.at), std::end(book.at));
  EXPECT_EQ(book.wrong, 0u);
  EXPECT_GE(runs, static_cast<uint64_t>(furthest));
  EXPECT_LE(runs, static_cast<uint64_t>(furthest) + all.so_far().kills + kWorkers)
      << "run again after it was done";
  testing::evidence("once", testing::instrument::chaos)
      .figure("kills", all.so_far().kills)
      .figure("stops", all.so_far().stops)
      .figure("interruptions", all.so_far().interruptions)
      .figure("runs", runs);
}

}  // namespace
}  // namespace zeroipc
