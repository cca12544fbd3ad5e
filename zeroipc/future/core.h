// The algorithm of zeroipc::future: one word says how it stands, and whose it is meanwhile.
//
//   +------------------------------------------------+ 0
//   | structure_geometry                             |
//   +------------------------------------------------+ 128
//   | claimant       owner tag: 32, its pid: 32      |
//   | waits, deaths                                  |
//   | error          code, text                      |
//   +------------------------------------------------+ offsets[0]
//   | word           owner tag: 32, turn: 24, phase: 8 |
//   | settled        who waits for the end           |
//   | value          at 16, or at its alignment      |   a small one comes with the word, in one line
//   +------------------------------------------------+
//
//   phase       owner        left by                                                         its process dies here
//   empty       -            set: CAS -> setting(tag); claim: CAS -> claimed(tag)            -
//   setting     tag          value, or error (release: the linearisation point)              as if it had not been called: who comes
//                                                                                            next, CAS dead tag -> own tag
//   claimed     tag          set by the promise: value, or error (as above);                 who meets it, CAS -> died
//                            given back: empty (release); dropped: dropped (release)         (the linearisation point)
//   value, error, died, dropped: never. Owner and turn stay, and say who it was.
//
// The turn grows with each owner: a promise goes by the whole word. Value and error are written by the owner alone, between its
// CAS and its last store; a word that is settled never changes again, so readers of what it stands for need no second look.
//
// Killed between that store and settled.notify: those who sleep wake by the segment's death epoch, and look.
#ifndef ZEROIPC_FUTURE_CORE_H_
#define ZEROIPC_FUTURE_CORE_H_

#include <chrono>
#include <climits>
#include <cstddef>
#include <cstdint>

#include "zeroipc/base/atomics.h"
#include "zeroipc/base/deadline.h"
#include "zeroipc/base/outcome.h"
#include "zeroipc/future/layout.h"
#include "zeroipc/participant/owner_tag.h"
#include "zeroipc/wait/death_watch.h"
#include "zeroipc/wait/robust_hold.h"
#include "zeroipc/wait/wait.h"

namespace zeroipc {

namespace internal {

template <typename P, typename Env>
class future_core {
 public:
  // `value`: where it lies; its size is the affair of who calls.
  void bind(Env& env, future_header<P>& header, future_slot<P>& slot, std::byte* value) {
    env_ = &env;
    header_ = &header;
    slot_ = &slot;
    value_ = value;
  }

  // --- whoever waits ---

  // How it stands: `ok` (a value), `failed`, `broken`; `empty`: not settled; `corrupt`.
  outcome look() const {
    const future_word w = seen();
    if (w.phase != future_phase::claimed) [[likely]]
      return w.answer();
    death_watch<Env> deaths(*env_);
    return look(deaths);
  }
  // The same for who looks again and again. Breaks the promise of the dead.
  outcome look(death_watch<Env>& deaths) const {
    // Acquire: pairs with the release in settle().
    uint64_t word = slot_->word.load(std::memory_order_acquire);
    future_word w = future_word::of(word);
    if (w.phase != future_phase::claimed || !deaths.dead(w.owner)) return w.answer();
    // Release: who sees it broken sees what the dead left of himself. Acquire: pairs with that, if another was first, and with
    // the release in settle(), if the dead had given it back and somebody else has settled it.
    if (slot_->word.compare_exchange_strong(word, w.as(future_phase::died),
                                            std::memory_order_acq_rel, std::memory_order_acquire)) {
      count(header_->deaths);
      return outcome::broken;
    }
    return future_word::of(word).answer();
  }

  // Until it is settled: as look(), but `timed_out` for `empty` unless that was to be at once.
  outcome wait(deadline until) const {
    outcome r = look();
    if (r != outcome::empty || until.is_at_once()) return r;
    count(header_->waits);
    death_watch<Env> deaths(*env_);
    const bool over = wait_until<P>(*env_, slot_->settled, until,
                                    [&] { return (r = look(deaths)) != outcome::empty; });
    return over ? r : outcome(outcome::timed_out);
  }

  // REQUIRES: look() or wait() answered `ok`.
  template <typename T>
  void read(T& value) const {
    P::copy_out(&value, value_, sizeof(T));
  }
  const std::byte* value() const { return value_; }
  // REQUIRES: `failed`.
  future_error_record error() const {
    future_error_record e;
    P::copy_out(&e, &header_->error, sizeof e);
    if (e.length > kFutureErrorText) e.length = kFutureErrorText;
    return e;
  }
  future_word seen() const {
    // Acquire: pairs with the release in settle().
    return future_word::of(slot_->word.load(std::memory_order_acquire));
  }
  // Of who owned that word; 0 if it died before it could say.
  uint32_t pid_of(owner_tag owner) const {
    // Relaxed: the word that names the owner was stored after, and has been read.
    const uint64_t claimant = header_->claimant.load(std::memory_order_relaxed);
    return claimant >> 32 == owner.bits() ? static_cast<uint32_t>(claimant) : 0;
  }

  // --- whoever settles it ---

  // `ok`; `exists`: there is a value or an error; `broken`; `taken`: claimed by somebody alive. While another is setting it one
  // waits: `timed_out`, or `taken` where that was to be at once, if that one is stopped. `exhausted`: this process could not
  // join the segment. `corrupt`.
  template <typename T>
  outcome set_value(const T& value, deadline until) {
    return set(future_phase::value, until, [&] { write(value); });
  }
  outcome set_error(const future_error_record& error, deadline until) {
    return set(future_phase::error, until, [&] { write(error); });
  }

  // Makes it this thread's to settle now, for as long as it takes: by keep() or fail(). Killed before, it is as if it had not been
  // called, and another one may. Answers as set_value(); `full`: somebody alive is at it.
  outcome try_begin(uint64_t& mine, death_watch<Env>& deaths) {
    const owner_tag self = env_->self();
    return self ? try_take(self, future_phase::setting, mine, deaths) : outcome::exhausted;
  }
  // Makes it this process's to settle, by the word that it leaves. Answers as above, and does not wait for who is stopped.
  outcome claim(uint32_t pid, uint64_t& mine) {
    const outcome r = take(future_phase::claimed, mine, deadline::at_once());
    // Relaxed: only read by who has seen what comes after.
    if (r) header_->claimant.store(mine >> 32 << 32 | pid, std::memory_order_relaxed);
    return r;
  }
  // `gone`: it is the claim of the process that this one was forked from.
  template <typename T>
  outcome keep(uint64_t mine, const T& value) {
    if (!holds(mine)) return outcome::gone;
    write(value);
    settle(mine, future_phase::value);
    return outcome::ok;
  }
  outcome fail(uint64_t mine, const future_error_record& error) {
    if (!holds(mine)) return outcome::gone;
    write(error);
    settle(mine, future_phase::error);
    return outcome::ok;
  }
  outcome drop(uint64_t mine) {
    if (!holds(mine)) return outcome::gone;
    settle(mine, future_phase::dropped);
    return outcome::ok;
  }
  outcome give_back(uint64_t mine) {
    if (!holds(mine)) return outcome::gone;
    const future_word w = future_word::of(mine);
    // Release: pairs with the acquire of who claims it next. Nobody waits for this.
    slot_->word.store(future_word{future_phase::empty, w.turn, {}}.word(),
                      std::memory_order_release);
    return outcome::ok;
  }

  // What the end is announced by.
  event_word<P>& event() const { return slot_->settled; }
  Env& env() const { return *env_; }

  // What the dead were setting is empty.
  future_state state() const {
    look();
    const future_word w = seen();
    const bool left_behind = w.phase == future_phase::setting && env_->is_dead(w.owner);
    return left_behind ? future_state::empty : state_of(w.phase);
  }
  future_stats stats() const {
    // Relaxed: figures for people.
    return {state(), header_->waits.load(std::memory_order_relaxed),
            header_->deaths.load(std::memory_order_relaxed)};
  }

 private:
  // More would mean that for each try of ours others claimed it and gave it back, or that somebody writes here who should not.
  static constexpr int kRounds = 100'000;
  static constexpr std::chrono::milliseconds kBriefly = robust_hold<P, Env>::kBriefly;

  template <typename Write>
  outcome set(future_phase as, deadline until, Write&& write) {
    uint64_t mine;
    const outcome r = take(future_phase::setting, mine, until);
    if (!r) return r;
    write();
    settle(mine, as);
    return outcome::ok;
  }

  // Makes it ours, in phase `as`.
  outcome take(future_phase as, uint64_t& mine, deadline until) {
    const owner_tag self = env_->self();
    if (!self) return outcome::exhausted;
    death_watch<Env> deaths(*env_);
    outcome r;
    const auto attempt = [&] { return (r = try_take(self, as, mine, deaths)) != outcome::full; };
    if (attempt()) return r;
    // Who is setting it is at it for a moment, unless it is stopped.
    const bool brief = until.is_at_once();
    if (wait_until<P>(*env_, slot_->settled, brief ? deadline::after(kBriefly) : until, attempt)) {
      return r;
    }
    return brief ? outcome::taken : outcome::timed_out;
  }
  // `full`: somebody alive is setting it.
  outcome try_take(owner_tag self, future_phase as, uint64_t& mine, death_watch<Env>& deaths) {
    // Relaxed, here and where it fails: it is tried on what was read, and who reads what it stands for looks again.
    uint64_t word = slot_->word.load(std::memory_order_relaxed);
    for (int i = 0; i < kRounds; ++i) {
      const future_word w = future_word::of(word);
      if (const outcome r = w.answer(); r != outcome::empty) {
        return r == outcome::ok || r == outcome::failed ? outcome(outcome::exists) : r;
      }
      if (w.phase == future_phase::claimed) {
        if (!deaths.dead(w.owner)) return outcome::taken;
        look(deaths);  // breaks it, unless its owner had done something about it before it died
        word = slot_->word.load(std::memory_order_relaxed);
        continue;
      }
      const bool left_behind = w.phase == future_phase::setting;
      if (left_behind && !deaths.dead(w.owner)) return outcome::full;
      mine = w.next(as, self);
      // Acquire: pairs with the release in give_back(). What the dead did is known to who was told that they are.
      if (slot_->word.compare_exchange_strong(word, mine, std::memory_order_acquire,
                                              std::memory_order_relaxed)) {
        if (left_behind) count(header_->deaths);
        return outcome::ok;
      }
    }
    return outcome::corrupt;
  }

  bool holds(uint64_t mine) const {
    // Relaxed: it changes only by who holds it.
    return env_->tag() && env_->tag().bits() == mine >> 32 &&
           slot_->word.load(std::memory_order_relaxed) == mine;
  }
  template <typename T>
  void write(const T& value) {
    P::copy_in(value_, &value, sizeof(T));
  }
  void write(const future_error_record& error) {
    P::copy_in(&header_->error, &error, sizeof error);
  }
  void settle(uint64_t mine, future_phase as) {
    // Release: pairs with the acquire in look(): what it stands for is there.
    slot_->word.store(future_word::of(mine).as(as), std::memory_order_release);
    slot_->settled.notify(*env_, INT_MAX);
  }
  static void count(typename P::template atomic<uint64_t>& counter) {
    counter.fetch_add(1, std::memory_order_relaxed);  // relaxed: a figure for people
  }

  Env* env_ = nullptr;
  future_header<P>* header_ = nullptr;
  future_slot<P>* slot_ = nullptr;
  std::byte* value_ = nullptr;
};

}  // namespace internal
}  // namespace zeroipc

#endif  // ZEROIPC_FUTURE_CORE_H_
