#include "zeroipc/coroutine/helper.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <climits>
#include <utility>

#include "zeroipc/base/deadline.h"
#include "zeroipc/base/error.h"

namespace zeroipc::internal {
namespace {

void sleep_while(const std::atomic<uint32_t>& word, uint32_t value) {
  const futex_wait_entry one{&word, value, true};
  futex_wait_any({&one, 1}, deadline::never());
}

}  // namespace

int wake_private(std::atomic<uint32_t>& word, int n) {
  const long woken =
      ::syscall(SYS_futex, &word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, n, nullptr, nullptr, 0);
  return woken > 0 ? static_cast<int>(woken) : 0;
}

helper::helper(std::function<void()> ended)
    : ended_(std::move(ended)),
      thread_(value_or_raise(worker::start(
          "executor", [this] { tell(order_.load(std::memory_order_relaxed) + 2); },
          [this](const worker::stop_flag& stop) { run(stop); }))) {}

void helper::tell(uint32_t order) {
  // Release: pairs with the acquire in run(), which then reads the words.
  order_.store(order, std::memory_order_release);
  wake_private(order_, INT_MAX);
}

void helper::sleep() { tell((order_.load(std::memory_order_relaxed) + 1) | 1); }

void helper::recall() {
  if (idle()) return;
  const uint32_t order = order_.load(std::memory_order_relaxed) + 1;
  tell(order);
  for (;;) {
    // Acquire: as in idle().
    const uint32_t done = done_.load(std::memory_order_acquire);
    if (done == order) return;
    sleep_while(done_, done);
  }
}

void helper::run(const worker::stop_flag& stop) {
  std::vector<futex_wait_entry> all;
  for (uint32_t through = 0; !stop;) {
    // Acquire: pairs with the release in tell().
    const uint32_t order = order_.load(std::memory_order_acquire);
    if (order == through) {
      sleep_while(order_, order);
      continue;
    }
    const bool sleeps = order % 2 != 0;
    if (sleeps) {
      all.assign({{&order_, order, true}});
      all.insert(all.end(), words_.begin(), words_.end());
      futex_wait_any(all, deadline::never());
    }
    through = order;
    // Release: pairs with the acquire in idle().
    done_.store(order, std::memory_order_release);
    wake_private(done_, INT_MAX);
    if (sleeps) ended_();
  }
}

}  // namespace zeroipc::internal
