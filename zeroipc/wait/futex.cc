#include "zeroipc/wait/futex.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace zeroipc::internal {
namespace {

#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif

// The kernel's struct futex_waitv, which headers older than 5.16 lack.
struct waitv_entry {
  uint64_t value;
  uint64_t address;
  uint32_t flags;
  uint32_t reserved;
};
constexpr uint32_t kFutex32 = 2;
constexpr uint32_t kPrivate = FUTEX_PRIVATE_FLAG;
constexpr int64_t kSliceNs = 2'000'000;

std::atomic<bool> waitv_refused{false};

bool wait_on_first(std::span<const futex_wait_entry> words, deadline until) {
  for (;;) {
    for (const futex_wait_entry& w : words) {
      if (w.word->load(std::memory_order_acquire) != w.expected) return !until.passed();
    }
    const int64_t now = deadline::now_ns();
    if (!until.is_never() && now >= until.ns()) return false;
    int64_t end = until.ns();
    if (words.size() > 1) end = std::min(end, now + kSliceNs);
    const timespec ts{static_cast<time_t>(end / 1'000'000'000),
                      static_cast<long>(end % 1'000'000'000)};
    const bool for_ever = end == deadline::never().ns();
    // WAIT_BITSET takes an absolute time on the monotonic clock.
    const long result = ::syscall(
        SYS_futex, words[0].word, FUTEX_WAIT_BITSET | (words[0].is_private ? kPrivate : 0),
        words[0].expected, for_ever ? nullptr : &ts, nullptr, FUTEX_BITSET_MATCH_ANY);
    if (result == 0 || errno != ETIMEDOUT) return !until.passed();
  }
}

}  // namespace

bool futex_wait_any(std::span<const futex_wait_entry> words, deadline until) {
  if (until.is_at_once()) return false;
  if (waitv_refused.load(std::memory_order_relaxed)) return wait_on_first(words, until);
  waitv_entry entries[kMaxFutexWords];
  const size_t n = std::min<size_t>(words.size(), kMaxFutexWords);
  for (size_t i = 0; i < n; ++i) {
    entries[i] = {words[i].expected, reinterpret_cast<uint64_t>(words[i].word),
                  kFutex32 | (words[i].is_private ? kPrivate : 0), 0};
  }
  const timespec ts = until.as_timespec();
  const long result =
      ::syscall(SYS_futex_waitv, entries, n, 0, until.is_never() ? nullptr : &ts, CLOCK_MONOTONIC);
  if (result < 0 && (errno == ENOSYS || errno == EPERM)) {
    waitv_refused.store(true, std::memory_order_relaxed);
    return wait_on_first(words, until);
  }
  // Whatever ended it (a wake-up, a word changed already, a signal, ETIMEDOUT), late is late: words that change with each look
  // of the caller would keep it for ever.
  return !until.passed();
}

int futex_wake(const std::atomic<uint32_t>& word, int n) {
  const long woken = ::syscall(SYS_futex, &word, FUTEX_WAKE, n, nullptr, nullptr, 0);
  return woken > 0 ? static_cast<int>(woken) : 0;
}

}  // namespace zeroipc::internal
