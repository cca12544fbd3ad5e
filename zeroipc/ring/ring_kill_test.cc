// Property: with writers and readers killed, stopped and starved at random, and replaced: an element is whole and in its place,
// each reader's elements and those that it missed are all that were written, and nobody gets stuck.
//
// Runs for 3 s; for longer: --test_env=ZEROIPC_LAB=full.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>

#include "testing/chaos/chaos.h"
#include "testing/evidence/evidence.h"
#include "testing/harness/harness.h"
#include "zeroipc/ring/ring.h"

namespace zeroipc {
namespace {

constexpr int kWriters = 2, kWorkers = 4;

struct element {
  uint64_t writer, id, check[4];
  static element of(uint64_t writer, uint64_t id) {
    return {writer, id, {~id, id + writer, id * 3, id ^ writer}};
  }
  bool whole() const {
    return check[0] == ~id && check[1] == id + writer && check[2] == id * 3 &&
           check[3] == (id ^ writer);
  }
};

struct books {
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> tried[kWriters]{}, acknowledged[kWriters]{};
  std::atomic<uint64_t> read{0}, missed{0}, torn{0}, disorder{0}, miscounted{0};
};

void write(ring<element>& r, books& b, int writer) {
  const auto w = static_cast<uint64_t>(writer);
  // What its predecessor was about to push is there or not.
  for (uint64_t id = b.tried[w] + 1; !b.stop;) {
    const uint64_t n = id % 5 == 0 ? 3 : 1;
    std::array<element, 3> some;
    for (uint64_t i = 0; i < n; ++i) some[i] = element::of(w, id + i);
    b.tried[w] = id + n - 1;
    const outcome o = n == 1 ? r.push(some[0]) : r.push_n(std::span(some).first(n));
    ASSERT_TRUE(o) << o.name();
    id += n;
    b.acknowledged[w].fetch_add(n);
  }
}

void read(ring<element>& r, books& b) {
  auto reader = r.reader();
  const uint64_t start = reader.position();
  uint64_t last[kWriters] = {}, count = 0;
  std::array<element, 7> some;
  while (!b.stop) {
    const batch_outcome got = reader.read_n_for(some, std::chrono::milliseconds(5));
    if (got.why == outcome::timed_out) continue;
    ASSERT_TRUE(got) << got.why.name();
    for (size_t i = 0; i < got.count; ++i) {
      const element& e = some[i];
      if (!e.whole() || e.writer >= kWriters) {
        b.torn.fetch_add(1);
        continue;
      }
      if (e.id <= last[e.writer]) b.disorder.fetch_add(1);
      last[e.writer] = e.id;
    }
    count += got.count;
    if (reader.position() != start + count + reader.missed()) b.miscounted.fetch_add(1);
    b.read.fetch_add(got.count);
  }
  b.missed.fetch_add(reader.missed());
}

TEST(RingKill, ElementsAreWholeInOrderAndCounted) {
  harness::unique_segment segment;
  memory mem(segment.name(), 1 << 20);
  ring<element> r(mem, "r", 50);
  harness::shared_state<books> b;
  chaos::chaos all({.workers = kWorkers, .seed = 6},
                   [&](int worker) { worker < kWriters ? write(r, *b, worker) : read(r, *b); });
  all.run_for(std::chrono::seconds(testing::quick_or_full(3, 120)));
  b->stop = true;
  ASSERT_TRUE(all.finish()) << "somebody is stuck; " << all.so_far().text();
  EXPECT_EQ(b->torn, 0u);
  EXPECT_EQ(b->disorder, 0u);
  EXPECT_EQ(b->miscounted, 0u);
  // All that was acknowledged was written, and of what was cut off some.
  const uint64_t sure = b->acknowledged[0] + b->acknowledged[1];
  EXPECT_GE(r.written(), sure);
  EXPECT_LE(r.written(), b->tried[0] + b->tried[1]);
  EXPECT_GT(b->read, 1000u);
  testing::evidence("ring", testing::instrument::chaos)
      .figure("kills", all.so_far().kills)
      .figure("stops", all.so_far().stops)
      .figure("interruptions", all.so_far().interruptions)
      .figure("written", r.written())
      .figure("read", b->read);
}

}  // namespace
}  // namespace zeroipc
