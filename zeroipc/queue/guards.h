// What zeroipc::queue hands out for access without a copy, and under a lease. All are move-only, test as `true` while
// there is something behind them, and say `why()` when there is not.
//
//   guard        is                                        ended by           dropped
//   reservation  a slot to be filled                       commit(), abort()  aborted: a tombstone, skipped by consumers
//   view         the next item, looked at where it lies    release()          put back
//   leased       an item taken out, still to be done with  ack(), nack()      nacked: delivered again, at once
//
// A reservation or view stands in the ring: with several producers (or consumers) what comes after it can be pushed (or
// popped) meanwhile, but the ring cannot go around it, and consumers do not get past an unfinished reservation. Keep them
// short. A leased item has left the ring and holds up nobody.
//
// A reservation or view must not outlive the queue handle it came from. A leased item keeps the queue alive, may be moved to
// another thread, and belongs to the process: it comes back when the process dies, not when a thread ends.
//
// In a forked child the guards of the parent are inert: operations answer `gone`, and dropping them does nothing.
#ifndef ZEROIPC_QUEUE_GUARDS_H_
#define ZEROIPC_QUEUE_GUARDS_H_

#include <cstdint>
#include <memory>
#include <utility>

#include "zeroipc/base/outcome.h"
#include "zeroipc/participant/participant.h"
#include "zeroipc/queue/queue_state.h"

namespace zeroipc {
namespace internal {

template <typename T, typename Policy>
class push_side;
template <typename T, typename Policy>
class pop_side;

// Which outcome a guard was made with, and whether it still stands for something.
class guard_base {
 public:
  explicit operator bool() const { return live_; }
  outcome why() const { return why_; }

 protected:
  guard_base() = default;
  explicit guard_base(outcome why)
      : why_(why), live_(static_cast<bool>(why)), forks_(internal::fork_generation()) {}
  guard_base(guard_base&& other) noexcept
      : why_(other.why_), live_(std::exchange(other.live_, false)), forks_(other.forks_) {}
  guard_base& operator=(guard_base&& other) noexcept {
    why_ = other.why_;
    live_ = std::exchange(other.live_, false);
    forks_ = other.forks_;
    return *this;
  }

  // Whether the guard is there to be ended; it is not afterwards.
  bool end() { return std::exchange(live_, false) && forks_ == internal::fork_generation(); }

 private:
  outcome why_ = outcome::gone;
  bool live_ = false;
  uint32_t forks_ = 0;
};

}  // namespace internal

template <typename T, typename Policy>
class reservation : public internal::guard_base {
 public:
  reservation() = default;
  reservation(reservation&&) noexcept = default;
  reservation& operator=(reservation&& other) noexcept {
    if (this != &other) {
      abort();
      guard_base::operator=(std::move(other));
      state_ = other.state_;
      ticket_ = other.ticket_;
    }
    return *this;
  }
  ~reservation() { abort(); }

  // Where the element goes; what lies there before is unspecified. REQUIRES: *this
  T* get() const { return reinterpret_cast<T*>(ticket_.payload); }
  T& operator*() const { return *get(); }
  T* operator->() const { return get(); }

  // The element is pushed. `gone` if the reservation was ended before, or belongs to the parent process.
  outcome commit() {
    if (!end()) return outcome::gone;
    state_->core.commit(ticket_);
    return outcome::ok;
  }
  void abort() {
    if (end()) state_->core.abort(ticket_);
  }

 private:
  friend class internal::push_side<T, Policy>;
  using state = internal::queue_state<T, Policy>;
  reservation(outcome why, state* s, const internal::ring_ticket<hardware>& ticket)
      : guard_base(why), state_(s), ticket_(ticket) {}

  state* state_ = nullptr;
  internal::ring_ticket<hardware> ticket_;
};

template <typename T, typename Policy>
class view : public internal::guard_base {
 public:
  view() = default;
  view(view&&) noexcept = default;
  view& operator=(view&& other) noexcept {
    if (this != &other) {
      put_back();
      guard_base::operator=(std::move(other));
      state_ = other.state_;
      ticket_ = other.ticket_;
    }
    return *this;
  }
  ~view() { put_back(); }

  // REQUIRES: *this
  const T* get() const { return state_->core.value(ticket_); }
  const T& operator*() const { return *get(); }
  const T* operator->() const { return get(); }

  // The element is consumed. `gone` if the view was ended before, or belongs to the parent process.
  outcome release() {
    if (!end()) return outcome::gone;
    state_->core.release(ticket_);
    return outcome::ok;
  }
  // With one consumer the element stays the next one; with many it is delivered out of order.
  void put_back() {
    if (end()) state_->core.put_back(ticket_);
  }

 private:
  friend class internal::pop_side<T, Policy>;
  using state = internal::queue_state<T, Policy>;
  using ticket_type =
      typename internal::queue_core<hardware, internal::participant, T, Policy>::view_ticket;
  view(outcome why, state* s, const ticket_type& ticket)
      : guard_base(why), state_(s), ticket_(ticket) {}

  state* state_ = nullptr;
  ticket_type ticket_;
};

template <typename T, typename Policy>
class leased : public internal::guard_base {
 public:
  leased() = default;
  leased(leased&&) noexcept = default;
  leased& operator=(leased&& other) noexcept {
    if (this != &other) {
      nack();
      guard_base::operator=(std::move(other));
      state_ = std::move(other.state_);
      lease_ = other.lease_;
    }
    return *this;
  }
  ~leased() { nack(); }

  // REQUIRES: *this
  const T& value() const { return state_->core.value(lease_); }
  const T& operator*() const { return value(); }
  const T* operator->() const { return &value(); }
  // How often it has been handed out, this time included; 1 unless it was put back or a holder died.
  uint32_t deliveries() const { return state_->core.deliveries(lease_); }

  // Done with it. `gone` if it is not ours: ended before, or the parent process's.
  outcome ack() { return end() ? state_->core.ack(lease_) : outcome(outcome::gone); }
  // Not done with it: it is delivered again, to whoever comes first.
  outcome nack() { return end() ? state_->core.nack(lease_) : outcome(outcome::gone); }

 private:
  friend class internal::pop_side<T, Policy>;
  using state = internal::queue_state<T, Policy>;
  using lease_type =
      typename internal::queue_core<hardware, internal::participant, T, Policy>::held_lease;
  leased(outcome why, std::shared_ptr<state> s, const lease_type& lease)
      : guard_base(why), state_(std::move(s)), lease_(lease) {}

  std::shared_ptr<state> state_;
  lease_type lease_;
};

}  // namespace zeroipc

#endif  // ZEROIPC_QUEUE_GUARDS_H_
