// The two sides of a queue: what a producer may do and what a consumer may do. zeroipc::queue has both; the handles that
// queue::producer() and queue::consumer() return have one each.
//
// Every operation has three forms: try_x (now), x (until done, closed, or broken) and x_for (at most that long). They answer:
//   ok         it took effect
//   full       try_*: no room now                      empty      try_*: nothing there now
//   timed_out  *_for: the time passed first
//   closed     pushing: the queue is closed; popping: it is closed, and nothing is left or can come back
//   taken      another live holder has the role, or a reservation (view) of this one is out
//   exhausted  no thread record, no claim word (7 guards per thread), or, try_lease: no lease entry is left
//   corrupt    the segment holds what no correct participant can have written
// The forms that return an optional have no place for the reason; ask closed(), or use the form with an out parameter.
#ifndef ZEROIPC_QUEUE_SIDES_H_
#define ZEROIPC_QUEUE_SIDES_H_

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <utility>

#include "zeroipc/base/deadline.h"
#include "zeroipc/base/outcome.h"
#include "zeroipc/queue/guards.h"
#include "zeroipc/queue/queue_state.h"

namespace zeroipc {

namespace internal {

template <typename T, typename Policy>
class push_side {
 public:
  using reservation = zeroipc::reservation<T, Policy>;
  template <typename Rep, typename Period>
  using duration = std::chrono::duration<Rep, Period>;

  outcome push(const T& value) { return core().push(value, deadline::never()); }
  outcome try_push(const T& value) { return core().push(value, deadline::at_once()); }
  template <typename Rep, typename Period>
  outcome push_for(const T& value, duration<Rep, Period> timeout) {
    return late(core().push(value, deadline::after(timeout)));
  }

  // In order; others may push in between. push_n waits until all are in; the others say how many are.
  batch_outcome push_n(std::span<const T> values) { return push_until(values, deadline::never()); }
  batch_outcome try_push_n(std::span<const T> values) {
    return push_until(values, deadline::at_once());
  }
  template <typename Rep, typename Period>
  batch_outcome push_n_for(std::span<const T> values, duration<Rep, Period> timeout) {
    batch_outcome r = push_until(values, deadline::after(timeout));
    return {r.count, late(r.why)};
  }

  // A slot to be filled in place.
  reservation reserve() { return reserve_until(deadline::never()); }
  reservation try_reserve() { return reserve_until(deadline::at_once()); }
  template <typename Rep, typename Period>
  reservation reserve_for(duration<Rep, Period> timeout) {
    return reserve_until(deadline::after(timeout), true);
  }

 protected:
  using state_type = queue_state<T, Policy>;
  push_side() = default;
  explicit push_side(std::shared_ptr<state_type> s) : push_state_(std::move(s)) {}

  auto& core() const { return push_state_->core; }

 private:
  batch_outcome push_until(std::span<const T> values, deadline until) {
    uint64_t done = 0;
    const outcome why = core().push_n(values.data(), values.size(), done, until);
    return {static_cast<size_t>(done), why};
  }
  reservation reserve_until(deadline until, bool timed = false) {
    ring_ticket<hardware> t;
    const outcome r = core().reserve(t, until);
    return reservation(timed ? late(r) : r, push_state_.get(), t);
  }

  std::shared_ptr<state_type> push_state_;
};

template <typename T, typename Policy>
class pop_side {
 public:
  using view = zeroipc::view<T, Policy>;
  using leased = zeroipc::leased<T, Policy>;
  template <typename Rep, typename Period>
  using duration = std::chrono::duration<Rep, Period>;

  std::optional<T> pop() { return popped(deadline::never()); }
  std::optional<T> try_pop() { return popped(deadline::at_once()); }
  template <typename Rep, typename Period>
  std::optional<T> pop_for(duration<Rep, Period> timeout) {
    return popped(deadline::after(timeout));
  }

  outcome pop(T& value) { return core().pop(value, deadline::never()); }
  outcome try_pop(T& value) { return core().pop(value, deadline::at_once()); }
  template <typename Rep, typename Period>
  outcome pop_for(T& value, duration<Rep, Period> timeout) {
    return late(core().pop(value, deadline::after(timeout)));
  }

  // pop_n waits for at least one, then takes what is there.
  batch_outcome pop_n(std::span<T> values) { return pop_until(values, deadline::never()); }
  batch_outcome try_pop_n(std::span<T> values) { return pop_until(values, deadline::at_once()); }
  template <typename Rep, typename Period>
  batch_outcome pop_n_for(std::span<T> values, duration<Rep, Period> timeout) {
    batch_outcome r = pop_until(values, deadline::after(timeout));
    return {r.count, late(r.why)};
  }

  // The next item, where it lies.
  view peek() { return peek_until(deadline::never()); }
  view try_peek() { return peek_until(deadline::at_once()); }
  template <typename Rep, typename Period>
  view peek_for(duration<Rep, Period> timeout) {
    return peek_until(deadline::after(timeout), true);
  }

  // The next item, under a lease. Waits for an item, and for a free lease entry.
  leased lease() { return lease_until(deadline::never()); }
  leased try_lease() { return lease_until(deadline::at_once()); }
  template <typename Rep, typename Period>
  leased lease_for(duration<Rep, Period> timeout) {
    return lease_until(deadline::after(timeout), true);
  }

 protected:
  using state_type = queue_state<T, Policy>;
  pop_side() = default;
  explicit pop_side(std::shared_ptr<state_type> s) : pop_state_(std::move(s)) {}

  auto& core() const { return pop_state_->core; }

 private:
  std::optional<T> popped(deadline until) {
    // Storage without T's constructors: an element need not have a default one.
    union storage {
      storage() {}
      T value;
    } s;
    if (!core().pop(s.value, until)) return std::nullopt;
    return s.value;
  }
  batch_outcome pop_until(std::span<T> values, deadline until) {
    uint64_t done = 0;
    const outcome why = core().pop_n(values.data(), values.size(), done, until);
    return {static_cast<size_t>(done), why};
  }
  view peek_until(deadline until, bool timed = false) {
    typename queue_core<hardware, participant, T, Policy>::view_ticket t;
    const outcome r = core().peek(t, until);
    return view(timed ? late(r) : r, pop_state_.get(), t);
  }
  leased lease_until(deadline until, bool timed = false) {
    typename queue_core<hardware, participant, T, Policy>::held_lease h;
    const outcome r = core().lease(h, until);
    return r ? leased(r, pop_state_, h) : leased(timed ? late(r) : r, nullptr, h);
  }

  std::shared_ptr<state_type> pop_state_;
};

}  // namespace internal
}  // namespace zeroipc

#endif  // ZEROIPC_QUEUE_SIDES_H_
