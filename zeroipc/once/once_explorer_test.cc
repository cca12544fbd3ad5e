// Property: in every order of their steps, whoever dies on the way, and with whatever stale values they read: it is run by one at a time, and by none after one that was done; whoever returns sees what
// it did.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <utility>
#include <vector>

#include "testing/evidence/evidence.h"
#include "testing/explorer/scenario.h"
#include "testing/explorer/totals.h"
#include "zeroipc/once/core.h"

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

struct callers : explorer::scenario {
  struct memory {
    once_header<policy> header;
    uint64_t effect;  // plain
  };
  memory* m = nullptr;

  // `waiters` only wait for it.
  callers(uint32_t runners, uint32_t waiters) {
    before = [this] { m = explorer::shared<memory>("once"); };
    for (uint32_t t = 0; t < runners + waiters; ++t) {
      bodies.push_back([this, t, runners] {
        environment env(t);
        once_core<policy, environment> c = bound(env);
        if (t < runners) {
          check(static_cast<bool>(c.call([&](bool again) { run(again); }, deadline::never())),
                "neither run nor done");
        } else {
          check(static_cast<bool>(c.wait(deadline::never())), "not waited for");
        }
        expect_done(c);
      });
    }
    // Those who only wait sleep for ever if all others have died.
    may_sleep = [runners](int t) { return t >= static_cast<int>(runners); };
    after = [this, runners] {
      bool somebody = false, asleep = false;
      for (int t = 0; t < threads(); ++t) {
        if (t < static_cast<int>(runners)) somebody |= explorer::ending_of(t) == ending::returned;
        asleep |= explorer::ending_of(t) == ending::asleep;
      }
      environment env(environment::kSurvivor);
      once_core<policy, environment> c = bound(env);
      check(!somebody || c.done(), "one returned, and it is not done");
      check(!(asleep && c.done()), "it is done, and somebody sleeps");
      c.call([&](bool again) { run(again); }, deadline::at_once());
      expect_done(c);
    };
  }

  void run(bool again) {
    uint64_t seen;
    policy::copy_out(&seen, &m->effect, sizeof seen);
    check(seen == 0 || again, "it is run again, and is not told");
    const uint64_t half = 1, whole = 2;
    policy::copy_in(&m->effect, &half, sizeof half);
    policy::copy_in(&m->effect, &whole, sizeof whole);
  }
  void expect_done(const once_core<policy, environment>& c) {
    check(c.done(), "it is not done");
    uint64_t seen;
    policy::copy_out(&seen, &m->effect, sizeof seen);
    check(seen == 2, "done, and what it did is not seen");
  }
  once_core<policy, environment> bound(environment& env) {
    once_core<policy, environment> c;
    c.bind(env, m->header);
    return c;
  }
};

void explore(memory_model model, instrument which) {
  totals t;
  const int few = testing::quick_or_full(2, 4);
  callers two(2, 0), three(3, 0), waiting(1, 1), crowd(2, 1);
  t.explore(two, within(model, 1, explorer::kUnlimited), "two callers");
  t.explore(three, within(model, 2, few), "three callers");
  t.explore(waiting, within(model, 1, explorer::kUnlimited), "a caller, one who waits");
  t.explore(crowd, within(model, 1, few), "two callers, one who waits");
  t.report("once", which);
}

TEST(OnceExplorer, EveryInterleavingOfTheLivingAndTheDying) {
  explore(memory_model::sequentially_consistent, instrument::explorer);
}
TEST(OnceExplorer, WithStaleReads) { explore(memory_model::weak, instrument::weak_memory); }

}  // namespace
}  // namespace zeroipc::internal
