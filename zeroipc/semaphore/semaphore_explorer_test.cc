// Property: in every order of their steps, whoever dies on the way, and with whatever stale values they read: no more are inside than there are permits, none is lost, and nobody sleeps
// while one is free.
#include <gtest/gtest.h>

#include <cstdint>
#include <utility>
#include <vector>

#include "testing/evidence/evidence.h"
#include "testing/explorer/scenario.h"
#include "testing/explorer/totals.h"
#include "zeroipc/semaphore/core.h"

namespace zeroipc::internal {
namespace {

using explorer::check;
using explorer::environment;
using explorer::memory_model;
using explorer::policy;
using explorer::totals;
using explorer::within;
using testing::instrument;

enum class op { acquire, try_acquire };

struct turns : explorer::scenario {
  static constexpr uint64_t kMost = 2;
  using core = semaphore_core<policy, environment>;
  struct memory {
    semaphore_header<policy> header;
    core::permit_word permits[kMost];
    policy::atomic<uint32_t> inside[4];
  };
  memory* m = nullptr;
  const uint64_t permits;
  const std::vector<std::vector<op>> scripts;

  // `left`: so many are held by somebody who died before.
  turns(uint64_t n, std::vector<std::vector<op>> todo, uint64_t left = 0)
      : permits(n), scripts(std::move(todo)) {
    before = [this, left] {
      m = explorer::shared<memory>("semaphore");
      for (uint64_t i = 0; i < left; ++i) {
        m->permits[i].store(owner_tag(0, 2).bits(), std::memory_order_relaxed);
      }
    };
    for (uint32_t t = 0; t < scripts.size(); ++t) {
      bodies.push_back([this, t] {
        environment env(t);
        for (const op o : scripts[t]) turn(env, t, o);
      });
    }
    after = [this] {
      environment env(environment::kSurvivor);
      core c;
      bind(env, c);
      uint64_t index;
      for (uint64_t i = 0; i < permits; ++i) {
        check(static_cast<bool>(c.acquire(index, deadline::at_once())), "a permit is lost");
      }
      check(c.acquire(index, deadline::at_once()) == outcome::empty, "a permit too many");
      for (uint64_t i = 0; i < permits; ++i) check(static_cast<bool>(c.release_any()), "not mine");
    };
  }

  void turn(environment& env, uint32_t t, op o) {
    core c;
    bind(env, c);
    uint64_t index;
    const bool now = o == op::try_acquire;
    if (!c.acquire(index, now ? deadline::at_once() : deadline::never())) {
      check(now, "who waits for ever gets one");
      return;
    }
    // Those alive who are inside. Relaxed stores: the permits have to order them.
    m->inside[t].store(1, std::memory_order_relaxed);
    if (permits == 1) {
      for (uint32_t other = 0; other < scripts.size(); ++other) {
        check(other == t || m->inside[other].load(std::memory_order_relaxed) == 0 ||
                  env.is_dead(owner_tag(other, 1)),
              "two are inside, and there is one permit");
      }
    }
    m->inside[t].store(0, std::memory_order_relaxed);
    check(static_cast<bool>(c.release(index)), "not mine any more");
  }

  void bind(environment& env, core& c) { c.bind(env, m->header, m->permits, permits); }
};

void explore(memory_model model, instrument which) {
  totals t;
  const int few = testing::quick_or_full(2, 4);
  using enum op;
  turns one(1, {{acquire}, {acquire}}), again(1, {{acquire, acquire}, {try_acquire, acquire}}),
      three(1, {{acquire}, {acquire}, {acquire}}), pair(2, {{acquire}, {acquire}, {acquire}}),
      orphaned(1, {{acquire}, {acquire}}, 1);
  t.explore(one, within(model, 1, explorer::kUnlimited), "two threads, one permit");
  t.explore(again, within(model, 1, few), "the same, twice");
  t.explore(three, within(model, 2, few), "three threads, one permit");
  t.explore(orphaned, within(model, 1, explorer::kUnlimited),
            "two threads, the permit of a dead one");
  t.explore(pair, within(model, 2, few), "three threads, two permits");
  t.report("semaphore", which);
}

TEST(SemaphoreExplorer, EveryInterleavingOfTheLivingAndTheDying) {
  explore(memory_model::sequentially_consistent, instrument::explorer);
}
TEST(SemaphoreExplorer, WithStaleReads) { explore(memory_model::weak, instrument::weak_memory); }

}  // namespace
}  // namespace zeroipc::internal
