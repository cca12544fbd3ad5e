// Property: with writers and readers killed, stopped and starved at random, and replaced: a value is whole, versions do not go
// back, an acknowledged store is there, and nobody gets stuck.
//
// Runs for 3 s; for longer: --test_env=ZEROIPC_LAB=full.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>

#include "testing/chaos/chaos.h"
#include "testing/evidence/evidence.h"
#include "testing/harness/harness.h"
#include "zeroipc/cell/cell.h"

namespace zeroipc {
namespace {

constexpr int kWriters = 2, kWorkers = 4;

struct value {
  uint64_t words[40];
  static value of(uint64_t x) {
    value v;
    for (uint64_t& w : v.words) w = x++;
    return v;
  }
  bool whole() const {
    for (uint64_t i = 0; i < 40; ++i) {
      if (words[i] != words[0] + i) return false;
    }
    return true;
  }
};

struct books {
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> acknowledged{0};  // the newest version that a store has answered with
  std::atomic<uint64_t> stores{0}, loads{0}, torn{0}, backwards{0}, missing{0}, waits{0};
};

void raise_to(std::atomic<uint64_t>& to, uint64_t value) {
  uint64_t now = to.load();
  while (now < value && !to.compare_exchange_weak(now, value)) {
  }
}

void write(cell<value>& c, books& b, uint64_t worker) {
  for (uint64_t i = 0; !b.stop; ++i) {
    uint64_t version = 0;
    const outcome r = i % 3 == 0
                          ? c.update([](value& v) { v = value::of(v.words[0] + 1); }, &version)
                          : c.store(value::of(worker * 1'000'000 + i), &version);
    ASSERT_TRUE(r) << r.name();
    raise_to(b.acknowledged, version);
    b.stores.fetch_add(1);
  }
}

void read(cell<value>& c, books& b) {
  uint64_t seen = 0;
  for (uint64_t i = 0; !b.stop; ++i) {
    if (i % 16 == 0 && c.wait_for_change_for(seen, std::chrono::milliseconds(1)) != 0) {
      b.waits.fetch_add(1);
    }
    const uint64_t least = b.acknowledged;
    value v;
    uint64_t version = 0;
    const outcome r = c.load(v, &version);
    if (r == outcome::empty && least == 0) continue;
    ASSERT_TRUE(r) << r.name();
    if (!v.whole()) b.torn.fetch_add(1);
    if (version < seen) b.backwards.fetch_add(1);
    if (version < least) b.missing.fetch_add(1);
    seen = version;
    b.loads.fetch_add(1);
  }
}

TEST(CellKill, ValuesAreWholeAndDoNotGoBack) {
  harness::unique_segment segment;
  memory mem(segment.name(), 1 << 20);
  cell<value> c(mem, "c");
  harness::shared_state<books> b;
  chaos::chaos all({.workers = kWorkers, .seed = 5}, [&](int worker) {
    worker < kWriters ? write(c, *b, static_cast<uint64_t>(worker) + 1) : read(c, *b);
  });
  all.run_for(std::chrono::seconds(testing::quick_or_full(3, 120)));
  b->stop = true;
  ASSERT_TRUE(all.finish()) << "somebody is stuck; " << all.so_far().text();
  EXPECT_EQ(b->torn, 0u);
  EXPECT_EQ(b->backwards, 0u);
  EXPECT_EQ(b->missing, 0u);
  EXPECT_GE(c.version(), b->acknowledged);
  EXPECT_GT(b->loads, 1000u);
  testing::evidence("cell", testing::instrument::chaos)
      .figure("kills", all.so_far().kills)
      .figure("stops", all.so_far().stops)
      .figure("interruptions", all.so_far().interruptions)
      .figure("stores", b->stores)
      .figure("loads", b->loads);
}

}  // namespace
}  // namespace zeroipc
