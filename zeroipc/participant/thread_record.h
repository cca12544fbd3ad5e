// What a thread is about to claim, written ahead of the claim.
//
// A queue position is claimed by a CAS on a shared counter, which says *that* it is claimed but not by whom. So the
// thread first stores (structure, operation, position) in a claim word of its own record, then runs the CAS. A position
// that is claimed and not yet published, and that no live participant's record names, was claimed by a dead one.
//
//   thread_record (192 bytes)
//   +----------------------------------------+ 0
//   | claims[0]   the operation in progress  |  written by this thread only
//   | claims[1..7] held by reservations      |  set by this thread, cleared by whoever finishes it
//   +----------------------------------------+ 128
//   | owner, ready, thread id                |  owner: CAS from 0 or from a dead participant's tag; ready: see below
//   +----------------------------------------+ 192
//
// Reading another thread's claim word is not atomic (two words) and need not be: while a claim is in progress both
// words stand still, and a torn reading of words in motion can only name a position whose slot has changed since, which
// the CAS that acts upon it notices.
#ifndef ZEROIPC_PARTICIPANT_THREAD_RECORD_H_
#define ZEROIPC_PARTICIPANT_THREAD_RECORD_H_

#include <cstddef>
#include <cstdint>

#include "zeroipc/base/atomics.h"

namespace zeroipc::internal {

enum class claim_kind : uint8_t { none = 0, push = 1, pop = 2 };

template <typename P>
struct claim_word {
  typename P::template atomic<uint64_t> position;
  typename P::template atomic<uint64_t> what;  // kind:8 | count:24 | structure:32; 0 = no claim

  static constexpr uint64_t pack(claim_kind kind, uint32_t count, uint32_t structure) {
    return uint64_t{static_cast<uint8_t>(kind)} << 56 | uint64_t{count & 0xff'ffffu} << 32 |
           structure;
  }
  static constexpr claim_kind kind_of(uint64_t what) { return static_cast<claim_kind>(what >> 56); }
  static constexpr uint32_t count_of(uint64_t what) { return (what >> 32) & 0xff'ffffu; }
  static constexpr uint32_t structure_of(uint64_t what) { return static_cast<uint32_t>(what); }

  // The acq_rel CAS on the structure's counter that follows publishes both words with the claim. Release, because a scan
  // that reads this announcement must also see what the thread published before it: otherwise it could find the earlier
  // claim gone and its slot still unpublished, and take a live claimant for dead. (Free on x86.)
  void announce(claim_kind kind, uint32_t structure, uint64_t first, uint32_t count) {
    position.store(first, std::memory_order_release);
    what.store(pack(kind, count, structure), std::memory_order_release);
  }
  // Release: whoever sees the claim gone also sees the slot published. Scans load both words with acquire.
  void clear() { what.store(0, std::memory_order_release); }
};

template <typename P>
struct thread_record {
  static constexpr size_t kClaims = 8;  // claims[0] for the operation in progress, the rest held

  alignas(kCacheLine) claim_word<P> claims[kClaims];
  alignas(kCacheLine) typename P::template atomic<uint32_t> owner;  // owner_tag bits; 0 = free
  // Equals owner once the owner has cleared what the last one left in claims.
  typename P::template atomic<uint32_t> ready;
  typename P::template atomic<uint32_t> thread_id;  // for display
};

static_assert(sizeof(claim_word<hardware>) == 16);
static_assert(sizeof(thread_record<hardware>) == 192);
static_assert(offsetof(thread_record<hardware>, owner) == 128);

}  // namespace zeroipc::internal

#endif  // ZEROIPC_PARTICIPANT_THREAD_RECORD_H_
