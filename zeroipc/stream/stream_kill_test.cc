// Property: with producers and subscribers killed, stopped and starved at random, and replaced: who reads under a name sees every element that was
// acknowledged, whole, in order, none twice but the one he died over; who passes by sees no gap; and nobody gets stuck.
//
// Runs for 3 s; for longer: --test_env=ZEROIPC_LAB=full.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>

#include "testing/chaos/chaos.h"
#include "testing/evidence/evidence.h"
#include "testing/harness/harness.h"
#include "zeroipc/stream/stream.h"

namespace zeroipc {
namespace {

constexpr int kProducers = 2, kNamed = 2, kWorkers = kProducers + kNamed + 1;

struct element {
  uint64_t producer, id, check[3];
  static element of(uint64_t producer, uint64_t id) {
    return {producer, id, {~id, id + producer, id * 3}};
  }
  bool whole() const {
    return producer < kProducers && check[0] == ~id && check[1] == id + producer &&
           check[2] == id * 3;
  }
};

struct books {
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> tried[kProducers]{}, acknowledged[kProducers]{};
  // Of a named subscriber: written before he releases.
  std::atomic<uint64_t> done[kNamed]{}, last[kNamed][kProducers]{};
  std::atomic<uint64_t> again[kNamed]{};
  std::atomic<uint64_t> passed{0}, torn{0}, disorder{0}, gaps{0};
};

void produce(stream<element>& s, books& b, int who) {
  const auto w = static_cast<uint64_t>(who);
  // What its predecessor was about to emit is there or not.
  for (uint64_t id = b.tried[w] + 1; !b.stop; ++id) {
    b.tried[w] = id;
    outcome o = outcome::timed_out;
    while (o == outcome::timed_out && !b.stop) {
      o = s.emit_for(element::of(w, id), std::chrono::milliseconds(5));
    }
    if (o) b.acknowledged[w].fetch_add(1);
  }
}

void audit(stream<element>& s, books& b, int who) {
  auto own = s.make_subscriber("audit" + std::to_string(who), stream_start::oldest());
  // The last one of that name may not be known to be dead yet.
  ASSERT_TRUE(own.ok()) << own.status();
  const element* e = nullptr;
  while (!b.stop) {
    const outcome o = own->peek_for(e, std::chrono::milliseconds(5));
    if (o == outcome::timed_out) continue;
    ASSERT_TRUE(o) << o.name();
    if (!e->whole()) {
      b.torn.fetch_add(1);
    } else if (own->position() < b.done[who]) {
      // The one that the last one died over: he had entered it in the books.
      b.again[who].fetch_add(1);
    } else {
      if (own->position() != b.done[who]) b.gaps.fetch_add(1);
      if (e->id <= b.last[who][e->producer]) b.disorder.fetch_add(1);
      b.done[who] = own->position() + 1;
      b.last[who][e->producer] = e->id;
    }
    ASSERT_TRUE(own->release());
  }
}

void pass_by(stream<element>& s, books& b) {
  auto own = s.subscriber();
  uint64_t last[kProducers] = {}, next = own.position();
  while (!b.stop) {
    element e;
    const outcome o = own.next_for(e, std::chrono::milliseconds(5));
    if (o == outcome::timed_out) continue;
    ASSERT_TRUE(o) << o.name();
    if (!e.whole()) {
      b.torn.fetch_add(1);
      continue;
    }
    if (e.id <= last[e.producer]) b.disorder.fetch_add(1);
    last[e.producer] = e.id;
    if (own.position() != ++next || own.missed() != 0) b.gaps.fetch_add(1);
    b.passed.fetch_add(1);
  }
}

TEST(StreamKill, EverySubscriberSeesEveryElement) {
  harness::unique_segment segment;
  memory mem(segment.name(), 1 << 20);
  stream<element> s(mem, "s", 50, {.max_subscribers = 16});
  for (int i = 0; i < kNamed; ++i) {
    static_cast<void>(s.subscriber("audit" + std::to_string(i), stream_start::oldest()));
  }
  harness::shared_state<books> b;
  chaos::chaos all({.workers = kWorkers, .seed = 17}, [&](int worker) {
    if (worker < kProducers) {
      produce(s, *b, worker);
    } else if (worker < kProducers + kNamed) {
      audit(s, *b, worker - kProducers);
    } else {
      pass_by(s, *b);
    }
  });
  all.run_for(std::chrono::seconds(testing::quick_or_full(3, 120)));
  b->stop = true;
  ASSERT_TRUE(all.finish()) << "somebody is stuck; " << all.so_far().text();
  EXPECT_EQ(b->torn, 0u);
  EXPECT_EQ(b->disorder, 0u);
  EXPECT_EQ(b->gaps, 0u);
  EXPECT_GE(s.emitted(), b->acknowledged[0] + b->acknowledged[1]);
  EXPECT_LE(s.emitted(), b->tried[0] + b->tried[1]);
  for (int i = 0; i < kNamed; ++i) {
    EXPECT_GE(b->done[i] + s.capacity(), s.emitted()) << "not held for the name";
    EXPECT_LE(b->again[i], all.so_far().kills);
  }
  EXPECT_GT(b->passed, 500u);
  testing::evidence("stream", testing::instrument::chaos)
      .figure("kills", all.so_far().kills)
      .figure("stops", all.so_far().stops)
      .figure("interruptions", all.so_far().interruptions)
      .figure("emitted", s.emitted())
      .figure("seen in passing", b->passed)
      .figure("delivered again to an heir", b->again[0] + b->again[1]);
}

}  // namespace
}  // namespace zeroipc
