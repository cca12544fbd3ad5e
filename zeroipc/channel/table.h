// What is in the memory of a rendezvous channel: its offers and seats, what the dead have left in them, whom to tell. See core.h.
#ifndef ZEROIPC_CHANNEL_TABLE_H_
#define ZEROIPC_CHANNEL_TABLE_H_

#include <algorithm>
#include <climits>
#include <cstddef>
#include <cstdint>

#include "zeroipc/channel/layout.h"
#include "zeroipc/participant/owner_tag.h"
#include "zeroipc/wait/death_watch.h"

namespace zeroipc {

struct channel_stats {
  uint64_t capacity = 0;           // 0: rendezvous
  uint64_t size = 0;               // values that could be received now, roughly
  uint64_t sent = 0;               // since creation
  uint64_t received = 0;           // since creation; leased ones and redeliveries included
  uint64_t waits = 0;              // operations that had to wait
  uint64_t redelivered = 0;        // put back, or taken back from the dead
  uint64_t leased = 0;             // leases out now
  uint64_t waiting_receivers = 0;  // rendezvous: those that a try_send would find
  bool closed = false;
};

namespace internal {

template <typename P, typename Env, typename T>
class rendezvous_table {
 public:
  static constexpr offer_shape kShape = shape_of_offers(sizeof(T), alignof(T));

  // REQUIRES: offers <= 256, seats <= 2^31; both come from a checked geometry.
  void bind(Env& env, rendezvous_header<P>& header, std::byte* offers, uint64_t n_offers,
            channel_seat<P>* seats, uint64_t n_seats) {
    env_ = &env;
    header_ = &header;
    first_offer_ = offers;
    offers_ = n_offers;
    first_seat_ = seats;
    seats_ = n_seats;
  }

  // Whether it was open.
  bool close() {
    const bool first = header_->closed.exchange(1, std::memory_order_acq_rel) == 0;
    header_->sendable.notify(*env_, INT_MAX);
    for (uint64_t i = 0; i < offers_used(); ++i) at(i).settled.notify(*env_, INT_MAX);
    call_receivers();
    return first;
  }
  // Acquire: pairs with close(): what its caller did before is seen.
  bool closed() const { return header_->closed.load(std::memory_order_acquire) != 0; }

  // What could be received now.
  uint64_t depth() const {
    uint64_t n = 0;
    each_offer([&](uint64_t, uint64_t w) {
      const offer_state s = offer_word::state(w);
      n += s == offer_state::orphan || (s == offer_state::offered && !closed());
      return false;
    });
    return n;
  }
  // Relaxed: figures for people.
  channel_stats stats() const {
    channel_stats s;
    s.size = depth();
    s.sent = header_->sent.load(std::memory_order_relaxed);
    s.received = header_->received.load(std::memory_order_relaxed);
    s.waits = header_->waits.load(std::memory_order_relaxed);
    s.redelivered = header_->redelivered.load(std::memory_order_relaxed);
    each_offer([&](uint64_t, uint64_t w) {
      s.leased += offer_word::state(w) == offer_state::leased;
      return false;
    });
    for (uint64_t k = 0; k < seats_used(); ++k) {
      const uint64_t w = seat(k).word.load(std::memory_order_relaxed);
      s.waiting_receivers += seat_word::state(w) == seat_state::waiting;
    }
    s.closed = closed();
    return s;
  }

 protected:
  channel_offer<P>& at(uint64_t i) const {
    return *reinterpret_cast<channel_offer<P>*>(first_offer_ + i * kShape.stride);
  }
  std::byte* payload(uint64_t i) const { return first_offer_ + i * kShape.stride + kShape.payload; }
  channel_seat<P>& seat(uint64_t k) const { return first_seat_[k]; }

  // Acquire: pairs with raise().
  uint64_t offers_used() const {
    return std::min<uint64_t>(header_->offers_used.load(std::memory_order_acquire), offers_);
  }
  uint64_t seats_used() const {
    return std::min<uint64_t>(header_->seats_used.load(std::memory_order_acquire), seats_);
  }
  // Before the first use of that one.
  static void raise(typename P::template atomic<uint32_t>& used, uint64_t index) {
    const auto wanted = static_cast<uint32_t>(index + 1);
    uint32_t seen = used.load(std::memory_order_relaxed);  // relaxed: the CAS looks again
    while (seen < wanted && !used.compare_exchange_weak(seen, wanted, std::memory_order_acq_rel,
                                                        std::memory_order_relaxed)) {
    }
  }

  // f(i, word) for those in use, until it answers true.
  template <typename F>
  bool each_offer(F&& f) const {
    const uint64_t n = offers_used();
    for (uint64_t i = 0; i < n; ++i) {
      const uint64_t w = at(i).word.load(std::memory_order_acquire);  // pairs with who stored it
      if (offer_word::state(w) != offer_state::free && f(i, w)) return true;
    }
    return false;
  }

  // --- telling ---

  // Something is there to be received, or never will be.
  void call_receivers() {
    header_->receivable.notify(*env_, INT_MAX);
    for (uint64_t k = 0; k < seats_used(); ++k) seat(k).called.notify(*env_, INT_MAX);
  }
  void after_offer_changed() {
    header_->sendable.notify(*env_, INT_MAX);
    // It may have been the last thing that `closed` waited for. After the light fence of notify(): see drained().
    if (closed()) [[unlikely]]
      call_receivers();
  }

  // --- the dead ---

  void heal() {
    const uint32_t now = env_->death_epoch();
    // Acquire: who skips it because of this sees what was done.
    if (header_->recovered_epoch.load(std::memory_order_acquire) != now) [[unlikely]]
      repair(now);
  }
  [[gnu::noinline]] void repair(uint32_t epoch) {
    death_watch<Env> deaths(*env_);
    const owner_tag self = env_->tag();
    const auto dead = [&](owner_tag who) { return who && who != self && deaths.dead(who); };
    bool changed = false;
    for (uint64_t k = 0; k < seats_used(); ++k) {
      // Acquire, both: pairs with the CAS in give().
      uint64_t w = seat(k).word.load(std::memory_order_acquire);
      // It may be given something meanwhile, by one who has not noticed. Once: then nobody but a repair changes it.
      for (int i = 0; i < 2; ++i) {
        if (seat_word::state(w) == seat_state::free || !dead(seat_word::owner(w))) break;
        if (seat_word::state(w) == seat_state::given) orphan_what_is_given(k, w);
        if (seat(k).word.compare_exchange_strong(w, seat_word::next(w, seat_state::free, {}),
                                                 std::memory_order_release,
                                                 std::memory_order_acquire)) {
          changed = true;
          break;
        }
      }
    }
    each_offer([&](uint64_t i, uint64_t w) {
      if (!dead(offer_word::owner(w))) return false;
      const offer_state s = offer_word::state(w);
      if (s == offer_state::handing && is_given(i)) return false;  // it is the receiver's
      const bool keep = s == offer_state::leased;
      changed |= move(i, w, keep ? offer_state::orphan : offer_state::free);
      return false;
    });
    if (changed) {
      header_->sendable.notify(*env_, INT_MAX);
      call_receivers();
    }
    header_->recovered_epoch.store(epoch, std::memory_order_release);
  }
  // A dead receiver's seat names an offer: unless it took it, nobody has.
  void orphan_what_is_given(uint64_t k, uint64_t seat_is) {
    const uint64_t i = seat_word::offer(seat_is);
    if (i >= offers_) return;
    const uint64_t w = at(i).word.load(std::memory_order_acquire);         // pairs with give()
    const uint64_t toward = at(i).toward.load(std::memory_order_relaxed);  // released with the word
    if (offer_word::state(w) == offer_state::handing && toward == seat_word::waited(k, seat_is)) {
      move(i, w, offer_state::orphan);
    }
  }
  // Whether the seat that the offer was handed to names it.
  bool is_given(uint64_t i) const {
    const uint64_t toward = at(i).toward.load(std::memory_order_relaxed);  // released with the word
    const uint64_t k = toward >> 32;
    if (k >= seats_) return false;
    // Acquire: pairs with leave(): if it is no longer named, move() finds it left.
    const uint64_t w = seat(k).word.load(std::memory_order_acquire);
    return seat_word::state(w) == seat_state::given && seat_word::offer(w) == i &&
           toward == seat_word::waited(k, w);
  }
  // On behalf of the dead. Acquire and release: who has the offer next sees what the dead one wrote.
  bool move(uint64_t i, uint64_t seen, offer_state to) {
    if (!at(i).word.compare_exchange_strong(seen, offer_word::next(seen, to, {}),
                                            std::memory_order_acq_rel, std::memory_order_relaxed)) {
      return false;
    }
    if (to == offer_state::orphan) count(header_->redelivered);
    return true;
  }

  static void count(typename P::template atomic<uint64_t>& counter) {
    counter.fetch_add(1, std::memory_order_relaxed);  // relaxed: a figure for people
  }

  Env* env_ = nullptr;
  rendezvous_header<P>* header_ = nullptr;
  std::byte* first_offer_ = nullptr;
  uint64_t offers_ = 0;
  channel_seat<P>* first_seat_ = nullptr;
  uint64_t seats_ = 0;
};

}  // namespace internal
}  // namespace zeroipc

#endif  // ZEROIPC_CHANNEL_TABLE_H_
