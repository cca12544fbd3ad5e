// Property: whichever process dies at whichever access to shared memory, the survivors find every item exactly once, apart
// from what the dead one had in its hands on return, and a queue with all its room.
//
// Every operation is run to its k-th access for every k and its process declared dead; then, for the double kill, another
// process runs an operation (and with it the recovery) to its j-th access for every j and dies too. Deterministic: no
// threads, no time.
#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "zeroipc/queue/crash_world.h"

namespace zeroipc::internal {
namespace {

struct item {
  uint64_t id = 0;
  uint64_t check = 0;
};
item make(uint64_t id) { return {id, ~id}; }

constexpr deadline kNow = deadline::at_once();
enum actors : uint32_t { kFiller, kVictim, kSecond, kSurvivor };

enum class op {
  push,
  push_two,
  commit,
  abort,
  pop,
  pop_two,
  peek_release,
  peek_drop,
  lease_ack,
  lease_nack,
  close
};
constexpr op kAll[] = {op::push,      op::push_two,   op::commit,       op::abort,
                       op::pop,       op::pop_two,    op::peek_release, op::peek_drop,
                       op::lease_ack, op::lease_nack, op::close};
const char* name(op o) {
  constexpr const char* kNames[] = {"push",      "push_two",   "commit",       "abort",
                                    "pop",       "pop_two",    "peek_release", "peek_drop",
                                    "lease_ack", "lease_nack", "close"};
  return kNames[static_cast<int>(o)];
}

template <typename Policy>
class scenario {
 public:
  using queue = crash_queue<item, Policy>;

  scenario(uint64_t capacity, uint64_t laps, uint64_t filled) : q_(capacity) {
    auto& filler = q_.as(kFiller);
    for (uint64_t i = 0; i < laps; ++i) {
      item x;
      EXPECT_TRUE(filler.push(make(1000 + i), kNow));
      EXPECT_TRUE(filler.pop(x, kNow));
    }
    for (uint64_t i = 0; i < filled; ++i) put(filler.push(make(next_), kNow));
    filler.give_up_producer();
    filler.give_up_consumer();
  }

  // Runs `o` as `who`, who dies at access k; whether it came to the end before.
  bool run(op o, uint32_t who, int64_t k) {
    auto& core = q_.as(who);
    item out[2] = {};
    uint64_t n = 0;
    outcome r = outcome::gone;
    bool may_go = false;  // from here on the items in `out` may be consumed
    const uint64_t a = next_, b = next_ + 1;
    const item in[2] = {make(a), make(b)};
    const bool returned = q_.live_for(k, [&] {
      switch (o) {
        case op::push:
          next_ += 1;
          may_[a] = true;
          r = core.push(in[0], kNow);
          if (r) must_[a] = true;
          break;
        case op::push_two:
          next_ += 2;
          may_[a] = may_[b] = true;
          r = core.push_n(in, 2, n, kNow);
          for (uint64_t i = 0; i < n; ++i) must_[a + i] = true;
          break;
        case op::commit:
        case op::abort: {
          next_ += 1;
          typename queue::core_type::ticket t;
          r = core.reserve(t, kNow);
          if (!r) break;
          mortal::copy_in(t.payload, in, sizeof(item));
          if (o == op::commit) {
            may_[a] = true;
            core.commit(t);
            must_[a] = true;
          } else {
            core.abort(t);
          }
          break;
        }
        case op::pop:
          may_go = true;
          core.pop(out[0], kNow);
          break;
        case op::pop_two:
          may_go = true;
          core.pop_n(out, 2, n, kNow);
          break;
        case op::peek_release:
        case op::peek_drop: {
          typename queue::core_type::view_ticket v;
          if (!core.peek(v, kNow)) break;
          out[0] = *core.value(v);
          if (o == op::peek_release) {
            may_go = true;
            core.release(v);
          } else {
            core.put_back(v);
          }
          break;
        }
        case op::lease_ack:
        case op::lease_nack: {
          typename queue::core_type::held_lease h;
          if (!core.lease(h, kNow)) break;
          out[0] = core.value(h);
          if (o == op::lease_ack) {
            may_go = true;
            core.ack(h);
          } else {
            core.nack(h);
          }
          break;
        }
        case op::close:
          closed_ = true;
          core.close();
          break;
      }
    });
    if (o == op::close && !returned) maybe_closed_ = true;
    for (const item& x : out) {
      if (x.id == 0 || !may_go) continue;
      must_[x.id] = false;
      if (returned) {
        may_[x.id] = false;
        EXPECT_EQ(x.check, ~x.id) << "torn";
      }
    }
    return returned;
  }
  void bury(uint32_t who) { q_.all().bury(who); }

  // How many items the survivor can push, who pops nothing.
  int room(bool after_recovery) {
    auto& core = q_.as(kSurvivor);
    if (after_recovery) core.recover();
    int n = 0;
    while (n < 64 && core.push(make(900), kNow)) ++n;
    return n;
  }
  // The survivor pushes nothing, closes, and takes out what is there.
  void judge_closing() {
    auto& core = q_.as(kSurvivor);
    core.close();
    item x;
    outcome r;
    for (int i = 0; i < 64 && (r = core.pop(x, kNow)); ++i) {
      EXPECT_TRUE(may_[x.id]) << "item " << x.id << " should not be there";
    }
    EXPECT_EQ(r.name(), outcome(outcome::closed).name()) << "waits for the dead";
  }

  // The survivor takes all there is, and finds the room that there should be.
  void judge() {
    auto& core = q_.as(kSurvivor);
    std::map<uint64_t, int> seen;
    for (int i = 0; i < 64; ++i) {
      item x;
      const outcome r = core.pop(x, kNow);
      if (!r) {
        if (closed_ && !maybe_closed_) {
          EXPECT_EQ(r.name(), outcome(outcome::closed).name());
        } else if (!closed_) {
          EXPECT_EQ(r.name(), outcome(outcome::empty).name());
        }
        break;
      }
      EXPECT_EQ(x.check, ~x.id) << "torn";
      ++seen[x.id];
    }
    for (const auto& [id, times] : seen) {
      EXPECT_EQ(times, 1) << "item " << id << " came " << times << " times";
      EXPECT_TRUE(may_[id]) << "item " << id << " should not be there";
    }
    for (const auto& [id, there] : must_) {
      if (there) {
        EXPECT_EQ(seen[id], 1) << "item " << id << " is lost";
      }
    }
    EXPECT_EQ(core.stats().leased, 0u);
    EXPECT_EQ(core.depth(), 0u);
    if (closed_) return;

    for (int round = 0; round < 2; ++round) {
      for (uint64_t i = 0; i < core.capacity(); ++i) {
        const outcome r = core.push(make(500 + i), kNow);
        EXPECT_TRUE(r) << "room for " << i << " of " << core.capacity() << ": " << r.name();
      }
      EXPECT_EQ(core.push(make(600), kNow), outcome::full);
      for (uint64_t i = 0; i < core.capacity(); ++i) {
        item x;
        EXPECT_TRUE(core.pop(x, kNow));
        EXPECT_EQ(x.id, 500 + i);
      }
    }
    std::vector<typename queue::core_type::held_lease> held(core.max_leases());
    for (auto& h : held) {
      EXPECT_TRUE(core.push(make(700), kNow));
      EXPECT_TRUE(core.lease(h, kNow)) << "a lease entry is lost";
    }
    for (auto& h : held) EXPECT_TRUE(core.ack(h));
    core.close();
    item x;
    EXPECT_EQ(core.pop(x, kNow), outcome::closed);
  }

 private:
  void put(outcome r) {
    EXPECT_TRUE(r);
    must_[next_] = may_[next_] = true;
    ++next_;
  }

  queue q_;
  uint64_t next_ = 1;
  std::map<uint64_t, bool> must_;  // items that have to be found
  std::map<uint64_t, bool> may_;   // items that can be found
  bool closed_ = false;
  bool maybe_closed_ = false;
};

template <typename Policy>
class CrashStates : public ::testing::Test {};
using policies = ::testing::Types<mpmc, mpsc, spmc, spsc>;
TYPED_TEST_SUITE(CrashStates, policies);

std::string at(op o, int64_t k, uint64_t capacity, uint64_t filled) {
  return std::string(name(o)) + " killed at access " + std::to_string(k) + ", capacity " +
         std::to_string(capacity) + ", filled " + std::to_string(filled);
}

TYPED_TEST(CrashStates, OneDeathLosesNothingAndDoublesNothing) {
  for (uint64_t capacity : {1, 2, 3, 4}) {
    for (uint64_t filled = 0; filled <= capacity; ++filled) {
      for (op o : kAll) {
        int64_t k = 0;
        for (bool returned = false; !returned; ++k) {
          SCOPED_TRACE(at(o, k, capacity, filled));
          scenario<TypeParam> s(capacity, capacity + 1, filled);
          returned = s.run(o, kVictim, k);
          s.bury(kVictim);
          s.judge();
          ASSERT_LT(k, 5000) << "the operation does not end";
          if (this->HasFailure()) return;
        }
        EXPECT_GT(k, 2) << name(o) << " touched no shared memory";
      }
    }
  }
}

TYPED_TEST(CrashStates, WhoeverIsHeldUpByTheDeadHelpsHimself) {
  for (uint64_t capacity : {1, 2, 4}) {
    for (op o : kAll) {
      int64_t k = 0;
      for (bool returned = false; !returned; ++k) {
        SCOPED_TRACE(at(o, k, capacity, capacity));
        const auto dead = [&] {
          auto s = std::make_unique<scenario<TypeParam>>(capacity, 1, capacity);
          returned = s->run(o, kVictim, k);
          s->bury(kVictim);
          return s;
        };
        if (o != op::close) {
          EXPECT_EQ(dead()->room(false), dead()->room(true)) << "room that recovery would find";
        }
        dead()->judge_closing();
        if (this->HasFailure()) return;
      }
    }
  }
}

TYPED_TEST(CrashStates, TheRecovererMayDieToo) {
  constexpr op kSecondOps[] = {op::push, op::pop, op::lease_ack, op::peek_drop};
  for (uint64_t capacity : {1, 2, 4}) {
    const uint64_t filled = capacity / 2 + (capacity == 1);
    for (op first : kAll) {
      if (first == op::close) continue;
      bool first_returned = false;
      for (int64_t k = 0; !first_returned; ++k) {
        for (op second : kSecondOps) {
          bool returned = false;
          for (int64_t j = 0; !returned; ++j) {
            SCOPED_TRACE(at(first, k, capacity, filled) + ", then " + name(second) + " killed at " +
                         std::to_string(j));
            scenario<TypeParam> s(capacity, 1, filled);
            first_returned = s.run(first, kVictim, k);
            s.bury(kVictim);
            returned = s.run(second, kSecond, j);
            s.bury(kSecond);
            s.judge();
            ASSERT_LT(j, 5000) << "the operation does not end";
            if (this->HasFailure()) return;
          }
        }
      }
    }
  }
}

// A live process may be slow at any of its steps: nothing is taken from it, and what it does later counts.
TYPED_TEST(CrashStates, AClaimOfALiveProcessIsLeftAlone) {
  if constexpr (TypeParam::multi_producer) {
    for (int64_t k = 0; k < 12; ++k) {
      crash_queue<item, TypeParam> q(2);
      q.live_for(k, [&] { q.as(kVictim).push(make(1), kNow); });
      q.all().bury(kSecond);  // somebody else died
      q.as(kSurvivor).recover();
      item x;
      q.as(kSurvivor).pop(x, kNow);  // takes the item if it was published
      EXPECT_EQ(q.as(kSurvivor).stats().tombstones, 0u) << k;
      q.all().bury(kVictim);  // now it is dead indeed
      // A single consumer steps over the tomb itself; among many, the producers help.
      if (!TypeParam::multi_consumer) q.as(kSurvivor).pop(x, kNow);
      for (int i = 0; i < 2; ++i) EXPECT_TRUE(q.as(kSurvivor).push(make(2), kNow)) << k;
    }
  }
}

// A stale announcement of a live thread, of a position that a dead one won, delays recovery; whoever removes it must run it.
TEST(CrashStates, WhoHeldUpRecoveryRunsItOnItsWayOut) {
  crash_queue<item, mpmc> q(4);
  ASSERT_TRUE(q.as(kFiller).push(make(1), kNow));
  ASSERT_TRUE(q.as(kFiller).push(make(2), kNow));
  // The victim claims position 0 and dies before it has copied the item out.
  item lost;
  int64_t k = 0;
  for (; q.header().head.load(std::memory_order_relaxed) == 0; ++k) {
    q.live_for(k, [&] { q.as(kVictim).pop(lost, kNow); });
  }
  ASSERT_EQ(lost.id, 0u);
  // The survivor has announced the same position and lost the race.
  q.all().records[kSurvivor].claims[0].announce(claim_kind::pop, 7, 0, 1);
  q.all().bury(kVictim);
  q.as(kFiller).recover();
  EXPECT_NE(q.header().hints.load(std::memory_order_relaxed) & kUnresolved, 0u);
  EXPECT_EQ(q.as(kFiller).stats().redelivered, 0u);
  // It goes on with another item, and so ends its announcement.
  item x;
  ASSERT_TRUE(q.as(kSurvivor).pop(x, kNow));
  EXPECT_EQ(x.id, 2u);
  EXPECT_EQ(q.header().hints.load(std::memory_order_relaxed) & kUnresolved, 0u);
  EXPECT_EQ(q.as(kFiller).stats().redelivered, 1u);
  ASSERT_TRUE(q.as(kFiller).pop(x, kNow));
  EXPECT_EQ(x.id, 1u);
}

// After its last turn an item is put back under the recovery lock, and still comes back.
TEST(CrashStates, AnItemPutBackManyTimesIsStillDeliveredOnce) {
  crash_queue<item, mpmc> q(2);
  ASSERT_TRUE(q.as(kFiller).push(make(1), kNow));
  for (int i = 0; i < 200; ++i) {
    typename crash_queue<item, mpmc>::core_type::view_ticket v;
    ASSERT_TRUE(q.as(kSurvivor).peek(v, kNow)) << i;
    q.as(kSurvivor).put_back(v);
  }
  item x;
  ASSERT_TRUE(q.as(kFiller).pop(x, kNow));
  EXPECT_EQ(q.as(kFiller).pop(x, kNow), outcome::empty);
}

}  // namespace
}  // namespace zeroipc::internal
