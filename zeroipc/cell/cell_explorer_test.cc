// Property: in every order of the steps of writers and readers, whoever dies on the way, and with whatever stale values they
// read: a value is whole, versions do not go back, what was stored is there, and nobody sleeps through a change.
#include <gtest/gtest.h>

#include <cstdint>

#include "testing/evidence/evidence.h"
#include "testing/explorer/scenario.h"
#include "testing/explorer/totals.h"
#include "zeroipc/cell/core.h"

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

struct value {
  uint64_t a, b;
  static value of(uint64_t x) { return {x, ~x}; }
  bool whole() const { return b == ~a; }
};

// Writers store once or twice; the reader loads a few times, or waits.
struct blackboard : explorer::scenario {
  using core = cell_core<policy, environment, value>;
  struct memory {
    cell_header<policy> header;
    alignas(128) std::byte buffers[kCellBuffers * core::kStride];
  };
  memory* m = nullptr;
  const uint32_t writers;
  const uint64_t before_, times_;

  blackboard(uint64_t before_they_start, uint32_t n, uint64_t times, bool waits)
      : writers(n), before_(before_they_start), times_(times) {
    before = [this] {
      m = explorer::shared<memory>("cell");
      explorer::name(&m->header.current, "current");
      explorer::name(m->buffers, "buffers");
      environment env(environment::kSurvivor);
      core c = bound(env);
      for (uint64_t i = 0; i < before_; ++i)
        c.store(value::of(100 + i), core::kAny, nullptr, deadline::never());
    };
    for (uint32_t w = 0; w < writers; ++w) {
      bodies.push_back([this, w, times] {
        environment env(w);
        core c = bound(env);
        for (uint64_t i = 0; i < times; ++i) {
          check(static_cast<bool>(
                    c.store(value::of(w * 10 + i), core::kAny, nullptr, deadline::never())),
                "a store is refused");
        }
      });
    }
    bodies.push_back([this, waits] {
      environment env(writers);
      core c = bound(env);
      uint64_t seen = before_;
      for (int i = 0; i < 2; ++i) {
        if (waits && i == 0) c.wait_for_change(seen, seen, deadline::never());
        value v{};
        uint64_t version = 0;
        const outcome r = c.load(v, &version);
        check(r == outcome::ok || (r == outcome::empty && seen == 0), "a load fails");
        if (!r) continue;
        check(v.whole(), "a torn value");
        check(version >= seen, "versions go back");
        seen = version;
      }
    });
    may_sleep = [](int) { return true; };  // judged below
    after = [this] {
      // If all writers die there may never be one more.
      check(explorer::ending_of(static_cast<int>(writers)) != ending::asleep ||
                m->header.current.load() == before_,
            "the reader sleeps through a change");
      environment env(environment::kSurvivor);
      core c = bound(env);
      uint64_t least = before_;
      for (uint32_t w = 0; w < writers; ++w) {
        if (explorer::ending_of(static_cast<int>(w)) == ending::returned) least += times_;
      }
      check(c.version() >= least && c.version() <= before_ + writers * times_,
            "a store is lost, or one too many is there");
      value v{};
      check(c.load(v, nullptr) == (c.version() == 0 ? outcome::empty : outcome::ok), "no value");
      check(c.version() == 0 || v.whole(), "a torn value");
      const uint64_t version = c.version();
      check(static_cast<bool>(c.store(value::of(7), core::kAny, nullptr, deadline::at_once())),
            "the cell is stuck");
      check(c.version() == version + 1 && c.load(v, nullptr) && v.a == 7, "it does not go on");
    };
  }

  core bound(environment& env) {
    core c;
    c.bind(env, m->header, m->buffers);
    return c;
  }
};

void explore(memory_model model, instrument which) {
  totals t;
  const int few = testing::quick_or_full(2, 4);
  // The fourth store after the one that is read comes to the same buffer.
  blackboard first(0, 1, 1, false), lap(5, 1, 4, false), two(1, 2, 1, false), waits(1, 2, 1, true);
  t.explore(first, within(model, 1, explorer::kUnlimited), "the first value");
  t.explore(lap, within(model, 1, few), "a writer that comes around, a reader");
  t.explore(two, within(model, 2, few), "two writers, a reader");
  t.explore(waits, within(model, 2, few), "two writers, a reader that waits");
  t.report("cell", which);
}

TEST(CellExplorer, EveryInterleavingOfTheLivingAndTheDying) {
  explore(memory_model::sequentially_consistent, instrument::explorer);
}
TEST(CellExplorer, WithStaleReads) { explore(memory_model::weak, instrument::weak_memory); }

}  // namespace
}  // namespace zeroipc::internal
