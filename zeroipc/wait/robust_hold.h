// A robust_lock for the time of a scope.
//
// For short sections: an operation that is not to wait (deadline::at_once()) still waits for one that is under way, but not
// for one whose process is stopped: no longer than kBriefly.
//
//   robust_hold hold(env, header.writer, until);
//   if (!hold) return hold.why();
//   if (hold.inherited()) repair();
#ifndef ZEROIPC_WAIT_ROBUST_HOLD_H_
#define ZEROIPC_WAIT_ROBUST_HOLD_H_

#include <chrono>

#include "zeroipc/base/deadline.h"
#include "zeroipc/base/outcome.h"
#include "zeroipc/participant/owner_tag.h"
#include "zeroipc/wait/robust_lock.h"

namespace zeroipc::internal {

template <typename P, typename Env>
class robust_hold {
 public:
  static constexpr std::chrono::milliseconds kBriefly{10};

  robust_hold(Env& env, robust_lock<P>& lock, deadline until = deadline::never())
      : env_(env), lock_(lock), brief_(until.is_at_once()), self_(env.tag()) {
    result_ = lock.try_lock(env);
    // The clock is looked at only if it matters.
    if (!*this) result_ = lock.lock(env, brief_ ? deadline::after(kBriefly) : until);
  }
  // In a child that was forked inside the scope it is the parent's, and stays.
  ~robust_hold() {
    if (*this && env_.tag() == self_) lock_.unlock(env_);
  }
  robust_hold(const robust_hold&) = delete;
  robust_hold& operator=(const robust_hold&) = delete;

  explicit operator bool() const { return result_ != lock_result::busy; }
  bool inherited() const { return result_ == lock_result::inherited; }
  // Why it is not held: `timed_out`; `taken`, where that would have been at once; or `exhausted`: this process is a forked child
  // that could not join the segment.
  outcome why() const {
    if (!env_.tag()) return outcome::exhausted;
    return brief_ ? outcome::taken : outcome::timed_out;
  }

 private:
  Env& env_;
  robust_lock<P>& lock_;
  const bool brief_;
  const owner_tag self_;
  lock_result result_;
};

}  // namespace zeroipc::internal

#endif  // ZEROIPC_WAIT_ROBUST_HOLD_H_
