// Property: in every order of the steps of writers and readers, whoever dies on the way, and with whatever stale values they
// read: an element is whole and in its place, what was pushed is there or counted as missed, and nobody sleeps through a push.
#include <gtest/gtest.h>

#include <cstdint>

#include "testing/evidence/evidence.h"
#include "testing/explorer/scenario.h"
#include "testing/explorer/totals.h"
#include "zeroipc/ring/core.h"

namespace zeroipc::internal {
namespace {

using explorer::check;
using explorer::ending;
using explorer::environment;
using explorer::memory_model;
using explorer::policy;
using explorer::totals;
using explorer::within;
using testing::instrument;

struct element {
  uint64_t a, b;
  static element of(uint64_t x) { return {x, ~x}; }
  bool whole() const { return b == ~a; }
};

constexpr uint64_t kCapacity = 2;

// Writers push a few each; the reader begins at the oldest that there was.
struct broadcast : explorer::scenario {
  using core = ring_core<policy, environment, element>;
  struct memory {
    ring_header<policy> header;
    alignas(128) std::byte slots[(kCapacity + ring_spare_slots(kCapacity)) * core::kStride];
  };
  memory* m = nullptr;
  const uint32_t writers;
  const uint64_t before_, times_;

  broadcast(uint64_t before_they_start, uint32_t n, uint64_t times, bool waits)
      : writers(n), before_(before_they_start), times_(times) {
    before = [this] {
      m = explorer::shared<memory>("ring");
      explorer::name(&m->header.tail, "tail");
      explorer::name(m->slots, "slots");
      environment env(environment::kSurvivor);
      core c = bound(env);
      for (uint64_t i = 0; i < before_; ++i) {
        const element e = element::of(i);
        c.push_n(&e, 1, deadline::never());
      }
    };
    for (uint32_t w = 0; w < writers; ++w) {
      bodies.push_back([this, w] {
        environment env(w);
        core c = bound(env);
        element all[4];
        for (uint64_t i = 0; i < times_; ++i) all[i] = element::of(100 * (w + 1) + i);
        check(static_cast<bool>(c.push_n(all, times_, deadline::never())), "a push is refused");
      });
    }
    bodies.push_back([this, waits] {
      environment env(writers);
      core c = bound(env);
      uint64_t position = before_ > kCapacity ? before_ - kCapacity : 0, missed = 0, read = 0;
      const uint64_t start = position;
      uint64_t last[3] = {};
      for (int i = 0; i < 3; ++i) {
        if (waits && i == 0) c.wait_for_more(position, deadline::never());
        element e{};
        uint64_t done = 0;
        const outcome r = c.read_n(position, &e, 1, done, missed);
        check(r == outcome::ok || r == outcome::empty, "a read fails");
        if (!r) continue;
        ++read;
        check(e.whole(), "a torn element");
        check(position == start + missed + read, "what was missed is not counted");
        if (position <= before_) {
          check(e.a == position - 1, "not the element of that place");
        } else {
          const uint64_t writer = e.a / 100, id = e.a % 100 + 1;
          check(writer >= 1 && writer <= writers && id > last[writer - 1],
                "a writer's elements out of order");
          last[writer - 1] = id;
        }
      }
    });
    may_sleep = [](int) { return true; };  // judged below
    after = [this] {
      // If all writers die there may never be one more.
      check(explorer::ending_of(static_cast<int>(writers)) != ending::asleep ||
                m->header.tail.load() == before_,
            "the reader sleeps through a change");
      environment env(environment::kSurvivor);
      core c = bound(env);
      uint64_t least = before_;
      for (uint32_t w = 0; w < writers; ++w) {
        if (explorer::ending_of(static_cast<int>(w)) == ending::returned) least += times_;
      }
      check(c.tail() >= least && c.tail() <= before_ + writers * times_, "a push is lost");
      const element e = element::of(7);
      check(static_cast<bool>(c.push_n(&e, 1, deadline::at_once())), "the ring is stuck");
      uint64_t position = c.oldest(), missed = 0, done = 0;
      element all[kCapacity] = {};
      const uint64_t there = c.tail() - position;
      check(static_cast<bool>(c.read_n(position, all, kCapacity, done, missed)) && done == there,
            "the newest are not all there");
      for (uint64_t i = 0; i < done; ++i) check(all[i].whole(), "a torn element");
      check(all[done - 1].a == 7, "the newest is not the last");
    };
  }

  core bound(environment& env) {
    core c;
    c.bind(env, m->header, m->slots, kCapacity);
    return c;
  }
};

void explore(memory_model model, instrument which) {
  totals t;
  const int few = testing::quick_or_full(2, 4);
  broadcast first(0, 1, 1, false), lap(3, 1, 3, false), two(1, 2, 2, false), waits(1, 2, 1, true);
  t.explore(first, within(model, 1, explorer::kUnlimited), "the first element");
  t.explore(lap, within(model, 1, few), "a writer that comes around, a reader");
  t.explore(two, within(model, 2, few), "two writers, a reader");
  t.explore(waits, within(model, 2, few), "two writers, a reader that waits");
  t.report("ring", which);
}

TEST(RingExplorer, EveryInterleavingOfTheLivingAndTheDying) {
  explore(memory_model::sequentially_consistent, instrument::explorer);
}
TEST(RingExplorer, WithStaleReads) { explore(memory_model::weak, instrument::weak_memory); }

}  // namespace
}  // namespace zeroipc::internal
