#include "zeroipc/base/own_stack_thread.h"

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>

namespace zeroipc::internal {

int own_stack_thread::start(size_t stack_bytes, void* (*entry)(void*), void* argument) {
  constexpr size_t kMostTimes = 64;
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  int failure = EINVAL;
  for (size_t times = 1; failure == EINVAL && times <= kMostTimes; times *= 8) {
    failure = try_start(times * stack_bytes, entry, argument);
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  started_ = failure == 0;
  return failure;
}

int own_stack_thread::try_start(size_t stack_bytes, void* (*entry)(void*), void* argument) {
  const long page = ::sysconf(_SC_PAGESIZE);
  void* stack = ::mmap(nullptr, stack_bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
  if (stack == MAP_FAILED) return errno;
  ::mprotect(stack, static_cast<size_t>(page), PROT_NONE);
  pthread_attr_t attributes;
  ::pthread_attr_init(&attributes);
  int failure = ::pthread_attr_setstack(&attributes, static_cast<char*>(stack) + page,
                                        stack_bytes - static_cast<size_t>(page));
  if (failure == 0) failure = ::pthread_create(&thread_, &attributes, entry, argument);
  ::pthread_attr_destroy(&attributes);
  if (failure != 0) {
    ::munmap(stack, stack_bytes);
    return failure;
  }
  stack_ = stack;
  stack_bytes_ = stack_bytes;
  return 0;
}

void own_stack_thread::join() {
  if (!started_) return;
  ::pthread_join(thread_, nullptr);
  ::munmap(stack_, stack_bytes_);
  started_ = false;
}

void own_stack_thread::detach() {
  if (started_) ::pthread_detach(thread_);
  started_ = false;
}

}  // namespace zeroipc::internal
