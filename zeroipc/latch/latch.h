// latch: opens once, when as many arrivals have been made as it was created for.
//
//   zeroipc::latch ready(mem, "workers ready", 8);
//   ready.count_down();                       // in each of eight workers
//   ready.wait();                             // in whoever needs them all
//
//   auto arrival = ready.promise();           // from here on this process owes one arrival: if it dies first,
//   initialize();                             // that is forfeited, and nobody waits for it
//   arrival.arrive();
//
// When to use it: to wait once until several processes have got somewhere. When not: again and again, use zeroipc::barrier.
//
// What is promised when a process is killed
//   * An arrival that returned counts, whatever becomes of its process.
//   * One that was promised and not made is forfeited when its process dies: the latch opens as if it had been made, and stats()
//     tells how many those are. Before anybody promises, an arrival is owed by nobody in particular, and the latch waits for
//     whoever makes it: a replacement of the dead, for example.
//
// Thread safety: handles are thread-safe, cheap to copy, and keep the segment mapped. What was done before an arrival is seen
// after the wait.
// Progress: arrivals are lock-free; waiting is blocking. Complexity: O(1) for each arrival, over all of them. Memory: 256 bytes
// and 4 for each arrival; at most 2^20.
#ifndef ZEROIPC_LATCH_LATCH_H_
#define ZEROIPC_LATCH_LATCH_H_

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
#include "zeroipc/latch/core.h"
#include "zeroipc/name_table/sized_structure.h"
#include "zeroipc/participant/participant.h"
#include "zeroipc/segment/segment.h"

namespace zeroipc {

class latch : public sized_structure<latch> {
  using core_type = internal::latch_core<hardware, internal::participant>;
  struct state {
    internal::structure held;
    core_type core;
  };

 public:
  // Opens the latch, or creates it; one that exists for another number of arrivals is an error. Throws zeroipc::error.
  latch(const memory& mem, std::string_view name, size_t arrivals);
  // Opens a latch that exists. Throws zeroipc::error.
  latch(const memory& mem, std::string_view name);

  // One arrival. `full`: all have been made or promised.
  outcome count_down() { return core().count_down(); }
  outcome arrive_and_wait() {
    const outcome arrived = count_down();
    return arrived ? core().wait(deadline::never()) : arrived;
  }

  // An arrival that this process owes. Taken back if it goes out of scope before it was made. Movable.
  class promised {
   public:
    promised(promised&& other) noexcept
        : to_(std::move(other.to_)), index_(other.index_), why_(other.why_) {
      other.to_.reset();
    }
    promised& operator=(promised&&) = delete;
    ~promised() {
      if (to_ != nullptr) to_->core.withdraw(index_);
    }

    // Whether it is there to be made; why() tells why not.
    explicit operator bool() const { return to_ != nullptr; }
    outcome why() const { return why_; }
    // `gone`: it has been made already, or this is a forked child and it is the parent's.
    outcome arrive() {
      const std::shared_ptr<state> to = std::exchange(to_, nullptr);
      why_ = outcome::gone;
      return to == nullptr ? outcome(outcome::gone) : to->core.arrive(index_);
    }

   private:
    friend class latch;
    promised() = default;
    std::shared_ptr<state> to_;
    uint64_t index_ = 0;
    outcome why_ = outcome::gone;
  };
  // `full`: all have been made or promised; `exhausted`: this process is a forked child that could not join the segment.
  promised promise() {
    promised p;
    p.why_ = core().promise(p.index_);
    if (p.why_) p.to_ = state_;
    return p;
  }

  void wait() const { core().wait(deadline::never()); }
  // Whether it is open.
  bool try_wait() const { return static_cast<bool>(core().wait(deadline::at_once())); }
  template <typename Rep, typename Period>
  bool wait_for(std::chrono::duration<Rep, Period> timeout) const {
    return static_cast<bool>(core().wait(deadline::after(timeout)));
  }

  size_t expected() const { return static_cast<size_t>(core().expected()); }
  // O(expected).
  latch_stats stats() const { return core().stats(); }
  const std::string& name() const { return state_->held.name(); }

 private:
  friend class sized_structure<latch>;

  explicit latch(std::shared_ptr<state> s) : state_(std::move(s)) {}
  static absl::StatusOr<latch> make(const memory& mem, std::string_view name,
                                    internal::open_mode mode, size_t arrivals);
  core_type& core() const { return state_->core; }

  std::shared_ptr<state> state_;
};

}  // namespace zeroipc

#endif  // ZEROIPC_LATCH_LATCH_H_
