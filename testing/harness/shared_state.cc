#include "testing/harness/shared_state.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <climits>

namespace zeroipc::harness {

void tally::add(uint32_t n) {
  count_.fetch_add(n, std::memory_order_acq_rel);
  ::syscall(SYS_futex, &count_, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
}

bool tally::wait_for_at_least(uint32_t n, std::chrono::nanoseconds bound) {
  const auto end = std::chrono::steady_clock::now() + bound;
  for (;;) {
    const uint32_t seen = count_.load(std::memory_order_acquire);
    if (seen >= n) return true;
    const auto left = end - std::chrono::steady_clock::now();
    if (left <= left.zero()) return false;
    const int64_t ns = std::chrono::nanoseconds(left).count();
    const timespec timeout{static_cast<time_t>(ns / 1'000'000'000),
                           static_cast<long>(ns % 1'000'000'000)};
    ::syscall(SYS_futex, &count_, FUTEX_WAIT, seen, &timeout, nullptr, 0);
  }
}

}  // namespace zeroipc::harness
