// The thread by which a participant learns that another one died.
//
// Each watcher owns its slot's `pulse`, a robust futex word: when the thread dies, for whatever reason, the kernel sets
// FUTEX_OWNER_DIED there and wakes one sleeper. Every watcher sleeps on the pulses of the others (of the next 120 slots
// where there are more), on the membership epoch, and on its own stop word, in one futex_waitv.
//
//   pulse         meaning                              next
//   0             no watcher yet (attaching, forked)   tid, then the membership epoch moves; where the token is free, the
//                                                      death is announced by whoever looks
//   tid           alive                                WAITERS set by whoever sleeps on it; OWNER_DIED by the kernel
//   OWNER_DIED    a hint: the process is ending        the token is looked at until it is free, then the death is
//                                                      announced and the slot's state becomes dead
//
// The hint comes before the truth: the kernel kills threads first, unmaps, and closes files (which frees the token) last,
// typically 100 us later. That gap is the only thing here that is looked at repeatedly, with growing pauses, and only
// after a hint: no event is to be had for it that could be waited for together with the others.
//
// The kernel wakes one watcher per death. If that one dies before it has announced it, that is itself a death that wakes
// another one, which looks at all slots; if it stops because its process leaves, it looks once more at all slots after it
// was last woken. A process that is stopped (SIGSTOP) is not asleep on a futex meanwhile and so is not chosen; against one
// that is stopped right after it was chosen, each watcher that has to wait for a token wakes one more. With more than 120
// participants each is watched by the nearest 120 before it, so there is always one to wake.
// The thread allocates nothing and takes no lock, so that it does not stand in the way of a fork.
#ifndef ZEROIPC_PARTICIPANT_WATCHER_H_
#define ZEROIPC_PARTICIPANT_WATCHER_H_

#include <linux/futex.h>

#include <atomic>
#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "zeroipc/base/own_stack_thread.h"
#include "zeroipc/participant/participant.h"
#include "zeroipc/wait/futex.h"

namespace zeroipc::internal {

class watcher {
 public:
  // Returns once the pulse beats.
  static absl::StatusOr<std::unique_ptr<watcher>> start(participant& self);
  // Stops and joins the thread.
  ~watcher();

  // In a forked child, where the thread does not exist: the destructor must not join it.
  void abandon() { thread_.forget(); }

 private:
  explicit watcher(participant& self) : self_(self) {}
  static void* entry(void* self);
  void run();
  // Whether a process is ending whose token is still held.
  bool look(futex_wait_entry* words, size_t* n);
  void own_pulse();
  void disown_pulse();

  participant& self_;
  own_stack_thread thread_;
  std::atomic<uint32_t> beating_{0};
  std::atomic<uint32_t> stop_{0};
  // What the kernel walks when the thread dies. Private memory: a peer cannot bend it. One entry, whose futex word lies at
  // entry + futex_offset, which is where the pulse happens to be.
  robust_list_head robust_head_{};
  robust_list robust_entry_{};
};

}  // namespace zeroipc::internal

#endif  // ZEROIPC_PARTICIPANT_WATCHER_H_
