// What channel::lease() hands out: a value that has been received, and is not done with.
//
// Move-only; tests as `true` while there is a value, and says `why()` when there is none. Dropped, it is nacked: delivered
// again, at once. It keeps the channel alive, may be moved to another thread, and belongs to the process: the value comes back
// when that dies. In a forked child the guards of the parent are inert.
#ifndef ZEROIPC_CHANNEL_LEASED_VALUE_H_
#define ZEROIPC_CHANNEL_LEASED_VALUE_H_

#include <cstdint>
#include <memory>
#include <utility>

#include "zeroipc/base/outcome.h"
#include "zeroipc/channel/channel_state.h"
#include "zeroipc/queue/guards.h"

namespace zeroipc {

template <typename T>
class channel;

template <typename T>
class leased_value : public internal::guard_base {
 public:
  leased_value() = default;
  leased_value(leased_value&&) noexcept = default;
  leased_value& operator=(leased_value&& other) noexcept {
    if (this != &other) {
      nack();
      guard_base::operator=(std::move(other));
      state_ = std::move(other.state_);
      lease_ = other.lease_;
    }
    return *this;
  }
  ~leased_value() { nack(); }

  // REQUIRES: *this
  const T& value() const { return state_->value(lease_); }
  const T& operator*() const { return value(); }
  const T* operator->() const { return &value(); }
  // How often it has been handed out, this time included; 1 unless it was put back or a holder died.
  uint32_t deliveries() const { return state_->deliveries(lease_); }

  // Done with it. `gone` if it is not ours: ended before, or the parent process's.
  outcome ack() { return end() ? state_->ack(lease_) : outcome(outcome::gone); }
  // Not done with it: it is delivered again, to whoever comes first.
  outcome nack() { return end() ? state_->nack(lease_) : outcome(outcome::gone); }

 private:
  friend class channel<T>;
  using state = internal::channel_state<T>;
  leased_value(outcome why, std::shared_ptr<state> s, const typename state::held_lease& lease)
      : guard_base(why), state_(std::move(s)), lease_(lease) {}

  std::shared_ptr<state> state_;
  typename state::held_lease lease_;
};

}  // namespace zeroipc

#endif  // ZEROIPC_CHANNEL_LEASED_VALUE_H_
