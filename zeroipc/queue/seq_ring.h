// The ring of the mpmc, mpsc and spmc policies: a bounded queue after D. Vyukov (1024cores.net, "Bounded MPMC queue"),
// made recoverable by a claim announced ahead of each CAS.
//
// These are single attempts: nothing here waits, wakes, recovers or leases (core.h does).
//
// How an operation goes, where there may be many on its side
//   push: read `tail`, find the slot empty for that lap; announce; CAS `tail` on; copy in; slot = full; clear the claim
//   pop:  read `head`, find the slot full for that lap;  announce; CAS `head` on; copy out; slot = empty for the next lap;
//         clear the claim
// and where there is one: no announcement and no CAS, since nobody else claims:
//   push: find the slot at `tail` empty; copy in; slot = full; `tail` on
//   pop:  find the slot at `head` full; copy out; slot = empty for the next lap; `head` on
//
// Invariants
//  1. `tail`, `head` and every slot's word only grow.
//  2. A slot whose word has lap L was brought to L by somebody who had seen the counter of that side beyond its position
//     (many) or who holds the role (one). So a slot found ahead of a counter that, read again, has not moved is corrupt.
//  3. Many: a position below the counter whose slot has not been passed on is named by a claim word of its owner, from
//     before the CAS on the counter until after the slot is passed on. One: no position below the counter is unpassed.
//
// In-flight states and what becomes of them when their owner dies (recovery.h, and repair_*() below)
//   state                              owner        linearised?   repair
//   announced, not claimed             thread       no            none: the claim names a position it does not have
//   push claimed, slot empty           claim word   no            slot = tomb
//   push published, claim not cleared  claim word   yes           none
//   pop claimed, slot full             claim word   no            slot = orphan, or released if a lease entry has the item
//   tomb claimed                       claim word   -             slot = empty for the next lap
//   pop released, claim not cleared    claim word   yes           none
//   one producer: full, `tail` behind  role         yes           `tail` on
//   one consumer: released, `head` behind  role     yes           `head` on
// Linearisation points. Many: push at the CAS on `tail` if the slot gets published, else never; pop at the CAS on `head`
// if the slot gets released. A claim whose owner dies before that was never made. One: the store to the slot's word.
#ifndef ZEROIPC_QUEUE_SEQ_RING_H_
#define ZEROIPC_QUEUE_SEQ_RING_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "zeroipc/base/outcome.h"
#include "zeroipc/queue/claims.h"
#include "zeroipc/queue/layout.h"
#include "zeroipc/queue/lease.h"
#include "zeroipc/queue/position.h"

namespace zeroipc::internal {

template <typename P, typename Env, typename T, typename Policy>
class seq_ring {
 public:
  using ticket = ring_ticket<P>;
  static constexpr cell_shape kShape = slot_shape(sizeof(T), alignof(T), false);
  static constexpr bool kManyPush = Policy::multi_producer;
  static constexpr bool kManyPop = Policy::multi_consumer;

  void bind(Env& env, queue_header<P>& header, std::byte* slots, uint64_t capacity, uint32_t id) {
    env_ = &env;
    header_ = &header;
    slots_ = slots;
    shape_ = ring_shape(capacity);
    id_ = id;
  }
  const ring_shape& shape() const { return shape_; }

  // --- producers; ok, full, closed, exhausted or corrupt ---

  outcome push(const T& value) {
    ticket t;
    uint64_t n;
    const outcome r = claim_push(1, t, n);
    if (!r) return r;
    P::copy_in(t.payload, &value, sizeof(T));
    publish(t);
    return outcome::ok;
  }

  // Pushes up to `want` in a row that fit now; `n` says how many. REQUIRES: want >= 1
  outcome push_some(const T* values, uint64_t want, uint64_t& n) {
    ticket t;
    const outcome r = claim_push_apart(std::min<uint64_t>(want, kLargestRun), t, n);
    if (!r) return r;
    uint64_t p = t.position;
    for (uint64_t i = 0; i < n; ++i, p = shape_.next(p)) {
      P::copy_in(payload(shape_.index(p)), values + i, sizeof(T));
      // Release: pairs with the acquire in claim_pop(). Each as soon as it is there, for the consumer that waits for it.
      word(shape_.index(p))
          .store(seq::make(shape_.lap(p), slot_phase::full), std::memory_order_release);
    }
    if constexpr (kManyPush) {
      t.claim->clear();
    } else {
      header_->tail.store(p, std::memory_order_release);  // pairs with depth() and take-over
    }
    return outcome::ok;
  }

  // Claims one position to be filled in place and finished later, by publish() or abandon().
  outcome reserve(ticket& t) {
    uint64_t n;
    if constexpr (!kManyPush) {
      return claim_push_apart(1, t, n);
    } else {
      thread_record<P>* record = env_->record();
      claim_word<P>* kept = record == nullptr ? nullptr : spare_claim(*record);
      if (kept == nullptr) return outcome::exhausted;
      const outcome r = claim_push_apart(1, t, n);
      if (r) keep_claim<P>(*t.claim, *kept, claim_kind::push, id_, t);
      return r;
    }
  }

  void publish(ticket& t) {
    // Release: pairs with the acquire in claim_pop().
    word(shape_.index(t.position))
        .store(seq::make(shape_.lap(t.position), slot_phase::full), std::memory_order_release);
    if constexpr (kManyPush) {
      t.claim->clear();
    } else {
      header_->tail.store(shape_.next(t.position), std::memory_order_release);
    }
  }

  // Whether a tomb was left, for consumers to step over.
  bool abandon(ticket& t) {
    if constexpr (kManyPush) {
      word(shape_.index(t.position))
          .store(seq::make(shape_.lap(t.position), slot_phase::tomb), std::memory_order_release);
      t.claim->clear();
    }
    return kManyPush;  // with one producer `tail` has not moved: the position is simply used next
  }

  // --- consumers; ok, empty, exhausted or corrupt. `passed` grows with each tomb stepped over ---

  outcome pop(T& value, uint64_t& passed) {
    ticket t;
    uint64_t n;
    const outcome r = claim_pop(1, t, n, passed);
    if (!r) return r;
    P::copy_out(&value, t.payload, sizeof(T));
    release(t);
    return outcome::ok;
  }

  // Pops up to `want` in a row that are there now. REQUIRES: want >= 1
  outcome pop_some(T* values, uint64_t want, uint64_t& n, uint64_t& passed) {
    ticket t;
    const outcome r = claim_pop_apart(std::min<uint64_t>(want, kLargestRun), t, n, passed);
    if (!r) return r;
    uint64_t p = t.position;
    for (uint64_t i = 0; i < n; ++i, p = shape_.next(p)) {
      P::copy_out(values + i, payload(shape_.index(p)), sizeof(T));
      word(shape_.index(p))
          .store(seq::make(shape_.lap(p) + 1, slot_phase::empty), std::memory_order_release);
    }
    if constexpr (kManyPop) {
      t.claim->clear();
    } else {
      header_->head.store(p, std::memory_order_release);
    }
    return outcome::ok;
  }

  // Claims the next item, or with many consumers one that was put back; finished by release() or put_back(). A claim
  // that is to be `kept` beyond this operation needs a claim word of its own.
  outcome claim_one(ticket& t, uint64_t& passed, bool kept) {
    uint64_t n;
    return claim_as(t, kept, [&] { return claim_pop_apart(1, t, n, passed); });
  }
  outcome claim_orphan(ticket& t, bool kept) {
    if constexpr (kManyPop) {
      return claim_as(t, kept, [&] { return take_orphan(t); });
    } else {
      return outcome::empty;
    }
  }

  // Steps over tombs at the head on behalf of the consumers, so that what dead producers left there does not count against
  // the room of live ones; how many. With one consumer that is the consumer's to do.
  uint64_t pass_tombs();

  void release(ticket& t) {
    // Release: the payload has been read before a pusher of the next lap may overwrite it. Pairs with claim_push().
    word(shape_.index(t.position)).store(seq::released(t.word), std::memory_order_release);
    if constexpr (kManyPop) {
      t.claim->clear();
    } else {
      header_->head.store(shape_.next(t.position), std::memory_order_release);
    }
  }

  // Lets a kept item go again. Many consumers: it becomes an orphan; false if that must be done under the recovery lock
  // (put_back_locked), because its turns are used up or this thread has no record.
  //
  // The kept claim goes first, since it must not name an item that another may take and die with. In between the item is
  // named by claims[0] of this thread, or, should a scan miss the move, by nobody: then recovery puts it back itself,
  // the CAS fails, and that is just as well.
  bool put_back(ticket& t) {
    if constexpr (kManyPop) {
      thread_record<P>* record = env_->record();
      if (record == nullptr || seq::turn(t.word) == seq::kLastTurn) return false;
      record->claims[0].announce(claim_kind::pop, id_, t.position, 1);
      t.claim->clear();
      uint64_t seen = t.word;
      word(shape_.index(t.position))
          .compare_exchange_strong(seen, seq::put_back(t.word), std::memory_order_acq_rel,
                                   std::memory_order_relaxed);
      record->claims[0].clear();
    }
    return true;  // with one consumer `head` has not moved: the item is simply next
  }
  // REQUIRES: the caller holds the recovery lock.
  void put_back_locked(ticket& t) {
    word(shape_.index(t.position)).store(seq::put_back(t.word), std::memory_order_release);
    t.claim->clear();
  }

  // --- looking, without claiming ---

  bool looks_poppable() const {
    const uint64_t h =
        header_->head.load(std::memory_order_relaxed);  // relaxed: a look, not a claim
    if (!shape_.valid(h)) return true;                  // let pop() say corrupt
    const uint64_t w = word(shape_.index(h)).load(std::memory_order_acquire);
    return seq::ahead(w, shape_.lap(h)) == 0 && seq::phase(w) != slot_phase::empty;
  }
  bool looks_pushable() const {
    const uint64_t t = header_->tail.load(std::memory_order_relaxed) & ~kClosedBit;
    if (!shape_.valid(t)) return true;
    const uint64_t w = word(shape_.index(t)).load(std::memory_order_acquire);
    return seq::ahead(w, shape_.lap(t)) == 0 && seq::phase(w) == slot_phase::empty;
  }
  // The consumer's fast path touches shared counters anyway; see spsc_ring.
  static constexpr bool stocked() { return false; }

  // Items between the counters; claimed and tombed ones included, orphans not.
  uint64_t depth() const {
    const uint64_t h = header_->head.load(std::memory_order_acquire);
    const uint64_t t = header_->tail.load(std::memory_order_acquire) & ~kClosedBit;
    const auto between = static_cast<int64_t>(shape_.distance(h, t));
    // One producer's `tail` may lag behind.
    return between < 0 ? 0 : std::min<uint64_t>(static_cast<uint64_t>(between), shape_.capacity());
  }
  uint64_t orphans() const {
    uint64_t n = 0;
    if constexpr (kManyPop) {
      for (uint64_t i = 0; i < shape_.capacity(); ++i) {
        // Relaxed: a count for display, and a guess whether looking is worth while.
        n += seq::phase(word(i).load(std::memory_order_relaxed)) == slot_phase::orphan;
      }
    }
    return n;
  }

  // Whether the ring is done with a position that was popped from it.
  bool released(uint64_t position) const {
    if (!shape_.valid(position)) return true;
    const uint64_t w = word(shape_.index(position)).load(std::memory_order_acquire);
    return seq::ahead(w, shape_.lap(position)) > 0;
  }

  // Whether, in a queue that no push can enter any more, no item is left that this process may yet get: what its own
  // threads hold does not count, what others hold does, for they may die or put it back.
  bool drained() const {
    const uint64_t t = header_->tail.load(std::memory_order_acquire);
    const uint64_t h = header_->head.load(std::memory_order_acquire);
    if constexpr (kManyPush) {
      if ((t & kClosedBit) == 0 || (t & ~kClosedBit) != h) return false;
    } else {
      if (!shape_.valid(h) || looks_poppable()) return false;
    }
    if constexpr (kManyPop) {
      holder_survey<P, Env> survey(*env_, shape_, id_);
      for (uint64_t i = 0; i < shape_.capacity(); ++i) {
        const uint64_t w = word(i).load(std::memory_order_acquire);
        if (seq::phase(w) == slot_phase::empty) continue;
        if (!survey.named_by(env_->tag(), claim_kind::pop, shape_.at(seq::lap(w), i))) return false;
      }
    }
    return true;
  }

  // --- taking over a role; the caller holds it ---

  // Killed between slot = full and `tail` on: the push is done, the counter is not.
  void repair_producer() {
    if constexpr (!kManyPush) {
      uint64_t t = header_->tail.load(std::memory_order_relaxed);
      for (uint64_t n = 0; n < shape_.capacity() && shape_.valid(t); ++n, t = shape_.next(t)) {
        const uint64_t w = word(shape_.index(t)).load(std::memory_order_acquire);
        const int64_t ahead = seq::ahead(w, shape_.lap(t));
        if (ahead < 0 || (ahead == 0 && seq::phase(w) == slot_phase::empty)) break;
      }
      header_->tail.store(t, std::memory_order_release);
    }
  }

  // Killed between slot = released and `head` on: the pop is done. Killed between filling a lease entry and releasing the
  // slot: the lease is, and the slot is released here.
  void repair_consumer(const lease_table<P, Env, T>& leases) {
    if constexpr (!kManyPop) {
      uint64_t h = header_->head.load(std::memory_order_relaxed);
      for (uint64_t n = 0; n < shape_.capacity() && shape_.valid(h); ++n, h = shape_.next(h)) {
        const uint64_t w = word(shape_.index(h)).load(std::memory_order_acquire);
        const int64_t ahead = seq::ahead(w, shape_.lap(h));
        if (ahead > 0) continue;
        if (ahead < 0 || seq::phase(w) != slot_phase::full || !leases.holds(h)) break;
        word(shape_.index(h)).store(seq::released(w), std::memory_order_release);
      }
      header_->head.store(h, std::memory_order_release);
    }
  }

  struct repair_result {
    uint32_t changed = 0;    // slots repaired: somebody may be waiting for them
    uint32_t orphaned = 0;   // of these: made orphans
    uint32_t orphans = 0;    // all slots that hold an item for whoever takes it
    uint32_t transient = 0;  // claims that cannot be judged yet
    uint32_t tombs = 0;
  };
  // Defined in recovery.h. REQUIRES: the caller holds the recovery lock.
  repair_result repair(holder_survey<P, Env>& survey, const lease_table<P, Env, T>& leases);

 private:
  using word_type = typename P::template atomic<uint64_t>;
  // A claim word counts in 24 bits.
  static constexpr uint64_t kLargestRun = (1 << 24) - 1;
  // A failed attempt means that somebody else's succeeded, so nobody gets here unless a scribbler keeps the words moving.
  static constexpr uint32_t kRetries = 1 << 24;

  word_type& word(uint64_t i) const {
    return *reinterpret_cast<word_type*>(slots_ + i * kShape.stride);
  }
  std::byte* payload(uint64_t i) const { return slots_ + i * kShape.stride + kShape.payload; }

  // How many slots from `p` on are in `phase` for their lap, up to `want`.
  uint64_t run(uint64_t p, slot_phase phase, uint64_t want) const {
    uint64_t n = 0;
    while (n < want && word(shape_.index(p)).load(std::memory_order_acquire) ==
                           seq::make(shape_.lap(p), phase)) {
      ++n;
      p = shape_.next(p);
    }
    return n;
  }

  // Inlined into push() and pop(), where every nanosecond counts; elsewhere called, for the sake of code size.
  outcome claim_push(uint64_t want, ticket& t, uint64_t& n);
  outcome claim_pop(uint64_t want, ticket& t, uint64_t& n, uint64_t& passed);
  [[gnu::noinline]] outcome claim_push_apart(uint64_t want, ticket& t, uint64_t& n) {
    return claim_push(want, t, n);
  }
  [[gnu::noinline]] outcome claim_pop_apart(uint64_t want, ticket& t, uint64_t& n,
                                            uint64_t& passed) {
    return claim_pop(want, t, n, passed);
  }
  outcome take_orphan(ticket& t);

  template <typename Claim>
  outcome claim_as(ticket& t, bool kept, Claim&& claim) {
    if constexpr (!kManyPop) {
      return claim();
    } else {
      claim_word<P>* keep = nullptr;
      if (kept) {
        thread_record<P>* record = env_->record();
        keep = record == nullptr ? nullptr : spare_claim(*record);
        if (keep == nullptr) return outcome::exhausted;
      }
      const outcome r = claim();
      if (r && kept) keep_claim<P>(*t.claim, *keep, claim_kind::pop, id_, t);
      return r;
    }
  }

  Env* env_ = nullptr;
  queue_header<P>* header_ = nullptr;
  std::byte* slots_ = nullptr;
  ring_shape shape_;
  uint32_t id_ = 0;
};

}  // namespace zeroipc::internal

#include "zeroipc/queue/seq_ring_claims.h"  // IWYU pragma: export

#endif  // ZEROIPC_QUEUE_SEQ_RING_H_
