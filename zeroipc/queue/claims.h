// Claim words as a queue uses them: announcing a claim, keeping one, and finding out whose a claimed position is.
//
// Two kinds of claim words, which recovery must tell apart:
//  * claims[0], the operation in progress. Announced *before* the CAS that claims, so it may name a position that somebody
//    else won: while it stands it proves nothing, but it does not stand for long.
//  * claims[1..7], held by reservations and views. Set only after the claim succeeded (by moving it over from claims[0])
//    and cleared only after the slot was passed on, so what they name is theirs, however long they stand.
//
// The order in which a claim moves, claims[0] -> claims[k], is the order in which holder_survey reads a record, so that it
// meets the claim in at least one of the two.
#ifndef ZEROIPC_QUEUE_CLAIMS_H_
#define ZEROIPC_QUEUE_CLAIMS_H_

#include <cstdint>

#include "zeroipc/participant/owner_tag.h"
#include "zeroipc/participant/thread_record.h"
#include "zeroipc/queue/position.h"

namespace zeroipc::internal {

// A claimed position and what its claimant needs to finish with it.
template <typename P>
struct ring_ticket {
  uint64_t position = 0;
  uint64_t word = 0;  // the slot's sequence word while it is claimed
  std::byte* payload = nullptr;
  claim_word<P>* claim = nullptr;  // that names it; null where a role makes claims unnecessary
};

// A claim word in which this thread may keep a claim; null if it holds 7 already.
template <typename P>
claim_word<P>* spare_claim(thread_record<P>& record) {
  for (size_t k = 1; k < thread_record<P>::kClaims; ++k) {
    // Acquire: pairs with clear() by whichever thread finished with the word. Only this thread sets it.
    if (record.claims[k].what.load(std::memory_order_acquire) == 0) return &record.claims[k];
  }
  return nullptr;
}

// Moves a claim that succeeded out of claims[0].
template <typename P>
void keep_claim(claim_word<P>& in_progress, claim_word<P>& kept, claim_kind kind,
                uint32_t structure, ring_ticket<P>& ticket) {
  kept.announce(kind, structure, ticket.position, 1);
  in_progress.clear();
  ticket.claim = &kept;
}

enum class claim_holder : uint8_t {
  nobody,     // alive: the position belongs to a dead participant, or has been passed on meanwhile
  held,       // a live participant's, for sure
  transient,  // perhaps a live participant's: its operation is in progress
};

// Answers whose a claimed position is. One survey serves one recovery pass: a participant found alive stays so for the
// rest of it, which is as good as having asked before it died.
//
// REQUIRES: the caller has read the slot's word, then found the position claimed (acquire of the counter), and afterwards
// changes the slot only by a CAS from the word it read. Then: the claimant announced before its CAS on the counter, which
// the caller has seen, so its announcement, or a later one, is visible here. If it is a later one the claimant has passed
// the slot on, and the caller's CAS fails.
template <typename P, typename Env>
class holder_survey {
 public:
  holder_survey(const Env& env, const ring_shape& shape, uint32_t structure)
      : env_(env), shape_(shape), structure_(structure) {}

  claim_holder find(claim_kind kind, uint64_t position) {
    claim_holder found = claim_holder::nobody;
    each_naming(kind, position, [&](owner_tag owner, bool in_progress) {
      if (found == claim_holder::transient || dead(owner)) return;
      found = in_progress ? claim_holder::transient : claim_holder::held;
    });
    return found;
  }

  // Whether a thread of `self` names the position.
  bool named_by(owner_tag self, claim_kind kind, uint64_t position) {
    bool named = false;
    each_naming(kind, position, [&](owner_tag owner, bool) { named = named || owner == self; });
    return named;
  }

  bool dead(owner_tag owner) {
    if (owner == alive_) return false;
    if (owner == dead_) return true;
    const bool gone = env_.is_dead(owner);
    (gone ? dead_ : alive_) = owner;
    return gone;
  }

 private:
  template <typename F>
  void each_naming(claim_kind kind, uint64_t position, F&& f) {
    env_.for_each_record([&](const thread_record<P>& record, owner_tag owner) {
      for (size_t k = 0; k < thread_record<P>::kClaims; ++k) {
        const claim_word<P>& claim = record.claims[k];
        // Acquire, both: pair with announce() and clear(). `what` before `position`: if the words belong to two
        // announcements, the earlier one's slot was passed on or its claim moved to a word that is read after this.
        const uint64_t what = claim.what.load(std::memory_order_acquire);
        if (what == 0) continue;
        const uint64_t first = claim.position.load(std::memory_order_acquire);
        if (claim_word<P>::kind_of(what) != kind ||
            claim_word<P>::structure_of(what) != structure_) {
          continue;
        }
        if (position < first || !shape_.valid(first)) continue;
        if (shape_.distance(first, position) >= claim_word<P>::count_of(what)) continue;
        f(owner, k == 0);
      }
    });
  }

  const Env& env_;
  const ring_shape& shape_;
  uint32_t structure_;
  owner_tag alive_;
  owner_tag dead_;
};

}  // namespace zeroipc::internal

#endif  // ZEROIPC_QUEUE_CLAIMS_H_
