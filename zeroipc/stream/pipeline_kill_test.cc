// Property: a pipeline of five processes (one that emits, three of which any may pump any stage, one that reads the end), all of them
// killed, stopped and starved at random, delivers every element exactly once, in order.
//
// Runs for 3 s; for ten minutes: --test_env=ZEROIPC_LAB=full.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>

#include "testing/chaos/chaos.h"
#include "testing/evidence/evidence.h"
#include "testing/harness/harness.h"
#include "zeroipc/stream/stream.h"

namespace zeroipc {
namespace {

using namespace std::chrono_literals;

constexpr int kPumps = 3, kWorkers = kPumps + 2;
constexpr uint32_t kWindow = 3;

struct numbered {
  uint64_t number, value;
};
struct result {
  uint64_t first_number, first_value, sum, count;
};

// raw: 0, 1, 2, ...; those that five divides are left out; the others are numbered; three at a time are summed up.
stream<result> pipeline(const memory& mem) {
  stream<uint64_t> raw(mem, "raw");
  return raw.filter(mem, "kept", [](uint64_t x) { return x % 5 != 0; })
      .scan(mem, "numbered", numbered{~uint64_t{0}, 0},
            [](const numbered& last, uint64_t x) {
              return numbered{last.number + 1, x};
            })
      .window(mem, "windows", kWindow)
      .map(mem, "results", [](const window<numbered>& w) {
        result r{w.front().number, w.front().value, 0, w.size()};
        for (const numbered& n : w) r.sum += n.value;
        return r;
      });
}
// The i-th number that five does not divide.
uint64_t kept(uint64_t i) { return i + i / 4 + 1; }
// Result k, if `count` of its numbers were there.
bool is_right(const result& r, uint64_t k, uint64_t count) {
  uint64_t sum = 0;
  for (uint64_t i = 0; i < count; ++i) sum += kept(kWindow * k + i);
  return r.count == count && r.first_number == kWindow * k && r.first_value == kept(kWindow * k) &&
         r.sum == sum;
}

struct books {
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> done{0};  // results that were judged
  std::atomic<uint64_t> wrong{0}, gaps{0}, again{0};
};

void emit_all(const memory& mem, books& b) {
  stream<uint64_t> raw(mem, "raw");
  // Nobody else emits: the next one has the number of those that are there.
  while (!b.stop) raw.emit_for(raw.emitted(), 5ms);
  raw.close();
}

void pump(const memory& mem) {
  const stream<result> end = pipeline(mem);
  // Until it has come to an end.
  auto reader = end.subscriber();
  while (reader.next()) {
  }
}

void judge(const memory& mem, books& b) {
  auto reader = stream<result>(mem, "results").subscriber("judge");
  const result* r = nullptr;
  for (outcome o; (o = reader.peek(r));) {
    const uint64_t k = reader.position();
    if (k < b.done) {
      b.again.fetch_add(1);  // the one that the last judge died over
    } else {
      if (k != b.done) b.gaps.fetch_add(1);
      if (!is_right(*r, k, r->count) || r->count == 0) b.wrong.fetch_add(1);
      b.done = k + 1;
    }
    ASSERT_TRUE(reader.release());
  }
}

TEST(PipelineKill, EveryElementArrivesOnceAndInOrder) {
  harness::unique_segment segment;
  memory mem(segment.name(), 4 << 20);
  stream<uint64_t> raw(mem, "raw", 64, {.when_full = overflow::block});
  // Before anything is emitted: no result is to be missed.
  { static_cast<void>(pipeline(mem).subscriber("judge", stream_start::oldest())); }
  harness::shared_state<books> b;
  chaos::chaos all({.workers = kWorkers, .seed = 23}, [&](int worker) {
    if (worker == 0) {
      emit_all(mem, *b);
    } else if (worker <= kPumps) {
      pump(mem);
    } else {
      judge(mem, *b);
    }
  });
  all.run_for(std::chrono::seconds(testing::quick_or_full(3, 600)));
  b->stop = true;
  ASSERT_TRUE(all.finish()) << "somebody is stuck; " << all.so_far().text();
  EXPECT_EQ(b->wrong, 0u);
  EXPECT_EQ(b->gaps, 0u);
  const uint64_t emitted = raw.emitted();
  const uint64_t numbers = emitted - (emitted + 4) / 5;
  EXPECT_EQ(b->done, (numbers + kWindow - 1) / kWindow) << emitted << " were emitted";
  EXPECT_GT(numbers, 100u);
  EXPECT_TRUE(stream<result>(mem, "results").closed());
  testing::evidence("stage", testing::instrument::chaos)
      .figure("kills", all.so_far().kills)
      .figure("stops", all.so_far().stops)
      .figure("interruptions", all.so_far().interruptions)
      .figure("elements", emitted)
      .figure("results judged again by an heir", b->again);
}

}  // namespace
}  // namespace zeroipc
