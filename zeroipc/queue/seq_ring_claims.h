// How seq_ring claims positions: the part of seq_ring.h in which the races are.
//
// The CAS on the counter is acq_rel. Release: it publishes the announcement to whoever finds the position claimed. Acquire:
// the winner sees what the last winner saw; with a relaxed CAS an item can be lost (found by exploration).
//
//   thread A (push)                      thread B (push)                      thread A is slow
//   reads tail = p, slot p empty
//   announces p
//                                        announces p; CAS tail p -> p+1
//                                        dies
//   CAS fails: tail is p+1               A still names p, which is B's: recovery that looks now must not conclude that p is
//   announces p+1, CAS succeeds          alive for good, nor that it is dead. It answers `transient`, asks to be called
//   slot p+1 = full, clears              (kUnresolved), and A, on its way out, does.
#ifndef ZEROIPC_QUEUE_SEQ_RING_CLAIMS_H_
#define ZEROIPC_QUEUE_SEQ_RING_CLAIMS_H_

#include "zeroipc/queue/seq_ring.h"

namespace zeroipc::internal {

template <typename P, typename Env, typename T, typename Policy>
[[gnu::always_inline]] inline outcome seq_ring<P, Env, T, Policy>::claim_push(uint64_t want,
                                                                              ticket& t,
                                                                              uint64_t& n) {
  if constexpr (!kManyPush) {
    const uint64_t p = header_->tail.load(std::memory_order_relaxed);  // relaxed: ours alone
    if (!shape_.valid(p)) return outcome::corrupt;
    // Acquire: pairs with the release of the slot in the lap before.
    const uint64_t w = word(shape_.index(p)).load(std::memory_order_acquire);
    if (w != seq::make(shape_.lap(p), slot_phase::empty)) {
      return seq::ahead(w, shape_.lap(p)) < 0 ? outcome::full : outcome::corrupt;
    }
    n = want == 1 ? 1 : run(p, slot_phase::empty, want);
    t = {p, seq::make(shape_.lap(p), slot_phase::empty), payload(shape_.index(p)), nullptr};
    return outcome::ok;
  } else {
    thread_record<P>* record = env_->record();
    if (record == nullptr) [[unlikely]]
      return outcome::exhausted;
    claim_word<P>& claim = record->claims[0];
    // Relaxed: the slot's word is acquired, and the CAS fails if this was not the newest.
    uint64_t p = header_->tail.load(std::memory_order_relaxed);
    for (uint32_t tries = 0; tries < kRetries; ++tries) {
      if ((p & kClosedBit) != 0) [[unlikely]] {
        claim.clear();
        return outcome::closed;
      }
      if (!shape_.valid(p)) [[unlikely]]
        break;
      n = run(p, slot_phase::empty, want);
      if (n != 0) [[likely]] {
        claim.announce(claim_kind::push, id_, p, static_cast<uint32_t>(n));
        if (header_->tail.compare_exchange_weak(p, shape_.advance(p, n), std::memory_order_acq_rel,
                                                std::memory_order_relaxed)) [[likely]] {
          t = {p, seq::make(shape_.lap(p), slot_phase::empty), payload(shape_.index(p)), &claim};
          return outcome::ok;
        }
        continue;  // p is what won
      }
      const uint64_t w = word(shape_.index(p)).load(std::memory_order_acquire);
      // Acquire: keeps this load after that of the word. If `tail` still is p, it was p when the word was read.
      const uint64_t again = header_->tail.load(std::memory_order_acquire);
      if (again == p) {
        const int64_t ahead = seq::ahead(w, shape_.lap(p));
        if (w == seq::make(shape_.lap(p), slot_phase::empty)) continue;  // released just now
        if (ahead >= 0) break;                                           // invariant 2
        claim.clear();
        return outcome::full;
      }
      p = again;
    }
    claim.clear();
    return outcome::corrupt;
  }
}

template <typename P, typename Env, typename T, typename Policy>
[[gnu::always_inline]] inline outcome seq_ring<P, Env, T, Policy>::claim_pop(uint64_t want,
                                                                             ticket& t, uint64_t& n,
                                                                             uint64_t& passed) {
  if constexpr (!kManyPop) {
    uint64_t h = header_->head.load(std::memory_order_relaxed);  // relaxed: ours alone
    for (uint32_t tries = 0; tries < kRetries; ++tries) {
      if (!shape_.valid(h)) return outcome::corrupt;
      n = run(h, slot_phase::full, want);
      if (n != 0) {
        t = {h, seq::make(shape_.lap(h), slot_phase::full), payload(shape_.index(h)), nullptr};
        return outcome::ok;
      }
      const uint64_t w = word(shape_.index(h)).load(std::memory_order_acquire);
      const int64_t ahead = seq::ahead(w, shape_.lap(h));
      if (ahead > 0) return outcome::corrupt;
      if (ahead < 0 || seq::phase(w) == slot_phase::empty) return outcome::empty;
      if (w == seq::make(shape_.lap(h), slot_phase::full)) continue;  // filled just now
      if (w != seq::make(shape_.lap(h), slot_phase::tomb)) return outcome::corrupt;
      word(shape_.index(h)).store(seq::released(w), std::memory_order_release);
      h = shape_.next(h);
      header_->head.store(h, std::memory_order_release);
      ++passed;
    }
    return outcome::corrupt;
  } else {
    thread_record<P>* record = env_->record();
    if (record == nullptr) [[unlikely]]
      return outcome::exhausted;
    claim_word<P>& claim = record->claims[0];
    uint64_t h = header_->head.load(std::memory_order_relaxed);  // relaxed: as in claim_push()
    for (uint32_t tries = 0; tries < kRetries; ++tries) {
      if (!shape_.valid(h)) [[unlikely]]
        break;
      n = run(h, slot_phase::full, want);
      if (n != 0) [[likely]] {
        claim.announce(claim_kind::pop, id_, h, static_cast<uint32_t>(n));
        if (header_->head.compare_exchange_weak(h, shape_.advance(h, n), std::memory_order_acq_rel,
                                                std::memory_order_relaxed)) [[likely]] {
          t = {h, seq::make(shape_.lap(h), slot_phase::full), payload(shape_.index(h)), &claim};
          return outcome::ok;
        }
        continue;  // h is what won
      }
      const uint64_t w = word(shape_.index(h)).load(std::memory_order_acquire);
      const int64_t ahead = seq::ahead(w, shape_.lap(h));
      if (ahead == 0 && seq::phase(w) == slot_phase::tomb) {
        claim.announce(claim_kind::pop, id_, h, 1);
        if (header_->head.compare_exchange_weak(h, shape_.next(h), std::memory_order_acq_rel,
                                                std::memory_order_relaxed)) {
          word(shape_.index(h)).store(seq::released(w), std::memory_order_release);
          h = shape_.next(h);
          ++passed;
        }
        continue;
      }
      // Acquire: as in claim_push().
      const uint64_t again = header_->head.load(std::memory_order_acquire);
      if (again == h) {
        if (w == seq::make(shape_.lap(h), slot_phase::full)) continue;  // filled just now
        const bool unfilled = ahead == 0 && seq::phase(w) == slot_phase::empty;
        if (ahead >= 0 && !unfilled) break;  // invariant 2
        claim.clear();
        return outcome::empty;
      }
      h = again;
    }
    claim.clear();
    return outcome::corrupt;
  }
}

template <typename P, typename Env, typename T, typename Policy>
uint64_t seq_ring<P, Env, T, Policy>::pass_tombs() {
  uint64_t passed = 0;
  if constexpr (kManyPop) {
    thread_record<P>* record = env_->record();
    if (record == nullptr) return 0;
    claim_word<P>& claim = record->claims[0];
    uint64_t h = header_->head.load(std::memory_order_relaxed);  // relaxed: as in claim_push()
    for (uint64_t n = 0; n < shape_.capacity() && shape_.valid(h); ++n) {
      const uint64_t w = word(shape_.index(h)).load(std::memory_order_acquire);
      if (w != seq::make(shape_.lap(h), slot_phase::tomb)) break;
      claim.announce(claim_kind::pop, id_, h, 1);
      if (!header_->head.compare_exchange_strong(h, shape_.next(h), std::memory_order_acq_rel,
                                                 std::memory_order_relaxed)) {
        continue;
      }
      word(shape_.index(h)).store(seq::released(w), std::memory_order_release);
      h = shape_.next(h);
      ++passed;
    }
    claim.clear();
  }
  return passed;
}

// An orphan is claimed by the CAS on its own word; `head` is past it already.
template <typename P, typename Env, typename T, typename Policy>
outcome seq_ring<P, Env, T, Policy>::take_orphan(ticket& t) {
  thread_record<P>* record = env_->record();
  if (record == nullptr) return outcome::exhausted;
  claim_word<P>& claim = record->claims[0];
  for (uint64_t i = 0; i < shape_.capacity(); ++i) {
    uint64_t w = word(i).load(std::memory_order_relaxed);  // relaxed: the CAS acquires
    if (seq::phase(w) != slot_phase::orphan) continue;
    const uint64_t p = shape_.at(seq::lap(w), i);
    claim.announce(claim_kind::pop, id_, p, 1);
    // Release: publishes the announcement with the claim. Acquire: pairs with whoever made it an orphan.
    if (word(i).compare_exchange_strong(w, seq::taken_again(w), std::memory_order_acq_rel,
                                        std::memory_order_relaxed)) {
      t = {p, seq::taken_again(w), payload(i), &claim};
      return outcome::ok;
    }
  }
  claim.clear();
  return outcome::empty;
}

}  // namespace zeroipc::internal

#endif  // ZEROIPC_QUEUE_SEQ_RING_CLAIMS_H_
