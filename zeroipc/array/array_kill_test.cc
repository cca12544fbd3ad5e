// Property: with writers and readers killed, stopped and starved at random, and replaced: an element is whole, each update
// happened once or, if its process was killed in it, perhaps; and nobody gets stuck.
//
// Runs for 3 s; for longer: --test_env=ZEROIPC_LAB=full.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <random>

#include "testing/chaos/chaos.h"
#include "testing/evidence/evidence.h"
#include "testing/harness/harness.h"
#include "zeroipc/array/array.h"

namespace zeroipc {
namespace {

constexpr int kWriters = 3, kWorkers = 4;
constexpr size_t kElements = 5;

// As many updates as its words say.
struct counter {
  uint64_t words[9];
  static counter of(uint64_t n) {
    return {n, n + 1, n + 2, n + 3, n + 4, n + 5, n + 6, n + 7, n + 8};
  }
  bool whole() const {
    for (uint64_t i = 0; i < 9; ++i) {
      if (words[i] != words[0] + i) return false;
    }
    return true;
  }
};

struct books {
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> tried[kElements]{}, acknowledged[kElements]{};
  std::atomic<uint64_t> loads{0}, torn{0}, backwards{0};
};

TEST(ArrayKill, EachUpdateHappensOnce) {
  harness::unique_segment segment;
  memory mem(segment.name(), 1 << 20);
  array<counter> a(mem, "a", kElements);
  for (size_t i = 0; i < kElements; ++i) ASSERT_TRUE(a.store(i, counter::of(0)));
  harness::shared_state<books> b;
  chaos::chaos all({.workers = kWorkers, .seed = 8}, [&](int worker) {
    std::mt19937_64 random(static_cast<uint64_t>(worker));
    uint64_t seen[kElements] = {};
    while (!b->stop) {
      const size_t i = random() % kElements;
      if (worker < kWriters) {
        b->tried[i].fetch_add(1);
        ASSERT_TRUE(a.update(i, [&](counter& c) {
          if (!c.whole()) b->torn.fetch_add(1);
          c = counter::of(c.words[0] + 1);
        }));
        b->acknowledged[i].fetch_add(1);
        continue;
      }
      const counter c = a.load(i);
      if (!c.whole()) b->torn.fetch_add(1);
      if (c.words[0] < seen[i]) b->backwards.fetch_add(1);
      seen[i] = c.words[0];
      b->loads.fetch_add(1);
    }
  });
  all.run_for(std::chrono::seconds(testing::quick_or_full(3, 120)));
  b->stop = true;
  ASSERT_TRUE(all.finish()) << "somebody is stuck; " << all.so_far().text();
  EXPECT_EQ(b->torn, 0u);
  EXPECT_EQ(b->backwards, 0u);
  uint64_t updates = 0;
  for (size_t i = 0; i < kElements; ++i) {
    const uint64_t n = a.load(i).words[0];
    EXPECT_GE(n, b->acknowledged[i]) << "an update is lost";
    EXPECT_LE(n, b->tried[i]) << "an update happened twice";
    updates += n;
  }
  EXPECT_GT(updates, 1000u);
  testing::evidence("array", testing::instrument::chaos)
      .figure("kills", all.so_far().kills)
      .figure("stops", all.so_far().stops)
      .figure("interruptions", all.so_far().interruptions)
      .figure("updates", updates)
      .figure("loads", b->loads);
}

}  // namespace
}  // namespace zeroipc
