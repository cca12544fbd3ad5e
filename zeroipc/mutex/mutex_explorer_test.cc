// Property: in every order of their steps, whoever dies on the way, and with whatever stale values they read: one is inside at a time; who comes after one that died inside is told, until somebody says that
// it is repaired.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <utility>
#include <vector>

#include "testing/evidence/evidence.h"
#include "testing/explorer/scenario.h"
#include "testing/explorer/totals.h"
#include "zeroipc/mutex/core.h"

namespace zeroipc::internal {
namespace {

using explorer::check;
using explorer::environment;
using explorer::memory_model;
using explorer::policy;
using explorer::totals;
using explorer::within;
using testing::instrument;

// What the lock protects: plain memory, whole while `busy` is 0.
struct protected_data {
  uint64_t busy, count;
};

enum class op { lock, try_lock, lock_for, repair };

struct sections : explorer::scenario {
  struct memory {
    mutex_header<policy> header;
    protected_data data;
  };
  memory* m = nullptr;
  const std::vector<std::vector<op>> scripts;

  explicit sections(std::vector<std::vector<op>> todo) : scripts(std::move(todo)) {
    before = [this] { m = explorer::shared<memory>("mutex"); };
    for (uint32_t t = 0; t < scripts.size(); ++t) {
      bodies.push_back([this, t] {
        environment env(t);
        for (const op o : scripts[t]) section(env, t, o);
      });
    }
    after = [this] {
      environment env(environment::kSurvivor);
      mutex_core<policy, environment> c = bound(env);
      const outcome got = c.lock(deadline::at_once());
      check(static_cast<bool>(got), "the dead keep it locked");
      protected_data d;
      policy::copy_out(&d, &m->data, sizeof d);
      check(got == outcome::owner_died || d.busy == 0, "half changed, and nobody is told");
      c.mark_consistent();
      c.unlock();
      check(c.lock(deadline::at_once()) == outcome::ok, "repaired, and told all the same");
    };
  }

  void section(environment& env, uint32_t t, op o) {
    mutex_core<policy, environment> c = bound(env);
    const outcome got = c.lock(o == op::try_lock   ? deadline::at_once()
                               : o == op::lock_for ? deadline::after(std::chrono::hours(1))
                                                   : deadline::never());
    if (!got) {
      check(got == outcome::taken || got == outcome::timed_out, "neither locked nor busy");
      check(o == op::try_lock || o == op::lock_for, "who waits for ever gets it");
      return;
    }
    protected_data d;
    policy::copy_out(&d, &m->data, sizeof d);
    check(got == outcome::owner_died || d.busy == 0, "two are inside, or nobody was told");
    d = {t + 1, d.count};
    policy::copy_in(&m->data, &d, sizeof d);
    policy::copy_out(&d, &m->data, sizeof d);
    check(d.busy == t + 1, "somebody else is inside");
    // Who does not repair it leaves it as it found it: for the next one.
    d = {got == outcome::owner_died && o != op::repair ? t + 1 : 0, d.count + 1};
    policy::copy_in(&m->data, &d, sizeof d);
    if (o == op::repair) c.mark_consistent();
    c.unlock();
  }

  mutex_core<policy, environment> bound(environment& env) {
    mutex_core<policy, environment> c;
    c.bind(env, m->header);
    return c;
  }
};

void explore(memory_model model, instrument which) {
  totals t;
  const int few = testing::quick_or_full(2, 4);
  using enum op;
  sections two({{lock}, {lock}}), repaired({{repair, lock}, {lock, repair}}),
      three({{lock}, {lock}, {repair}}), tries({{try_lock, lock}, {lock_for}});
  t.explore(two, within(model, 1, explorer::kUnlimited), "two threads");
  t.explore(repaired, within(model, 2, few), "two threads, twice, with repairs");
  t.explore(three, within(model, 2, few), "three threads");
  explorer::limits late = within(model, 1, few);
  late.late = 1;
  t.explore(tries, late, "one tries, one waits for a time");
  t.report("mutex", which);
}

TEST(MutexExplorer, EveryInterleavingOfTheLivingAndTheDying) {
  explore(memory_model::sequentially_consistent, instrument::explorer);
}
TEST(MutexExplorer, WithStaleReads) { explore(memory_model::weak, instrument::weak_memory); }

}  // namespace
}  // namespace zeroipc::internal
