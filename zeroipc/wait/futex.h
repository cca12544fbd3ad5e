// The futex system calls, shared between processes, as the rest of the library uses them.
#ifndef ZEROIPC_WAIT_FUTEX_H_
#define ZEROIPC_WAIT_FUTEX_H_

#include <atomic>
#include <cstdint>
#include <span>

#include "zeroipc/base/deadline.h"

namespace zeroipc::internal {

// A word and the value at which it is worth sleeping. `is_private`: only threads of this process wake it.
struct futex_wait_entry {
  const std::atomic<uint32_t>* word;
  uint32_t expected;
  bool is_private = false;
};

inline constexpr int kMaxFutexWords = 128;  // the kernel's limit for one wait

// Sleeps while every word has its expected value, until woken, interrupted or late. Returns false if the deadline has
// passed, and only then. REQUIRES: 1 to 128 words.
//
// Uses futex_waitv (Linux 5.16). Where the kernel or a seccomp filter refuses it, sleeps on the first word alone in
// slices of 2 ms, so that a change of the others is noticed within that bound; a wake-up of the others that changes
// nothing is not noticed then.
bool futex_wait_any(std::span<const futex_wait_entry> words, deadline until);

// Wakes up to n sleepers; how many it woke (0 on error: nobody can sleep on a bad word).
int futex_wake(const std::atomic<uint32_t>& word, int n);

}  // namespace zeroipc::internal

#endif  // ZEROIPC_WAIT_FUTEX_H_
