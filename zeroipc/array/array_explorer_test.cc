// Property: in every order of the steps of writers and readers, whoever dies on the way, and with whatever stale values they
// read: an element is whole, what was stored is there, and what a reader has seen does not go back.
#include <gtest/gtest.h>

#include <cstdint>

#include "testing/evidence/evidence.h"
#include "testing/explorer/scenario.h"
#include "testing/explorer/totals.h"
#include "zeroipc/array/core.h"

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

// Two elements that share a stripe. Writers count the first one up; one may store to the second; a reader loads the first.
struct table : explorer::scenario {
  using core = array_core<policy, environment, element>;
  struct memory {
    array_header<policy> header;
    alignas(128) std::byte stripe[core::kStripeStride];
    alignas(128) std::byte elements[2 * sizeof(element)];
  };
  memory* m = nullptr;
  const uint32_t writers;
  const bool beside_;

  table(uint32_t n, bool beside, bool reads) : writers(n), beside_(beside) {
    before = [this] {
      m = explorer::shared<memory>("array");
      explorer::name(m->stripe, "stripe");
      explorer::name(m->elements, "elements");
      environment env(environment::kSurvivor);
      core c = bound(env);
      c.store(0, element::of(1));
      c.store(1, element::of(1));
    };
    for (uint32_t w = 0; w < writers; ++w) {
      bodies.push_back([this, w] {
        environment env(w);
        core c = bound(env);
        element e{};
        check(static_cast<bool>(c.update(
                  0, [](element& x) { x = element::of(x.a + 1); }, e)),
              "an update is refused");
        check(e.whole(), "an update saw a torn element");
      });
    }
    if (beside) {
      bodies.push_back([this] {
        environment env(writers);
        core c = bound(env);
        check(static_cast<bool>(c.store(1, element::of(50))), "a store is refused");
      });
    }
    if (reads) {
      const auto me = static_cast<uint32_t>(bodies.size());
      bodies.push_back([this, me] {
        environment env(me);
        core c = bound(env);
        uint64_t seen = 1;
        for (int i = 0; i < 2; ++i) {
          element e{};
          check(static_cast<bool>(c.load(0, e)), "a load is refused");
          check(e.whole(), "a torn element");
          check(e.a >= seen, "what was seen goes back");
          seen = e.a;
        }
      });
    }
    after = [this] {
      environment env(environment::kSurvivor);
      core c = bound(env);
      uint64_t least = 1;
      for (uint32_t w = 0; w < writers; ++w) {
        least += explorer::ending_of(static_cast<int>(w)) == ending::returned;
      }
      element e{};
      check(static_cast<bool>(c.load(0, e)) && e.whole(), "torn, or stuck");
      check(e.a >= least && e.a <= writers + 1, "an update is lost, or happened twice");
      const uint64_t seen = e.a;
      check(static_cast<bool>(c.load(1, e)) && e.whole(), "torn, or stuck");
      if (beside_ && explorer::ending_of(static_cast<int>(writers)) == ending::returned) {
        check(e.a == 50, "a store is lost");
      }
      check(static_cast<bool>(c.store(1, element::of(60))), "it does not go on");
      check(static_cast<bool>(c.load(0, e)) && e.a == seen, "seen, and then another");
    };
  }

  core bound(environment& env) {
    core c;
    c.bind(env, m->header, m->stripe, 1, m->elements, 2);
    return c;
  }
};

void explore(memory_model model, instrument which) {
  totals t;
  const int few = testing::quick_or_full(2, 4);
  table reader(1, false, true), two(2, false, false), beside(1, true, true);
  t.explore(reader, within(model, 1, explorer::kUnlimited), "a writer, a reader");
  t.explore(two, within(model, 1, explorer::kUnlimited), "two writers");
  t.explore(beside, within(model, 2, few), "two writers of one stripe, a reader");
  t.report("array", which);
}

TEST(ArrayExplorer, EveryInterleavingOfTheLivingAndTheDying) {
  explore(memory_model::sequentially_consistent, instrument::explorer);
}
TEST(ArrayExplorer, WithStaleReads) { explore(memory_model::weak, instrument::weak_memory); }

}  // namespace
}  // namespace zeroipc::internal
