// Property: with processes killed, stopped and starved at random, and replaced: every acknowledged element is popped, none
// twice, but for what the dead had in their hands; and nobody gets stuck.
//
// A popper pops into a cell of the books, which shows what it had when it was killed: that may be gone with it. Runs for 3 s; for
// longer: --test_env=ZEROIPC_LAB=full.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <set>

#include "testing/chaos/chaos.h"
#include "testing/evidence/evidence.h"
#include "testing/harness/harness.h"
#include "zeroipc/stack/stack.h"

namespace zeroipc {
namespace {

constexpr int kPushers = 2, kPoppers = 2;
constexpr uint64_t kMost = uint64_t{1} << 25;  // elements of one pusher in one round
constexpr uint32_t kMostKills = 1 << 16;

struct element {
  uint64_t id, check;
  static element of(uint64_t id) { return {id, ~id}; }
};

struct books {
  std::atomic<uint64_t> tried[kPushers]{}, acknowledged[kPushers]{};
  element cells[kPoppers]{};
  std::atomic<uint32_t> popping[kPoppers]{};
  std::atomic<uint32_t> n_unsure{0}, n_gone{0}, torn{0};
  uint64_t unsure[kMostKills], gone[kMostKills];
  std::atomic<uint8_t> seen[kPushers][kMost];
};

void push(stack<element>& s, books& b, uint64_t p) {
  // What the predecessor was at, when it was killed.
  if (b.tried[p] != b.acknowledged[p]) b.unsure[b.n_unsure.fetch_add(1)] = p << 32 | b.tried[p];
  for (uint64_t i = b.tried[p] + 1;; ++i) {
    ASSERT_LT(i, kMost) << "the books are full: shorten the rounds";
    b.tried[p] = i;
    b.acknowledged[p] = i - 1;
    const outcome r = s.push(element::of(p << 32 | i));
    if (r == outcome::closed) {
      b.tried[p] = i - 1;
      return;
    }
    ASSERT_TRUE(r) << r.name();
    b.acknowledged[p] = i;
  }
}

void pop(stack<element>& s, books& b, int me) {
  element& mine = b.cells[me];
  if (b.popping[me] != 0 && mine.id != 0) b.gone[b.n_gone.fetch_add(1)] = mine.id;
  for (;;) {
    mine.id = 0;
    b.popping[me] = 1;
    const outcome r = s.pop(mine);
    if (r == outcome::closed) {
      b.popping[me] = 0;
      return;
    }
    ASSERT_TRUE(r) << r.name();
    if (mine.check != ~mine.id) b.torn.fetch_add(1);
    b.seen[(mine.id >> 32) % kPushers][(mine.id & 0xffff'ffff) % kMost].fetch_add(1);
    b.popping[me] = 0;
  }
}

TEST(StackKill, LosesNothingDoublesNothingAndNobodyIsStuck) {
  uint64_t kills = 0, stops = 0, interruptions = 0, delivered = 0;
  const int rounds = testing::quick_or_full(1, 40);
  for (int round = 0; round < rounds; ++round) {
    harness::unique_segment segment;
    memory mem(segment.name(), 1 << 20);
    stack<element> s(mem, "s", 40);
    const auto b = std::make_unique<harness::shared_state<books>>();
    books& book = **b;
    chaos::chaos all({.workers = kPushers + kPoppers, .seed = static_cast<uint64_t>(round) + 7},
                     [&](int worker) {
                       worker < kPushers ? push(s, book, static_cast<uint64_t>(worker))
                                         : pop(s, book, worker - kPushers);
                     });
    all.run_for(std::chrono::seconds(3));
    s.close();
    ASSERT_TRUE(all.finish()) << "somebody is stuck; " << all.so_far().text();
    const std::set<uint64_t> unsure(book.unsure, book.unsure + book.n_unsure);
    const std::set<uint64_t> gone(book.gone, book.gone + book.n_gone);
    uint64_t lost = 0, doubled = 0;
    for (uint64_t p = 0; p < kPushers; ++p) {
      for (uint64_t i = 1; i <= book.tried[p]; ++i) {
        const uint64_t id = p << 32 | i;
        const int times = book.seen[p][i];
        delivered += times != 0;
        doubled += times > 1;
        lost += times == 0 && !unsure.contains(id) && !gone.contains(id);
      }
    }
    EXPECT_EQ(lost, 0u);
    EXPECT_EQ(doubled, 0u);
    EXPECT_EQ(book.torn, 0u);
    EXPECT_EQ(s.size(), 0u);
    kills += all.so_far().kills;
    stops += all.so_far().stops;
    interruptions += all.so_far().interruptions;
    if (::testing::Test::HasFailure()) return;
  }
  EXPECT_GT(delivered, 1000u);
  testing::evidence("stack", testing::instrument::chaos)
      .figure("kills", kills)
      .figure("stops", stops)
      .figure("interruptions", interruptions)
      .figure("elements", delivered);
}

}  // namespace
}  // namespace zeroipc
