// The operations of a stream: emitting under the writer lock, subscribing, reading on, waiting for either.
//
// Emitting   `limit` says up to which position may be written without passing a cursor by more than a capacity (cursors.h,
//            invariant 1). If it is in the way it is counted anew; then the overflow policy decides. The elements of one call become
//            visible together, as far as there is room; linearisation: the store to `tail` (log.h).
// Reading    from a cursor, which holds producers up, or without one, as from a ring.
// Closing    under the writer lock, so that nothing is emitted after it. Linearisation: the store to `closed`.
//
// Who waits for more sleeps on `changed`, who waits for room on `space`. Emitting wakes all readers: each wants each element.
// Moving on wakes all that wait for room: how much each needs, nobody knows.
#ifndef ZEROIPC_STREAM_CORE_H_
#define ZEROIPC_STREAM_CORE_H_

#include <algorithm>
#include <climits>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "zeroipc/base/deadline.h"
#include "zeroipc/base/outcome.h"
#include "zeroipc/stream/cursors.h"
#include "zeroipc/stream/layout.h"
#include "zeroipc/stream/log.h"
#include "zeroipc/wait/death_watch.h"
#include "zeroipc/wait/robust_hold.h"
#include "zeroipc/wait/wait.h"

namespace zeroipc {

struct stream_stats {
  uint64_t capacity = 0;
  uint64_t emitted = 0;      // since creation
  uint64_t refused = 0;      // emits that were answered `full` or `timed_out`
  uint64_t waits = 0;        // reads and emits that had to wait
  uint64_t recoveries = 0;   // emitters that died inside
  uint32_t subscribers = 0;  // cursors in use, those of the dead included until they are in the way
  bool closed = false;
};

namespace internal {

template <typename P, typename Env, size_t kBytes>
class stream_core {
 public:
  using cursors_type = cursor_table<P, Env>;
  using held_cursor = typename cursors_type::held;
  using log_type = stream_log<P, kBytes>;

  void bind(Env& env, stream_header<P>& header, stream_cursor<P>* cursors,
            const stream_choices& choices, const log_type& log) {
    env_ = &env;
    header_ = &header;
    log_ = log;
    when_full_ = choices.when_full;
    cursors_.bind(env, cursors, choices.cursors);
  }

  const log_type& log() const { return log_; }
  const cursors_type& cursors() const { return cursors_; }
  overflow when_full() const { return when_full_; }

  // --- producers ---

  // All of them, in order, with nobody else's between those that become visible together; `done` says how many were emitted.
  // Waits for room until `room`, and for other producers, whose turns are short, until `turn`. `full` if there is no room and that was to be at once;
  // `closed`; `taken` or `timed_out`, if another producer was stopped inside.
  outcome emit(const void* values, uint64_t n, uint64_t& done, deadline room, deadline turn) {
    done = 0;
    death_watch<Env> deaths(*env_);
    outcome r = emit_now(values, n, done, turn, deaths);
    if (r == outcome::full && !room.is_at_once()) {
      count(header_->waits);
      const bool settled = wait_until<P>(*env_, header_->space, room, [&] {
        r = emit_now(values, n, done, turn, deaths);
        return r != outcome::full;
      });
      if (!settled) r = outcome::timed_out;
    }
    if (r == outcome::full || r == outcome::timed_out) count(header_->refused);
    return r;
  }

  // For who is the only one to emit here (stage.h): all n elements or none. commit(tail) is called when they are written and before
  // they are seen, with what the tail will be. `full`: there is no room for all of them; `exhausted`: there never is.
  template <typename F>
  outcome emit_whole(const void* values, uint64_t n, F&& commit) {
    if (n > log_.capacity()) return outcome::exhausted;
    {
      robust_hold<P, Env> hold(*env_, header_->writer);
      if (!hold) return hold.why();
      if (hold.inherited()) count(header_->recoveries);
      if (header_->closed.load(std::memory_order_relaxed) != 0) return outcome::closed;
      death_watch<Env> deaths(*env_);
      const uint64_t tail = header_->tail.load(std::memory_order_relaxed);
      if (n != 0) {
        if (room_for(tail, n, deaths) < n) return outcome::full;
        log_.write(tail, values, n);
      }
      commit(tail + n);
      log_.publish(tail + n);
    }
    if (n != 0) header_->changed.notify(*env_, INT_MAX);
    return outcome::ok;
  }
  // What was committed by one who died before it was seen. `corrupt`: it cannot have been.
  outcome catch_up(uint64_t emitted) {
    {
      robust_hold<P, Env> hold(*env_, header_->writer);
      if (!hold) return hold.why();
      if (hold.inherited()) count(header_->recoveries);
      const uint64_t tail = header_->tail.load(std::memory_order_relaxed);
      if (emitted < tail || emitted - tail > log_.capacity()) return outcome::corrupt;
      if (emitted == tail) return outcome::ok;
      log_.publish(emitted);
    }
    header_->changed.notify(*env_, INT_MAX);
    return outcome::ok;
  }
  // Until there is room for n, or stop() says so: `gone`, or it is closed. Whoever makes it say so calls wake_emitters() after.
  template <typename Stop>
  outcome wait_for_room(uint64_t n, Stop&& stop) {
    outcome r = outcome::full;
    const auto look = [&] {
      r = stop()        ? outcome(outcome::gone)
          : closed()    ? outcome(outcome::closed)
          : room() >= n ? outcome(outcome::ok)
                        : outcome(outcome::full);
      return r != outcome::full;
    };
    if (look()) return r;
    count(header_->waits);
    wait_until<P>(*env_, header_->space, deadline::never(), look);
    return r;
  }
  void wake_emitters() { header_->space.notify(*env_, INT_MAX); }

  // Elements that could be emitted now without the policy being asked.
  uint64_t room() {
    if (when_full_ == overflow::overwrite) return log_.capacity();
    const uint64_t tail = log_.tail();
    uint64_t lowest = tail;
    for (uint32_t i = 0; i < cursors_.count(); ++i) {
      const stream_cursor<P>& c = cursors_.at(i);
      // Acquire: the position is that cursor's.
      const uint64_t word = c.word.load(std::memory_order_acquire);
      if (cursor_word::state(word) == cursor_state::free) continue;
      if (cursor_word::state(word) == cursor_state::passing &&
          env_->is_dead(cursor_word::owner(word))) {
        continue;
      }
      lowest = std::min(lowest, c.position.load(std::memory_order_acquire));
    }
    return log_.capacity() - std::min(log_.capacity(), tail - lowest);
  }

  // Whether it was this call that closed it.
  outcome close() {
    {
      robust_hold<P, Env> hold(*env_, header_->writer);
      if (!hold) return hold.why();
      if (hold.inherited()) count(header_->recoveries);
      // Release: pairs with the acquire in closed(): who sees it sees the last tail.
      if (header_->closed.exchange(1, std::memory_order_acq_rel) != 0) return outcome::closed;
    }
    header_->changed.notify(*env_, INT_MAX);
    header_->space.notify(*env_, INT_MAX);
    return outcome::ok;
  }
  bool closed() const { return header_->closed.load(std::memory_order_acquire) != 0; }

  // --- subscribers ---

  // Where a new one begins: at `position`, or at the nearest that is still there. `exhausted`: no cursor is left.
  outcome subscribe(uint64_t position, held_cursor& held) {
    robust_hold<P, Env> hold(*env_, header_->writer);
    if (!hold) return hold.why();
    if (hold.inherited()) count(header_->recoveries);
    death_watch<Env> deaths(*env_);
    return take_cursor(position, cursor_state::passing, {}, held, deaths);
  }

  // The durable cursor of that name, or that of the stage of that name; where it stands, or, if it is new, at `position`. `taken`: a
  // live process reads there.
  outcome subscribe(cursor_state kind, std::string_view name, uint64_t position,
                    held_cursor& held) {
    robust_hold<P, Env> hold(*env_, header_->writer);
    if (!hold) return hold.why();
    if (hold.inherited()) count(header_->recoveries);
    death_watch<Env> deaths(*env_);
    uint32_t index = 0;
    if (cursors_.find(kind, name, index)) return cursors_.adopt(index, held, deaths);
    return take_cursor(position, kind, name, held, deaths);
  }

  // Makes such a cursor for nobody, unless there is one: `exists`.
  outcome reserve(cursor_state kind, std::string_view name, uint64_t position) {
    robust_hold<P, Env> hold(*env_, header_->writer);
    if (!hold) return hold.why();
    if (hold.inherited()) count(header_->recoveries);
    death_watch<Env> deaths(*env_);
    uint32_t index = 0;
    if (cursors_.find(kind, name, index)) return outcome::exists;
    held_cursor held;
    const outcome r = take_cursor(position, kind, name, held, deaths);
    // Whoever is to read there needs the lock, and finds it free.
    if (r) cursors_.let_go(held);
    return r;
  }
  // Whether there is such a cursor. `missing`.
  outcome find(cursor_state kind, std::string_view name) {
    robust_hold<P, Env> hold(*env_, header_->writer);
    if (!hold) return hold.why();
    if (hold.inherited()) count(header_->recoveries);
    uint32_t index = 0;
    return cursors_.find(kind, name, index);
  }

  // Ends such a cursor that nobody reads from. `missing`, or `taken`: a live process does.
  outcome forget(cursor_state kind, std::string_view name) {
    return forget_if(kind, [&](std::string_view found) { return found == name; });
  }
  // All of them whose name is(name), but those that somebody reads from: `taken`.
  template <typename Is>
  outcome forget_if(cursor_state kind, Is&& is) {
    outcome r = outcome::missing;
    {
      robust_hold<P, Env> hold(*env_, header_->writer);
      if (!hold) return hold.why();
      if (hold.inherited()) count(header_->recoveries);
      death_watch<Env> deaths(*env_);
      for (uint32_t i = 0; i < cursors_.count(); ++i) {
        if (!cursors_.is(i, kind) || !is(cursors_.name_of(i))) continue;
        const outcome one = cursors_.forget(i, deaths);
        if (r != outcome::taken) r = one;
      }
    }
    if (r != outcome::missing) header_->space.notify(*env_, INT_MAX);
    return r;
  }

  void unsubscribe(held_cursor& held) {
    if (!cursors_.mine(held)) return;
    cursors_.let_go(held);
    header_->space.notify(*env_, INT_MAX);
  }

  uint64_t position(const held_cursor& held) const { return cursors_.position(held); }
  // All before `position` has been dealt with. `gone`: it is the parent process's.
  outcome move_on(const held_cursor& held, uint64_t position) {
    if (!cursors_.mine(held)) return outcome::gone;
    cursors_.move_on(held, position);
    header_->space.notify(*env_, INT_MAX);
    return outcome::ok;
  }

  // Whether there is an element at `position`: `empty`, `closed`.
  outcome look(uint64_t position) const {
    if (log_.tail() != position) return outcome::ok;
    if (!closed()) return outcome::empty;
    return log_.tail() != position ? outcome::ok : outcome::closed;
  }
  // Until there is an element at `position`. `closed`: there will be none; `empty`: not now; `timed_out`.
  outcome wait_for(uint64_t position, deadline until) {
    return wait_for(position, until, [] { return false; });
  }
  // Or until stop() says so: `gone`. Whoever makes it say so calls wake_readers() after.
  template <typename Stop>
  outcome wait_for(uint64_t position, deadline until, Stop&& stop) {
    outcome r = look(position);
    if (r != outcome::empty || until.is_at_once()) return r;
    count(header_->waits);
    const bool settled = wait_until<P>(*env_, header_->changed, until, [&] {
      r = stop() ? outcome(outcome::gone) : look(position);
      return r != outcome::empty;
    });
    return settled ? r : outcome(outcome::timed_out);
  }

  void wake_readers() { header_->changed.notify(*env_, INT_MAX); }
  // What readers sleep on.
  event_word<P>& changed() const { return header_->changed; }
  Env& env() const { return *env_; }

  // --- looking ---

  stream_stats stats() const {
    // Relaxed: figures for people.
    const auto read = [](const auto& a) { return a.load(std::memory_order_relaxed); };
    stream_stats s;
    s.capacity = log_.capacity();
    s.emitted = log_.tail();
    s.refused = read(header_->refused);
    s.waits = read(header_->waits);
    s.recoveries = read(header_->recoveries);
    s.closed = closed();
    for (uint32_t i = 0; i < cursors_.count(); ++i) {
      s.subscribers += cursor_word::state(read(cursors_.at(i).word)) != cursor_state::free;
    }
    return s;
  }

 private:
  outcome emit_now(const void* values, uint64_t n, uint64_t& done, deadline turn,
                   death_watch<Env>& deaths) {
    uint64_t some = 0;
    {
      robust_hold<P, Env> hold(*env_, header_->writer, turn);
      if (!hold) return hold.why();
      if (hold.inherited()) count(header_->recoveries);
      // Relaxed, both: they are only changed under the lock.
      if (header_->closed.load(std::memory_order_relaxed) != 0) return outcome::closed;
      uint64_t tail = header_->tail.load(std::memory_order_relaxed);
      const auto* from = static_cast<const std::byte*>(values) + done * log_.element_bytes();
      while (done != n) {
        const uint64_t room = room_for(tail, std::min(n - done, log_.capacity()), deaths);
        if (room == 0) break;
        log_.write(tail, from, room);
        tail += room;
        log_.publish(tail);
        from += room * log_.element_bytes();
        done += room;
        some += room;
      }
    }
    if (some != 0) header_->changed.notify(*env_, INT_MAX);
    return done == n ? outcome::ok : outcome::full;
  }

  // How many of n elements may be written from `tail` on. REQUIRES: the lock is held; n <= capacity.
  uint64_t room_for(uint64_t tail, uint64_t n, death_watch<Env>& deaths) {
    if (when_full_ == overflow::overwrite) return n;
    // Relaxed: only changed under the lock.
    uint64_t limit = header_->limit.load(std::memory_order_relaxed);
    if (limit - tail < n || limit < tail) {
      const uint64_t capacity = log_.capacity();
      // Whoever stands before this is in the way.
      const uint64_t needed = tail + n > capacity ? tail + n - capacity : 0;
      const uint64_t lowest = cursors_.lowest(tail, needed, deaths);
      limit = lowest > cursors_type::kNone - capacity ? cursors_type::kNone : lowest + capacity;
      header_->limit.store(limit, std::memory_order_relaxed);
    }
    return limit > tail ? std::min(n, limit - tail) : 0;
  }

  // REQUIRES: the lock is held.
  outcome take_cursor(uint64_t position, cursor_state kind, std::string_view name,
                      held_cursor& held, death_watch<Env>& deaths) {
    uint32_t index = 0;
    if (const outcome r = cursors_.find_free(index, deaths); !r) return r;
    const uint64_t oldest = log_.oldest(), tail = log_.tail();
    position = std::min(std::max(position, oldest), tail);
    // Before it is a cursor: an emitter that inherits the lock in between is held up for nothing, once.
    if (position + log_.capacity() < header_->limit.load(std::memory_order_relaxed)) {
      header_->limit.store(position + log_.capacity(), std::memory_order_relaxed);
    }
    held = cursors_.take(index, position, kind, name);
    return outcome::ok;
  }

  static void count(typename P::template atomic<uint64_t>& counter) {
    counter.fetch_add(1, std::memory_order_relaxed);  // relaxed: a figure for people
  }

  Env* env_ = nullptr;
  stream_header<P>* header_ = nullptr;
  log_type log_;
  cursors_type cursors_;
  overflow when_full_ = overflow::refuse;
};

}  // namespace internal
}  // namespace zeroipc

#endif  // ZEROIPC_STREAM_CORE_H_
