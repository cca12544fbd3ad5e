// Property: with processes killed, stopped and starved at random, and replaced: every acknowledged value is received, none twice,
// but for what the dead had in their hands; under leases none is lost at all; what its sender was told is not sent is not
// received; and nobody gets stuck.
//
// Rendezvous; a buffered channel is a queue (queue_kill_test). A receiver receives into a cell of the books, which shows what it
// had when it was killed. Runs for 4 s; for longer: --test_env=ZEROIPC_LAB=full.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <set>

#include "testing/chaos/chaos.h"
#include "testing/evidence/evidence.h"
#include "testing/harness/harness.h"
#include "zeroipc/channel/channel.h"

namespace zeroipc {
namespace {

constexpr int kSenders = 2, kReceivers = 2;
constexpr uint64_t kMost = uint64_t{1} << 22;  // values of one sender in one round
constexpr uint32_t kMostKills = 1 << 16;

struct element {
  uint64_t id, check;
  static element of(uint64_t id) { return {id, ~id}; }
};

struct books {
  std::atomic<uint64_t> tried[kSenders]{}, acknowledged[kSenders]{};
  element cells[kReceivers]{};
  std::atomic<uint32_t> receiving[kReceivers]{};
  std::atomic<uint32_t> n_unsure{0}, n_gone{0}, torn{0}, untold{0};
  uint64_t unsure[kMostKills], gone[kMostKills];
  std::atomic<uint8_t> seen[kSenders][kMost];

  void receive(const element& e) {
    if (e.check != ~e.id) torn.fetch_add(1);
    seen[(e.id >> 32) % kSenders][(e.id & 0xffff'ffff) % kMost].fetch_add(1);
  }
};

void send(channel<element>& c, books& b, uint64_t p) {
  // What the predecessor was at, when it was killed.
  if (b.tried[p] != b.acknowledged[p]) b.unsure[b.n_unsure.fetch_add(1)] = p << 32 | b.tried[p];
  for (uint64_t i = b.tried[p] + 1;; ++i) {
    ASSERT_LT(i, kMost) << "the books are full: shorten the rounds";
    b.tried[p] = i;
    b.acknowledged[p] = i - 1;
    const element e = element::of(p << 32 | i);
    outcome r = c.try_send(e);
    if (i % 2 == 0 && r == outcome::full) r = c.send_for(e, std::chrono::microseconds(50));
    // Told that it was not, twice perhaps: if it was, it is received again, and doubled.
    if (r == outcome::full || r == outcome::timed_out) r = c.send(e);
    if (r == outcome::closed) {
      b.untold += b.seen[p][i];
      b.tried[p] = i - 1;
      return;
    }
    ASSERT_TRUE(r) << r.name();
    b.acknowledged[p] = i;
  }
}

void receive(channel<element>& c, books& b, int me) {
  element& mine = b.cells[me];
  if (b.receiving[me] != 0 && mine.id != 0) b.gone[b.n_gone.fetch_add(1)] = mine.id;
  for (;;) {
    mine.id = 0;
    b.receiving[me] = 1;
    const outcome r = c.receive(mine);
    if (r == outcome::closed) {
      b.receiving[me] = 0;
      return;
    }
    ASSERT_TRUE(r) << r.name();
    b.receive(mine);
    b.receiving[me] = 0;
  }
}

void lease(channel<element>& c, books& b) {
  for (;;) {
    auto held = c.lease();
    if (held.why() == outcome::closed) return;
    ASSERT_TRUE(held) << held.why().name();
    b.receive(*held);
    ASSERT_TRUE(held.ack());
  }
}

void play(bool leases, int rounds) {
  uint64_t kills = 0, stops = 0, interruptions = 0, delivered = 0;
  for (int round = 0; round < rounds; ++round) {
    harness::unique_segment segment;
    memory mem(segment.name(), 1 << 20);
    channel<element> c(mem, "c", 0);
    const auto b = std::make_unique<harness::shared_state<books>>();
    books& book = **b;
    chaos::chaos all({.workers = kSenders + kReceivers, .seed = static_cast<uint64_t>(round) + 23},
                     [&](int worker) {
                       if (worker < kSenders) return send(c, book, static_cast<uint64_t>(worker));
                       if (leases) return lease(c, book);
                       receive(c, book, worker - kSenders);
                     });
    all.run_for(std::chrono::seconds(2));
    c.close();
    ASSERT_TRUE(all.finish()) << "somebody is stuck; " << all.so_far().text();
    const std::set<uint64_t> unsure(book.unsure, book.unsure + book.n_unsure);
    const std::set<uint64_t> gone(book.gone, book.gone + book.n_gone);
    uint64_t lost = 0, doubled = 0;
    for (uint64_t p = 0; p < kSenders; ++p) {
      for (uint64_t i = 1; i <= book.tried[p]; ++i) {
        const uint64_t id = p << 32 | i;
        const int times = book.seen[p][i];
        delivered += times != 0;
        doubled += times > 1;
        lost += times == 0 && !unsure.contains(id) && !gone.contains(id);
      }
    }
    EXPECT_EQ(lost, 0u);
    // Whoever is killed between its work and the ack has it done twice.
    EXPECT_LE(doubled, leases ? all.so_far().kills : 0);
    EXPECT_EQ(book.torn, 0u);
    EXPECT_EQ(book.untold, 0u) << "received, and its sender was told `closed`";
    EXPECT_EQ(c.size(), 0u);
    EXPECT_EQ(c.stats().leased, 0u);
    kills += all.so_far().kills;
    stops += all.so_far().stops;
    interruptions += all.so_far().interruptions;
    if (::testing::Test::HasFailure()) return;
  }
  EXPECT_GT(delivered, 100u);
  testing::evidence("channel", testing::instrument::chaos)
      .figure("kills", kills)
      .figure("stops", stops)
      .figure("interruptions", interruptions)
      .figure("values", delivered);
}

TEST(ChannelKill, LosesNothingDoublesNothingAndNobodyIsStuck) {
  play(false, testing::quick_or_full(1, 30));
}
TEST(ChannelKill, WhatIsLeasedIsNeverLost) { play(true, testing::quick_or_full(1, 30)); }

}  // namespace
}  // namespace zeroipc
