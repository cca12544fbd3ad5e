// semaphore: at most so many at a time, counted over all processes; the permits of who dies come back.
//
//   zeroipc::semaphore slots(mem, "gpu slots", 4);   // opens it, or creates it with 4 permits
//   if (auto permit = slots.take()) {                // waits for one
//     render(frame);
//   }                                                // given back here
//
// When to use it: to bound how many use something at once. When not: for one at a time, zeroipc::mutex; to count things that one
// process makes and another consumes, zeroipc::queue: a permit belongs to the process that took it, and only that can release it.
//
// What is promised when a process is killed: each permit that it held goes to the next who asks, at once if somebody waits. None is
// ever lost or doubled.
//
// Thread safety: handles are thread-safe, cheap to copy, and keep the segment mapped. A permit may be released by any thread of
// its process. A forked child does not own what its parent holds.
// Progress: try_ forms are lock-free; acquire() is blocking, and makes no system call while there are permits. No order among
// those who wait.
// Complexity: O(1) while there are free permits near the last one taken, at worst O(permits). Memory: 256 bytes and 4 for each
// permit; at most 2^20.
#ifndef ZEROIPC_SEMAPHORE_SEMAPHORE_H_
#define ZEROIPC_SEMAPHORE_SEMAPHORE_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "zeroipc/base/deadline.h"
#include "zeroipc/base/outcome.h"
#include "zeroipc/name_table/sized_structure.h"
#include "zeroipc/participant/participant.h"
#include "zeroipc/segment/segment.h"
#include "zeroipc/semaphore/core.h"

namespace zeroipc {

class semaphore : public sized_structure<semaphore> {
  using core_type = internal::semaphore_core<hardware, internal::participant>;
  struct state {
    internal::structure held;
    core_type core;
  };

 public:
  // Opens the semaphore, or creates it with all its permits free; one that exists with another number is an error. Throws
  // zeroipc::error.
  semaphore(const memory& mem, std::string_view name, size_t permits);
  // Opens a semaphore that exists. Throws zeroipc::error.
  semaphore(const memory& mem, std::string_view name);

  // Waits for a permit. `exhausted`: this process is a forked child that could not join the segment.
  outcome acquire() { return acquire_until(deadline::never()); }
  // `empty`: none is free now.
  outcome try_acquire() { return acquire_until(deadline::at_once()); }
  // `timed_out`: none was free all that time.
  template <typename Rep, typename Period>
  outcome try_acquire_for(std::chrono::duration<Rep, Period> timeout) {
    return internal::late(acquire_until(deadline::after(timeout)));
  }
  // Gives back one of those that this process holds; `gone`, without effect, if it holds none.
  outcome release() { return core().release_any(); }

  // A permit for the time of a scope. Movable; empty if there was none to be had.
  class permit {
   public:
    permit() = default;
    permit(permit&& other) noexcept
        : from_(std::move(other.from_)), index_(other.index_), why_(other.why_) {
      other.from_.reset();
    }
    permit& operator=(permit&& other) noexcept {
      if (this != &other) {
        release();
        from_ = std::exchange(other.from_, nullptr);
        index_ = other.index_;
        why_ = other.why_;
      }
      return *this;
    }
    ~permit() { release(); }

    explicit operator bool() const { return from_ != nullptr; }
    // Why it is empty.
    outcome why() const { return why_; }
    // Gives it back before the end of the scope. `gone`: it is empty, or this is a forked child and it is the parent's.
    outcome release() {
      const std::shared_ptr<state> from = std::exchange(from_, nullptr);
      why_ = outcome::gone;
      return from == nullptr ? outcome(outcome::gone) : from->core.release(index_);
    }

   private:
    friend class semaphore;
    std::shared_ptr<state> from_;
    uint64_t index_ = 0;
    outcome why_ = outcome::gone;
  };
  permit take() { return take_until(deadline::never()); }
  permit try_take() { return take_until(deadline::at_once()); }
  template <typename Rep, typename Period>
  permit try_take_for(std::chrono::duration<Rep, Period> timeout) {
    permit p = take_until(deadline::after(timeout));
    p.why_ = internal::late(p.why_);
    return p;
  }

  size_t permits() const { return static_cast<size_t>(core().permits()); }
  // O(permits). A snapshot: by the time it is used it is history.
  size_t available() const { return static_cast<size_t>(core().stats().available); }
  semaphore_stats stats() const { return core().stats(); }
  const std::string& name() const { return state_->held.name(); }

 private:
  friend class sized_structure<semaphore>;

  explicit semaphore(std::shared_ptr<state> s) : state_(std::move(s)) {}
  static absl::StatusOr<semaphore> make(const memory& mem, std::string_view name,
                                        internal::open_mode mode, size_t permits);
  outcome acquire_until(deadline until) {
    uint64_t index;
    return core().acquire(index, until);
  }
  permit take_until(deadline until) {
    permit p;
    p.why_ = core().acquire(p.index_, until);
    if (p.why_) p.from_ = state_;
    return p;
  }
  core_type& core() const { return state_->core; }

  std::shared_ptr<state> state_;
};

}  // namespace zeroipc

#endif  // ZEROIPC_SEMAPHORE_SEMAPHORE_H_
