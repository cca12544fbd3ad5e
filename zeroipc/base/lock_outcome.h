// What locking answers: an outcome that fits where the standard library wants a bool.
//
//   std::unique_lock lock(m, std::defer_lock);
//   if (lock.try_lock()) ...
//
//   if (lock_outcome got = m.lock(); got == outcome::owner_died) repair_then_say_so();
#ifndef ZEROIPC_BASE_LOCK_OUTCOME_H_
#define ZEROIPC_BASE_LOCK_OUTCOME_H_

#include <string_view>

#include "zeroipc/base/outcome.h"

namespace zeroipc {

class lock_outcome {
 public:
  constexpr lock_outcome(outcome why) : why_(why) {}  // NOLINT: it says the same

  // Whether the caller has the lock.
  constexpr operator bool() const {
    return static_cast<bool>(why_);
  }  // NOLINT: Lockable asks for it
  constexpr outcome why() const { return why_; }
  constexpr std::string_view name() const { return why_.name(); }
  friend constexpr bool operator==(lock_outcome a, lock_outcome b) = default;
  friend constexpr bool operator==(lock_outcome a, outcome b) { return a.why_ == b; }
  friend constexpr bool operator==(lock_outcome a, outcome::code b) { return a.why_ == b; }

 private:
  outcome why_;
};

}  // namespace zeroipc

#endif  // ZEROIPC_BASE_LOCK_OUTCOME_H_
