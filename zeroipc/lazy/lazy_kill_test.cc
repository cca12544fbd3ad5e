// Property: with providers and askers killed, stopped and starved at random, and replaced: a value is whole, not computed from what
// was there before an invalidate() that returned, versions do not go back, and nobody is stuck.
//
// Runs for 3 s; for longer: --test_env=ZEROIPC_LAB=full.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>
#include <thread>

#include "testing/chaos/chaos.h"
#include "testing/evidence/evidence.h"
#include "testing/harness/harness.h"
#include "zeroipc/lazy/lazy.h"

namespace zeroipc {
namespace {

constexpr int kProviders = 3, kWorkers = 5;

struct value {
  uint64_t words[40];
  static value of(uint64_t x) {
    value v;
    for (uint64_t& w : v.words) w = x;
    return v;
  }
  bool whole() const {
    for (const uint64_t w : words) {
      if (w != words[0]) return false;
    }
    return true;
  }
};

struct books {
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> source{1};
  std::atomic<uint64_t> settled{0};  // what has been invalidated since it was there
  std::atomic<uint64_t> gets{0}, late{0}, torn{0}, old{0}, backwards{0}, changes{0}, errors{0};
};

void raise_to(std::atomic<uint64_t>& to, uint64_t value) {
  uint64_t now = to.load();
  while (now < value && !to.compare_exchange_weak(now, value)) {
  }
}

void work(const memory& mem, books& b, int me) {
  lazy<value> l(mem, "l");
  if (me < kProviders) {
    l.set_computation([&b]() -> absl::StatusOr<value> {
      const uint64_t x = b.source;
      std::this_thread::yield();  // room to be killed in
      if (x % 16 == 0) return absl::UnavailableError("not this one");
      return value::of(x);
    });
  }
  uint64_t seen = 0;
  for (uint64_t i = 0; !b.stop; ++i) {
    if (i % 8 == static_cast<uint64_t>(me)) {
      const uint64_t x = b.source.fetch_add(1) + 1;
      i % 16 < 8 ? l.invalidate() : l.refresh();
      raise_to(b.settled, x);
      ++b.changes;
    }
    if (i % 64 == 63) l.take_over();
    const uint64_t least = b.settled;
    value v{};
    uint64_t version = 0;
    const outcome r = l.get_for(v, std::chrono::milliseconds(100), &version);
    if (r == outcome::failed) {
      ++b.errors;
    } else if (r) {
      ++b.gets;
      b.torn += !v.whole();
      b.old += v.words[0] < least;
      b.backwards += version < seen;
      seen = version;
    } else {
      ++b.late;  // its provider was stopped, or all of them were killed
    }
  }
}

TEST(LazyKill, ValuesAreWholeAndNotOld) {
  harness::unique_segment segment;
  memory mem(segment.name(), 1 << 20);
  const lazy<value> l(mem, "l");
  harness::shared_state<books> b;
  chaos::chaos all({.workers = kWorkers, .seed = 29}, [&](int me) { work(mem, *b, me); });
  all.run_for(std::chrono::seconds(testing::quick_or_full(3, 120)));
  b->stop = true;
  ASSERT_TRUE(all.finish()) << "somebody is stuck; " << all.so_far().text();
  EXPECT_EQ(b->torn, 0u);
  EXPECT_EQ(b->old, 0u);
  EXPECT_EQ(b->backwards, 0u);
  EXPECT_GT(b->gets, 100u);
  EXPECT_EQ(l.stats().providers, 0u);
  testing::evidence("lazy", testing::instrument::chaos)
      .figure("kills", all.so_far().kills)
      .figure("stops", all.so_far().stops)
      .figure("interruptions", all.so_far().interruptions)
      .figure("gets", b->gets)
      .figure("changes", b->changes)
      .figure("handed over", l.stats().handovers);
}

}  // namespace
}  // namespace zeroipc
