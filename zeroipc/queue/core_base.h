// What every operation of a queue needs around the ring: who is told, when recovery runs, who is on which side, closing.
//
// Recovery
//   Triggers  `recovered_epoch` differs from the segment's death epoch, looked at when an operation found the queue full or
//             empty and, once per epoch and handle, by consumers on their way in; or kUnresolved is set.
//   One pass  under the recovery lock, which is only ever taken from the dead: slots, then lease entries (lease.h,
//             invariant 2), then hints, then `recovered_epoch` = the epoch read before the pass. All of it is idempotent,
//             and the epoch is stored last, so a runner may die anywhere: its own death moves the epoch.
//   Hand-off  A pass that meets a transient claim cannot finish. It says so in kUnresolved, runs the heavy fence and looks
//             once more. Whoever ends an operation clears its claim, runs the light fence and looks at the hints. So either
//             the second look finds the claim gone, or its owner finds kUnresolved and runs the pass itself:
//
//               runner                              owner of the claim
//               kUnresolved = 1                     claim = 0
//               heavy fence                         light fence
//               look at claims again                look at kUnresolved      -- at least one sees the other
//
//             The same pairing decides who runs again when somebody asks (kAgain) while the lock is held.
//   Orphans   kOrphans is cleared before a pass counts and set again if it counted any; whoever makes an orphan makes it
//             first and sets the bit after. So the bit is set whenever an orphan has been there for longer than that.
//
// Wake-ups
//   A push wakes one consumer, a pop one producer. The item published may stand behind one still being published, whose
//   wake-up then finds more than one item. So whoever slept and succeeded wakes the next one if there is more (chain).
#ifndef ZEROIPC_QUEUE_CORE_BASE_H_
#define ZEROIPC_QUEUE_CORE_BASE_H_

#include <atomic>
#include <climits>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "zeroipc/base/deadline.h"
#include "zeroipc/base/outcome.h"
#include "zeroipc/queue/layout.h"
#include "zeroipc/queue/lease.h"
#include "zeroipc/queue/policy.h"
#include "zeroipc/queue/recovery.h"
#include "zeroipc/queue/role.h"
#include "zeroipc/queue/seq_ring.h"
#include "zeroipc/queue/spsc_ring.h"
#include "zeroipc/wait/wait.h"

namespace zeroipc {

struct queue_stats {
  uint64_t capacity = 0;
  uint64_t depth = 0;       // items that could be popped now, roughly
  uint64_t pushed = 0;      // since creation
  uint64_t popped = 0;      // since creation; leased ones and redeliveries out of the ring included
  uint64_t refused = 0;     // pushes answered `full`
  uint64_t waits = 0;       // operations that had to sleep
  uint64_t recoveries = 0;  // passes
  uint64_t redelivered = 0;  // items delivered once more: put back, or taken back from the dead
  uint64_t leased = 0;       // leases out now
  uint64_t max_leases = 0;
  uint64_t tombstones =
      0;  // reservations aborted, and pushes whose process died before they were done
  bool closed = false;
};

namespace internal {

template <typename P, typename Env, typename T, typename Policy>
class queue_core_base {
 public:
  using ring_type = std::conditional_t<std::is_same_v<Policy, spsc>, spsc_ring<P, Env, T>,
                                       seq_ring<P, Env, T, Policy>>;
  using leases_type = lease_table<P, Env, T>;
  using ticket = typename ring_type::ticket;
  using held_lease = typename leases_type::held;
  static constexpr bool kManyPush = Policy::multi_producer;
  static constexpr bool kManyPop = Policy::multi_consumer;
  static constexpr int kAll = INT_MAX;

  // REQUIRES: `geometry` has been checked; it is not looked at in the segment again.
  void bind(Env& env, std::byte* base, const queue_geometry& geometry, uint32_t id) {
    env_ = &env;
    header_ = reinterpret_cast<queue_header<P>*>(base);
    id_ = id;
    ring_.bind(env, *header_, base + geometry.slots_offset, geometry.capacity, id);
    leases_.bind(env, base + geometry.leases_offset, geometry.max_leases);
  }

  uint64_t capacity() const { return ring_.shape().capacity(); }
  uint64_t max_leases() const { return leases_.count(); }

  // --- closing ---

  // Linearisation point: the bit in `tail`, after which no push can be claimed; with one producer, the hint, which the
  // producer looks at between saying that it is busy and publishing.
  void close() {
    header_->hints.fetch_or(kClosing, std::memory_order_acq_rel);
    if constexpr (kManyPush) header_->tail.fetch_or(kClosedBit, std::memory_order_acq_rel);
    wake_all();
  }
  bool closed() const {
    if constexpr (kManyPush) {
      return (header_->tail.load(std::memory_order_acquire) & kClosedBit) != 0;
    } else {
      return (header_->hints.load(std::memory_order_acquire) & kClosing) != 0;
    }
  }

  // --- roles ---

  [[gnu::noinline]] outcome take_producer() {
    if constexpr (!kManyPush) {
      if (producer_.held(*env_)) return outcome::ok;
      const outcome r = producer_.take(*env_, header_->producer);
      if (!r) return r;
      ring_.repair_producer();
      reserved_ = false;
      header_->busy.store(0, std::memory_order_release);
      // The dead one may have published and not told; and who waits for `closed` waits for `busy` to go.
      header_->not_empty.notify(*env_, kAll);
    }
    return outcome::ok;
  }
  [[gnu::noinline]] outcome take_consumer() {
    if constexpr (!kManyPop) {
      if (consumer_.held(*env_)) return outcome::ok;
      const outcome r = consumer_.take(*env_, header_->consumer);
      if (!r) return r;
      ring_.repair_consumer(leases_);
      viewed_ = false;
      recover();  // a lease entry that waited for its position to be released can go now
      header_->not_full.notify(*env_, kAll);
    }
    return outcome::ok;
  }
  // `taken` while a reservation or a view is out.
  outcome give_up_producer() {
    if (reserved_ && producer_.held(*env_)) return outcome::taken;
    producer_.give_up(*env_, header_->producer);
    return outcome::ok;
  }
  outcome give_up_consumer() {
    if (viewed_ && consumer_.held(*env_)) return outcome::taken;
    consumer_.give_up(*env_, header_->consumer);
    return outcome::ok;
  }

  // --- recovery ---

  // Runs passes until nobody asks for another; whether one found something to change or to deliver. Never waits: what a
  // live runner is at, it will finish.
  [[gnu::noinline]] bool recover() {
    if (!env_->self()) return false;
    header_->hints.fetch_or(kAgain, std::memory_order_acq_rel);
    bool found = false;
    for (int round = 0; round < kRounds; ++round) {
      env_->light_fence();  // kAgain is seen by a runner whose lock we find taken
      if (header_->recovery.try_lock(*env_) == lock_result::busy) break;
      found = pass() || found;
      header_->recovery.unlock(*env_);
      env_->heavy_fence();  // pairs with the light fence above
      if ((header_->hints.load(std::memory_order_relaxed) & kAgain) == 0) break;
    }
    if (found) wake_all();
    return found;
  }

  // --- looking ---

  uint64_t depth() const {
    uint64_t n = ring_.depth();
    if ((header_->hints.load(std::memory_order_relaxed) & kOrphans) != 0) {
      n += ring_.orphans();
      leases_.each([&](lease_state s, owner_tag) { n += s == lease_state::orphan; });
    }
    return n;
  }
  // Relaxed throughout: figures for people.
  [[gnu::noinline]] queue_stats stats() const {
    const auto read = [](const auto& a) { return a.load(std::memory_order_relaxed); };
    const auto less = [](uint64_t a, uint64_t b) { return a > b ? a - b : 0; };
    const auto count = [&](uint64_t position) {
      return ring_.shape().lap(position) * capacity() + ring_.shape().index(position);
    };
    queue_stats s;
    s.capacity = capacity();
    s.max_leases = max_leases();
    s.depth = depth();
    s.tombstones = read(header_->tombs_made);
    s.pushed = less(count(read(header_->tail) & ~kClosedBit), s.tombstones);
    s.popped = less(count(read(header_->head)), read(header_->tombs_passed));
    s.refused = read(header_->refused);
    s.waits = read(header_->waits);
    s.recoveries = read(header_->recoveries);
    s.redelivered = read(header_->redelivered);
    leases_.each([&](lease_state st, owner_tag) { s.leased += st == lease_state::leased; });
    s.closed = closed();
    return s;
  }

 protected:
  // Remembers that one operation has already had recovery run, so that it does not run it with every look.
  struct patience {
    uint32_t epoch = 0;
    bool tried = false;
  };

  // Called when an operation is held up: runs recovery if there is reason to, at most once per operation and epoch. Once is
  // enough: a pass that could not finish will be run by whoever held it up, and wakes us.
  [[gnu::noinline]] bool heal(patience& p) {
    const uint32_t now = env_->death_epoch();
    if (p.tried && p.epoch == now) return false;
    p = {now, true};
    if (header_->recovered_epoch.load(std::memory_order_acquire) == now &&
        (header_->hints.load(std::memory_order_relaxed) & kUnresolved) == 0) {
      return false;
    }
    recover();
    return true;
  }

  // Whether a consumer should look for orphans first. Relaxed: a hint; whoever sets it wakes the consumers after.
  bool attention() const {
    return (header_->hints.load(std::memory_order_relaxed) & kOrphans) != 0 ||
           env_->death_epoch() != seen_epoch_.load(std::memory_order_relaxed);
  }
  // Follows attention(). Whether there may be orphans.
  [[gnu::noinline]] bool attend() {
    const uint32_t now = env_->death_epoch();
    if (seen_epoch_.exchange(now, std::memory_order_relaxed) != now &&
        header_->recovered_epoch.load(std::memory_order_acquire) != now) {
      recover();
    }
    return (header_->hints.load(std::memory_order_acquire) & kOrphans) != 0;
  }

  // --- the ends of operations: what they changed is published and their claim is cleared ---

  // `n` elements were pushed; 0 if none was.
  void after_push(int n) {
    if constexpr (!kManyPush) header_->busy.store(0, std::memory_order_release);
    if (n != 0) {
      header_->not_empty.notify(*env_, n);
    } else {
      env_->light_fence();
    }
    // Many: pairs with the heavy fence in pass(). One: with that in drained_or_empty().
    constexpr uint32_t kLook = kManyPush ? kUnresolved : kClosing;
    if ((header_->hints.load(std::memory_order_relaxed) & kLook) != 0) [[unlikely]]
      after_push_slow();
  }
  // `n` slots became free; 0 if none did.
  void after_pop(uint64_t n) {
    if (n != 0) {
      header_->not_full.notify(*env_, n > kAll ? kAll : static_cast<int>(n));
    } else {
      env_->light_fence();
    }
    // Pairs with the heavy fence in pass().
    if ((header_->hints.load(std::memory_order_relaxed) & (kUnresolved | kClosing)) != 0)
        [[unlikely]] {
      after_pop_slow(n);
    }
  }
  [[gnu::noinline]] void after_lease_freed() {
    header_->lease_freed.notify(*env_, 1);
    if ((header_->hints.load(std::memory_order_relaxed) & kClosing) != 0) {
      header_->not_empty.notify(*env_,
                                kAll);  // it may have been the last thing that `closed` waited for
    }
  }
  [[gnu::noinline]] void after_orphan_made() {
    // Release: the orphan is there before the hint is.
    header_->hints.fetch_or(kOrphans, std::memory_order_acq_rel);
    header_->not_empty.notify(*env_, 1);
    header_->lease_freed.notify(
        *env_, 1);  // a full lease table does not stop its own orphans from being leased
    if ((header_->hints.load(std::memory_order_relaxed) & kUnresolved) != 0) recover();
  }

  // What a consumer that found nothing answers: closed only if nothing can come any more, not from a push under way, nor
  // put back, nor from a lease that somebody else holds.
  [[gnu::noinline]] outcome drained_or_empty() {
    if ((header_->hints.load(std::memory_order_acquire) & kClosing) == 0) return outcome::empty;
    if constexpr (!kManyPush) {
      env_->heavy_fence();  // pairs with the light fence in begin_push()
      // Acquire: pairs with the release in after_push(): what it published is seen below.
      if (header_->busy.load(std::memory_order_acquire) != 0) {
        const owner_tag producer =
            owner_tag::from_bits(header_->producer.load(std::memory_order_acquire));
        if (producer && !env_->is_dead(producer)) return outcome::empty;
      }
    }
    if (!ring_.drained()) return outcome::empty;
    bool outstanding = false;
    leases_.each([&](lease_state s, owner_tag owner) {
      outstanding = outstanding || s == lease_state::orphan || owner != env_->tag();
    });
    return outstanding ? outcome::empty : outcome::closed;
  }

  static void count(typename P::template atomic<uint64_t>& counter, uint64_t n = 1) {
    counter.fetch_add(n, std::memory_order_relaxed);  // relaxed: a figure for people
  }

  Env* env_ = nullptr;
  queue_header<P>* header_ = nullptr;
  uint32_t id_ = 0;
  ring_type ring_;
  leases_type leases_;
  role<P, Env> producer_;
  role<P, Env> consumer_;
  bool reserved_ = false;                // with one producer: a reservation is out
  bool viewed_ = false;                  // with one consumer: a view is out
  std::atomic<uint32_t> seen_epoch_{0};  // private: the death epoch this handle has looked into

 private:
  static constexpr int kRounds = 1000;

  [[gnu::noinline]] void after_push_slow() {
    if constexpr (kManyPush) {
      recover();
    } else {
      header_->not_empty.notify(*env_, kAll);
    }
  }
  [[gnu::noinline]] void after_pop_slow(uint64_t n) {
    const uint32_t hints = header_->hints.load(std::memory_order_relaxed);
    if (n != 0 && (hints & kClosing) != 0) header_->not_empty.notify(*env_, kAll);
    if ((hints & kUnresolved) != 0) recover();
  }

  [[gnu::noinline]] void wake_all() {
    header_->not_empty.notify(*env_, kAll);
    header_->not_full.notify(*env_, kAll);
    header_->lease_freed.notify(*env_, kAll);
  }

  // REQUIRES: the recovery lock is held.
  bool pass() {
    const uint32_t epoch = env_->death_epoch();  // before anything is judged
    count(header_->recoveries);
    uint32_t clear = kAgain | kUnresolved | kOrphans;
    bool found = false;
    for (int look = 0; look < 2; ++look) {
      header_->hints.fetch_and(~clear, std::memory_order_acq_rel);
      holder_survey<P, Env> survey(*env_, ring_.shape(), id_);
      const auto slots = ring_.repair(survey, leases_);
      const auto entries =
          leases_.repair([&](owner_tag tag) { return survey.dead(tag); },
                         [&](uint64_t position) { return ring_.released(position); });
      if (slots.tombs != 0) count(header_->tombs_made, slots.tombs);
      const uint32_t orphaned = slots.orphaned + entries.orphaned;
      if (orphaned != 0) count(header_->redelivered, orphaned);
      const uint32_t orphans = slots.orphans + entries.orphans;
      if (orphans != 0) header_->hints.fetch_or(kOrphans, std::memory_order_acq_rel);
      found = found || slots.changed + entries.changed + orphans != 0;
      if (slots.transient == 0) {
        header_->hints.fetch_and(~uint32_t{kUnresolved}, std::memory_order_acq_rel);
        // Release: who skips recovery because of it sees what it did.
        header_->recovered_epoch.store(epoch, std::memory_order_release);
        break;
      }
      header_->hints.fetch_or(kUnresolved, std::memory_order_acq_rel);
      env_->heavy_fence();  // pairs with the light fence of after_push() and after_pop()
      clear = kAgain | kOrphans;
    }
    return found;
  }
};

}  // namespace internal
}  // namespace zeroipc

#endif  // ZEROIPC_QUEUE_CORE_BASE_H_
