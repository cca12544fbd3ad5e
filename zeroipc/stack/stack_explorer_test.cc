// Property: in every order of their steps, whoever dies on the way, and with whatever stale values they read: what was pushed is
// popped once, or there; nothing is torn; nobody sleeps who could go on.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <utility>
#include <vector>

#include "testing/evidence/evidence.h"
#include "testing/explorer/scenario.h"
#include "testing/explorer/totals.h"
#include "zeroipc/stack/core.h"

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

enum class op { push, push_wait, push_two, pop, pop_wait, pop_two, close };

// Thread t pushes elements 10 * (t + 1) and following; before it starts, the stack holds 1 to `filled`.
struct pile : explorer::scenario {
  using core = stack_core<policy, environment, element>;
  static constexpr uint64_t kMost = 3;
  struct memory {
    stack_header<policy> header;
    alignas(128) std::byte elements[kMost * sizeof(element)];
  };
  memory* m = nullptr;
  const uint64_t capacity, filled;
  std::vector<std::vector<op>> scripts;
  // By thread, and determined by what it has read: what it popped.
  uint64_t popped[4][8] = {};

  pile(uint64_t room, uint64_t at_first, std::vector<std::vector<op>> todo)
      : capacity(room), filled(at_first), scripts(std::move(todo)) {
    before = [this] {
      m = explorer::shared<memory>("stack");
      explorer::name(&m->header.count, "count");
      explorer::name(m->elements, "elements");
      environment env(environment::kSurvivor);
      core c = bound(env);
      for (uint64_t i = 1; i <= filled; ++i) {
        const element e = element::of(i);
        uint64_t done;
        c.push_n(&e, 1, done, deadline::never());
      }
      for (auto& list : popped) std::fill(std::begin(list), std::end(list), 0);
    };
    for (uint32_t t = 0; t < scripts.size(); ++t) {
      bodies.push_back([this, t] { run_script(t); });
    }
    may_sleep = [](int) { return true; };  // judged below
    after = [this] { judge_all(); };
  }

  void run_script(uint32_t t) {
    environment env(t);
    core c = bound(env);
    uint64_t next = 10 * (t + 1);
    size_t n = 0;
    for (const op o : scripts[t]) {
      const element in[2] = {element::of(next), element::of(next + 1)};
      element out[2] = {};
      uint64_t done = 0;
      switch (o) {
        case op::push:
          c.push_n(in, 1, done, deadline::at_once());
          break;
        case op::push_wait:
          c.push_n(in, 1, done, deadline::never());
          break;
        case op::push_two:
          c.push_n(in, 2, done, deadline::at_once());
          break;
        case op::pop:
          c.pop_n(out, 1, done, deadline::at_once());
          break;
        case op::pop_wait:
          c.pop_n(out, 1, done, deadline::never());
          break;
        case op::pop_two:
          c.pop_n(out, 2, done, deadline::at_once());
          break;
        case op::close:
          c.close();
          break;
      }
      if (o == op::push || o == op::push_wait || o == op::push_two) {
        next += 2;
      } else {
        for (uint64_t i = 0; i < done; ++i) {
          check(out[i].whole(), "a torn element");
          popped[t][n++] = out[i].a;
        }
      }
    }
  }

  void judge_all() {
    bool all_returned = true;
    for (int t = 0; t < threads(); ++t) {
      all_returned = all_returned && explorer::ending_of(t) == ending::returned;
    }
    environment env(environment::kSurvivor);
    core c = bound(env);
    // Who waits to push sleeps only over a full stack, who waits to pop only over an empty one.
    for (size_t t = 0; t < scripts.size(); ++t) {
      if (explorer::ending_of(static_cast<int>(t)) != ending::asleep) continue;
      check(!c.closed(), "somebody sleeps though it is closed");
      const bool pushes = scripts[t][0] == op::push_wait;
      check(!pushes || c.depth() == capacity, "a producer sleeps though there is room");
      check(pushes || c.depth() == 0, "a consumer sleeps though there is something");
    }
    uint64_t seen[64] = {};
    uint64_t taken = 0;
    for (const auto& list : popped) {
      for (const uint64_t id : list) {
        if (id != 0) ++seen[id % 64], ++taken;
      }
    }
    element e{};
    uint64_t done = 0;
    while (c.pop_n(&e, 1, done, deadline::at_once())) {
      check(e.whole(), "a torn element");
      ++seen[e.a % 64];
    }
    for (const uint64_t n : seen) check(n <= 1, "an element is there twice");
    if (all_returned) {
      for (uint64_t i = 1; i <= filled; ++i) check(seen[i] == 1, "an element is lost");
    }
    if (c.closed()) return;
    const element x = element::of(60);
    for (uint64_t i = 0; i < capacity; ++i) {
      check(static_cast<bool>(c.push_n(&x, 1, done, deadline::at_once())), "room is lost");
    }
  }

  core bound(environment& env) {
    core c;
    c.bind(env, m->header, m->elements, capacity);
    return c;
  }
};

void explore(memory_model model, instrument which) {
  totals t;
  const int few = testing::quick_or_full(2, 4);
  using enum op;
  pile one_one(2, 1, {{push}, {pop, pop}}), batches(3, 2, {{push_two}, {pop_two}}),
      full(1, 1, {{push_wait}, {pop}}), empty(1, 0, {{push}, {pop_wait}}),
      pushers(1, 1, {{push_wait}, {push_wait}, {pop, pop}}),
      poppers(2, 0, {{pop_wait}, {pop_wait}, {push_two}}),
      closing(1, 1, {{push_wait}, {close}, {pop_wait, pop_wait}});
  t.explore(one_one, within(model, 1, explorer::kUnlimited), "push | pop pop");
  t.explore(batches, within(model, 1, explorer::kUnlimited), "batches");
  t.explore(full, within(model, 1, few), "waiting push | pop");
  t.explore(empty, within(model, 1, few), "push | waiting pop");
  t.explore(pushers, within(model, 1, few), "two waiting pushes | pop pop");
  t.explore(poppers, within(model, 1, few), "two waiting pops | a batch");
  t.explore(closing, within(model, 1, few), "waiting push | close | waiting pops");
  t.report("stack", which);
}

TEST(StackExplorer, EveryInterleavingOfTheLivingAndTheDying) {
  explore(memory_model::sequentially_consistent, instrument::explorer);
}
TEST(StackExplorer, WithStaleReads) { explore(memory_model::weak, instrument::weak_memory); }

}  // namespace
}  // namespace zeroipc::internal
