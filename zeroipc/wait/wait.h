// Waiting for a condition over shared memory: spin briefly, then sleep on futexes until told, closed or late.
//
// `Env` is a participant's view of its segment (zeroipc/participant/participant.h; tests and the explorer bring their
// own). What this template needs of it:
//   uint32_t death_epoch()            current value of the segment's death epoch (acquire)
//   void heavy_fence()
//   int spins()                       how many looks before sleeping; 0 on a single core
//   bool sleep(word, key, epoch, deadline)
//       sleeps while word == key and the death epoch == epoch; false once the deadline has passed
//
// A woken waiter that dies passes the wake-up on, through the death epoch. One that was stopped (SIGSTOP) right after it was
// chosen keeps it: what it was woken for stays available to everybody who looks, but whoever sleeps is not told of it
// again until the next notification, a death, or its deadline.
#ifndef ZEROIPC_WAIT_WAIT_H_
#define ZEROIPC_WAIT_WAIT_H_

#include <cstdint>

#include "zeroipc/base/deadline.h"
#include "zeroipc/wait/event_word.h"

namespace zeroipc::internal {

// Calls `attempt` until it answers true ("settled") or the deadline passes; false only in the latter case. `attempt`
// must look at everything that may have changed, a death included: it is called again after each.
template <typename P, typename Env, typename Attempt>
bool wait_until(Env& env, event_word<P>& event, deadline until, Attempt&& attempt) {
  if (attempt()) return true;
  if (until.is_at_once()) return false;
  for (int i = env.spins(); i > 0; --i) {
    P::pause();
    if (attempt()) return true;
  }
  for (;;) {
    const uint32_t epoch = env.death_epoch();
    const uint32_t key = event.prepare();
    env.heavy_fence();
    if (attempt()) return true;
    if (!env.sleep(event.word, key, epoch, until)) return attempt();
  }
}

}  // namespace zeroipc::internal

#endif  // ZEROIPC_WAIT_WAIT_H_
