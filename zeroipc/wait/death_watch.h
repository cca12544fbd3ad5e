// Whether owners are dead, asked again only when it can have changed.
//
// To ask the kernel about a live owner is a system call. Its death moves the segment's death epoch on, so who was found alive
// under the present epoch need not be asked about again. For the time of one operation of one thread.
#ifndef ZEROIPC_WAIT_DEATH_WATCH_H_
#define ZEROIPC_WAIT_DEATH_WATCH_H_

#include <cstddef>
#include <cstdint>

#include "zeroipc/participant/owner_tag.h"

namespace zeroipc::internal {

// Env: `bool is_dead(owner_tag)` and `uint32_t death_epoch()`.
template <typename Env>
class death_watch {
 public:
  explicit death_watch(Env& env) : env_(env), epoch_(env.death_epoch()) {}

  bool dead(owner_tag who) {
    const uint32_t epoch = env_.death_epoch();
    if (epoch != epoch_) {
      for (owner_tag& one : alive_) one = owner_tag();
      epoch_ = epoch;
    }
    for (const owner_tag one : alive_) {
      if (one == who) return false;
    }
    if (env_.is_dead(who)) return true;
    alive_[next_++ % kRemembered] = who;
    return false;
  }

 private:
  static constexpr size_t kRemembered = 8;

  Env& env_;
  uint32_t epoch_;  // when all of `alive_` were found alive, or later deaths would have moved it
  size_t next_ = 0;
  owner_tag alive_[kRemembered];
};

}  // namespace zeroipc::internal

#endif  // ZEROIPC_WAIT_DEATH_WATCH_H_
