#include "zeroipc/participant/fork.h"

#include <pthread.h>

#include <algorithm>

namespace zeroipc::internal {
namespace {

std::atomic<uint32_t> forks{0};

}  // namespace

uint32_t fork_generation() { return forks.load(std::memory_order_relaxed); }

process_participants& process_participants::instance() {
  // Never destroyed: threads may end, and so give records back, after static destructors have run.
  static process_participants& all = *new process_participants;
  return all;
}

process_participants::process_participants() {
  ::pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}

uint64_t process_participants::next_key() {
  static std::atomic<uint64_t> last{0};
  return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

void process_participants::add(participant* p) {
  std::lock_guard lock(mutex_);
  all_.push_back(p);
}

void process_participants::remove(participant* p) {
  std::lock_guard lock(mutex_);
  std::erase(all_, p);
}

// Every mutex here is held over the fork, so that the child gets what they guard in one piece.
void process_participants::before_fork() {
  process_participants& self = instance();
  self.mutex_.lock();
  for (participant* p : self.all_) p->before_fork();
}

void process_participants::after_fork_in_parent() {
  process_participants& self = instance();
  for (participant* p : self.all_) p->after_fork_in_parent();
  self.mutex_.unlock();
}

void process_participants::after_fork_in_child() {
  process_participants& self = instance();
  forks.fetch_add(1, std::memory_order_relaxed);
  forget_thread_records_after_fork();
  for (participant* p : self.all_) p->after_fork_in_child();
  self.mutex_.unlock();
}

}  // namespace zeroipc::internal
