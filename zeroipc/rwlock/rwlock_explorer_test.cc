// Property: in every order of their steps, whoever dies on the way, and with whatever stale values they read: a writer is alone, readers are not with one; nobody is left inside or asleep; who comes
// after a writer that died inside is told.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <utility>
#include <vector>

#include "testing/evidence/evidence.h"
#include "testing/explorer/scenario.h"
#include "testing/explorer/totals.h"
#include "zeroipc/rwlock/core.h"

namespace zeroipc::internal {
namespace {

using explorer::check;
using explorer::environment;
using explorer::memory_model;
using explorer::policy;
using explorer::totals;
using explorer::within;
using testing::instrument;

struct protected_data {
  uint64_t a, b;  // the same, but while a writer is inside
};

enum class op { read, write, try_read, try_write, read_for, repair };

struct sections : explorer::scenario {
  static constexpr uint64_t kSlots = environment::kSurvivor + 1;
  using core = rwlock_core<policy, environment>;
  struct memory {
    rwlock_header<policy> header;
    alignas(64) std::byte readers[kSlots * core::kStride];
    protected_data data;
  };
  memory* m = nullptr;
  const std::vector<std::vector<op>> scripts;

  explicit sections(std::vector<std::vector<op>> todo) : scripts(std::move(todo)) {
    before = [this] { m = explorer::shared<memory>("rwlock"); };
    for (uint32_t t = 0; t < scripts.size(); ++t) {
      bodies.push_back([this, t] {
        environment env(t);
        for (const op o : scripts[t]) section(env, o);
      });
    }
    after = [this] {
      environment env(environment::kSurvivor);
      core c = bound(env);
      const outcome reads = c.lock_shared(deadline::at_once());
      check(static_cast<bool>(reads), "the dead keep readers out");
      c.unlock_shared();
      const outcome writes = c.lock(deadline::at_once());
      check(static_cast<bool>(writes), "the dead keep writers out");
      protected_data d;
      policy::copy_out(&d, &m->data, sizeof d);
      check(writes == outcome::owner_died || d.a == d.b, "half changed, and nobody is told");
      check(c.stats().readers == 0, "a reader is left inside");
      c.unlock();
    };
  }

  void section(environment& env, op o) {
    core c = bound(env);
    const bool writes = o == op::write || o == op::try_write || o == op::repair;
    const deadline until = o == op::try_read || o == op::try_write ? deadline::at_once()
                           : o == op::read_for ? deadline::after(std::chrono::hours(1))
                                               : deadline::never();
    const outcome got = writes ? c.lock(until) : c.lock_shared(until);
    if (!got) {
      check(got == outcome::taken || got == outcome::timed_out, "neither in nor busy");
      check(!until.is_never(), "who waits for ever gets in");
      return;
    }
    protected_data d;
    policy::copy_out(&d, &m->data, sizeof d);
    check(d.a == d.b || got == outcome::owner_died, "half a change is seen");
    if (!writes) {
      protected_data again;
      policy::copy_out(&again, &m->data, sizeof again);
      check(again.a == d.a && again.b == d.b, "it changes while it is read");
      check(static_cast<bool>(c.unlock_shared()), "not inside any more");
      return;
    }
    const uint64_t next = d.a + 1;
    policy::copy_in(&m->data.a, &next, sizeof next);
    policy::copy_in(&m->data.b, &next, sizeof next);
    if (o == op::repair) c.mark_consistent();
    check(static_cast<bool>(c.unlock()), "not inside any more");
  }

  core bound(environment& env) {
    core c;
    c.bind(env, m->header, m->readers, kSlots);
    return c;
  }
};

void explore(memory_model model, instrument which) {
  totals t;
  const int few = testing::quick_or_full(2, 4);
  using enum op;
  sections pair({{read}, {write}}), again({{read, read}, {write, write}}),
      writers({{write}, {write}, {read}}), readers({{read}, {read}, {write}}),
      tries({{try_read, try_write}, {write}}), late({{read_for}, {write}}),
      repaired({{repair}, {read}, {write}});
  t.explore(pair, within(model, 1, explorer::kUnlimited), "a reader, a writer");
  t.explore(again, within(model, 1, few), "the same, twice");
  t.explore(writers, within(model, 1, few), "two writers, a reader");
  t.explore(readers, within(model, 1, few), "two readers, a writer");
  t.explore(tries, within(model, 1, explorer::kUnlimited), "one that tries, a writer");
  t.explore(repaired, within(model, 1, few), "a writer that repairs");
  explorer::limits timed = within(model, 1, explorer::kUnlimited);
  timed.late = 1;
  t.explore(late, timed, "a reader that waits for a time, a writer");
  t.report("rwlock", which);
}

TEST(RwlockExplorer, EveryInterleavingOfTheLivingAndTheDying) {
  explore(memory_model::sequentially_consistent, instrument::explorer);
}
TEST(RwlockExplorer, WithStaleReads) { explore(memory_model::weak, instrument::weak_memory); }

}  // namespace
}  // namespace zeroipc::internal
