// once: something that is done one time by whichever process comes first, and handed over if that one dies doing it.
//
//   zeroipc::once ready(mem, "tables loaded");
//   ready.call([&](bool again) {
//     if (again) clear(tables);          // an earlier run died on the way: what it did is still there
//     load(tables);
//   });                                  // here it has been done, by whomever
//
// When to use it: to fill what others share, before anybody uses it. When not: for a value that is computed on demand, use
// zeroipc::lazy.
//
// What is promised when a process is killed: if the process that runs it dies before the run is over, the next caller runs it, and
// is told; those who wait are woken for that. A run that returned is never run again.
//
// Thread safety: handles are thread-safe, cheap to copy, and keep the segment mapped. Not recursive: call() within its own run
// waits for itself.
// Progress: one load once it has been done; blocking before that. Memory: 256 bytes.
#ifndef ZEROIPC_ONCE_ONCE_H_
#define ZEROIPC_ONCE_ONCE_H_

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "absl/status/statusor.h"
#include "zeroipc/base/deadline.h"
#include "zeroipc/base/outcome.h"
#include "zeroipc/name_table/plain_structure.h"
#include "zeroipc/once/core.h"
#include "zeroipc/participant/participant.h"
#include "zeroipc/segment/segment.h"

namespace zeroipc {

class once : public plain_structure<once> {
 public:
  // Opens it, or creates one that has not been run. Throws zeroipc::error.
  once(const memory& mem, std::string_view name);

  // Calls `run`, or `run(again)` if it takes a bool, unless that has been done; waits while another is at it. With `ok` it has been
  // done. What `run` throws goes to the caller, and the next one runs it. `exhausted`: this process is a forked child that
  // could not join the segment.
  template <typename F>
  outcome call(F&& run) {
    return call_until(std::forward<F>(run), deadline::never());
  }
  // `taken`: another one is at it now.
  template <typename F>
  outcome try_call(F&& run) {
    return call_until(std::forward<F>(run), deadline::at_once());
  }
  // `timed_out`: another one was at it all that time. How long `run` takes is its own affair.
  template <typename Rep, typename Period, typename F>
  outcome call_for(std::chrono::duration<Rep, Period> timeout, F&& run) {
    return call_until(std::forward<F>(run), deadline::after(timeout));
  }

  // Whether it has been done: then what it did is seen.
  bool done() const { return core().done(); }
  // Until others have done it.
  void wait() const { core().wait(deadline::never()); }
  template <typename Rep, typename Period>
  bool wait_for(std::chrono::duration<Rep, Period> timeout) const {
    return static_cast<bool>(core().wait(deadline::after(timeout)));
  }

  once_stats stats() const { return core().stats(); }
  const std::string& name() const { return state_->held.name(); }

 private:
  friend class plain_structure<once>;
  using core_type = internal::once_core<hardware, internal::participant>;
  struct state {
    internal::structure held;
    core_type core;
  };

  explicit once(std::shared_ptr<state> s) : state_(std::move(s)) {}
  static absl::StatusOr<once> make(const memory& mem, std::string_view name,
                                   internal::open_mode mode);
  template <typename F>
  outcome call_until(F&& run, deadline until) {
    return core().call(
        [&](bool again) {
          if constexpr (std::is_invocable_v<F, bool>) {
            std::forward<F>(run)(again);
          } else {
            std::forward<F>(run)();
          }
        },
        until);
  }
  core_type& core() const { return state_->core; }

  std::shared_ptr<state> state_;
};

}  // namespace zeroipc

#endif  // ZEROIPC_ONCE_ONCE_H_
