// Property: with borrowers killed, stopped and starved at random, and replaced: a cell has one holder at a time, nobody waits for
// ever, and in the end all cells can be had.
//
// Each cell says in the books who has it; what a killed one has left there is no holder. Runs for 3 s; for longer:
// --test_env=ZEROIPC_LAB=full.
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <random>
#include <vector>

#include "testing/chaos/chaos.h"
#include "testing/evidence/evidence.h"
#include "testing/harness/harness.h"
#include "zeroipc/pool/pool.h"

namespace zeroipc {
namespace {

constexpr int kWorkers = 4;
constexpr size_t kCells = 5;  // fewer than they want

struct cell {
  uint64_t words[6];
};

struct books {
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> borrowed{0}, shared{0}, refused{0};
};

TEST(PoolKill, CellsComeBackAndAreNeverShared) {
  harness::unique_segment segment;
  memory mem(segment.name(), 1 << 20);
  pool<cell> p(mem, "p", kCells);
  harness::shared_state<books> b;
  chaos::chaos all({.workers = kWorkers, .seed = 9}, [&](int worker) {
    std::mt19937_64 random(static_cast<uint64_t>(worker));
    const auto id = static_cast<uint64_t>(::getpid());
    while (!b->stop) {
      // Never more at once than leaves one for each of the others.
      std::vector<cell*> mine;
      for (uint64_t n = 1 + random() % 2; n != 0; --n) {
        cell* c = random() % 2 == 0 ? p.allocate() : p.allocate_for(std::chrono::milliseconds(2));
        if (c == nullptr) break;
        mine.push_back(c);
      }
      for (cell* c : mine) {
        for (uint64_t& w : c->words)
          std::atomic_ref<uint64_t>(w).store(id, std::memory_order_relaxed);
      }
      for (cell* c : mine) {
        for (uint64_t& w : c->words) {
          if (std::atomic_ref<uint64_t>(w).load(std::memory_order_relaxed) != id) {
            b->shared.fetch_add(1);
          }
        }
        if (!p.deallocate(c)) b->refused.fetch_add(1);
        b->borrowed.fetch_add(1);
      }
    }
  });
  all.run_for(std::chrono::seconds(testing::quick_or_full(3, 120)));
  b->stop = true;
  ASSERT_TRUE(all.finish()) << "somebody is stuck; " << all.so_far().text();
  EXPECT_EQ(b->shared, 0u) << "somebody else wrote to a cell";
  EXPECT_EQ(b->refused, 0u) << "a cell was taken from the living";
  mem.attachment()->self->notice_deaths();
  std::array<cell*, kCells + 1> cells;
  EXPECT_EQ(p.allocate_n(cells), kCells);
  EXPECT_GT(b->borrowed, 1000u);
  testing::evidence("pool", testing::instrument::chaos)
      .figure("kills", all.so_far().kills)
      .figure("stops", all.so_far().stops)
      .figure("interruptions", all.so_far().interruptions)
      .figure("cells borrowed", b->borrowed)
      .figure("taken back", p.stats().recovered);
}

}  // namespace
}  // namespace zeroipc
