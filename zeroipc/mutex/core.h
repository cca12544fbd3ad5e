// The algorithm of zeroipc::mutex: a robust lock, and a word that says whether what it guards may be half changed.
//
//   +------------------------------------------------+ 0
//   | structure_geometry                             |
//   +------------------------------------------------+ 128
//   | lock           robust lock                     |
//   | suspect        1: an owner died inside         |
//   +------------------------------------------------+ 256
//   | waits, deaths                                  |
//   +------------------------------------------------+
//
//   state                  owner          left by
//   free                   0              lock(): CAS 0 -> tag (linearisation point)
//   held                   tag            unlock(): store 0, release
//   orphaned               dead tag       lock() of a survivor: CAS dead tag -> own tag, then suspect = 1
//   suspect (with any)     whoever locks  mark_consistent(), by the owner
//
// Killed between the CAS that inherits and suspect = 1: the next one inherits again and sets it. So everybody who holds the
// lock after a death and before mark_consistent() is told, however many die on the way.
#ifndef ZEROIPC_MUTEX_CORE_H_
#define ZEROIPC_MUTEX_CORE_H_

#include <cstddef>
#include <cstdint>

#include "zeroipc/base/atomics.h"
#include "zeroipc/base/deadline.h"
#include "zeroipc/base/outcome.h"
#include "zeroipc/name_table/geometry.h"
#include "zeroipc/participant/owner_tag.h"
#include "zeroipc/wait/robust_lock.h"

namespace zeroipc {

struct mutex_stats {
  bool locked = false;   // a snapshot
  bool suspect = false;  // an owner died inside, and nobody has called mark_consistent() since
  uint64_t waits = 0;    // locks that found it held
  uint64_t deaths = 0;   // owners that died inside
};

namespace internal {

template <typename P>
struct mutex_header {
  template <typename T>
  using atomic = typename P::template atomic<T>;

  structure_geometry geometry;

  alignas(kApart) robust_lock<P> lock;
  atomic<uint32_t> suspect;

  alignas(kApart) atomic<uint64_t> waits;
  atomic<uint64_t> deaths;
};
static_assert(offsetof(mutex_header<hardware>, lock) == 128);
static_assert(offsetof(mutex_header<hardware>, waits) == 256);

template <typename P, typename Env>
class mutex_core {
 public:
  void bind(Env& env, mutex_header<P>& header) {
    env_ = &env;
    header_ = &header;
  }

  // `ok` or `owner_died`: the caller has it; `taken`, `timed_out`; `exhausted`: this process could not join the segment.
  outcome lock(deadline until) {
    lock_result got = header_->lock.try_lock(*env_);
    if (got == lock_result::busy) {
      if (!env_->tag()) return outcome::exhausted;
      if (until.is_at_once()) return outcome::taken;
      count(header_->waits);
      got = header_->lock.lock(*env_, until);
      if (got == lock_result::busy) return outcome::timed_out;
    }
    // Relaxed, here and below: only who holds the lock touches `suspect`, and the lock orders them.
    if (got == lock_result::inherited) {
      header_->suspect.store(1, std::memory_order_relaxed);
      count(header_->deaths);
    }
    return header_->suspect.load(std::memory_order_relaxed) != 0 ? outcome::owner_died
                                                                 : outcome::ok;
  }

  // `gone`, without effect: this process does not hold it.
  outcome unlock() {
    if (!held_here()) return outcome::gone;
    header_->lock.unlock(*env_);
    return outcome::ok;
  }

  // `gone`, without effect: this process does not hold it.
  outcome mark_consistent() {
    if (!held_here()) return outcome::gone;
    header_->suspect.store(0, std::memory_order_relaxed);
    return outcome::ok;
  }

  // By this process, whichever thread.
  bool held_here() const {
    const owner_tag self = env_->tag();
    // Relaxed: only this process writes its own tag there and takes it away.
    return self && header_->lock.owner.load(std::memory_order_relaxed) == self.bits();
  }

  mutex_stats stats() const {
    // Relaxed: figures for people.
    return {header_->lock.owner.load(std::memory_order_relaxed) != 0,
            header_->suspect.load(std::memory_order_relaxed) != 0,
            header_->waits.load(std::memory_order_relaxed),
            header_->deaths.load(std::memory_order_relaxed)};
  }

 private:
  static void count(typename P::template atomic<uint64_t>& counter) {
    counter.fetch_add(1, std::memory_order_relaxed);  // relaxed: a figure for people
  }

  Env* env_ = nullptr;
  mutex_header<P>* header_ = nullptr;
};

}  // namespace internal
}  // namespace zeroipc

#endif  // ZEROIPC_MUTEX_CORE_H_
