// A thread that sleeps on futex words for another one, which has more of them than fit into one sleep.
//
// Two words of the process's own say how it stands. `order` is the owner's, and `done` is the last order that the thread is through with.
//
//   order   odd    sleep on the words that were given with it
//           even   do not
//   done == order  the thread touches nothing, and the words may be changed; if it is odd, the sleep has ended: any of the words
//                  may have changed
//
// Each change of `order` ends the sleep, since that is on it, too.
#ifndef ZEROIPC_COROUTINE_HELPER_H_
#define ZEROIPC_COROUTINE_HELPER_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "zeroipc/background/worker.h"
#include "zeroipc/wait/futex.h"

namespace zeroipc::internal {

// Wakes those threads of this process that sleep on it as a private word; how many.
int wake_private(std::atomic<uint32_t>& word, int n);

// For one owner thread.
class helper {
 public:
  // `ended` is called on the thread when a sleep has ended. Throws zeroipc::error if the system has no thread left.
  explicit helper(std::function<void()> ended);
  // Ends the thread. In a forked child, which has none, the members are gone and nothing else happens.
  ~helper() = default;

  // The thread does not sleep, and touches nothing. What was seen before by the thread is seen by the owner.
  bool idle() const {
    // Acquire: pairs with the release in run().
    return done_.load(std::memory_order_acquire) == order_.load(std::memory_order_relaxed);
  }
  // What it is to sleep on next. REQUIRES: idle.
  std::vector<futex_wait_entry>& words() { return words_; }
  // Sleeps on them from now on, until any of them changes. REQUIRES: idle.
  void sleep();
  // Returns when it is idle.
  void recall();

 private:
  void run(const worker::stop_flag& stop);
  void tell(uint32_t order);

  const std::function<void()> ended_;
  std::vector<futex_wait_entry> words_;
  std::atomic<uint32_t> order_{0};
  std::atomic<uint32_t> done_{0};
  std::unique_ptr<worker> thread_;  // last: its destructor joins what uses the others
};

}  // namespace zeroipc::internal

#endif  // ZEROIPC_COROUTINE_HELPER_H_
