// Property: in every order of their steps, whoever dies on the way, and with whatever stale values they read: a future is settled
// once, what it stands for is whole, a promise is broken just if its process died or dropped it, and nobody sleeps on.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <vector>

#include "testing/evidence/evidence.h"
#include "testing/explorer/scenario.h"
#include "testing/explorer/totals.h"
#include "zeroipc/future/core.h"

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

struct pair {
  uint64_t a, b;
};

enum class role { sets, fails, keeps, drops, gives_back, tries, waits };

struct play : explorer::scenario {
  using core = future_core<policy, environment>;
  struct memory {
    future_header<policy> header;
    future_slot<policy> slot;
    alignas(16) std::byte value[sizeof(pair)];
    uint64_t note;  // plain: what a claim protects
  };
  memory* m = nullptr;
  std::vector<role> roles;
  // What each was told; private to the test, for judge().
  std::vector<outcome> told;
  std::vector<owner_tag> claimants;  // whose claim() has returned

  play(std::initializer_list<role> who) : roles(who) {
    before = [this] {
      m = explorer::shared<memory>("future");
      explorer::name(&m->slot.word, "word");
      explorer::name(&m->slot.settled.word, "settled");
      told.assign(roles.size(), outcome::empty);
      claimants.clear();
    };
    for (uint32_t t = 0; t < roles.size(); ++t) {
      bodies.push_back([this, t] {
        environment env(t);
        core c = bound(env);
        told[t] = act(c, t);
        look(c);
      });
    }
    // Who waits for what nobody has promised sleeps for ever if those who would have set it are dead.
    may_sleep = [this](int t) { return roles[static_cast<size_t>(t)] == role::waits; };
    after = [this] { judge_all(); };
  }

  outcome act(core& c, uint32_t t) {
    uint64_t mine = 0;
    const pair value = {t + 1, ~uint64_t{t + 1}};
    future_error_record error;
    error.code = static_cast<int32_t>(t + 1);
    error.length = 1;
    switch (roles[t]) {
      case role::sets:
        return c.set_value(value, deadline::never());
      case role::tries:
        return c.set_value(value, deadline::at_once());
      case role::fails:
        return c.set_error(error, deadline::never());
      case role::keeps: {
        const outcome r = claim(c, mine);
        return r ? c.keep(mine, value) : r;
      }
      case role::drops: {
        const outcome r = claim(c, mine);
        return r ? c.drop(mine) : r;
      }
      case role::gives_back: {
        const outcome r = claim(c, mine);
        return r ? c.give_back(mine) : r;
      }
      case role::waits:
        return c.wait(deadline::never());
    }
    return outcome::corrupt;
  }
  // What is done under a claim is seen by the next one.
  outcome claim(core& c, uint64_t& mine) {
    const outcome r = c.claim(77, mine);
    if (r) {
      claimants.push_back(c.env().tag());
      uint64_t n;
      policy::copy_out(&n, &m->note, sizeof n);
      ++n;
      policy::copy_in(&m->note, &n, sizeof n);
    }
    return r;
  }
  // How it stands, and that it is whole.
  outcome look(core& c) {
    const outcome r = c.look();
    if (r) {
      pair p;
      c.read(p);
      check(p.b == ~p.a && p.a != 0, "a torn value");
    }
    if (r == outcome::failed) {
      const future_error_record e = c.error();
      check(e.code != 0 && e.length == 1, "a torn error");
    }
    if (r == outcome::broken) {
      const future_word w = c.seen();
      check(w.owner.generation() == 1, "broken by nobody");
      const bool said = std::ranges::find(claimants, w.owner) != claimants.end();
      check(!said || c.pid_of(w.owner) == 77, "nobody knows who it was");
    }
    return r;
  }

  void judge_all() {
    environment env(environment::kSurvivor);
    core c = bound(env);
    const outcome end = look(c);
    int settled = 0, claims = 0;
    bool asleep = false, dropped = false, died = false;
    for (size_t t = 0; t < roles.size(); ++t) {
      const ending how = explorer::ending_of(static_cast<int>(t));
      asleep |= how == ending::asleep;
      died |= how == ending::died;
      claims += roles[t] == role::keeps || roles[t] == role::drops || roles[t] == role::gives_back;
      if (how != ending::returned) continue;
      if (roles[t] == role::waits) {
        check(told[t] == end, "who waited was told something else");
        continue;
      }
      dropped |= roles[t] == role::drops && told[t];
      settled += roles[t] != role::gives_back && told[t];
      check(told[t] || end != outcome::empty || told[t] == outcome::taken,
            "it is refused, and there is nothing");
    }
    check(settled <= 1, "it was settled twice");
    check(settled == 0 || end != outcome::empty, "what was acknowledged is lost");
    check(!dropped || end == outcome::broken, "a broken promise is forgotten");
    check(end != outcome::broken || (claims != 0 && (dropped || died)), "broken for no reason");
    check(!asleep || end == outcome::empty, "it is settled, and somebody sleeps");
    const pair last = {9, ~uint64_t{9}};
    const outcome r = c.set_value(last, deadline::at_once());
    check(static_cast<bool>(r) == (end == outcome::empty), "it does not go on");
    check(look(c) != outcome::empty, "it is stuck");
  }

  core bound(environment& env) {
    core c;
    c.bind(env, m->header, m->slot, m->value);
    return c;
  }
};

void explore(memory_model model, instrument which) {
  totals t;
  const int few = testing::quick_or_full(2, 4);
  using enum role;
  play one({sets, waits}), promise({keeps, waits}), two({sets, fails}), again({sets, sets}),
      back({gives_back, keeps}), drop({drops, waits, waits}), race({sets, keeps, waits}),
      after({sets, tries, sets}), turns({gives_back, gives_back, drops}),
      passed({gives_back, keeps, waits});
  t.explore(one, within(model, 1, explorer::kUnlimited), "one who sets it, one who waits");
  t.explore(promise, within(model, 1, explorer::kUnlimited), "a promise, one who waits");
  t.explore(two, within(model, 1, explorer::kUnlimited), "a value, an error");
  t.explore(again, within(model, 1, explorer::kUnlimited), "two values");
  t.explore(back, within(model, 1, explorer::kUnlimited), "a claim given back, one that is kept");
  t.explore(drop, within(model, 2, few), "a promise dropped, two who wait");
  t.explore(race, within(model, 2, few), "one who sets it, a promise, one who waits");
  t.explore(after, within(model, 2, few), "three who set it");
  t.explore(turns, within(model, 1, few), "three claims in turn");
  t.explore(passed, within(model, 1, few), "a claim given back, one that is kept, one who waits");
  t.report("future", which);
}

TEST(FutureExplorer, EveryInterleavingOfTheLivingAndTheDying) {
  explore(memory_model::sequentially_consistent, instrument::explorer);
}
TEST(FutureExplorer, WithStaleReads) { explore(memory_model::weak, instrument::weak_memory); }

}  // namespace
}  // namespace zeroipc::internal
