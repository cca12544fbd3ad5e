// How a queue of the seq_ring is brought back into order after a death.
//
// One pass looks at every slot and judges each position that is claimed and not passed on by who names it (claims.h):
//
//   slot     claimed by   nobody alive                                          a live one's    perhaps a live one's
//   empty    `tail`       -> tomb                                               leave           transient
//   full     `head`       -> released, if a lease entry holds the item          leave           transient
//                         -> orphan, otherwise
//   tomb     `head`       -> empty for the next lap                             leave           transient
//   orphan   -            counted, so that consumers are told                   -               -
//
// Each repair is one CAS from the word that was read before the survey, so a pass may be killed anywhere and run again, and
// a claimant that was only slow wins.
//
// Only the holder of the recovery lock turns full into orphan, or tomb into empty, on behalf of others. The word of a slot
// never takes the same value twice (the turn), but the turn stops at its last value: from there on an item is put back
// under the lock only, so that the pass cannot mistake a new claim for the one it judged.
#ifndef ZEROIPC_QUEUE_RECOVERY_H_
#define ZEROIPC_QUEUE_RECOVERY_H_

#include "zeroipc/queue/seq_ring.h"

namespace zeroipc::internal {

template <typename P, typename Env, typename T, typename Policy>
typename seq_ring<P, Env, T, Policy>::repair_result seq_ring<P, Env, T, Policy>::repair(
    holder_survey<P, Env>& survey, const lease_table<P, Env, T>& leases) {
  repair_result result;
  for (uint64_t i = 0; i < shape_.capacity(); ++i) {
    // Acquire: whoever brought the slot here had seen its counter beyond it, so the loads below do too.
    uint64_t w = word(i).load(std::memory_order_acquire);
    const slot_phase phase = seq::phase(w);
    const uint64_t p = shape_.at(seq::lap(w), i);
    if (phase == slot_phase::orphan) {
      ++result.orphans;
      continue;
    }
    const bool pushing = phase == slot_phase::empty;
    if (pushing ? !kManyPush : !kManyPop) continue;  // a role's holder claims nothing
    // Acquire: pairs with the CAS that claimed, and so with the announcement before it.
    const uint64_t counter = pushing ? header_->tail.load(std::memory_order_acquire) & ~kClosedBit
                                     : header_->head.load(std::memory_order_acquire);
    if (counter <= p) continue;
    switch (survey.find(pushing ? claim_kind::push : claim_kind::pop, p)) {
      case claim_holder::held:
        continue;
      case claim_holder::transient:
        ++result.transient;
        continue;
      case claim_holder::nobody:
        break;
    }
    uint64_t repaired;
    if (pushing) {
      repaired = seq::make(seq::lap(w), slot_phase::tomb);
    } else if (phase == slot_phase::tomb || leases.holds(p)) {
      repaired = seq::released(w);
    } else {
      repaired = seq::put_back(w);
    }
    // Release: passes on what the dead owner wrote before, which was acquired with its announcement or with its death.
    if (word(i).compare_exchange_strong(w, repaired, std::memory_order_acq_rel,
                                        std::memory_order_relaxed)) {
      ++result.changed;
      if (pushing) ++result.tombs;
      if (seq::phase(repaired) == slot_phase::orphan) {
        ++result.orphaned;
        ++result.orphans;
      }
    }
  }
  return result;
}

}  // namespace zeroipc::internal

#endif  // ZEROIPC_QUEUE_RECOVERY_H_
