// Property: the explorer finds the bugs that it is for, each by name, and passes the programs from which they were removed.
#include "testing/explorer/explorer.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <set>
#include <string>
#include <utility>

#include "testing/explorer/scenario.h"
#include "zeroipc/wait/event_word.h"
#include "zeroipc/wait/wait.h"

namespace zeroipc::explorer {
namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;
constexpr auto kAcquire = std::memory_order_acquire;
constexpr auto kRelease = std::memory_order_release;
constexpr auto kAcqRel = std::memory_order_acq_rel;
constexpr auto kSeqCst = std::memory_order_seq_cst;

using word = policy::atomic<uint32_t>;

limits sequential() { return {}; }
limits weak() {
  limits l;
  l.model = memory_model::weak;
  return l;
}
limits with_deaths(limits l, int n) {
  l.deaths = n;
  return l;
}

void expect_passes(program& p, const limits& l) {
  const verdict v = explore(p, l);
  EXPECT_FALSE(v.failed) << v.text();
  EXPECT_TRUE(v.exhausted) << v.text();
}
void expect_fails(program& p, const limits& l, std::string_view why) {
  const verdict v = explore(p, l);
  ASSERT_TRUE(v.failed) << v.text();
  EXPECT_NE(v.why.find(why), std::string::npos) << v.text();
}

// Two threads that store one word and read the other's; the results that were seen.
struct store_buffering : scenario {
  enum class fences { none, light, heavy_and_light, full } between;
  word *x, *y;
  uint32_t first, second;
  std::set<std::pair<uint32_t, uint32_t>> seen;

  store_buffering(fences f, std::memory_order order) : between(f) {
    before = [this] {
      x = shared<word>("x");
      y = shared<word>("y");
      first = second = 9;
    };
    bodies = {[this, order] {
                x->store(1, order);
                barrier(true);
                first = y->load(order);
              },
              [this, order] {
                y->store(1, order);
                barrier(false);
                second = x->load(order);
              }};
    after = [this] {
      seen.insert({first, second});
      check(first + second != 0, "both missed the other's store");
    };
  }
  void barrier(bool heavy) const {
    const environment env(0);
    switch (between) {
      case fences::none:
        break;
      case fences::light:
        env.light_fence();
        break;
      case fences::heavy_and_light:
        heavy ? env.heavy_fence() : env.light_fence();
        break;
      case fences::full:
        policy::fence(kSeqCst);
        break;
    }
  }
};

TEST(Explorer, StoreBufferingIsSeenInTheWeakModeOnly) {
  using f = store_buffering::fences;
  store_buffering plain(f::none, kRelaxed);
  expect_passes(plain, sequential());
  EXPECT_EQ(plain.seen.size(), 3u);  // 0 1, 1 0, 1 1: every outcome, and no other
  expect_fails(plain, weak(), "missed");
  store_buffering acquire_release(f::light, kSeqCst);
  expect_passes(acquire_release, weak());
}

TEST(Explorer, AHeavyFenceOnOneSideIsEnough) {
  using f = store_buffering::fences;
  store_buffering light(f::light, kRelaxed), asymmetric(f::heavy_and_light, kRelaxed),
      full(f::full, kRelaxed);
  expect_fails(light, weak(), "missed");
  expect_passes(asymmetric, weak());
  expect_passes(full, weak());
  limits symmetric = weak();
  symmetric.asymmetric_fences = false;
  expect_passes(light, symmetric);
}

// A payload and a flag that says that it is there.
struct message_passing : scenario {
  struct message {
    uint64_t a, b;
  };
  word* flag;
  message* payload;
  bool got;
  message_passing(std::memory_order publish, std::memory_order look) {
    before = [this] {
      flag = shared<word>("flag");
      payload = shared<message>("payload");
    };
    bodies = {[this, publish] {
                const message m = {7, 7};
                policy::copy_in(payload, &m, sizeof m);
                flag->store(1, publish);
              },
              [this, look] {
                if (flag->load(look) == 0) return;
                message m;
                policy::copy_out(&m, payload, sizeof m);
                check(m.a == 7 && m.b == 7, "a torn message");
              }};
  }
};

TEST(Explorer, APublicationNeedsReleaseAndAcquire) {
  message_passing right(kRelease, kAcquire), relaxed_store(kRelaxed, kAcquire),
      relaxed_load(kRelease, kRelaxed);
  expect_passes(right, weak());
  expect_passes(relaxed_store, sequential());
  expect_fails(relaxed_store, weak(), "a race");
  expect_fails(relaxed_load, weak(), "a race");
}

TEST(Explorer, FencesMakeUpForRelaxedAccesses) {
  for (const bool both : {true, false}) {
    message_passing m(kRelaxed, kRelaxed);
    m.bodies = {[&] {
                  const message_passing::message x = {7, 7};
                  policy::copy_in(m.payload, &x, sizeof x);
                  policy::fence(kRelease);
                  m.flag->store(1, kRelaxed);
                },
                [&] {
                  if (m.flag->load(kRelaxed) == 0) return;
                  if (both) policy::fence(kAcquire);
                  message_passing::message x;
                  policy::copy_out(&x, m.payload, sizeof x);
                }};
    if (both) {
      expect_passes(m, weak());
    } else {
      expect_fails(m, weak(), "a race");
    }
  }
}

TEST(Explorer, AReleaseSequenceGoesOnThroughReadModifyWrites) {
  for (const bool rmw : {true, false}) {
    message_passing m(kRelease, kAcquire);
    m.bodies.push_back([&] {
      // Relaxed, but it continues what it replaces; a store would not.
      if (rmw) {
        m.flag->fetch_or(2, kRelaxed);
      } else {
        m.flag->store(3, kRelaxed);
      }
    });
    m.bodies[1] = [&] {
      if ((m.flag->load(kAcquire) & 1) == 0) return;
      message_passing::message x;
      policy::copy_out(&x, m.payload, sizeof x);
    };
    if (rmw) {
      expect_passes(m, weak());
    } else {
      expect_fails(m, weak(), "a race");
    }
  }
}

TEST(Explorer, AnUnorderedWriteIsARaceWithARead) {
  message_passing m(kRelease, kAcquire);
  m.bodies[1] = [&] {
    message_passing::message x;
    policy::copy_out(&x, m.payload, sizeof x);
  };
  expect_fails(m, weak(), "a race");
}

TEST(Explorer, ATornCopyIsSeenInTheSequentialMode) {
  message_passing m(kRelease, kAcquire);
  m.bodies[0] = [&] {
    const message_passing::message x = {7, 7};
    m.flag->store(1, kRelease);
    policy::copy_in(m.payload, &x, sizeof x);
  };
  expect_fails(m, sequential(), "torn");
}

// Sleeping until a word is set, with and without a look between saying so and sleeping.
struct sleeper : scenario {
  word *ready, *event;
  bool looks_again;
  explicit sleeper(bool again) : looks_again(again) {
    before = [this] {
      ready = shared<word>("ready");
      event = shared<word>("event");
    };
    bodies = {[this] {
                const environment env(0);
                for (;;) {
                  const uint32_t epoch = env.death_epoch();
                  if (!looks_again && ready->load() != 0) return;
                  const uint32_t key = event->load();
                  if (looks_again && ready->load() != 0) return;
                  env.sleep(*event, key, epoch, deadline::never());
                }
              },
              [this] {
                const environment env(1);
                ready->store(1);
                event->fetch_add(1, kSeqCst);
                env.wake(*event, 1);
              }};
    mortal = 2;
    after = [] {};
  }
};

TEST(Explorer, ALostWakeUpIsADeadlock) {
  sleeper right(true), wrong(false);
  expect_passes(right, sequential());
  expect_fails(wrong, sequential(), "nobody is left to wake it");
}

TEST(Explorer, ADeathWakesSleepers) {
  sleeper s(true);
  s.bodies[0] = [&] {
    const environment env(0);
    for (;;) {
      const uint32_t epoch = env.death_epoch();
      const uint32_t key = s.event->load();
      if (s.ready->load() != 0 || env.is_dead(owner_tag(1, 1))) return;
      env.sleep(*s.event, key, epoch, deadline::never());
    }
  };
  expect_passes(s, with_deaths(sequential(), 1));
  // Who looks at the death before the epoch, and not after, sleeps through it.
  s.bodies[0] = [&] {
    const environment env(0);
    for (;;) {
      const uint32_t key = s.event->load();
      if (s.ready->load() != 0 || env.is_dead(owner_tag(1, 1))) return;
      env.sleep(*s.event, key, env.death_epoch(), deadline::never());
    }
  };
  expect_fails(s, with_deaths(sequential(), 1), "nobody is left to wake it");
}

// A lock that its dead owner keeps.
TEST(Explorer, ALockOfTheDeadIsNotReleased) {
  word* lock;
  int in = 0;
  scenario s;
  s.before = [&] {
    lock = shared<word>("lock");
    in = 0;
  };
  const auto body = [&](uint32_t me, bool robust) {
    const environment env(me);
    for (int tries = 0; tries < 3; ++tries) {
      uint32_t seen = 0;
      if (lock->compare_exchange_strong(seen, me + 1, kAcquire, kRelaxed)) break;
      if (!robust || !env.is_dead(owner_tag(seen - 1, 1))) {
        if (tries == 2) return;
        env.sleep(*lock, seen, env.death_epoch(), deadline::never());
        continue;
      }
      if (lock->compare_exchange_strong(seen, me + 1, kAcquire, kRelaxed)) break;
    }
    lock->store(0, kRelease);
    env.wake(*lock, 1);
  };
  s.after = [&] {
    const uint32_t owner = lock->load();
    check(owner == 0 || ending_of(static_cast<int>(owner) - 1) == ending::died,
          "the lock is held by one who has returned");
    check(owner == 0 || ending_of(2 - static_cast<int>(owner)) != ending::returned ||
              !anybody(ending::died),
          "the dead one's lock was not taken over");
  };
  s.bodies = {[&] { body(0, false); }, [&] { body(1, false); }};
  expect_fails(s, with_deaths(sequential(), 1), "not taken over");
}

// A stack whose nodes are reused: the classical ABA.
TEST(Explorer, AStackWithoutACounterSuffersFromABA) {
  for (const bool counted : {false, true}) {
    // top: index of a node + 1, and, if counted, a number that grows; below[i]: the node under i.
    word *top, *below;
    uint32_t got[2] = {};
    scenario s;
    const uint32_t mask = 0xff, one = counted ? 0x100 : 0;
    s.before = [&] {
      top = shared<word>("top");
      below = static_cast<word*>(shared(3 * sizeof(word), 4, "below"));
      below[2].store(2);
      below[1].store(1);
      below[0].store(0);
      top->store(3);
      got[0] = got[1] = 0;
    };
    const auto pop = [&] {
      uint32_t seen = top->load(kAcquire);
      for (;;) {
        if ((seen & mask) == 0) return 0u;
        const uint32_t next = below[(seen & mask) - 1].load(kAcquire);
        if (top->compare_exchange_strong(seen, ((seen + one) & ~mask) | next, kAcqRel, kAcquire)) {
          return seen & mask;
        }
      }
    };
    const auto push = [&](uint32_t node) {
      uint32_t seen = top->load(kAcquire);
      do {
        below[node - 1].store(seen & mask, kRelease);
      } while (
          !top->compare_exchange_strong(seen, ((seen + one) & ~mask) | node, kAcqRel, kAcquire));
    };
    s.bodies = {[&] { got[0] = pop(); },
                [&] {
                  const uint32_t a = pop();
                  got[1] = pop();
                  if (a != 0) push(a);
                }};
    s.after = [&] {
      std::set<uint32_t> seen;
      for (const uint32_t n : got) {
        if (n != 0) check(seen.insert(n).second, "a node was popped twice");
      }
      while (const uint32_t n = pop()) check(seen.insert(n).second, "a node was popped twice");
      check(seen.size() == 3, "a node was lost");
    };
    if (counted) {
      expect_passes(s, sequential());
      expect_passes(s, weak());
    } else {
      expect_fails(s, sequential(), "a node");
    }
  }
}

// D. Vyukov's queue, of one slot, with nothing that says who claimed: a death in the middle blocks it.
TEST(Explorer, AQueueWithoutIntentWedgesUponADeath) {
  struct queue {
    word tail, head, seq;
  };
  queue* q;
  scenario s;
  s.before = [&] { q = shared<queue>("queue"); };
  const auto push = [&] {
    uint32_t p = q->tail.load();
    if (q->seq.load() != 2 * p) return false;
    if (!q->tail.compare_exchange_strong(p, p + 1, kAcqRel, kRelaxed)) return false;
    q->seq.store(2 * p + 1, kRelease);
    return true;
  };
  s.bodies = {push, push};
  s.after = [&] {
    // Empty or full are right; in between is nobody's any more.
    const uint32_t t = q->tail.load();
    check(t == q->head.load() || q->seq.load() == 2 * t - 1, "wedged");
  };
  expect_passes(s, sequential());
  expect_fails(s, with_deaths(sequential(), 1), "wedged");
}

TEST(Explorer, AStoppedThreadHoldsUpOnlyThoseWhoMayWait) {
  sleeper s(true);
  limits l = sequential();
  l.stops = 1;
  s.stoppable = 2;
  expect_fails(s, l, "nobody is left to wake it");
  s.may_sleep = [](int) { return anybody(ending::stopped); };
  expect_passes(s, l);
}

TEST(Explorer, AWeakCompareAndSwapFailsWithoutReason) {
  word* w;
  scenario s;
  bool done = false;
  s.before = [&] { w = shared<word>("w"); };
  s.bodies = {[&] {
    uint32_t zero = 0;
    done = w->compare_exchange_weak(zero, 1, kRelaxed, kRelaxed);
  }};
  s.after = [&] { check(done, "not exchanged"); };
  expect_passes(s, sequential());
  limits l = sequential();
  l.spurious = 1;
  expect_fails(s, l, "not exchanged");
}

// Three threads of two increments each, in two steps: the outcomes are known.
TEST(Explorer, EveryOutcomeOfATinyProgramIsSeen) {
  word* w;
  std::set<uint32_t> outcomes;
  scenario s;
  s.before = [&] { w = shared<word>("w"); };
  const auto twice = [&] {
    for (int i = 0; i < 2; ++i) w->store(w->load() + 1);
  };
  s.bodies = {twice, twice, twice};
  s.after = [&] { outcomes.insert(w->load()); };
  const verdict v = explore(s, sequential());
  EXPECT_TRUE(v.exhausted) << v.text();
  EXPECT_EQ(outcomes, (std::set<uint32_t>{2, 3, 4, 5, 6}));
  // Without a switch that is not needed nothing is lost; with few, as few outcomes as those make.
  outcomes.clear();
  limits l = sequential();
  l.preemptions = 0;
  EXPECT_TRUE(explore(s, l).exhausted);
  EXPECT_EQ(outcomes, (std::set<uint32_t>{6}));
}

TEST(Explorer, AFailureIsReplayedFromItsSchedule) {
  store_buffering s(store_buffering::fences::none, kRelaxed);
  const verdict v = explore(s, weak());
  ASSERT_TRUE(v.failed);
  EXPECT_NE(v.trace.find("thread 0  store"), std::string::npos) << v.trace;
  EXPECT_NE(v.trace.find("x "), std::string::npos) << v.trace;
  EXPECT_NE(v.trace.find("(an older value)"), std::string::npos) << v.trace;
  const verdict again = replay(s, weak(), v.schedule);
  EXPECT_TRUE(again.failed);
  EXPECT_EQ(again.why, v.why);
  EXPECT_EQ(again.trace, v.trace);
  EXPECT_EQ(again.schedule, v.schedule);
  EXPECT_EQ(again.executions, 1u);
  EXPECT_FALSE(replay(s, weak(), "0").failed);
}

TEST(Explorer, AnEndlessLoopIsFound) {
  word* w;
  scenario s;
  s.before = [&] { w = shared<word>("w"); };
  s.bodies = {[&] {
    while (w->load() == 0) {
    }
  }};
  expect_fails(s, sequential(), "does not end");
}

}  // namespace
}  // namespace zeroipc::explorer
