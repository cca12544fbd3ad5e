// Property: in every order of their steps, whoever dies on the way, and with whatever stale values they read: it opens with the last arrival, made or forfeited, and not before; nobody sleeps before
// an open latch.
#include <gtest/gtest.h>

#include <cstdint>
#include <utility>
#include <vector>

#include "testing/evidence/evidence.h"
#include "testing/explorer/scenario.h"
#include "testing/explorer/totals.h"
#include "zeroipc/latch/core.h"

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

enum class op { count_down, promise_arrive, wait };

struct arrivals : explorer::scenario {
  static constexpr uint64_t kMost = 3;
  using core = latch_core<policy, environment>;
  struct memory {
    latch_header<policy> header;
    core::arrival_word words[kMost];
    policy::atomic<uint32_t> done[4];
  };
  memory* m = nullptr;
  const std::vector<std::vector<op>> scripts;
  uint64_t expected = 0;

  explicit arrivals(std::vector<std::vector<op>> todo) : scripts(std::move(todo)) {
    for (const auto& s : scripts) {
      for (const op o : s) expected += o != op::wait;
    }
    before = [this] { m = explorer::shared<memory>("latch"); };
    for (uint32_t t = 0; t < scripts.size(); ++t) {
      bodies.push_back([this, t] {
        environment env(t);
        core c;
        bind(env, c);
        for (const op o : scripts[t]) {
          if (o == op::wait) {
            check(static_cast<bool>(c.wait(deadline::never())), "not waited for");
            // What the others did before they arrived; those who died had promised to.
            for (uint32_t other = 0; other < scripts.size(); ++other) {
              check(scripts[other][0] == op::wait || env.is_dead(owner_tag(other, 1)) ||
                        m->done[other].load(std::memory_order_relaxed) == 1,
                    "open, and not all have arrived");
            }
            continue;
          }
          uint64_t index;
          if (o == op::promise_arrive) check(static_cast<bool>(c.promise(index)), "no room");
          m->done[t].store(1, std::memory_order_relaxed);
          check(static_cast<bool>(o == op::count_down ? c.count_down() : c.arrive(index)),
                "an arrival is not taken");
        }
      });
    }
    // Who dies before it promised leaves the others waiting.
    may_sleep = [](int) { return true; };
    after = [this] {
      environment env(environment::kSurvivor);
      core c;
      bind(env, c);
      bool asleep = false;
      for (int t = 0; t < threads(); ++t) asleep |= explorer::ending_of(t) == ending::asleep;
      check(!(asleep && c.wait(deadline::at_once())), "it is open, and somebody sleeps");
      uint64_t made = c.stats().settled;
      while (c.count_down()) ++made;
      check(static_cast<bool>(c.wait(deadline::at_once())), "all have arrived, and it is closed");
      check(made <= expected, "an arrival is doubled");
    };
  }

  void bind(environment& env, core& c) { c.bind(env, m->header, m->words, expected); }
};

void explore(memory_model model, instrument which) {
  totals t;
  const int few = testing::quick_or_full(2, 4);
  using enum op;
  arrivals two({{count_down}, {count_down, wait}}), owed({{promise_arrive}, {wait}}),
      both({{promise_arrive}, {promise_arrive}, {wait}}),
      mixed({{promise_arrive}, {count_down}, {wait}});
  t.explore(two, within(model, 1, explorer::kUnlimited), "two arrive, one of them waits");
  t.explore(owed, within(model, 1, explorer::kUnlimited), "one owes, one waits");
  t.explore(both, within(model, 2, few), "two owe, one waits");
  t.explore(mixed, within(model, 1, few), "one owes, one arrives, one waits");
  t.report("latch", which);
}

TEST(LatchExplorer, EveryInterleavingOfTheLivingAndTheDying) {
  explore(memory_model::sequentially_consistent, instrument::explorer);
}
TEST(LatchExplorer, WithStaleReads) { explore(memory_model::weak, instrument::weak_memory); }

}  // namespace
}  // namespace zeroipc::internal
