// What both sides of a rendezvous channel need: taking an offer, whether any can come, sitting down, being served. See core.h.
#ifndef ZEROIPC_CHANNEL_CORE_BASE_H_
#define ZEROIPC_CHANNEL_CORE_BASE_H_

#include <climits>
#include <cstddef>
#include <cstdint>

#include "zeroipc/base/outcome.h"
#include "zeroipc/base/word_copy.h"
#include "zeroipc/channel/layout.h"
#include "zeroipc/channel/table.h"
#include "zeroipc/participant/owner_tag.h"
#include "zeroipc/queue/lease.h"

namespace zeroipc::internal {

template <typename P, typename Env, typename T>
class rendezvous_base : public rendezvous_table<P, Env, T> {
  using table = rendezvous_table<P, Env, T>;

 public:
  using table::closed;
  using held_lease = typename lease_table<P, Env, T>::held;

 protected:
  using table::after_offer_changed;
  using table::at;
  using table::count;
  using table::each_offer;
  using table::env_;
  using table::header_;
  using table::offers_;
  using table::payload;
  using table::raise;
  using table::seat;
  using table::seats_;

  // Where a value is to go: into private memory, or, if that is null, under a lease.
  struct landing {
    T* copy = nullptr;
    held_lease held = {};
  };

  // --- receiving ---

  // Whether take() would not answer `empty`.
  bool worth_a_look() {
    const bool shut = closed();
    return each_offer([&](uint64_t, uint64_t w) {
             const offer_state s = offer_word::state(w);
             return s == offer_state::orphan || (s == offer_state::offered && !shut);
           }) ||
           (shut && drained());
  }
  // The oldest offer, or an orphan, if there is one.
  outcome take(landing& to) {
    for (int i = 0; i < kTries; ++i) {
      uint64_t best = offers_, best_word = 0, best_ticket = 0;
      const bool orphaned = each_offer([&](uint64_t at_i, uint64_t w) {
        const offer_state s = offer_word::state(w);
        if (s != offer_state::orphan && s != offer_state::offered) return false;
        // Relaxed: released with the word.
        const uint64_t ticket = at(at_i).ticket.load(std::memory_order_relaxed);
        if (best == offers_ || s == offer_state::orphan || ticket < best_ticket) {
          best = at_i, best_word = w, best_ticket = ticket;
        }
        return s == offer_state::orphan;
      });
      // After the offer, which the fence makes sure of: see drained().
      env_->light_fence();
      const bool shut = closed();
      if (best == offers_ || (shut && !orphaned)) {
        return shut && drained() ? outcome::closed : outcome::empty;
      }
      if (grab(best, best_word, to)) return outcome::ok;
    }
    return outcome::empty;
  }
  // Makes the offer the caller's, if it is as it was.
  bool grab(uint64_t i, uint64_t seen, landing& to) {
    channel_offer<P>& o = at(i);
    const bool waited_for = offer_word::state(seen) == offer_state::offered;
    if (to.copy != nullptr) read_object<P>(to.copy, payload(i), sizeof(T));
    const uint64_t now = to.copy != nullptr
                             ? offer_word::next(seen, offer_state::free, {})
                             : offer_word::next(seen, offer_state::leased, env_->self());
    // Release: pairs with the acquire in claim(), the value has been read; and in look_after().
    // Acquire: a lease's holder reads the value after this.
    if (!o.word.compare_exchange_strong(seen, now, std::memory_order_acq_rel,
                                        std::memory_order_relaxed)) {
      return false;
    }
    count(header_->received);
    // All: the next one may sleep there already.
    if (waited_for) o.settled.notify(*env_, INT_MAX);
    if (to.copy == nullptr) {
      // Relaxed: the owner's.
      const uint32_t before = o.deliveries.load(std::memory_order_relaxed);
      o.deliveries.store(before + 1, std::memory_order_relaxed);
      to.held = {i, now};
    }
    after_offer_changed();
    return true;
  }
  // Whether nothing can come any more: of what stands, which is refused, or back from a receiver to whom it was handed, or who has
  // it under a lease. What this process itself has under lease it does not wait for. If it answers no, who changes that calls.
  //
  // After `closed` was seen, the heavy fence. So whoever publishes an offer after this look sees `closed` before he hands it over
  // (give()), and who sees that offer sees it before he takes it (take()). And who frees an offer after this look sees it in
  // after_offer_changed().
  [[gnu::noinline]] bool drained() {
    env_->heavy_fence();
    const owner_tag self = env_->tag();
    return !each_offer([&](uint64_t i, uint64_t w) {
      // Another one may be faster. It is offered anew only by one who calls then.
      if (offer_word::state(w) == offer_state::offered) w = refuse(i, w);
      switch (offer_word::state(w)) {
        case offer_state::handing:
        case offer_state::offered:
        case offer_state::orphan:
          return true;
        case offer_state::leased:
          return offer_word::owner(w) != self;
        default:
          return false;
      }
    });
  }
  // offered -> refused. Answers what it is then.
  uint64_t refuse(uint64_t i, uint64_t seen) {
    const uint64_t now = offer_word::next(seen, offer_state::refused, offer_word::owner(seen));
    // Release: pairs with the acquire in look_after(). Acquire, if it fails: as in each_offer().
    if (!at(i).word.compare_exchange_strong(seen, now, std::memory_order_acq_rel,
                                            std::memory_order_acquire)) {
      return seen;
    }
    at(i).settled.notify(*env_, INT_MAX);
    return now;
  }

  // --- seats ---

  // free -> away.
  bool sit(uint64_t& k, uint64_t& mine) {
    for (k = 0; k < seats_; ++k) {
      uint64_t seen = seat(k).word.load(std::memory_order_relaxed);  // relaxed: the CAS looks again
      if (seat_word::state(seen) != seat_state::free) continue;
      raise(header_->seats_used, k);
      mine = seat_word::next(seen, seat_state::away, env_->self());
      // Acquire: pairs with leave(), and passes that on.
      if (seat(k).word.compare_exchange_strong(seen, mine, std::memory_order_acquire,
                                               std::memory_order_relaxed)) {
        return true;
      }
    }
    return false;
  }
  // away -> waiting, unless it is closed, when nobody may be given anything any more.
  void invite(uint64_t k, uint64_t& mine) {
    if (closed()) [[unlikely]]
      return;
    mine = seat_word::next(mine, seat_state::waiting, env_->self());
    // Release, as in leave(): to who sees this word the offer has been left that the seat named last.
    seat(k).word.store(mine, std::memory_order_release);
    header_->sendable.notify(*env_, INT_MAX);
  }
  // Unless something was given to it in the meantime.
  bool change_seat(uint64_t k, uint64_t& mine, seat_state to) {
    uint64_t seen = mine;
    const uint64_t now = seat_word::next(mine, to, env_->self());
    // Acquire, if it fails: pairs with the CAS in give().
    if (!seat(k).word.compare_exchange_strong(seen, now, std::memory_order_acq_rel,
                                              std::memory_order_acquire)) {
      return false;
    }
    mine = now;
    return true;
  }
  // The offer that was handed to the seat, which was `mine`.
  outcome serve(uint64_t k, uint64_t mine, landing& to) {
    const uint64_t w = seat(k).word.load(std::memory_order_acquire);  // pairs with give()
    const uint64_t i = seat_word::offer(w);
    if (w != seat_word::next(mine, seat_state::given, env_->self(), i) || i >= offers_) {
      return outcome::corrupt;
    }
    // Acquire: pairs with the store in give(). Relaxed: released with it.
    const uint64_t seen = at(i).word.load(std::memory_order_acquire);
    const uint64_t toward = at(i).toward.load(std::memory_order_relaxed);
    return offer_word::state(seen) == offer_state::handing && toward == seat_word::place(k, mine) &&
                   grab(i, seen, to)
               ? outcome::ok
               : outcome::corrupt;
  }
  // Whatever it is -> free.
  void leave(uint64_t k) {
    // Relaxed: nobody else changes it now.
    const uint64_t mine = seat(k).word.load(std::memory_order_relaxed);
    // Release: pairs with the acquire in is_given(), the offer has been left before.
    seat(k).word.store(seat_word::next(mine, seat_state::free, {}), std::memory_order_release);
    header_->receivable.notify(*env_, INT_MAX);
  }

 private:
  // Each one lost was won by another receiver.
  static constexpr int kTries = 1000;
};

}  // namespace zeroipc::internal

#endif  // ZEROIPC_CHANNEL_CORE_BASE_H_
