// A store-load fence whose cost falls on the side that is about to sleep.
//
// A publisher must order "publish" before "is anybody waiting?", a waiter "I am waiting" before "is there anything?".
// With a fence instruction on both sides every publication pays several nanoseconds. membarrier(2) lets the waiter, who
// is about to pay for a system call anyway, run the barrier on every core on which a registered process runs, so that
// the publisher needs only a compiler barrier.
//
// All participants of a segment must agree, so the segment's creator decides (`fence_mode` in its header) and a process
// that cannot take part in that mode is refused when it attaches.
#ifndef ZEROIPC_BASE_ASYMMETRIC_FENCE_H_
#define ZEROIPC_BASE_ASYMMETRIC_FENCE_H_

#include <atomic>
#include <cstdint>

namespace zeroipc {

enum class fence_mode : uint32_t {
  symmetric = 1,   // both sides run a seq_cst fence
  asymmetric = 2,  // light: compiler barrier; heavy: membarrier(GLOBAL_EXPEDITED)
};

namespace internal {

// The best mode this machine supports; asks the kernel once.
fence_mode supported_fence_mode();

// Registers this process for `mode`. False if the kernel refuses. Must be repeated after fork and is cheap to repeat.
bool register_for_fences(fence_mode mode);

// The publisher's side. Pairs with heavy_fence() of the waiter.
inline void light_fence(fence_mode mode) {
  if (mode == fence_mode::asymmetric) [[likely]] {
    std::atomic_signal_fence(std::memory_order_seq_cst);
  } else {
    std::atomic_thread_fence(std::memory_order_seq_cst);
  }
}

// The waiter's side. Pairs with light_fence() of every publisher.
void heavy_fence(fence_mode mode);

}  // namespace internal
}  // namespace zeroipc

#endif  // ZEROIPC_BASE_ASYMMETRIC_FENCE_H_
