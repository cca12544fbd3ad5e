// mutex: mutual exclusion between the threads of any processes, any of which may die inside.
//
//   zeroipc::mutex m(mem, "ledger lock");
//   {
//     std::lock_guard hold(m);             // or std::unique_lock, std::scoped_lock
//     ...
//   }
//
//   if (m.lock() == outcome::owner_died) { // whoever had it died inside: look at what it guards
//     repair(ledger);
//     m.mark_consistent();
//   }
//   m.unlock();
//
// When to use it: for several words that must change together and that none of the structures here keeps for you. When not:
// for one value use zeroipc::cell or an atomic of zeroipc::array, which no death can leave half changed. For many readers and
// few writers, zeroipc::rwlock.
//
// What is promised when a process is killed
//   * Who died outside of the lock disturbs nobody. Who died inside is replaced by the next one in line, which is told by
//     `owner_died`, and so is everybody after it until one of them calls mark_consistent(). (POSIX robust mutexes become
//     unusable if the first owner unlocks without that; here others go on, knowing what they know.)
//   * std::lock_guard cannot tell: with it, ask suspect() where it matters.
//
// Thread safety: handles are thread-safe, cheap to copy, and keep the segment mapped. Threads of one process exclude each other
// like those of others. The owner is the process: any of its threads may unlock. Not recursive: a thread that locks twice
// waits for itself, and try_lock() answers false. A forked child does not own what its parent holds.
// Progress: blocking; uncontended lock and unlock make no system call. No order among those who wait.
// Memory: 384 bytes.
#ifndef ZEROIPC_MUTEX_MUTEX_H_
#define ZEROIPC_MUTEX_MUTEX_H_

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "zeroipc/base/deadline.h"
#include "zeroipc/base/lock_outcome.h"
#include "zeroipc/base/outcome.h"
#include "zeroipc/mutex/core.h"
#include "zeroipc/name_table/plain_structure.h"
#include "zeroipc/participant/participant.h"
#include "zeroipc/segment/segment.h"

namespace zeroipc {

// Meets the standard's Lockable and TimedLockable.
class mutex : public plain_structure<mutex> {
 public:
  // Opens the mutex, or creates it. Throws zeroipc::error.
  mutex(const memory& mem, std::string_view name);

  // Waits for it. `ok`, or `owner_died`: the caller has it all the same. Throws zeroipc::error if this process, a forked child,
  // could not join the segment: it cannot own anything.
  lock_outcome lock();
  // `taken`: somebody has it.
  lock_outcome try_lock() { return core().lock(deadline::at_once()); }
  // `timed_out`: somebody had it all that time.
  template <typename Rep, typename Period>
  lock_outcome try_lock_for(std::chrono::duration<Rep, Period> timeout) {
    return core().lock(deadline::after(timeout));
  }
  template <typename Clock, typename Duration>
  lock_outcome try_lock_until(std::chrono::time_point<Clock, Duration> when) {
    return core().lock(deadline::at(when));
  }
  // `gone`, without effect, if this process does not hold it.
  outcome unlock() { return core().unlock(); }

  // Whether an owner died inside and nobody has said since that all is well. For who holds the lock; a snapshot for others.
  bool suspect() const { return core().stats().suspect; }
  // By the owner: what the mutex guards is whole again. `gone`, without effect, if this process does not hold it.
  outcome mark_consistent() { return core().mark_consistent(); }

  mutex_stats stats() const { return core().stats(); }
  const std::string& name() const { return state_->held.name(); }

 private:
  friend class plain_structure<mutex>;
  using core_type = internal::mutex_core<hardware, internal::participant>;
  struct state {
    internal::structure held;
    core_type core;
  };

  explicit mutex(std::shared_ptr<state> s) : state_(std::move(s)) {}
  static absl::StatusOr<mutex> make(const memory& mem, std::string_view name,
                                    internal::open_mode mode);
  core_type& core() const { return state_->core; }

  std::shared_ptr<state> state_;
};

}  // namespace zeroipc

#endif  // ZEROIPC_MUTEX_MUTEX_H_
