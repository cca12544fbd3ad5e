// The atomics policy: the one way by which the templates of this library touch shared memory.
//
// Every lock-free template takes a policy `P` as its first parameter. `hardware` is what programs run on. The
// interleaving explorer under testing/ supplies another with the same members, in which each access is a point where
// the scheduler may switch, kill or stop the thread, and so runs the very same code.
//
//   P::atomic<T>               like std::atomic<T>, lock-free and address-free for the types used here
//   P::copy_in(dst, src, n)    plain bytes, private -> shared (dst is shared)
//   P::copy_out(dst, src, n)   plain bytes, shared -> private (src is shared)
//   P::pause()                 one turn of a spin loop
#ifndef ZEROIPC_BASE_ATOMICS_H_
#define ZEROIPC_BASE_ATOMICS_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace zeroipc {

// The unit of sharing between cores; hot fields of different writers are kept at least this far apart.
inline constexpr size_t kCacheLine = 64;

namespace internal {

// Processors fetch lines in pairs, so hot lines of different writers are kept two apart.
inline constexpr size_t kApart = 2 * kCacheLine;

constexpr uint64_t round_up(uint64_t n, uint64_t to) { return (n + to - 1) / to * to; }

}  // namespace internal

struct hardware {
  template <typename T>
  using atomic = std::atomic<T>;

  static void copy_in(void* shared, const void* source, size_t bytes) {
    std::memcpy(shared, source, bytes);
  }
  static void copy_out(void* destination, const void* shared, size_t bytes) {
    std::memcpy(destination, shared, bytes);
  }
  static void pause() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield" ::: "memory");
#endif
  }
};

static_assert(std::atomic<uint32_t>::is_always_lock_free && sizeof(std::atomic<uint32_t>) == 4);
static_assert(std::atomic<uint64_t>::is_always_lock_free && sizeof(std::atomic<uint64_t>) == 8);

}  // namespace zeroipc

#endif  // ZEROIPC_BASE_ATOMICS_H_
