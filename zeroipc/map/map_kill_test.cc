// Property: with processes killed, stopped and starved at random, and replaced: every acknowledged change is there, none
// happened twice, entries are whole, and nobody is stuck.
//
// Each worker has keys of its own, of which it knows what must be there, and all of them count in keys that are shared. Runs for
// 3 s; for longer: --test_env=ZEROIPC_LAB=full.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <random>

#include "testing/chaos/chaos.h"
#include "testing/evidence/evidence.h"
#include "testing/harness/harness.h"
#include "zeroipc/map/map.h"

namespace zeroipc {
namespace {

constexpr uint32_t kWorkers = 4, kOwn = 32, kShared = 3;

struct value {
  uint64_t n, check;
  static value of(uint64_t n) { return {n, ~n}; }
};
using map_type = map<uint32_t, value>;

struct books {
  std::atomic<bool> over{false};
  // What is under each own key (0: nothing), and what a change was to leave, from before it until after.
  std::atomic<uint64_t> there[kWorkers][kOwn]{}, tried[kWorkers][kOwn]{};
  std::atomic<bool> trying[kWorkers][kOwn]{};
  std::atomic<uint64_t> counted{0}, wrong{0}, changes{0};
};

constexpr uint32_t own(uint32_t worker, uint32_t i) { return 1000 * (worker + 1) + i; }

uint64_t look(const map_type& m, books& b, uint32_t key) {
  value v{};
  const outcome r = m.get(key, v);
  if (r && v.check != ~v.n) ++b.wrong;
  return r ? v.n : 0;
}

void work(map_type& m, books& b, uint32_t me) {
  std::mt19937_64 random(std::random_device{}());
  while (!b.over) {
    const auto i = static_cast<uint32_t>(random() % kOwn);
    const uint64_t now = look(m, b, own(me, i));
    if (b.trying[me][i]) {
      // A predecessor was killed at it: it happened or did not.
      if (now != b.there[me][i] && now != b.tried[me][i]) ++b.wrong;
      b.there[me][i] = now;
      b.trying[me][i] = false;
    } else if (now != b.there[me][i]) {
      ++b.wrong;
    }
    const uint64_t next = random() % 3 == 0 ? 0 : random() | 1;
    b.tried[me][i] = next;
    b.trying[me][i] = true;
    const outcome r =
        next == 0 ? m.erase(own(me, i)) : m.insert_or_assign(own(me, i), value::of(next));
    if (!r && !(next == 0 && now == 0 && r == outcome::missing)) ++b.wrong;
    b.there[me][i] = next;
    b.trying[me][i] = false;
    if (!m.update(static_cast<uint32_t>(random() % kShared),
                  [](value& v) { v = value::of(v.n + 1); })) {
      ++b.wrong;
    }
    ++b.counted;
    ++b.changes;
    // Somebody else's.
    look(m, b, own(static_cast<uint32_t>(random() % kWorkers), i));
  }
}

TEST(MapKill, EveryAcknowledgedChangeIsThere) {
  harness::unique_segment segment;
  memory mem(segment.name(), 1 << 20);
  map_type m(mem, "m", kWorkers * kOwn + kShared);
  for (uint32_t k = 0; k < kShared; ++k) ASSERT_TRUE(m.insert(k, value::of(0)));
  const auto shared = std::make_unique<harness::shared_state<books>>();
  books& b = **shared;
  chaos::chaos all({.workers = kWorkers, .seed = 21},
                   [&](int me) { work(m, b, static_cast<uint32_t>(me)); });
  all.run_for(testing::quick_or_full<std::chrono::seconds>(std::chrono::seconds(3),
                                                           std::chrono::seconds(120)));
  b.over = true;
  ASSERT_TRUE(all.finish()) << "somebody is stuck; " << all.so_far().text();
  EXPECT_EQ(b.wrong, 0u) << "a change is lost, undone or torn";
  uint64_t keys = kShared, counted = 0;
  for (uint32_t w = 0; w < kWorkers; ++w) {
    for (uint32_t i = 0; i < kOwn; ++i) {
      const uint64_t now = look(m, b, own(w, i));
      EXPECT_TRUE(now == b.there[w][i] || (b.trying[w][i] && now == b.tried[w][i]));
      keys += now != 0;
    }
  }
  for (uint32_t k = 0; k < kShared; ++k) counted += look(m, b, k);
  EXPECT_GE(counted, b.counted) << "a count is lost";
  EXPECT_LE(counted, b.counted + all.so_far().kills) << "a count is doubled";
  // Every part's last writer may have died in it, with one key more or less; the next one puts that right.
  for (uint32_t k = 0; k < 4000; ++k) m.update(k, [](value&) {});
  EXPECT_EQ(m.size(), keys);
  EXPECT_GT(b.changes, 1000u);
  testing::evidence("map", testing::instrument::chaos)
      .figure("kills", all.so_far().kills)
      .figure("stops", all.so_far().stops)
      .figure("interruptions", all.so_far().interruptions)
      .figure("changes", b.changes);
}

}  // namespace
}  // namespace zeroipc
