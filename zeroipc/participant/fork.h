// The participants of this process, so that fork() can be told to all of them and an ended thread can find the one its
// record belongs to.
#ifndef ZEROIPC_PARTICIPANT_FORK_H_
#define ZEROIPC_PARTICIPANT_FORK_H_

#include <cstdint>
#include <mutex>
#include <vector>

#include "zeroipc/participant/participant.h"

namespace zeroipc::internal {

// After fork() the child has the parent's memory but none of its threads, and must not pass for the parent: its copy of
// the parent's liveness token is closed, and every participant continues under a tag of its own, taken before the fork.
class process_participants {
 public:
  static process_participants& instance();

  void add(participant* p);
  void remove(participant* p);
  // Calls f(participant&) if the participant with this key still exists; it cannot vanish during the call.
  template <typename F>
  void with_key(uint64_t key, F&& f) {
    std::lock_guard lock(mutex_);
    for (participant* p : all_) {
      if (p->key_.load(std::memory_order_relaxed) == key) return f(*p);
    }
  }
  bool has_key(uint64_t key) {
    bool found = false;
    with_key(key, [&](participant&) { found = true; });
    return found;
  }
  static uint64_t next_key();

 private:
  process_participants();
  static void before_fork();
  static void after_fork_in_parent();
  static void after_fork_in_child();

  std::mutex mutex_;
  std::vector<participant*> all_;
};

// Forgets every record of the calling thread: they belong to the parent.
void forget_thread_records_after_fork();

}  // namespace zeroipc::internal

#endif  // ZEROIPC_PARTICIPANT_FORK_H_
