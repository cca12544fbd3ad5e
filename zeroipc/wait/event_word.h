// One 32-bit futex word on which threads of any process wait for "something changed".
//
//   31                    1 0
//   +----------------------+-+
//   |        epoch         |W|     W: somebody may be waiting
//   +----------------------+-+
//
// Waiter:     key = prepare()            CAS: epoch + 1, W = 1
//             heavy fence                (environment)
//             look at the condition again; if it holds, go on without sleeping
//             sleep while word == key    (futex)
// Publisher:  publish; light fence; if W is 0, done        (the fast path: one load, no syscall)
//             CAS: epoch + 1, W stays; wake n
//             if nobody slept: CAS W to 0, which fails if anybody prepared in the meantime
//
// Invariants
//  1. Whoever sleeps does so on a value with W = 1, and W is cleared only by a publisher whose wake found no sleeper
//     while the word did not change: every prepare() changes it. So no sleeper is left with W = 0.
//  2. There is no count of waiters. A waiter that dies leaves at most W behind, which costs the next publisher one system
//     call and is then cleared.
//  3. A publisher that dies between publishing and waking, and a woken waiter that dies before it acts, are covered by
//     the segment's death epoch: every sleeper also waits for that word (see wait.h).
// A waiter between prepare() and sleeping that sees EAGAIN looks at its condition again: nothing is lost by the bump.
#ifndef ZEROIPC_WAIT_EVENT_WORD_H_
#define ZEROIPC_WAIT_EVENT_WORD_H_

#include <cstdint>

#include "zeroipc/base/atomics.h"

namespace zeroipc::internal {

template <typename P>
struct event_word {
  static constexpr uint32_t kWaiting = 1;
  static constexpr uint32_t kEpoch = 2;

  typename P::template atomic<uint32_t> word;

  // Returns the value to sleep on. The caller runs the heavy fence before it looks at its condition again.
  uint32_t prepare() {
    uint32_t seen = word.load(std::memory_order_relaxed);
    uint32_t key;
    do {
      key = (seen + kEpoch) | kWaiting;
      // Acquire: what was published before an epoch this value includes is seen by the look that follows.
    } while (!word.compare_exchange_weak(seen, key, std::memory_order_acq_rel,
                                         std::memory_order_relaxed));
    return key;
  }

  // REQUIRES: the caller published, then ran the light fence.
  // Relaxed: the fence orders this load after the publication; pairs with prepare() + heavy fence.
  bool somebody_waits() const { return (word.load(std::memory_order_relaxed) & kWaiting) != 0; }

  // Wakes up to `n` sleepers. `Env` provides `int wake(atomic<uint32_t>&, int n)` = number woken.
  template <typename Env>
  void notify(Env& env, int n) {
    env.light_fence();
    if (!somebody_waits()) [[likely]]
      return;
    notify_slow(env, n);
  }

 private:
  template <typename Env>
  [[gnu::noinline]] void notify_slow(Env& env, int n) {
    uint32_t seen = word.load(std::memory_order_relaxed);
    uint32_t bumped;
    do {
      if ((seen & kWaiting) == 0) return;  // another publisher woke them and found nobody left
      bumped = seen + kEpoch;
      // Release: pairs with the acquire in prepare().
    } while (!word.compare_exchange_weak(seen, bumped, std::memory_order_acq_rel,
                                         std::memory_order_relaxed));
    if (env.wake(word, n) == 0) {
      word.compare_exchange_strong(bumped, bumped & ~kWaiting, std::memory_order_relaxed,
                                   std::memory_order_relaxed);
    }
  }
};

static_assert(sizeof(event_word<hardware>) == 4);

}  // namespace zeroipc::internal

#endif  // ZEROIPC_WAIT_EVENT_WORD_H_
