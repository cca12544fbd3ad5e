// Property: in every order of their steps, and whoever dies on the way: nobody sleeps through what it waits for, the lock
// has one holder at a time, and says `inherited` if and only if the last one died inside.
#include <gtest/gtest.h>

#include <climits>
#include <cstdint>

#include "testing/evidence/evidence.h"
#include "testing/explorer/scenario.h"
#include "testing/explorer/totals.h"
#include "zeroipc/wait/event_word.h"
#include "zeroipc/wait/robust_lock.h"
#include "zeroipc/wait/wait.h"
#include "zeroipc/wait/wait_any.h"

namespace zeroipc::internal {
namespace {

using explorer::check;
using explorer::ending;
using explorer::environment;
using explorer::limits;
using explorer::policy;
using explorer::totals;
using testing::instrument;

limits within(bool weak, bool asymmetric, int deaths, int preemptions) {
  limits l;
  l.asymmetric_fences = asymmetric;
  l.deaths = deaths;
  l.preemptions = preemptions;
  l.spurious = 1;
  if (weak) {
    l.model = explorer::memory_model::weak;
    l.stale_reads = 2;
  }
  return l;
}

constexpr uint32_t kNothing = 0, kGiven = 1, kTaken = 2;

// Publishers that give one thing each, and waiters that take one each, or learn that there will be none. All at one place, or each
// publisher at its own, with waiters for all of them.
struct market : explorer::scenario {
  struct board {
    event_word<policy> events[2];
    policy::atomic<uint32_t> given[2];
    uint64_t payload[2][2];
  };
  board* b = nullptr;
  uint32_t publishers, waiters;
  bool apart;

  market(uint32_t p, uint32_t w, int wakes, bool at_their_own = false)
      : publishers(p), waiters(w), apart(at_their_own) {
    before = [this] {
      b = explorer::shared<board>("event");
      explorer::name(b->given, "given");
      explorer::name(b->payload, "payload");
    };
    for (uint32_t i = 0; i < p; ++i) bodies.push_back([this, i, wakes] { publish(i, wakes); });
    for (uint32_t i = 0; i < w; ++i) bodies.push_back([this, i] { take(publishers + i); });
    may_sleep = [this](int) { return waiters > publishers; };
    after = [this] {
      for (uint32_t i = 0; i < publishers; ++i) {
        if (b->given[i].load() != kGiven) continue;
        for (uint32_t w = 0; w < waiters; ++w) {
          check(explorer::ending_of(static_cast<int>(publishers + w)) != ending::asleep,
                "a waiter sleeps though something was given");
        }
      }
    };
  }

  void publish(uint32_t i, int wakes) {
    environment env(i);
    const uint64_t bytes[2] = {7, 7};
    policy::copy_in(b->payload[i], bytes, sizeof bytes);
    b->given[i].store(kGiven, std::memory_order_release);
    b->events[apart ? i : 0].notify(env, wakes);
  }
  void take(uint32_t me) {
    environment env(me);
    const auto attempt = [&] {
      bool hopeless = true;
      for (uint32_t i = 0; i < publishers; ++i) {
        // Asked before the look, so that what the dead one gave is seen.
        const bool dead = env.is_dead(owner_tag(i, 1));
        uint32_t seen = b->given[i].load(std::memory_order_acquire);
        if (seen == kGiven &&
            b->given[i].compare_exchange_strong(seen, kTaken, std::memory_order_acquire,
                                                std::memory_order_relaxed)) {
          uint64_t bytes[2];
          policy::copy_out(bytes, b->payload[i], sizeof bytes);
          check(bytes[0] == 7 && bytes[1] == 7, "a torn payload");
          return true;
        }
        hopeless = hopeless && (dead || seen == kTaken);
      }
      return hopeless;
    };
    if (!apart) {
      wait_until<policy>(env, b->events[0], deadline::never(), attempt);
      return;
    }
    // The first one twice, as a user may.
    const awaited<policy, environment> all[] = {
        {&env, &b->events[0]}, {&env, &b->events[1]}, {&env, &b->events[0]}};
    wait_until_any<policy, environment>(all, deadline::never(), attempt);
  }
};

void explore_markets(bool weak, instrument which) {
  totals t;
  for (const bool asymmetric : {true, false}) {
    const int few = weak ? testing::quick_or_full(1, 3) : testing::quick_or_full(2, 4);
    const limits two = within(weak, asymmetric, 1, weak ? 3 : explorer::kUnlimited);
    const limits three = within(weak, asymmetric, 1, few);
    market one_one(1, 1, 1), two_one(2, 1, 1), one_two(1, 2, INT_MAX), two_two(2, 2, 1);
    t.explore(one_one, two, "a publisher, a waiter");
    t.explore(two_one, three, "two publishers, a waiter");
    t.explore(one_two, three, "a publisher that wakes all, two waiters");
    t.explore(two_two, three, "two publishers, two waiters");
    market two_apart(2, 1, 1, true), two_two_apart(2, 2, INT_MAX, true);
    t.explore(two_apart, three, "two publishers at places of their own, a waiter for both");
    t.explore(two_two_apart, three, "the same, and two waiters");
    // Without deaths, which take all the executions that there is time for: who prepares while a publisher clears.
    limits alive = within(weak, asymmetric, 0, 2);
    alive.spurious = 0;
    t.explore(two_two, alive, "the same, and nobody dies");
  }
  t.report("event word", which);
}

TEST(EventWord, NobodySleepsThroughAPublicationOrADeath) {
  explore_markets(false, instrument::explorer);
}
TEST(EventWord, NorWithStaleReads) { explore_markets(true, instrument::weak_memory); }

// Threads that enter, change what the lock protects in several steps, and leave.
struct critical_sections : explorer::scenario {
  struct protected_data {
    uint64_t holder;  // tag of who is inside, or died there
    uint64_t count;   // how often it was left
  };
  struct room {
    robust_lock<policy> lock;
    alignas(16) protected_data data;
  };
  room* r = nullptr;

  // `left`: it is held by somebody who died before.
  critical_sections(uint32_t threads, int times, bool timed, bool left = false) {
    before = [this, left] {
      r = explorer::shared<room>("lock");
      if (left) r->lock.owner.store(owner_tag(0, 2).bits(), std::memory_order_relaxed);
      explorer::name(&r->lock.released, "released");
      explorer::name(&r->data, "data");
    };
    for (uint32_t i = 0; i < threads; ++i) {
      bodies.push_back([this, i, times, timed] {
        for (int n = 0; n < times; ++n) enter(i, timed && i == 0);
      });
    }
    after = [this] {
      environment env(environment::kSurvivor);
      const lock_result got = r->lock.try_lock(env);
      check(got != lock_result::busy, "the lock is held by nobody who lives");
      uint64_t left = 0;
      for (int i = 0; i < this->threads(); ++i) left += explorer::ending_of(i) == ending::returned;
      protected_data d;
      policy::copy_out(&d, &r->data, sizeof d);
      check(got == lock_result::inherited || d.holder == 0, "`acquired`, and somebody died inside");
      check(d.count >= left || times_ == 0, "a change was lost");
    };
    times_ = timed ? 0 : times;
  }

  void enter(uint32_t i, bool timed) {
    environment env(i);
    const lock_result got =
        timed ? r->lock.lock(env, deadline::after(std::chrono::hours(1))) : r->lock.lock(env);
    if (got == lock_result::busy) {
      check(timed, "who waits for ever is told that the lock is busy");
      return;
    }
    protected_data d;
    policy::copy_out(&d, &r->data, sizeof d);
    if (got == lock_result::acquired) {
      check(d.holder == 0, "two are inside, or one died there and the next was not told");
    } else {
      check(d.holder == 0 || env.is_dead(owner_tag(static_cast<uint32_t>(d.holder) - 1, 1)),
            "`inherited` from one who lives");
    }
    const protected_data in = {i + 1, d.count};
    policy::copy_in(&r->data, &in, sizeof in);
    policy::copy_out(&d, &r->data, sizeof d);
    check(d.holder == i + 1, "somebody else is inside");
    const protected_data out = {0, d.count + 1};
    policy::copy_in(&r->data, &out, sizeof out);
    r->lock.unlock(env);
  }

  int times_;
};

void explore_locks(bool weak, instrument which) {
  totals t;
  for (const bool asymmetric : {true, false}) {
    const int few = weak ? testing::quick_or_full(1, 3) : testing::quick_or_full(2, 4);
    limits two =
        within(weak, asymmetric, 1, weak ? testing::quick_or_full(2, 4) : explorer::kUnlimited);
    const limits three = within(weak, asymmetric, 2, few);
    critical_sections once(2, 1, false), twice(2, 2, false), timed(2, 1, true), crowd(3, 1, false),
        orphaned(2, 1, false, true);
    t.explore(once, two, "two threads");
    t.explore(twice, three, "two threads, twice");
    t.explore(crowd, three, "three threads");
    t.explore(orphaned, two, "two threads, the lock of a dead one");
    two.late = 1;
    t.explore(timed, two, "one of two threads waits for a time");
  }
  t.report("robust lock", which);
}

TEST(RobustLock, ExcludesAndIsInherited) { explore_locks(false, instrument::explorer); }
TEST(RobustLock, ExcludesAndIsInheritedWithStaleReads) {
  explore_locks(true, instrument::weak_memory);
}

}  // namespace
}  // namespace zeroipc::internal
