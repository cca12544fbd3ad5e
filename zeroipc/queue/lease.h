// The lease table: where an item rests between "taken" and "done with".
//
// A lease moves the item out of the ring into an entry, so that a long lease holds up nobody. The entry's state and its
// owner are one word, changed by one CAS:
//
//   63    56 55        32 31          0
//   +-------+------------+------------+
//   | state |    turn    | owner tag  |      turn: grows with every change, so that a word never comes again
//   +-------+------------+------------+
//
//   state     owner     is                            left by                               killed here: repair
//   free      -         unused                        claim()    -> filling                 -
//   filling   claimant  being filled from the ring    fill()     -> leased                  free; the ring still has the item,
//                                                     cancel()   -> free                    or it was not claimed yet
//   leased    holder    the holder's                  ack()      -> free                    orphan, once the slot it came
//                                                     nack()     -> orphan                  from is released (invariant 2)
//   orphan    -         anybody's, again              take_orphan() -> leased               -
//
// Invariants
//  1. An entry that is leased or orphan holds the whole item, and `ticket` is the position it came from.
//  2. An entry becomes an orphan only after the ring has released that position. So an item is never both in the ring and
//     in the hands of somebody who took the orphan; while it is in both places, both are the same dead participant's, and
//     recovery releases the slot (roll forward) before it looks at the entries.
//  3. `deliveries` is written by whoever owns the entry, before the release that passes it on.
#ifndef ZEROIPC_QUEUE_LEASE_H_
#define ZEROIPC_QUEUE_LEASE_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "zeroipc/base/outcome.h"
#include "zeroipc/participant/owner_tag.h"
#include "zeroipc/queue/layout.h"

namespace zeroipc::internal {

enum class lease_state : uint64_t { free = 0, filling = 1, leased = 2, orphan = 3 };

template <typename P>
struct lease_entry {
  typename P::template atomic<uint64_t> word;
  typename P::template atomic<uint64_t> ticket;
  typename P::template atomic<uint32_t> deliveries;
  uint32_t unused;
};
static_assert(sizeof(lease_entry<hardware>) == 24);

template <typename P, typename Env, typename T>
class lease_table {
 public:
  static constexpr cell_shape kShape = lease_shape(sizeof(T), alignof(T));

  // What a holder keeps: the entry, and its word as the holder left it.
  struct held {
    uint64_t index = 0;
    uint64_t word = 0;
  };

  void bind(Env& env, std::byte* base, uint64_t count) {
    env_ = &env;
    base_ = base;
    count_ = count;
  }

  uint64_t count() const { return count_; }
  T* value(uint64_t i) const {
    return reinterpret_cast<T*>(base_ + i * kShape.stride + kShape.payload);
  }
  std::byte* payload(uint64_t i) const { return base_ + i * kShape.stride + kShape.payload; }
  // Relaxed: the caller owns the entry.
  uint32_t deliveries(uint64_t i) const { return at(i).deliveries.load(std::memory_order_relaxed); }

  // free -> filling. Answers exhausted if no entry is free.
  outcome claim(held& h) {
    // Where this process left off, so that a table with few leases is not searched from its start each time. Relaxed: a
    // hint.
    uint64_t i = cursor_.load(std::memory_order_relaxed);
    for (uint64_t n = 0; n < count_; ++n, ++i) {
      if (i >= count_) i = 0;
      uint64_t word =
          at(i).word.load(std::memory_order_relaxed);  // relaxed: the CAS below looks again
      while (state(word) == lease_state::free) {
        const uint64_t mine = next(word, lease_state::filling, env_->self());
        // Acquire: pairs with the release in pass_on() of the last owner, who is done with the payload.
        if (at(i).word.compare_exchange_weak(word, mine, std::memory_order_acq_rel,
                                             std::memory_order_relaxed)) {
          cursor_.store(i + 1, std::memory_order_relaxed);
          h = {i, mine};
          return outcome::ok;
        }
      }
    }
    return outcome::exhausted;
  }

  // filling -> free: nothing was there to be leased.
  void cancel(held& h) { pass_on(h, lease_state::free, owner_tag()); }

  // filling -> leased. Linearisation point of lease(), with respect to its holder's death.
  void fill(held& h, uint64_t ticket, uint32_t deliveries) {
    at(h.index).ticket.store(ticket, std::memory_order_relaxed);  // released with the state
    at(h.index).deliveries.store(deliveries, std::memory_order_relaxed);
    pass_on(h, lease_state::leased, env_->self());
  }

  // orphan -> leased by this process. Answers empty if there is none.
  outcome take_orphan(held& h) {
    for (uint64_t i = 0; i < count_; ++i) {
      uint64_t word =
          at(i).word.load(std::memory_order_relaxed);  // relaxed: the CAS below looks again
      while (state(word) == lease_state::orphan) {
        const uint64_t mine = next(word, lease_state::leased, env_->self());
        // Acquire: pairs with the release that made it an orphan, and so with the filling before that.
        if (at(i).word.compare_exchange_weak(word, mine, std::memory_order_acq_rel,
                                             std::memory_order_relaxed)) {
          const uint32_t before = deliveries(i);
          at(i).deliveries.store(before + 1, std::memory_order_relaxed);
          h = {i, mine};
          return outcome::ok;
        }
      }
    }
    return outcome::empty;
  }

  // leased -> free. `gone` if the entry is no longer this holder's.
  outcome ack(held& h) { return pass_on(h, lease_state::free, owner_tag()); }
  // leased -> orphan. The caller tells the consumers.
  outcome nack(held& h) { return pass_on(h, lease_state::orphan, owner_tag()); }

  // Whether the item claimed at `position` has reached an entry already.
  bool holds(uint64_t position) const {
    for (uint64_t i = 0; i < count_; ++i) {
      // Acquire: pairs with pass_on() in fill(), so that the ticket is that item's.
      const lease_state s = state(at(i).word.load(std::memory_order_acquire));
      if ((s == lease_state::leased || s == lease_state::orphan) &&
          at(i).ticket.load(std::memory_order_relaxed) == position) {
        return true;
      }
    }
    return false;
  }

  // Calls f(state, owner) for each entry in use.
  template <typename F>
  void each(F&& f) const {
    for (uint64_t i = 0; i < count_; ++i) {
      const uint64_t word = at(i).word.load(std::memory_order_acquire);  // pairs with pass_on()
      if (state(word) != lease_state::free) f(state(word), owner(word));
    }
  }

  struct repair_result {
    uint32_t changed = 0;
    uint32_t orphaned = 0;  // of these: made orphans
    uint32_t orphans = 0;   // all there are
  };
  // Takes back what the dead hold. `dead(tag)`; `released(position)`: whether the ring is done with that position.
  // Idempotent, and safe beside every other operation: an entry of a dead owner is changed by recovery alone.
  template <typename Dead, typename Released>
  repair_result repair(Dead&& dead, Released&& released) {
    repair_result result;
    for (uint64_t i = 0; i < count_; ++i) {
      uint64_t word = at(i).word.load(std::memory_order_acquire);  // pairs with pass_on()
      uint64_t repaired = word;
      if (state(word) == lease_state::filling && dead(owner(word))) {
        repaired = next(word, lease_state::free, owner_tag());
      } else if (state(word) == lease_state::leased && dead(owner(word)) &&
                 released(at(i).ticket.load(std::memory_order_relaxed))) {
        repaired = next(word, lease_state::orphan, owner_tag());
      }
      // Release: whoever takes the entry next sees what the dead owner wrote, which this thread has acquired.
      if (repaired != word &&
          at(i).word.compare_exchange_strong(word, repaired, std::memory_order_acq_rel,
                                             std::memory_order_acquire)) {
        word = repaired;
        ++result.changed;
        if (state(word) == lease_state::orphan) ++result.orphaned;
      }
      if (state(word) == lease_state::orphan) ++result.orphans;
    }
    return result;
  }

 private:
  using entry = lease_entry<P>;

  static lease_state state(uint64_t word) { return static_cast<lease_state>(word >> 56); }
  static owner_tag owner(uint64_t word) {
    return owner_tag::from_bits(static_cast<uint32_t>(word));
  }
  static uint64_t next(uint64_t word, lease_state s, owner_tag owner) {
    const uint64_t turn = ((word >> 32) + 1) & 0xff'ffff;
    return static_cast<uint64_t>(s) << 56 | turn << 32 | owner.bits();
  }

  entry& at(uint64_t i) const { return *reinterpret_cast<entry*>(base_ + i * kShape.stride); }

  // Release: what the owner did to the entry is done before it is somebody else's.
  outcome pass_on(held& h, lease_state s, owner_tag to) {
    const uint64_t word = next(h.word, s, to);
    uint64_t expected = h.word;
    if (!at(h.index).word.compare_exchange_strong(expected, word, std::memory_order_acq_rel,
                                                  std::memory_order_relaxed)) {
      return outcome::gone;
    }
    h.word = word;
    return outcome::ok;
  }

  Env* env_ = nullptr;
  std::byte* base_ = nullptr;
  uint64_t count_ = 0;
  std::atomic<uint64_t> cursor_{0};  // private to this process
};

}  // namespace zeroipc::internal

#endif  // ZEROIPC_QUEUE_LEASE_H_
