// Property: in every order of their steps, whoever dies on the way, and with whatever stale values they read: a cell has one
// holder at a time, all of them can be had again in the end, and nobody sleeps while one is free.
#include <gtest/gtest.h>

#include <cstdint>

#include "testing/evidence/evidence.h"
#include "testing/explorer/scenario.h"
#include "testing/explorer/totals.h"
#include "zeroipc/pool/core.h"

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

// Threads that borrow a cell, write to it, look, and give it back.
struct lending : explorer::scenario {
  using core = pool_core<policy, environment>;
  static constexpr uint64_t kMost = 2;
  struct memory {
    pool_header<policy> header;
    alignas(128) policy::atomic<uint64_t> summary[1];
    alignas(128) policy::atomic<uint64_t> hints[1];
    alignas(128) policy::atomic<uint64_t> states[kMost];
    alignas(128) uint64_t cells[kMost][2];
  };
  memory* m = nullptr;
  structure_geometry g{};
  const uint64_t capacity;

  // `left`: the last cell is held by somebody who died before, and nobody has swept since.
  lending(uint64_t cells, uint32_t borrowers, int times, bool waits, bool left = false)
      : capacity(cells) {
    g.capacity = cells;
    const size_t parts[] = {offsetof(memory, summary), offsetof(memory, hints),
                            offsetof(memory, states), offsetof(memory, cells)};
    for (size_t i = 0; i < 4; ++i) g.offsets[i] = parts[i];
    before = [this, left] {
      m = explorer::shared<memory>("pool");
      explorer::name(&m->header.frees, "frees");
      explorer::name(&m->header.swept, "swept");
      explorer::name(m->summary, "summary");
      explorer::name(m->hints, "hints");
      explorer::name(m->states, "states");
      explorer::name(m->cells, "cells");
      environment env(environment::kSurvivor);
      core c;
      c.bind(env, m, g);
      c.open_for_business();
      if (!left) return;
      m->states[capacity - 1].store(pool_state{owner_tag(0, 2), 1}.word(),
                                    std::memory_order_relaxed);
      m->hints[0].store((uint64_t{1} << (capacity - 1)) - 1, std::memory_order_relaxed);
      m->header.swept.store(env.death_epoch() - 1, std::memory_order_relaxed);
    };
    for (uint32_t b = 0; b < borrowers; ++b) {
      bodies.push_back([this, b, times, waits] {
        environment env(b);
        core c;
        c.bind(env, m, g);
        for (int i = 0; i < times; ++i) {
          uint64_t index = 0;
          uint32_t generation = 0;
          const outcome r =
              c.allocate(index, generation, waits ? deadline::never() : deadline::at_once());
          if (!r) {
            check(!waits && r == outcome::empty, "who waits gets a cell");
            continue;
          }
          const uint64_t mine[2] = {b, b};
          policy::copy_in(m->cells[index], mine, sizeof mine);
          uint64_t found[2];
          policy::copy_out(found, m->cells[index], sizeof found);
          check(found[0] == b && found[1] == b, "somebody else has the cell, too");
          check(static_cast<bool>(c.deallocate(index, &generation)), "a cell was taken away");
        }
      });
    }
    after = [this] {
      for (int i = 0; i < threads(); ++i) {
        check(explorer::ending_of(i) != ending::asleep, "somebody sleeps, and the cells are free");
      }
      environment env(environment::kSurvivor);
      core c;
      c.bind(env, m, g);
      for (uint64_t i = 0; i < capacity; ++i) {
        uint64_t index;
        uint32_t generation;
        check(static_cast<bool>(c.allocate(index, generation, deadline::at_once())),
              "a cell is lost");
      }
      uint64_t index;
      uint32_t generation;
      check(c.allocate(index, generation, deadline::at_once()) == outcome::empty,
            "there is one too many");
    };
    may_sleep = [](int) { return true; };  // judged above
  }
};

void explore(memory_model model, instrument which) {
  totals t;
  const int few = testing::quick_or_full(2, 4);
  lending one(1, 2, 1, false), twice(1, 2, 2, false), two(2, 3, 1, false), waits(1, 2, 1, true),
      crowd(1, 3, 1, true), orphaned(2, 2, 1, false, true), orphaned_twice(2, 2, 2, false, true);
  t.explore(one, within(model, 1, explorer::kUnlimited), "a cell, two borrowers");
  t.explore(twice, within(model, 1, few), "a cell, two borrowers, twice");
  t.explore(two, within(model, 1, few), "two cells, three borrowers");
  t.explore(waits, within(model, 1, few), "a cell, two borrowers that wait");
  t.explore(orphaned, within(model, 0, few + 1), "two cells, one of a dead one, two borrowers");
  t.explore(orphaned_twice, within(model, 0, few), "the same, twice");
  t.explore(crowd, within(model, 2, few), "a cell, three borrowers that wait");
  t.report("pool", which);
}

TEST(PoolExplorer, EveryInterleavingOfTheLivingAndTheDying) {
  explore(memory_model::sequentially_consistent, instrument::explorer);
}
TEST(PoolExplorer, WithStaleReads) { explore(memory_model::weak, instrument::weak_memory); }

}  // namespace
}  // namespace zeroipc::internal
