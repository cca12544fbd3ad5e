// The algorithm of a rendezvous channel: a value goes from one sender to one receiver, and nowhere in between.
//
// The bytes are in layout.h. There are two ways for the two to meet, and each is one CAS, the linearisation point of both
// operations:
//   * The sender came first. It stands with an offer; a receiver copies the value and takes it: CAS offered -> free. Had
//     the value changed meanwhile, so had the word, and the copy is thrown away. Nobody holds anything half-way, so a
//     receiver that is stopped in the middle delays nobody.
//   * The receiver came first. It waits in a seat; a sender names its offer there: CAS waiting -> given. From then on the
//     offer is the receiver's. This is how try_send() knows: it succeeds if somebody waits, and hands over to that one.
//
//   offer    owner      left by                                             its owner dies here
//   free     -          send(): -> writing                                  -
//   writing  sender     no one waits: -> offered, or (try, closed) free     free: it was never sent
//                       somebody waits: -> handing
//   offered  sender     receive(): -> free, lease(): -> leased              free, unless a receiver is faster: then it was sent
//                       late, or closed: -> free, by its sender
//                       closed: -> refused, by a receiver
//   refused  sender     -> free                                             free
//   handing  sender     the seat was faster left: -> writing's ways on      free, if the seat does not name it
//            receiver,  once its seat names it: receive(): -> free,         the receiver: orphan. It was handed over, and is
//                       lease(): -> leased                                  delivered to another one
//   leased   receiver   ack(): -> free. nack(): -> orphan                   orphan
//   orphan   -          receive(): -> free, lease(): -> leased              -
//
//   seat     owner      left by                                             its owner dies here
//   free     -          receive() that found nothing: -> away               -
//   away     receiver   -> waiting; served: -> free                         free
//   waiting  receiver   send(): -> given. Looks for itself: -> away         free
//                       late: -> free, by its receiver
//   given    receiver   the offer has been left: -> free                    free, after the offer
//
// Meeting. A sender looks for a seat first and offers after; a receiver looks for an offer first and waits after. So that they
// do not miss each other, who has published an offer calls all who wait (light fence), and who waits looks again before it
// sleeps (heavy fence, wait.h). To take what it then sees, a receiver leaves its seat (-> away), or it could be given something
// else at the same time. It comes back with a call to itself, so that it does not sleep before it has looked once more.
//
// The dead. Each operation that sees a death epoch for which that has not been done goes through all words in use. A repair is
// one CAS from the word that was judged, so any number may do it at once, and die doing it. Seats come before offers: what a
// seat names is an orphan before the seat can be left.
//
// Closing: the store to `closed`. Senders that stand with an offer take it back when they are woken, or find it refused by a
// receiver that did not wait for them to wake; either way they know that it was not taken. Receivers take no offer any more,
// only orphans. They are told `closed` when no value is with another receiver that might not acknowledge it, nor can get there:
// see drained().
#ifndef ZEROIPC_CHANNEL_CORE_H_
#define ZEROIPC_CHANNEL_CORE_H_

#include <climits>
#include <cstddef>
#include <cstdint>

#include "zeroipc/base/deadline.h"
#include "zeroipc/base/outcome.h"
#include "zeroipc/channel/core_base.h"

namespace zeroipc::internal {

template <typename P, typename Env, typename T>
class rendezvous_core : public rendezvous_base<P, Env, T> {
  using base = rendezvous_base<P, Env, T>;

 public:
  using base::closed;
  using typename base::held_lease;

  // --- senders ---

  // `full`: nobody waits, which was to be at once. `closed`, `timed_out`, `exhausted`: it was not sent.
  outcome send(const T& value, deadline until) {
    standing s;
    const bool at_once = until.is_at_once();
    outcome r = stand(value, s, !at_once);
    if (r == outcome::full && !at_once) {
      wait_until<P>(*this->env_, this->header_->sendable, until, [&] {
        r = stand(value, s, true);
        return r != outcome::full;
      });
      if (r == outcome::full) return outcome::timed_out;
    }
    if (r != outcome::empty) return r;
    this->count(this->header_->waits);
    const bool settled = wait_until<P>(*this->env_, this->at(s.index).settled, until, [&] {
      r = look_after(s);
      return r != outcome::empty;
    });
    return settled ? r : withdraw(s) ? outcome(outcome::timed_out) : sent();
  }

  // In pieces, for who waits for several things at a time (no offer outlives its sender's operation).
  // An offer that stands.
  struct standing {
    uint64_t index = 0;
    uint64_t word = 0;
  };
  // Hands the value to a receiver that waits: `ok`. If there is none: `empty`, and `s` stands, if it is to; else `full`, as
  // when there is no room for an offer.
  outcome stand(const T& value, standing& s, bool offered) {
    const owner_tag self = this->env_->self();
    if (!self) return outcome::exhausted;
    this->heal();
    if (closed()) return outcome::closed;
    if (!offered && !somebody_waits()) return outcome::full;
    if (!claim(s, self)) return outcome::full;
    channel_offer<P>& o = this->at(s.index);
    write_object<P>(this->payload(s.index), &value, sizeof(T));
    // Relaxed, all: released with the word. The counter gives numbers that differ, and no more is asked of it.
    const uint64_t ticket = this->header_->tickets.fetch_add(1, std::memory_order_relaxed);
    o.ticket.store(ticket, std::memory_order_relaxed);
    o.deliveries.store(0, std::memory_order_relaxed);
    if (give(s, self, ticket)) return sent();
    const bool shut = closed();
    if (!offered || shut) {
      free(s.index, s.word);
      return shut ? outcome::closed : outcome::full;
    }
    s.word = offer_word::next(s.word, offer_state::offered, self);
    o.word.store(s.word, std::memory_order_release);  // pairs with the acquire in take()
    this->call_receivers();
    return outcome::empty;
  }
  // `empty`: it stands; `ok`: it was taken; `closed`: it was not, and never will be.
  outcome look_after(const standing& s) {
    // Acquire: pairs with the CAS of whoever took it.
    const uint64_t w = this->at(s.index).word.load(std::memory_order_acquire);
    if (w == s.word && !closed()) return outcome::empty;
    return withdraw(s) ? outcome(outcome::closed) : sent();
  }
  // Whether it had not been taken; it will not be any more.
  bool withdraw(const standing& s) {
    if (!withdraw_quietly(s)) return false;
    this->after_offer_changed();
    return true;
  }
  // The same, and those who wait for a free offer are not told: who goes on to stand with another one, and tells them when all is over,
  // does not wake others who do the same, and they him.
  bool withdraw_quietly(const standing& s) {
    uint64_t seen = s.word;
    // Acquire, if it fails: as in look_after().
    if (this->at(s.index).word.compare_exchange_strong(
            seen, offer_word::next(seen, offer_state::free, {}), std::memory_order_release,
            std::memory_order_acquire)) {
      return true;
    }
    if (seen != offer_word::next(s.word, offer_state::refused, offer_word::owner(s.word))) {
      return false;
    }
    free(s.index, seen);
    return true;
  }
  void tell_senders() { this->after_offer_changed(); }

  // --- receivers ---

  // `empty`: nothing is there, which was to be at once. `closed`: and nothing can come any more.
  outcome receive(T& value, deadline until) {
    landing to = {.copy = &value};
    return get(to, until);
  }
  // The value stays where it is, and is the caller's until ack(), or until it dies. Its sender has sent it.
  outcome lease(held_lease& h, deadline until) {
    landing to;
    const outcome r = get(to, until);
    h = to.held;
    return r;
  }
  const T& value(const held_lease& h) const {
    return *reinterpret_cast<const T*>(this->payload(h.index));
  }
  // Relaxed: the caller owns the offer.
  uint32_t deliveries(const held_lease& h) const {
    return this->at(h.index).deliveries.load(std::memory_order_relaxed);
  }
  outcome ack(const held_lease& h) {
    if (!pass_on(h, offer_state::free)) return outcome::gone;
    this->after_offer_changed();
    return outcome::ok;
  }
  outcome nack(const held_lease& h) {
    if (!pass_on(h, offer_state::orphan)) return outcome::gone;
    this->count(this->header_->redelivered);
    this->call_receivers();
    return outcome::ok;
  }

 private:
  using typename base::landing;

  outcome sent() {
    this->count(this->header_->sent);
    return outcome::ok;
  }

  bool somebody_waits() const {
    for (uint64_t k = 0; k < this->seats_used(); ++k) {
      // Relaxed: give() looks again.
      const uint64_t w = this->seat(k).word.load(std::memory_order_relaxed);
      if (seat_word::state(w) == seat_state::waiting) return true;
    }
    return false;
  }
  // free -> writing.
  bool claim(standing& s, owner_tag self) {
    for (uint64_t i = 0; i < this->offers_; ++i) {
      channel_offer<P>& o = this->at(i);
      uint64_t seen = o.word.load(std::memory_order_relaxed);  // relaxed: the CAS looks again
      if (offer_word::state(seen) != offer_state::free) continue;
      this->raise(this->header_->offers_used, i);
      const uint64_t mine = offer_word::next(seen, offer_state::writing, self);
      // Acquire: pairs with the release that freed it, whose owner is done with the value.
      if (o.word.compare_exchange_strong(seen, mine, std::memory_order_acquire,
                                         std::memory_order_relaxed)) {
        s = {i, mine};
        return true;
      }
    }
    return false;
  }
  // By its sender. Release: pairs with the acquire in claim().
  void free(uint64_t i, uint64_t mine) {
    this->at(i).word.store(offer_word::next(mine, offer_state::free, {}),
                           std::memory_order_release);
    this->after_offer_changed();
  }
  // writing or handing -> handing, until a seat names it: then it is no longer ours. Beginning with another seat each time, so
  // that all have their turn. Not when it is closed.
  bool give(standing& s, owner_tag self, uint64_t ticket) {
    const uint64_t n = this->seats_used();
    for (uint64_t j = 0; j < n; ++j) {
      const uint64_t k = (ticket + j) % n;
      channel_seat<P>& there = this->seat(k);
      uint64_t seen = there.word.load(std::memory_order_relaxed);  // relaxed: the CAS looks again
      if (seat_word::state(seen) != seat_state::waiting) continue;
      channel_offer<P>& o = this->at(s.index);
      o.toward.store(seat_word::place(k, seen),
                     std::memory_order_relaxed);  // released with the word
      s.word = offer_word::next(s.word, offer_state::handing, self);
      o.word.store(s.word,
                   std::memory_order_release);  // pairs with the acquire in serve(), repair()
      this->env_->light_fence();                // pairs with the heavy one in drained()
      if (closed()) [[unlikely]]
        return false;
      const uint64_t given =
          seat_word::next(seen, seat_state::given, seat_word::owner(seen), s.index);
      // Release: pairs with the acquire in served(), and in repair().
      if (there.word.compare_exchange_strong(seen, given, std::memory_order_release,
                                             std::memory_order_relaxed)) {
        there.called.notify(*this->env_, INT_MAX);
        return true;
      }
    }
    return false;
  }

  outcome get(landing& to, deadline until) {
    if (!this->env_->self()) return outcome::exhausted;
    this->heal();
    const outcome r = this->take(to);
    if (r != outcome::empty || until.is_at_once()) return r;
    this->count(this->header_->waits);
    return wait_in_seat(to, until);
  }
  [[gnu::noinline]] outcome wait_in_seat(landing& to, deadline until) {
    uint64_t k = 0, mine = 0;
    outcome r = outcome::empty;
    if (!this->sit(k, mine)) {
      const bool seated = wait_until<P>(*this->env_, this->header_->receivable, until, [&] {
        this->heal();
        r = this->take(to);
        return r != outcome::empty || this->sit(k, mine);
      });
      if (!seated) return outcome::timed_out;
      if (r != outcome::empty) return r;
    }
    this->invite(k, mine);
    wait_until<P>(*this->env_, this->seat(k).called, until, [&] {
      r = served(k, mine, to);
      return r != outcome::empty;
    });
    if (r == outcome::empty) {
      // Late, and nobody may give it anything now, unless somebody just did.
      r = this->change_seat(k, mine, seat_state::away) ? outcome(outcome::timed_out)
                                                       : this->serve(k, mine, to);
    }
    this->leave(k);
    return r;
  }
  // What has come to the seat, or can be had otherwise.
  outcome served(uint64_t k, uint64_t& mine, landing& to) {
    this->heal();
    // Acquire: pairs with the CAS in give().
    if (this->seat(k).word.load(std::memory_order_acquire) != mine) return this->serve(k, mine, to);
    if (!this->worth_a_look()) return outcome::empty;
    if (!this->change_seat(k, mine, seat_state::away)) return this->serve(k, mine, to);
    const outcome r = this->take(to);
    if (r == outcome::empty) {
      // Another one was faster.
      this->invite(k, mine);
      this->seat(k).called.notify(*this->env_, INT_MAX);
    }
    return r;
  }

  // leased -> whatever, by its holder. Release: it is done with the value.
  bool pass_on(const held_lease& h, offer_state to) {
    uint64_t seen = h.word;
    return this->at(h.index).word.compare_exchange_strong(
        seen, offer_word::next(seen, to, {}), std::memory_order_release, std::memory_order_relaxed);
  }
};

}  // namespace zeroipc::internal

#endif  // ZEROIPC_CHANNEL_CORE_H_
