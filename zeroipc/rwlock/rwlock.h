// rwlock: many readers or one writer, over any processes, any of which may die inside.
//
//   zeroipc::rwlock lock(mem, "routes lock");
//   {
//     std::shared_lock reading(lock);
//     ...
//   }
//   {
//     std::unique_lock writing(lock);
//     ...
//   }
//
// When to use it: for data that is read often and long, and changed seldom, and that none of the structures here keeps for
// you. When not: for one value use zeroipc::cell, for values under keys zeroipc::map: their readers take no lock at all. For short
// sections zeroipc::mutex is as good.
//
// What is promised when a process is killed
//   * The place of a dead reader is given back. A dead writer is replaced; what it guarded may be half changed, and everybody who
//     gets the lock after it, to read or to write, is told by `owner_died` until a writer calls mark_consistent().
//   * std::shared_lock and std::unique_lock cannot tell: with them, ask suspect() where it matters.
//
// Neither side starves: who waits to read when a writer leaves gets in before the next writer, and while a writer waits for the
// readers inside to leave, new ones wait for it. There is no order between writers.
//
// Thread safety: handles are thread-safe, cheap to copy, and keep the segment mapped. What is held belongs to the process: any of
// its threads may give it back; at most 4095 of them read at a time, and 1023 wait for that. Not recursive, and not upgradable: who
// holds it to read and locks it again may wait for itself. A forked child does not hold what its parent does.
// Progress: blocking; without a writer, readers touch a cache line of their own process's and read one that does not change.
// Complexity: O(1) for readers, O(processes that ever read) for writers. Memory: 384 bytes and 64 for each participant that
// the segment can have.
// Source: distributed reader counts as in big-reader locks (Hsieh and Weihl, 1992); alternation as in phase-fair locks
// (Brandenburg and Anderson, 2010).
#ifndef ZEROIPC_RWLOCK_RWLOCK_H_
#define ZEROIPC_RWLOCK_RWLOCK_H_

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "zeroipc/base/deadline.h"
#include "zeroipc/base/lock_outcome.h"
#include "zeroipc/base/outcome.h"
#include "zeroipc/name_table/plain_structure.h"
#include "zeroipc/participant/participant.h"
#include "zeroipc/rwlock/core.h"
#include "zeroipc/segment/segment.h"

namespace zeroipc {

// Meets the standard's requirements of a shared timed mutex, but for their return types, which say more than a bool.
class rwlock : public plain_structure<rwlock> {
 public:
  // Opens the lock, or creates it. Throws zeroipc::error.
  rwlock(const memory& mem, std::string_view name);

  // To write. `ok`, or `owner_died`: the caller has it all the same. Throws zeroipc::error if this process, a forked child, could
  // not join the segment.
  lock_outcome lock();
  // `taken`: somebody reads or writes.
  lock_outcome try_lock() { return core().lock(deadline::at_once()); }
  // `timed_out`.
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

  // To read. Throws also if more threads of this process read than can be counted.
  lock_outcome lock_shared();
  // `taken`: somebody writes, or waits for that.
  lock_outcome try_lock_shared() { return core().lock_shared(deadline::at_once()); }
  template <typename Rep, typename Period>
  lock_outcome try_lock_shared_for(std::chrono::duration<Rep, Period> timeout) {
    return core().lock_shared(deadline::after(timeout));
  }
  template <typename Clock, typename Duration>
  lock_outcome try_lock_shared_until(std::chrono::time_point<Clock, Duration> when) {
    return core().lock_shared(deadline::at(when));
  }
  outcome unlock_shared() { return core().unlock_shared(); }

  // Whether a writer died inside and no other has said since that all is well. For who holds the lock; a snapshot for others.
  bool suspect() const { return core().stats().suspect; }
  // By the writer: what the lock guards is whole again. `gone`, without effect, if this process does not hold it to write.
  outcome mark_consistent() { return core().mark_consistent(); }

  rwlock_stats stats() const { return core().stats(); }
  const std::string& name() const { return state_->held.name(); }

 private:
  friend class plain_structure<rwlock>;
  using core_type = internal::rwlock_core<hardware, internal::participant>;
  struct state {
    internal::structure held;
    core_type core;
  };

  explicit rwlock(std::shared_ptr<state> s) : state_(std::move(s)) {}
  static absl::StatusOr<rwlock> make(const memory& mem, std::string_view name,
                                     internal::open_mode mode);
  core_type& core() const { return state_->core; }

  std::shared_ptr<state> state_;
};

}  // namespace zeroipc

#endif  // ZEROIPC_RWLOCK_RWLOCK_H_
