// event: lets the threads of any processes wait until something has happened.
//
//   zeroipc::event started(mem, "started", zeroipc::event_reset::manual);
//   started.wait();                                  // in any process, until somebody calls
//   started.set();                                   // and from then on without waiting, until reset()
//
//   zeroipc::event work(mem, "work", zeroipc::event_reset::automatic);
//   work.set();                                      // lets one waiter through, now or later
//
// When to use it: to tell others of a change of state. When not: to hand over things or count them, use zeroipc::queue or
// zeroipc::semaphore: setting an event twice is like setting it once.
//
// What is promised when a process is killed: an event that was set stays so. If a waiter dies whom an automatic event has woken,
// and it had not been let through yet, another waiter is. One that had been takes that with it.
//
// Thread safety: handles are thread-safe, cheap to copy, and keep the segment mapped. What was done before set() is seen by
// whom it lets through.
// Progress: set(), reset() and is_set() are wait-free but for the system call that wakes; waiting is blocking. No order
// among those who wait. Memory: 256 bytes.
#ifndef ZEROIPC_EVENT_EVENT_H_
#define ZEROIPC_EVENT_EVENT_H_

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "zeroipc/base/deadline.h"
#include "zeroipc/base/outcome.h"
#include "zeroipc/event/core.h"
#include "zeroipc/name_table/geometry.h"
#include "zeroipc/participant/participant.h"
#include "zeroipc/segment/segment.h"

namespace zeroipc {

class event {
 public:
  // Opens the event, or creates one that is not set; one that exists with another mode is an error. Throws zeroipc::error.
  event(const memory& mem, std::string_view name, event_reset mode);
  // Opens an event that exists. Throws zeroipc::error.
  event(const memory& mem, std::string_view name);

  // Errors: InvalidArgument (bad name), ResourceExhausted (it does not fit), AlreadyExists, NotFound, FailedPrecondition
  // (another kind or mode), DataLoss (corrupt header), PermissionDenied (segment open read-only). The messages name what was
  // expected and what was found.
  static absl::StatusOr<event> create(const memory& mem, std::string_view name, event_reset mode);
  static absl::StatusOr<event> open(const memory& mem, std::string_view name);
  static absl::StatusOr<event> open_or_create(const memory& mem, std::string_view name,
                                              event_reset mode);

  void set() { core().set(); }
  // Whether it was set.
  bool reset() { return core().reset(); }
  bool is_set() const { return core().is_set(); }

  // Until it is set; an automatic one is not any more then.
  void wait() { core().wait(deadline::never()); }
  // Whether it is set; an automatic one is not any more then.
  bool try_wait() { return static_cast<bool>(core().wait(deadline::at_once())); }
  // Whether it was set within that time.
  template <typename Rep, typename Period>
  bool wait_for(std::chrono::duration<Rep, Period> timeout) {
    return static_cast<bool>(core().wait(deadline::after(timeout)));
  }

  event_reset mode() const { return core().mode(); }
  event_stats stats() const { return core().stats(); }
  const std::string& name() const { return state_->held.name(); }

 private:
  using core_type = internal::event_core<hardware, internal::participant>;
  struct state {
    internal::structure held;
    core_type core;
  };

  explicit event(std::shared_ptr<state> s) : state_(std::move(s)) {}
  static absl::StatusOr<event> make(const memory& mem, std::string_view name,
                                    internal::open_mode mode, uint64_t reset);
  core_type& core() const { return state_->core; }

  std::shared_ptr<state> state_;
};

}  // namespace zeroipc

#endif  // ZEROIPC_EVENT_EVENT_H_
