// channel<T>: values from senders to receivers, in any number of processes, any of which may die at any instruction; with a
// buffer, or hand to hand.
//
//   zeroipc::channel<Task> tasks(mem, "tasks", 100);    // opens it, or creates it with a buffer of 100
//   tasks.send(task);                                   // waits while it is full
//   for (const Task& task : tasks) run(task);           // until it is closed and drained
//
//   zeroipc::channel<Job> jobs(mem, "jobs", 0);         // no buffer: send() returns when a receiver has the value
//   if (jobs.try_send(job)) ...                         // somebody was waiting for it
//
//   while (auto job = jobs.lease()) {                   // if we die before the ack, another process gets the value
//     run(*job);
//     job.ack();
//   }
//
// When to use it: to hand on work and to meet, and to wait for several sources at a time (zeroipc::select). When not: where
// one side is always one process, zeroipc::queue has cheaper policies; to show every value to everybody, zeroipc::stream.
//
// What is promised when a process is killed
//   * Buffered: what zeroipc::queue promises, for it is one.
//   * Rendezvous: a value whose send returned `ok` has been received, by one. If that receiver dies before it has the value in
//     its own memory, or holding it under a lease, the value is delivered to another receiver.
//   * A send that answered anything else was not received, and never will be. One whose process died on the way may have been.
//   * Nobody waits for a dead process. Behind a *stopped* one nobody waits either (rendezvous): a value that was handed to it
//     stays with it. Buffered: see zeroipc::queue.
//
// Closing is final: senders are refused, those that wait too; receivers get what is buffered or comes back from the dead,
// and are then told `closed`. As with the queue, not before those that hold leases have acknowledged them.
//
// Order: buffered, as the queue. Rendezvous: among senders that wait the one that has waited longest is served first; among
// receivers there is none. One thread's values arrive in its order, redelivered ones excepted.
//
// Thread safety: handles are thread-safe, cheap to copy, and keep the segment mapped.
// Progress: rendezvous: no step of an operation waits for another process, but for the one that it is to meet.
// Complexity: O(1); rendezvous: O(senders and receivers that wait). Memory: buffered, that of the queue; rendezvous: 4.4 KiB, and
// 128 times a small value with its 32 bytes (fewer for values above 8 KiB), which bounds the values that wait or are leased.
#ifndef ZEROIPC_CHANNEL_CHANNEL_H_
#define ZEROIPC_CHANNEL_CHANNEL_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "zeroipc/base/deadline.h"
#include "zeroipc/base/error.h"
#include "zeroipc/base/outcome.h"
#include "zeroipc/base/pull_iterator.h"
#include "zeroipc/base/shareable.h"
#include "zeroipc/channel/channel_state.h"
#include "zeroipc/channel/leased_value.h"
#include "zeroipc/name_table/sized_structure.h"
#include "zeroipc/queue/guards.h"
#include "zeroipc/segment/segment.h"

namespace zeroipc {

namespace internal {
template <typename T>
class channel_events;
}

// Every operation has three forms: try_x (now), x (until done or closed) and x_for (at most that long). They answer:
//   ok         it took effect
//   full       try_send*: no room, or nobody waits to receive     empty      try_receive*: nothing there now
//   timed_out  *_for: the time passed first
//   closed     sending: the channel is closed; receiving: it is closed, and nothing is left or can come back
//   exhausted  no thread record, no claim word (7 guards per thread), or, try_lease of a buffered one: no lease entry is left
//   corrupt    the segment holds what no correct participant can have written
// What an out parameter holds unless the answer is `ok` is unspecified. The forms that return an optional have no place for the
// reason; ask closed(), or use the others.
template <typename T>
class channel : public sized_structure<channel<T>> {
  static_assert(internal::check_shareable<T>());
  template <typename Rep, typename Period>
  using duration = std::chrono::duration<Rep, Period>;

 public:
  using value_type = T;
  using leased = leased_value<T>;
  using reservation = zeroipc::reservation<T, mpmc>;
  using view = zeroipc::view<T, mpmc>;

  // Opens the channel, or creates it; one that exists with another capacity is an error. 0: rendezvous. Throws zeroipc::error.
  // create(), open() and open_or_create() answer with a status instead.
  channel(const memory& mem, std::string_view name, size_t capacity)
      : channel(internal::value_or_raise(channel::open_or_create(mem, name, capacity))) {}
  // Opens a channel that exists. Throws zeroipc::error.
  channel(const memory& mem, std::string_view name)
      : channel(internal::value_or_raise(channel::open(mem, name))) {}

  // --- sending ---

  outcome send(const T& value) { return state_->send(value, deadline::never()); }
  outcome try_send(const T& value) { return state_->send(value, deadline::at_once()); }
  template <typename Rep, typename Period>
  outcome send_for(const T& value, duration<Rep, Period> timeout) {
    return internal::late(state_->send(value, deadline::after(timeout)));
  }
  // In order; others may send in between. Waits until all are sent; the others say how many are. Rendezvous: one by one.
  batch_outcome send_n(std::span<const T> values) { return send_until(values, deadline::never()); }
  batch_outcome try_send_n(std::span<const T> values) {
    return send_until(values, deadline::at_once());
  }
  template <typename Rep, typename Period>
  batch_outcome send_n_for(std::span<const T> values, duration<Rep, Period> timeout) {
    const batch_outcome r = send_until(values, deadline::after(timeout));
    return {r.count, internal::late(r.why)};
  }

  // --- receiving ---

  std::optional<T> receive() { return received(deadline::never()); }
  std::optional<T> try_receive() { return received(deadline::at_once()); }
  template <typename Rep, typename Period>
  std::optional<T> receive_for(duration<Rep, Period> timeout) {
    return received(deadline::after(timeout));
  }
  outcome receive(T& value) { return state_->receive(value, deadline::never()); }
  outcome try_receive(T& value) { return state_->receive(value, deadline::at_once()); }
  template <typename Rep, typename Period>
  outcome receive_for(T& value, duration<Rep, Period> timeout) {
    return internal::late(state_->receive(value, deadline::after(timeout)));
  }
  // Waits for at least one, then takes what is there.
  batch_outcome receive_n(std::span<T> values) { return receive_until(values, deadline::never()); }
  batch_outcome try_receive_n(std::span<T> values) {
    return receive_until(values, deadline::at_once());
  }
  template <typename Rep, typename Period>
  batch_outcome receive_n_for(std::span<T> values, duration<Rep, Period> timeout) {
    const batch_outcome r = receive_until(values, deadline::after(timeout));
    return {r.count, internal::late(r.why)};
  }

  // A value that comes back unless it is acknowledged. Its sender has sent it: `ok`.
  leased lease() { return lease_until(deadline::never()); }
  leased try_lease() { return lease_until(deadline::at_once()); }
  template <typename Rep, typename Period>
  leased lease_for(duration<Rep, Period> timeout) {
    return lease_until(deadline::after(timeout), true);
  }

  // What is received, one after the other, until the channel is closed and drained: `for (const T& x : ch)`.
  using iterator = internal::pull_iterator<channel, T>;
  iterator begin() { return iterator(this); }
  std::default_sentinel_t end() const { return {}; }
  friend std::optional<T> pull_from(channel& c) { return c.receive(); }

  // --- without a copy: of a buffered channel, as zeroipc::queue has it; of a rendezvous nothing is to be had, and why() is `gone` ---

  // Room for a value that is written in place, and sent by commit().
  reservation reserve() { return buffered() ? sides().reserve() : reservation(); }
  reservation try_reserve() { return buffered() ? sides().try_reserve() : reservation(); }
  template <typename Rep, typename Period>
  reservation reserve_for(duration<Rep, Period> timeout) {
    return buffered() ? sides().reserve_for(timeout) : reservation();
  }
  // The next value where it lies; received by release().
  view peek() { return buffered() ? sides().peek() : view(); }
  view try_peek() { return buffered() ? sides().try_peek() : view(); }
  template <typename Rep, typename Period>
  view peek_for(duration<Rep, Period> timeout) {
    return buffered() ? sides().peek_for(timeout) : view();
  }

  // --- the channel ---

  // Nobody can send any more; everybody who waits is woken. False if it was closed already, which does no harm.
  bool close() { return state_->close(); }
  bool closed() const { return state_->closed(); }

  // 0: rendezvous.
  size_t capacity() const { return static_cast<size_t>(state_->capacity()); }
  // Values that could be received now; of a rendezvous, those whose senders wait. By the time it is used it is history.
  size_t size() const { return static_cast<size_t>(state_->depth()); }
  bool empty() const { return size() == 0; }
  channel_stats stats() const { return state_->stats(); }
  const std::string& name() const { return state_->held().name(); }

 private:
  friend class sized_structure<channel>;
  friend class internal::channel_events<T>;
  using state_type = internal::channel_state<T>;

  explicit channel(std::shared_ptr<state_type> s) : state_(std::move(s)) {}

  static absl::StatusOr<channel> make(const memory& mem, std::string_view name,
                                      internal::open_mode mode, size_t capacity) {
    absl::StatusOr<internal::opened_channel> opened =
        internal::open_channel(mem, name, structure_type::of<T>(kind::channel), mode, capacity);
    if (!opened.ok()) return opened.status();
    return channel(std::make_shared<state_type>(*std::move(opened)));
  }

  bool buffered() const { return state_->buffered() != nullptr; }
  internal::buffered_sides<T> sides() const {
    return internal::buffered_sides<T>(state_->buffered());
  }

  batch_outcome send_until(std::span<const T> values, deadline until) {
    if (buffered()) {
      uint64_t done = 0;
      const outcome why =
          state_->buffered()->core.push_n(values.data(), values.size(), done, until);
      return {static_cast<size_t>(done), why};
    }
    for (size_t i = 0; i < values.size(); ++i) {
      if (const outcome r = state_->send(values[i], until); !r) return {i, r};
    }
    return {values.size(), outcome::ok};
  }
  batch_outcome receive_until(std::span<T> values, deadline until) {
    if (buffered()) {
      uint64_t done = 0;
      const outcome why = state_->buffered()->core.pop_n(values.data(), values.size(), done, until);
      return {static_cast<size_t>(done), why};
    }
    for (size_t i = 0; i < values.size(); ++i) {
      const outcome r = state_->receive(values[i], i == 0 ? until : deadline::at_once());
      if (!r) return {i, i == 0 ? r : outcome(outcome::ok)};
    }
    return {values.size(), outcome::ok};
  }
  std::optional<T> received(deadline until) {
    // Storage without T's constructors: a value need not have a default one.
    union storage {
      storage() {}
      T value;
    } s;
    if (!state_->receive(s.value, until)) return std::nullopt;
    return s.value;
  }
  leased lease_until(deadline until, bool timed = false) {
    typename state_type::held_lease h;
    const outcome r = state_->lease(h, until);
    return r ? leased(r, state_, h) : leased(timed ? internal::late(r) : r, nullptr, h);
  }

  std::shared_ptr<state_type> state_;
};

namespace internal {

// For select: on what to sleep until a try_receive() or a try_send() may succeed. Who waits for several prepares all of their
// words, runs the heavy fence and tries all before it sleeps. A buffered channel's words wake one per value, so who was woken and
// took nothing there passes the call on; a rendezvous's wake all.
//
// Neither word says that somebody waits here, so two that only try do not meet on a rendezvous: the one that sends has to stand
// with an offer meanwhile (rendezvous_core::stand, look_after, withdraw).
template <typename T>
class channel_events {
 public:
  explicit channel_events(const channel<T>& c) : state_(*c.state_) {}
  event_word<hardware>& receivable() const { return state_.receivable(); }
  event_word<hardware>& sendable() const { return state_.sendable(); }
  participant& env() const { return state_.held().env(); }
  // Null if it is buffered.
  typename channel_state<T>::rendezvous_type* rendezvous() const { return state_.rendezvous(); }

 private:
  channel_state<T>& state_;
};

}  // namespace internal
}  // namespace zeroipc

#endif  // ZEROIPC_CHANNEL_CHANNEL_H_
