// Property: in every order of their steps, whoever dies on the way, and with whatever stale values they read: entries are whole,
// a key is there once, what nobody touches is found, and what a change leaves can be changed again.
#include <gtest/gtest.h>

#include <cstdint>
#include <utility>
#include <vector>

#include "testing/evidence/evidence.h"
#include "testing/explorer/scenario.h"
#include "testing/explorer/totals.h"
#include "zeroipc/map/core.h"

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

// The value twice: half of one and half of another differ.
struct entry {
  uint64_t key, value, twin;
};
// All in one bucket, with tags of their own.
struct traits {
  static uint64_t hash(uint64_t key) { return key; }
  static bool equal(uint64_t a, uint64_t b) { return a == b; }
};

enum class what { insert, assign, erase, get, wait };
struct op {
  what does;
  uint64_t key;
};

struct table : explorer::scenario {
  static constexpr uint64_t kBuckets = 1;
  using core = map_core<policy, environment, entry, traits>;
  static constexpr uint64_t kCells = kBuckets * kBucketSlots + kBuckets;
  struct memory {
    map_header<policy> header;
    map_stripe<policy> stripe[kBuckets];
    map_bucket<policy> bucket[kBuckets];
    alignas(64) std::byte cells[kCells * core::kStride];
  };
  // Of these, key 1 is there before, with the value 1; key 9 always.
  static constexpr uint64_t kThere = 1, kAlways = 9, kOther = 2;

  memory* m = nullptr;
  const std::vector<std::vector<op>> scripts;

  explicit table(std::vector<std::vector<op>> todo) : scripts(std::move(todo)) {
    before = [this] {
      m = explorer::shared<memory>("map");
      core::initialize(m->stripe, m->bucket, kBuckets);
      environment env(environment::kSurvivor);
      core c = bound(env);
      c.put({kThere, kThere, kThere}, core::when::missing);
      c.put({kAlways, kAlways, kAlways}, core::when::missing);
    };
    for (uint32_t t = 0; t < scripts.size(); ++t) {
      bodies.push_back([this, t] {
        environment env(t);
        core c = bound(env);
        uint64_t n = 10 * (t + 1);
        for (const op& o : scripts[t]) run_one(c, o.key * n++, o);
      });
    }
    may_sleep = [](int) { return true; };
    after = [this] { judge_all(); };
  }

  // Values are multiples of their keys.
  static void expect_whole(const entry& e, uint64_t key) {
    check(e.key == key && e.value == e.twin && e.value % key == 0 && e.value != 0,
          "half of another entry");
  }
  static void run_one(core& c, uint64_t value, const op& o) {
    entry e{};
    switch (o.does) {
      case what::insert:
        c.put({o.key, value, value}, core::when::missing);
        break;
      case what::assign:
        c.put({o.key, value, value}, core::when::either);
        break;
      case what::erase:
        c.erase(o.key);
        break;
      case what::get: {
        const outcome r = c.get(o.key, e, sizeof e, nullptr);
        check(r || r == outcome::missing, "neither there nor missing");
        check(r || o.key != kAlways, "what is always there is not found");
        if (r) expect_whole(e, o.key);
        break;
      }
      case what::wait: {
        uint64_t now = 0;
        c.wait_for_change(o.key, 0, now, deadline::never());
        break;
      }
    }
  }

  void judge_all() {
    environment env(environment::kSurvivor);
    core c = bound(env);
    for (size_t t = 0; t < scripts.size(); ++t) {
      if (explorer::ending_of(static_cast<int>(t)) != ending::asleep) continue;
      check(c.version(scripts[t].back().key) == 0, "it waits for a key that is there");
    }
    const uint64_t keys = count(c);
    entry e{};
    check(static_cast<bool>(c.get(kAlways, e, sizeof e, nullptr)), "a key is lost");
    // Whoever died held a stripe's lock, and a spare cell: both are there.
    for (const uint64_t key : {kThere, kOther, kAlways}) {
      check(static_cast<bool>(c.put({key, key, key}, core::when::either)), "no room any more");
    }
    check(count(c) == 3 && keys <= 3, "not as many keys as were put in");
    check(c.stats().size == 3, "the count is wrong");
    for (const uint64_t key : {kThere, kOther, kAlways}) {
      check(static_cast<bool>(c.erase(key)), "what is there cannot be erased");
    }
    check(count(c) == 0 && m->bucket[0].spread.load(std::memory_order_relaxed) == 0,
          "something is left");
  }
  static uint64_t count(const core& c) {
    uint64_t n = 0, seen = 0;
    c.for_each([&](const entry& e) {
      check((seen >> e.key & 1) == 0, "a key is there twice");
      seen |= uint64_t{1} << e.key;
      expect_whole(e, e.key);
      ++n;
    });
    return n;
  }

  core bound(environment& env) {
    core c;
    c.bind(env, m->header, m->stripe, m->bucket, m->cells, 4, kBuckets);
    return c;
  }
};

void explore(memory_model model, instrument which) {
  totals t;
  const int few = testing::quick_or_full(2, 4);
  using enum what;
  constexpr uint64_t there = table::kThere, other = table::kOther, always = table::kAlways;
  table put_get({{{assign, there}}, {{get, there}, {get, always}}}),
      erase_get({{{erase, there}}, {{get, there}, {get, always}}}),
      reuse({{{assign, there}, {assign, there}, {assign, other}}, {{get, there}}}),
      moved({{{erase, there}, {insert, other}, {insert, there}}, {{get, there}, {get, other}}}),
      writers({{{assign, there}}, {{erase, there}}, {{insert, other}}}),
      waits({{{insert, other}}, {{wait, other}}});
  t.explore(put_get, within(model, 1, explorer::kUnlimited), "assign | get");
  t.explore(erase_get, within(model, 1, explorer::kUnlimited), "erase | get");
  t.explore(reuse, within(model, 0, few), "three assignments | get");
  t.explore(moved, within(model, 0, few), "erase and insert | get");
  t.explore(writers, within(model, 2, few), "three writers");
  t.explore(waits, within(model, 1, few), "insert | waits for it");
  t.report("map", which);
}

TEST(MapExplorer, EveryInterleavingOfTheLivingAndTheDying) {
  explore(memory_model::sequentially_consistent, instrument::explorer);
}
TEST(MapExplorer, WithStaleReads) { explore(memory_model::weak, instrument::weak_memory); }

}  // namespace
}  // namespace zeroipc::internal
