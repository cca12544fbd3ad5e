// Property: in every order of their steps, whoever dies on the way, and with whatever stale values they read: nobody passes before all the living have arrived, nobody sleeps when they have, and a
// death shrinks or breaks it.
#include <gtest/gtest.h>

#include <cstdint>
#include <utility>
#include <vector>

#include "testing/evidence/evidence.h"
#include "testing/explorer/scenario.h"
#include "testing/explorer/totals.h"
#include "zeroipc/barrier/core.h"

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

enum class op { join, step, drop };

struct parties : explorer::scenario {
  static constexpr uint64_t kMost = 3;
  using core = barrier_core<policy, environment>;
  struct memory {
    barrier_header<policy> header;
    core::seat_word seats[kMost];
    policy::atomic<uint32_t> arrivals[4];  // by thread
  };
  memory* m = nullptr;
  const on_death rule;
  const std::vector<std::vector<op>> scripts;

  // Each thread is a party. All who die had joined before.
  parties(on_death how, std::vector<std::vector<op>> todo) : rule(how), scripts(std::move(todo)) {
    before = [this] {
      m = explorer::shared<memory>("barrier");
      for (uint32_t t = 0; t < scripts.size(); ++t) {
        environment env(t);
        core c;
        bind(env, c);
        check(static_cast<bool>(c.join()), "no seat");
      }
    };
    for (uint32_t t = 0; t < scripts.size(); ++t) {
      bodies.push_back([this, t] { go(t); });
    }
    after = [this] {
      environment env(environment::kSurvivor);
      core c;
      bind(env, c);
      const bool died = explorer::anybody(ending::died);
      check(died || !c.stats().broken, "nobody died, and it is broken");
      if (rule == on_death::break_all) return;
      // Alone at last: it takes a seat of the dead, or one that was given up.
      uint32_t k = 0;
      if (!c.arrive(k)) return;
      for (uint64_t i = 0; i < scripts.size() && !c.wait(k, deadline::at_once()); ++i) {
        uint32_t same = 0;
        if (!c.arrive(same)) break;
      }
      bool alive = false;
      for (int t = 0; t < threads(); ++t) alive |= explorer::ending_of(t) == ending::returned;
      check(alive || c.wait(k, deadline::at_once()),
            "all the others are dead, and it waits for them");
    };
  }

  void go(uint32_t t) {
    environment env(t);
    core c;
    bind(env, c);
    uint32_t steps = 0;
    for (const op o : scripts[t]) {
      if (o == op::drop) {
        const outcome r = c.drop();
        check(r || r == outcome::broken, "no seat to give up");
        return;
      }
      m->arrivals[t].store(++steps, std::memory_order_relaxed);
      uint32_t k = 0;
      outcome r = c.arrive(k);
      if (r) r = c.wait(k, deadline::never());
      if (r == outcome::broken) {
        check(rule == on_death::break_all, "broken, by a rule that does not");
        return;
      }
      check(static_cast<bool>(r), "not a step");
      for (uint32_t other = 0; other < scripts.size(); ++other) {
        check(env.is_dead(owner_tag(other, 1)) || steps > scripts[other].size() ||
                  scripts[other][steps - 1] == op::drop ||
                  m->arrivals[other].load(std::memory_order_relaxed) >= steps,
              "through, and not all have arrived");
      }
    }
    c.drop();
  }

  void bind(environment& env, core& c) { c.bind(env, m->header, m->seats, scripts.size(), rule); }
};

void explore(memory_model model, instrument which) {
  totals t;
  const int few = testing::quick_or_full(2, 4);
  using enum op;
  parties two(on_death::shrink, {{step}, {step}}),
      twice(on_death::shrink, {{step, step}, {step, step}}),
      three(on_death::shrink, {{step}, {step}, {step}}),
      leaves(on_death::shrink, {{step, step}, {drop}}),
      breaks(on_death::break_all, {{step}, {step}}),
      breaks_three(on_death::break_all, {{step}, {step}, {step}});
  t.explore(two, within(model, 1, explorer::kUnlimited), "two parties");
  t.explore(twice, within(model, 1, few), "two parties, two steps");
  t.explore(three, within(model, 2, few), "three parties");
  t.explore(leaves, within(model, 1, few), "one gives up");
  t.explore(breaks, within(model, 1, explorer::kUnlimited), "two parties, to be broken");
  t.explore(breaks_three, within(model, 1, few), "three parties, to be broken");
  t.report("barrier", which);
}

TEST(BarrierExplorer, EveryInterleavingOfTheLivingAndTheDying) {
  explore(memory_model::sequentially_consistent, instrument::explorer);
}
TEST(BarrierExplorer, WithStaleReads) { explore(memory_model::weak, instrument::weak_memory); }

}  // namespace
}  // namespace zeroipc::internal
