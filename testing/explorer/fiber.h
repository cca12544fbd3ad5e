// A thread of an explored program: a stack of its own, switched to and from by hand.
//
// All fibers run in one thread of the operating system, so nothing in an explored program is concurrent in fact. A fiber
// may be left for good in the middle of its function: what it has on its stack is then never destroyed.
#ifndef ZEROIPC_TESTING_EXPLORER_FIBER_H_
#define ZEROIPC_TESTING_EXPLORER_FIBER_H_

#include <ucontext.h>

#include <cstddef>
#include <memory>

namespace zeroipc::explorer {

class fiber {
 public:
  // The thread that this constructor runs in, or, after start(), one of its own.
  fiber() = default;
  fiber(const fiber&) = delete;
  fiber& operator=(const fiber&) = delete;

  // Prepares to run `entry(argument)`, which must not return. May be called again at any time that it is not running.
  void start(void (*entry)(void*), void* argument);
  // Leaves this fiber, which is running, for `to`. Returns when somebody switches back.
  void switch_to(fiber& to);

 private:
  static constexpr size_t kStack = 128 << 10;
  static void enter(unsigned high, unsigned low);

  ucontext_t context_ = {};
  std::unique_ptr<std::byte[]> stack_;
  void (*entry_)(void*) = nullptr;
  void* argument_ = nullptr;
  // What AddressSanitizer wants to know of a stack that is switched to.
  const void* bottom_ = nullptr;
  size_t size_ = 0;
};

}  // namespace zeroipc::explorer

#endif  // ZEROIPC_TESTING_EXPLORER_FIBER_H_
