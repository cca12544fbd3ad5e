// What of future<T> and promise<T> does not depend on T. For users: future.h.
#ifndef ZEROIPC_FUTURE_FUTURE_BASE_H_
#define ZEROIPC_FUTURE_FUTURE_BASE_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "zeroipc/base/deadline.h"
#include "zeroipc/base/fixed_string.h"
#include "zeroipc/base/outcome.h"
#include "zeroipc/future/core.h"
#include "zeroipc/name_table/geometry.h"
#include "zeroipc/participant/participant.h"
#include "zeroipc/segment/segment.h"

namespace zeroipc {

// Why there is no value, and never will be.
struct future_error {
  int code = 0;  // as it was set; of a status, its absl::StatusCode
  fixed_string<internal::kFutureErrorText> message;

  bool broken_promise = false;  // nobody said so: who had promised the value...
  bool died = false;            // ...has died; otherwise it dropped the promise
  uint32_t slot = 0;            // of that participant
  int32_t pid = 0;              // 0: not known
  fixed_string<32> process;     // its name, as long as its slot is nobody else's; for display
};

namespace internal {

future_error_record error_record_of(std::string_view message, int code);
// One that is OK is no error, and is recorded as Internal.
future_error_record error_record_of(const absl::Status& status);

struct future_shared {
  using core_type = future_core<hardware, participant>;
  structure held;
  core_type core;
  // Of one that then() returned: the thread, which keeps a copy of what is above.
  std::shared_ptr<const void> background = nullptr;
};

class future_base {
 public:
  // Whether there is nothing more to wait for: a value, an error or a broken promise.
  bool ready() const { return core().look() != outcome::empty; }
  bool has_value() const { return core().look() == outcome::ok; }
  future_state state() const { return core().state(); }

  // Until it is ready. `ok`: there is a value; `failed`: an error; `broken`: a broken promise; `timed_out`; `corrupt` (no correct
  // participant wrote this).
  outcome wait() const { return core().wait(deadline::never()); }
  template <typename Rep, typename Period>
  outcome wait_for(std::chrono::duration<Rep, Period> timeout) const {
    return late(core().wait(deadline::after(timeout)));
  }
  outcome wait_until(deadline until) const { return core().wait(until); }

  // The error, or whose promise was broken; nothing while there is none.
  std::optional<future_error> error() const;
  // The same as a status, with the names of segment and future: OK if there is a value, Aborted for a broken promise, the code
  // of the status that was set, Unknown for an error with a code of its own; Unavailable while it is not ready, DataLoss.
  absl::Status status() const;

  // An error in place of the value. Answers as future::set_value().
  outcome set_error(std::string_view message, int code = 0) {
    return core().set_error(error_record_of(message, code), deadline::never());
  }
  outcome set_error(const absl::Status& status) {
    return core().set_error(error_record_of(status), deadline::never());
  }
  template <typename Rep, typename Period>
  outcome set_error_for(std::chrono::duration<Rep, Period> timeout, std::string_view message,
                        int code = 0) {
    return core().set_error(error_record_of(message, code), deadline::after(timeout));
  }

  // Takes its name away, if it still has it: NotFound otherwise. Open handles go on as before; the memory is freed with the last.
  // A name is free again then, for another future.
  absl::Status remove() const;

  future_stats stats() const { return core().stats(); }
  const std::string& name() const { return shared_->held.name(); }

  // For what waits for several things at once: its look() and its event().
  const future_shared::core_type& waitable() const { return core(); }

 protected:
  explicit future_base(std::shared_ptr<future_shared> s) : shared_(std::move(s)) {}
  static absl::StatusOr<std::shared_ptr<future_shared>> open_shared(const memory& mem,
                                                                    std::string_view name,
                                                                    open_mode mode,
                                                                    const structure_type& type);
  future_shared::core_type& core() const { return shared_->core; }
  // The claim of a promise that is about to be made.
  outcome claim(uint64_t& mine) const;
  [[noreturn]] void raise_why() const;
  std::optional<future_error> error_of(future_word w) const;

  // Runs `settle` once this is settled, for as long as `next` has a handle in this process, if `next` is not settled by then and
  // nobody else is at it, until it is. `settle(core, mine)` ends in keep() or fail(), but where there is no value, where the error is
  // passed on.
  absl::Status continue_in(
      const std::shared_ptr<future_shared>& next,
      std::function<void(future_shared::core_type& next, uint64_t mine)> settle) const;

  std::shared_ptr<future_shared> shared_;
};

// The right, and the duty, to settle a future; move-only.
class promise_base {
 public:
  promise_base(promise_base&& other) noexcept
      : to_(std::move(other.to_)), mine_(other.mine_), why_(other.why_) {}
  promise_base& operator=(promise_base&& other) noexcept {
    if (this != &other) {
      drop();
      to_ = std::move(other.to_);
      mine_ = other.mine_;
      why_ = other.why_;
    }
    return *this;
  }
  ~promise_base() { drop(); }

  // Whether it is there to be kept; why() tells why not.
  explicit operator bool() const { return to_ != nullptr; }
  outcome why() const { return to_ == nullptr ? why_ : outcome(outcome::ok); }

  // `gone`: it has been kept or released before, or this is a forked child and it is the parent's.
  outcome set_error(std::string_view message, int code = 0) {
    return end([&](auto& core) { return core.fail(mine_, error_record_of(message, code)); });
  }
  outcome set_error(const absl::Status& status) {
    return end([&](auto& core) { return core.fail(mine_, error_record_of(status)); });
  }
  // Gives the claim back: the future is empty again, for whoever sets or claims it.
  outcome release() {
    return end([&](auto& core) { return core.give_back(mine_); });
  }

 protected:
  promise_base(std::shared_ptr<future_shared> to, uint64_t mine, outcome why)
      : to_(why ? std::move(to) : nullptr), mine_(mine), why_(why) {}

  template <typename F>
  outcome end(F&& how) {
    if (to_ == nullptr) return outcome::gone;
    const std::shared_ptr<future_shared> to = std::exchange(to_, nullptr);
    why_ = outcome::gone;
    return how(to->core);
  }

  uint64_t mine() const { return mine_; }

 private:
  void drop() {
    end([&](auto& core) { return core.drop(mine_); });
  }

  std::shared_ptr<future_shared> to_;
  uint64_t mine_;
  outcome why_;
};

}  // namespace internal
}  // namespace zeroipc

#endif  // ZEROIPC_FUTURE_FUTURE_BASE_H_
