// barrier: lets a fixed number of threads of any processes wait for each other, again and again.
//
//   zeroipc::barrier step(mem, "step", 8, zeroipc::on_death::shrink);
//   while (simulating) {
//     compute(my_part);
//     step.arrive_and_wait();             // everybody's part is computed
//     exchange(my_part);
//     step.arrive_and_wait();
//   }
//
// When to use it: for work that goes on in steps. When not: to wait once, use zeroipc::latch.
//
// A party is a thread that arrives; its process has a seat for it from its first arrival, or from join(), until drop().
//
// What is promised when a process is killed
//   * An arrival that returned stands for its phase.
//   * A party that is awaited and dies is given up (`shrink`: the others go on, with fewer), or breaks the barrier for good
//     (`break_all`: everybody who waits or arrives is told `broken`). So is one whose process leaves the segment without drop().
//   * A replacement takes the seat over by join() or by arriving: before the others have noticed the death, or, where the seat was
//     given up, by join().
//   * Of a process that dies before its first arrival nothing is known, unless it has called join(): the barrier waits for
//     whoever takes that seat.
//
// Thread safety: handles are thread-safe, cheap to copy, and keep the segment mapped. What was done before an arrival is seen by all
// after the wait.
// Progress: arrivals are lock-free; waiting is blocking. Complexity: O(parties) at worst for an arrival, O(1) where processes keep to
// their seats. Memory: 256 bytes and 8 for each party; at most 4096.
#ifndef ZEROIPC_BARRIER_BARRIER_H_
#define ZEROIPC_BARRIER_BARRIER_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "zeroipc/barrier/core.h"
#include "zeroipc/base/deadline.h"
#include "zeroipc/base/outcome.h"
#include "zeroipc/name_table/geometry.h"
#include "zeroipc/participant/participant.h"
#include "zeroipc/segment/segment.h"

namespace zeroipc {

class barrier {
 public:
  // Which phase a thread has arrived in.
  using phase = uint32_t;

  // Opens the barrier, or creates it; one that exists for another number of parties, or with another rule, is an error. Throws
  // zeroipc::error.
  barrier(const memory& mem, std::string_view name, size_t parties,
          on_death rule = on_death::shrink);
  // Opens a barrier that exists. Throws zeroipc::error.
  barrier(const memory& mem, std::string_view name);

  // Errors: InvalidArgument (0 parties or too many, bad name), ResourceExhausted (it does not fit), AlreadyExists, NotFound,
  // FailedPrecondition (another kind, number of parties or rule), DataLoss (corrupt header), PermissionDenied (segment open
  // read-only). The messages name what was expected and what was found.
  static absl::StatusOr<barrier> create(const memory& mem, std::string_view name, size_t parties,
                                        on_death rule = on_death::shrink);
  static absl::StatusOr<barrier> open(const memory& mem, std::string_view name);
  static absl::StatusOr<barrier> open_or_create(const memory& mem, std::string_view name,
                                                size_t parties, on_death rule = on_death::shrink);

  // Takes a seat for a party of this process, which the others wait for from the next phase on at the latest. `full`: all seats
  // are others'; `broken`; `exhausted`: this process is a forked child that could not join the segment.
  outcome join() { return core().join(); }
  // Gives up a seat that has not arrived in this phase. `gone`: this process has none.
  outcome drop() { return core().drop(); }

  // Arrives, and goes on. `full`: more parties than the barrier has seats; else as above.
  outcome arrive(phase& into) { return core().arrive(into); }
  // Until all have arrived in that phase, which this thread did. `broken`: somebody died who was awaited.
  outcome wait(phase of) { return core().wait(of, deadline::never()); }
  // `empty`: not yet.
  outcome try_wait(phase of) { return core().wait(of, deadline::at_once()); }
  // `timed_out`: not within that time. The arrival stands.
  template <typename Rep, typename Period>
  outcome wait_for(phase of, std::chrono::duration<Rep, Period> timeout) {
    return internal::late(core().wait(of, deadline::after(timeout)));
  }
  outcome arrive_and_wait() { return arrive_and_wait_until(deadline::never()); }
  template <typename Rep, typename Period>
  outcome arrive_and_wait_for(std::chrono::duration<Rep, Period> timeout) {
    return internal::late(arrive_and_wait_until(deadline::after(timeout)));
  }

  size_t parties() const { return static_cast<size_t>(core().stats().parties); }
  on_death rule() const { return core().rule(); }
  // O(parties).
  barrier_stats stats() const { return core().stats(); }
  const std::string& name() const { return state_->held.name(); }

 private:
  using core_type = internal::barrier_core<hardware, internal::participant>;
  struct state {
    internal::structure held;
    core_type core;
  };

  explicit barrier(std::shared_ptr<state> s) : state_(std::move(s)) {}
  static absl::StatusOr<barrier> make(const memory& mem, std::string_view name,
                                      internal::open_mode mode, size_t parties, uint64_t rule);
  outcome arrive_and_wait_until(deadline until) {
    phase k = 0;
    const outcome arrived = core().arrive(k);
    return arrived ? core().wait(k, until) : arrived;
  }
  core_type& core() const { return state_->core; }

  std::shared_ptr<state> state_;
};

}  // namespace zeroipc

#endif  // ZEROIPC_BARRIER_BARRIER_H_
