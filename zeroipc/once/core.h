// The algorithm of zeroipc::once: a robust lock around the run, and a word that says it is over.
//
//   +------------------------------------------------+ 0
//   | structure_geometry                             |
//   +------------------------------------------------+ 128
//   | done           1: it has been run              |
//   | finished       who waits without running it    |
//   | runner         robust lock                     |
//   | deaths                                         |
//   +------------------------------------------------+ 256
//
//   state       owner          left by
//   not run     -              call(): CAS runner 0 -> tag
//   running     runner         done = 1 (release: the linearisation point), then unlock; or, if it threw, unlock alone
//   orphaned    dead tag       call() of a survivor: CAS dead tag -> own tag; it runs it again and is told
//   done        -              never
//
// Killed between done = 1 and the unlock: who inherits the lock looks at `done` first. Killed before finished is notified: those
// who sleep there are woken by the segment's death epoch.
#ifndef ZEROIPC_ONCE_CORE_H_
#define ZEROIPC_ONCE_CORE_H_

#include <climits>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "zeroipc/base/atomics.h"
#include "zeroipc/base/deadline.h"
#include "zeroipc/base/outcome.h"
#include "zeroipc/name_table/geometry.h"
#include "zeroipc/participant/owner_tag.h"
#include "zeroipc/wait/robust_lock.h"
#include "zeroipc/wait/wait.h"

namespace zeroipc {

struct once_stats {
  bool done = false;
  bool running = false;  // a snapshot
  uint64_t deaths = 0;   // runs that ended with their process
};

namespace internal {

template <typename P>
struct once_header {
  template <typename T>
  using atomic = typename P::template atomic<T>;

  structure_geometry geometry;

  alignas(kApart) atomic<uint32_t> done;
  event_word<P> finished;
  robust_lock<P> runner;
  atomic<uint64_t> deaths;
};
static_assert(offsetof(once_header<hardware>, done) == 128);

template <typename P, typename Env>
class once_core {
 public:
  void bind(Env& env, once_header<P>& header) {
    env_ = &env;
    header_ = &header;
  }

  // Acquire: pairs with the release in call(); what the run did is seen.
  bool done() const { return header_->done.load(std::memory_order_acquire) != 0; }

  // `run(again)`, unless that has been done; `again`: an earlier run died on the way. If it throws, nothing was run.
  template <typename F>
  outcome call(F&& run, deadline until) {
    if (done()) return outcome::ok;
    lock_result got = header_->runner.try_lock(*env_);
    if (got == lock_result::busy) {
      if (!env_->tag()) return outcome::exhausted;
      got = header_->runner.lock(*env_, until);
      if (got == lock_result::busy) {
        if (done()) return outcome::ok;
        return until.is_at_once() ? outcome::taken : outcome::timed_out;
      }
    }
    // Whatever happens in `run`. In a child that was forked there it is the parent's, and stays.
    struct unlock_at_end {
      once_core& core;
      const owner_tag self = core.env_->tag();
      ~unlock_at_end() {
        if (core.env_->tag() == self) core.header_->runner.unlock(*core.env_);
      }
    } const last{*this};
    if (got == lock_result::inherited && !done()) {
      header_->deaths.fetch_add(1, std::memory_order_relaxed);  // relaxed: the lock orders them
    }
    if (done()) return outcome::ok;
    std::forward<F>(run)(header_->deaths.load(std::memory_order_relaxed) != 0);
    header_->done.store(1, std::memory_order_release);
    header_->finished.notify(*env_, INT_MAX);
    return outcome::ok;
  }

  // Until somebody has run it.
  outcome wait(deadline until) {
    return wait_until<P>(*env_, header_->finished, until, [&] { return done(); })
               ? outcome::ok
               : outcome::timed_out;
  }

  once_stats stats() const {
    // Relaxed: figures for people.
    return {done(), header_->runner.owner.load(std::memory_order_relaxed) != 0,
            header_->deaths.load(std::memory_order_relaxed)};
  }

 private:
  Env* env_ = nullptr;
  once_header<P>* header_ = nullptr;
};

}  // namespace internal
}  // namespace zeroipc

#endif  // ZEROIPC_ONCE_CORE_H_
