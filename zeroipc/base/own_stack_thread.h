// A thread on a stack of its own.
//
// One of the C library's stacks would be handed, in a forked child, to the first thread that the child starts, which
// ThreadSanitizer then takes for the parent's, and refuses to join.
#ifndef ZEROIPC_BASE_OWN_STACK_THREAD_H_
#define ZEROIPC_BASE_OWN_STACK_THREAD_H_

#include <pthread.h>

#include <cstddef>

namespace zeroipc::internal {

class own_stack_thread {
 public:
  own_stack_thread() = default;
  own_stack_thread(const own_stack_thread&) = delete;
  own_stack_thread& operator=(const own_stack_thread&) = delete;
  // REQUIRES: joined, detached or never started.
  ~own_stack_thread() = default;

  // Runs entry(argument) with all signals blocked: they are the program's. `stack_bytes` is the least; more where the program's
  // thread_local variables, which lie on the stack too, do not fit. 0, or an errno.
  int start(size_t stack_bytes, void* (*entry)(void*), void* argument);
  bool started() const { return started_; }
  // Whether the caller is this thread.
  bool is_this_thread() const {
    return started_ && ::pthread_equal(thread_, ::pthread_self()) != 0;
  }

  // Waits for its end, and frees the stack.
  void join();
  // It ends by itself. Its stack stays mapped: nobody knows until when it is used.
  void detach();
  // In a forked child, where the thread does not exist. Its stack stays mapped, so that no thread of the child gets the same
  // address.
  void forget() { started_ = false; }

 private:
  int try_start(size_t stack_bytes, void* (*entry)(void*), void* argument);

  pthread_t thread_{};
  void* stack_ = nullptr;
  size_t stack_bytes_ = 0;
  bool started_ = false;
};

}  // namespace zeroipc::internal

#endif  // ZEROIPC_BASE_OWN_STACK_THREAD_H_
