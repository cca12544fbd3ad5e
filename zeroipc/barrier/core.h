// The algorithm of zeroipc::barrier: a seat for each party, which says who sits there and in which phase it arrived last.
//
//   +------------------------------------------------+ 0
//   | structure_geometry    capacity: parties        |
//   |                       extra: what a death does |
//   +------------------------------------------------+ 128
//   | phase          completed phases:32, broken:1   |
//   | cursor         phase:32, seats settled in it:32|
//   | changed        who waits for the next phase    |
//   | dropped                                        |
//   +------------------------------------------------+ offsets[0]
//   | seat[capacity]        tag:32, arrived:32       |   arrived: the number of the phase, from 1
//   +------------------------------------------------+
//
// Phase k = completed + 1. A seat is, in phase k:
//   free        tag 0                  join(), arrive(): CAS -> {own tag, k - 1 or k}
//   awaited     {tag, < k}             arrive() by that process: CAS -> {tag, k};  its death: see below
//   arrived     {tag, k}               becomes `awaited` when the phase is over
//   dropped     {kDropped, -}          join(): CAS -> {own tag, k - 1}
//
// The phase is over when every seat has arrived or been dropped: whoever sees that moves `phase` on by a CAS from its old value
// (linearisation point), so it moves once, and wakes everybody. A seat that has arrived stays so until then, and that is why
// `cursor` need only be moved over such seats: it saves looking at them again and is right whoever dies. Of two who settle the
// last two seats at once, one at least sees both (sequentially consistent: each writes its seat and then reads the other's).
//
// A death. An arrival stands for its phase. An *awaited* seat of a dead process is dropped (`shrink`), or the barrier is broken
// for good (`break_all`), by whoever is held up by it; a process that joins or arrives may take it over before that, which is how
// a replacement steps in. Killed at any point between: the death epoch wakes the waiters, and each of them does what is left to do.
#ifndef ZEROIPC_BARRIER_CORE_H_
#define ZEROIPC_BARRIER_CORE_H_

#include <atomic>
#include <climits>
#include <cstddef>
#include <cstdint>

#include "zeroipc/base/atomics.h"
#include "zeroipc/base/deadline.h"
#include "zeroipc/base/outcome.h"
#include "zeroipc/name_table/geometry.h"
#include "zeroipc/participant/owner_tag.h"
#include "zeroipc/wait/death_watch.h"
#include "zeroipc/wait/wait.h"

namespace zeroipc {

// What becomes of a barrier when a party dies that was still awaited.
enum class on_death : uint8_t {
  shrink = 1,     // it goes on with the others
  break_all = 2,  // everybody is told `broken`, now and from then on
};

struct barrier_stats {
  uint64_t parties = 0;    // seats
  uint64_t joined = 0;     // a snapshot: seats that somebody has
  uint64_t arrived = 0;    // of those, in the present phase
  uint64_t dropped = 0;    // seats given up, by their party or its death
  uint64_t completed = 0;  // phases
  bool broken = false;
};

namespace internal {

inline constexpr uint64_t kMaxParties = 4096;

template <typename P>
struct barrier_header {
  template <typename T>
  using atomic = typename P::template atomic<T>;

  structure_geometry geometry;

  alignas(kApart) atomic<uint64_t> phase;
  atomic<uint64_t> cursor;
  event_word<P> changed;
};
static_assert(offsetof(barrier_header<hardware>, phase) == 128);

struct barrier_seat {
  // No owner tag: their generations start at 1.
  static constexpr owner_tag kDropped = owner_tag::from_bits(1);

  owner_tag tag;
  uint32_t arrived;  // in which phase, the last time

  static constexpr barrier_seat of(uint64_t word) {
    return {owner_tag::from_bits(static_cast<uint32_t>(word >> 32)), static_cast<uint32_t>(word)};
  }
  constexpr uint64_t word() const { return uint64_t{tag.bits()} << 32 | arrived; }
  constexpr bool dropped() const { return tag == kDropped; }
  constexpr bool taken() const { return tag && !dropped(); }
  // In phase k; if it is not dropped. The number may wrap.
  constexpr bool awaited(uint32_t k) const { return static_cast<int32_t>(k - arrived) > 0; }
};

template <typename P, typename Env>
class barrier_core {
 public:
  using seat_word = typename P::template atomic<uint64_t>;

  void bind(Env& env, barrier_header<P>& header, seat_word* seats, uint64_t n, on_death rule) {
    env_ = &env;
    header_ = &header;
    seats_ = seats;
    n_ = n;
    rule_ = rule;
  }

  // Takes a seat without arriving. `full`: all are others'; `broken`; `exhausted`: this process could not join the segment.
  outcome join() {
    death_watch<Env> deaths(*env_);
    uint32_t k = 0;
    return change_one([](seat s, owner_tag,
                         uint32_t) { return !s.tag || s.dropped() ? fit::good : fit::if_dead; },
                      // Who died in a phase in which it had arrived is replaced as one that has.
                      [](seat s, owner_tag self, uint32_t k) {
                        return seat{self, !s.dropped() && s.arrived == k ? k : k - 1};
                      },
                      deaths, k);
  }
  // `phase`: what to wait for. `full`: all seats are others', or have arrived.
  outcome arrive(uint32_t& phase) {
    death_watch<Env> deaths(*env_);
    const outcome r = change_one(
        [](seat s, owner_tag self, uint32_t k) {
          if (s.dropped() || !s.awaited(k)) return fit::none;
          return s.tag == self ? fit::best : !s.tag ? fit::good : fit::if_dead;
        },
        [](seat, owner_tag self, uint32_t k) {
          return seat{self, k};
        },
        deaths, phase);
    if (r) advance(phase, deaths);
    return r;
  }
  // Gives up a seat of this process that has not arrived. `gone`: it has none.
  outcome drop() {
    death_watch<Env> deaths(*env_);
    uint32_t phase = 0;
    const outcome r =
        change_one([](seat s, owner_tag self,
                      uint32_t k) { return s.tag == self && s.awaited(k) ? fit::best : fit::none; },
                   [](seat, owner_tag, uint32_t) {
                     return seat{seat::kDropped, 0};
                   },
                   deaths, phase);
    if (r) advance(phase, deaths);
    return r == outcome::full ? outcome(outcome::gone) : r;
  }

  // Until phase `k` is over. `ok`, `broken`; `empty`: not yet, which was to be at once; `timed_out`: the arrival stands.
  outcome wait(uint32_t k, deadline until) {
    death_watch<Env> deaths(*env_);
    bool broken = false;
    uint32_t looked_at = env_->death_epoch() - 1;
    const auto over = [&] {
      // A seat that nobody is held up by yet breaks it too; whether one has died is asked after each death.
      if (const uint32_t epoch = env_->death_epoch();
          rule_ == on_death::break_all && epoch != looked_at) {
        looked_at = epoch;
        if (somebody_died(k, deaths)) break_at(k);
      }
      advance(k, deaths);
      const uint64_t word = header_->phase.load();
      broken = present(word) == k && (word & kBroken) != 0;
      return present(word) != k || broken;
    };
    if (wait_until<P>(*env_, header_->changed, until, over)) {
      return broken ? outcome::broken : outcome::ok;
    }
    return until.is_at_once() ? outcome::empty : outcome::timed_out;
  }

  barrier_stats stats() const {
    barrier_stats s;
    const uint64_t word = header_->phase.load();
    s.parties = n_;
    s.completed = word >> 32;
    s.broken = (word & kBroken) != 0;
    for (uint64_t i = 0; i < n_; ++i) {
      // Relaxed: figures for people.
      const seat one = seat::of(seats_[i].load(std::memory_order_relaxed));
      s.dropped += one.dropped();
      if (!one.taken()) continue;
      ++s.joined;
      s.arrived += !one.awaited(present(word));
    }
    return s;
  }
  on_death rule() const { return rule_; }

 private:
  using seat = barrier_seat;
  static constexpr uint64_t kBroken = 1;
  // The number of the phase that is going on.
  static uint32_t present(uint64_t phase_word) {
    return static_cast<uint32_t>(phase_word >> 32) + 1;
  }

  // if_dead: if its owner is. Rather than one that is free: who comes late comes in somebody's place.
  enum class fit : uint8_t { none, good, if_dead, best };

  // Turns the seat that fits best into what `becomes` says.
  template <typename Fits, typename Becomes>
  outcome change_one(Fits fits, Becomes becomes, death_watch<Env>& deaths, uint32_t& k) {
    const owner_tag self = env_->self();
    if (!self) return outcome::exhausted;
    for (bool again = false;;) {
      const uint64_t word = header_->phase.load();
      if ((word & kBroken) != 0) return outcome::broken;
      k = present(word);
      const found_seat found = find([&](seat s) { return fits(s, self, k); }, deaths);
      if (found.at == n_) {
        // All may have arrived, and the last have died before it said so: then there is one in the next phase.
        advance(k, deaths);
        if (again || header_->phase.load() == word) return outcome::full;
        again = true;
        continue;
      }
      uint64_t seen = found.word;
      // Sequentially consistent, with the loads in advance(): see above. A seat that is awaited holds the phase up, so this is
      // still phase k unless somebody else has changed the seat, and then the exchange fails.
      if (!seats_[found.at].compare_exchange_strong(seen, becomes(seat::of(seen), self, k).word(),
                                                    std::memory_order_seq_cst,
                                                    std::memory_order_seq_cst)) {
        continue;
      }
      hint_.store(found.at, std::memory_order_relaxed);  // a hint of this handle's
      return outcome::ok;
    }
  }

  struct found_seat {
    uint64_t at;  // n_: none
    uint64_t word;
  };
  template <typename Fits>
  found_seat find(Fits fits, death_watch<Env>& deaths) {
    found_seat found = {n_, 0};
    fit so_far = fit::none;
    uint64_t at = hint_.load(std::memory_order_relaxed);
    if (at >= n_) at = 0;
    for (uint64_t i = 0; i < n_ && so_far != fit::best; ++i, at = at + 1 == n_ ? 0 : at + 1) {
      const uint64_t word = seats_[at].load();
      const seat s = seat::of(word);
      const fit this_one = fits(s);
      if (this_one <= so_far || (this_one == fit::if_dead && !deaths.dead(s.tag))) continue;
      so_far = this_one;
      found = {at, word};
    }
    return found;
  }

  bool somebody_died(uint32_t k, death_watch<Env>& deaths) const {
    for (uint64_t i = 0; i < n_; ++i) {
      const seat s = seat::of(seats_[i].load());
      if (s.taken() && s.awaited(k) && deaths.dead(s.tag)) return true;
    }
    return false;
  }

  // Moves the cursor over the seats that are settled in phase k, and the phase on if that is all of them.
  void advance(uint32_t k, death_watch<Env>& deaths) {
    uint64_t cursor = header_->cursor.load();
    uint64_t at = cursor >> 32 == k ? cursor & 0xffff'ffff : 0;
    for (; at < n_; ++at) {
      uint64_t seen = seats_[at].load();
      seat s = seat::of(seen);
      if (s.dropped() || (s.tag && !s.awaited(k))) continue;
      if (!s.tag || !deaths.dead(s.tag)) break;
      if (rule_ == on_death::break_all) {
        break_at(k);
        return;
      }
      if (seats_[at].compare_exchange_strong(seen, seat{seat::kDropped, 0}.word(),
                                             std::memory_order_seq_cst, std::memory_order_seq_cst))
        continue;
      s = seat::of(seen);
      if (!s.dropped() && s.awaited(k)) break;
    }
    header_->cursor.compare_exchange_strong(cursor, uint64_t{k} << 32 | (at < n_ ? at : n_),
                                            std::memory_order_seq_cst, std::memory_order_seq_cst);
    if (at < n_) return;
    uint64_t word = uint64_t{k - 1} << 32;
    if (header_->phase.compare_exchange_strong(word, uint64_t{k} << 32, std::memory_order_seq_cst,
                                               std::memory_order_seq_cst)) {
      header_->changed.notify(*env_, INT_MAX);
    }
  }
  void break_at(uint32_t k) {
    uint64_t word = uint64_t{k - 1} << 32;
    if (header_->phase.compare_exchange_strong(word, word | kBroken, std::memory_order_seq_cst,
                                               std::memory_order_seq_cst)) {
      header_->changed.notify(*env_, INT_MAX);
    }
  }

  Env* env_ = nullptr;
  barrier_header<P>* header_ = nullptr;
  seat_word* seats_ = nullptr;
  uint64_t n_ = 0;
  on_death rule_ = on_death::shrink;
  std::atomic<uint64_t> hint_{0};  // where a seat was taken last
};

}  // namespace internal
}  // namespace zeroipc

#endif  // ZEROIPC_BARRIER_CORE_H_
