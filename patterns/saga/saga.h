// Saga: one transaction of several steps under a name, each with a compensation that undoes it.
//
//   patterns::Saga order_saga(mem, "order_123");
//   order_saga.add_step([&] { return reserve_inventory(order); }, [&] { release_inventory(order); });
//   order_saga.add_step([&] { return charge_payment(order); }, [&] { refund_payment(order); });
//   if (!order_saga.execute()) notify_order_failed();
//
// An action returns whether it happened. If its process is killed, another one that declares the same steps and calls execute() goes on
// where it was; called again when it is over, execute() answers how it ended. What is promised: sagas.h, of which this is one with the number 1. For
// many of a kind, with data that lies in the log, use that.
#ifndef ZEROIPC_PATTERNS_SAGA_SAGA_H_
#define ZEROIPC_PATTERNS_SAGA_SAGA_H_

#include <string_view>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "patterns/saga/sagas.h"
#include "zeroipc/base/error.h"
#include "zeroipc/segment/segment.h"

namespace zeroipc::patterns {

class Saga {
 public:
  // Opens it, or creates it. Throws zeroipc::error.
  Saga(const memory& mem, std::string_view name, const SagaOptions& options = {})
      : sagas_(mem, name, 1, options) {}

  // action() or action(const SagaStep&), which returns a bool or an absl::Status; compensation() likewise, or nothing. In each process the
  // same ones in the same order.
  template <typename Action, typename Compensation>
  void add_step(Action action, Compensation compensation) {
    sagas_.add_step(absl::StrCat(steps_++), calling(std::move(action)),
                    calling(std::move(compensation)));
  }

  // Whether all steps have happened; if not, what had happened is undone. Waits if another process is at it.
  bool execute() {
    last_ = sagas_.execute(kNumber, {});
    return last_.ok() && last_->completed();
  }
  // Of the last execute(): why not.
  const absl::StatusOr<SagaEnd>& last() const { return last_; }
  // Before the next step, by anybody.
  outcome cancel() { return sagas_.cancel(kNumber); }

  stream<SagaEvent>& events() { return sagas_.events(); }
  SagaStats stats() const { return sagas_.stats(); }
  Health health() const { return sagas_.health(); }
  absl::Status remove() const { return sagas_.remove(); }

 private:
  struct nothing {
    uint64_t unused;
  };
  static constexpr uint64_t kNumber = 1;

  template <typename F>
  static Sagas<nothing>::Function calling(F f) {
    return [f = std::move(f)](const SagaStep& step, nothing&) mutable {
      if constexpr (std::is_invocable_v<F&, const SagaStep&>) {
        return status_of([&] { return f(step); });
      } else {
        return status_of(f);
      }
    };
  }
  template <typename F>
  static absl::Status status_of(F&& f) {
    using R = std::invoke_result_t<F&>;
    if constexpr (std::is_void_v<R>) {
      f();
      return absl::OkStatus();
    } else if constexpr (std::is_convertible_v<R, absl::Status>) {
      return f();
    } else {
      return f() ? absl::OkStatus() : absl::AbortedError("it has not happened");
    }
  }

  Sagas<nothing> sagas_;
  uint32_t steps_ = 0;
  absl::StatusOr<SagaEnd> last_ = absl::FailedPreconditionError("it has not been executed");
};

}  // namespace zeroipc::patterns

#endif  // ZEROIPC_PATTERNS_SAGA_SAGA_H_
