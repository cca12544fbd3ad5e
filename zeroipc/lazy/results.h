// The buffers of a lazy value: whoever writes a result holds its buffer. Which one counts is the word's affair (core.h).
#ifndef ZEROIPC_LAZY_RESULTS_H_
#define ZEROIPC_LAZY_RESULTS_H_

#include <cstddef>
#include <cstdint>

#include "zeroipc/base/word_copy.h"
#include "zeroipc/lazy/layout.h"
#include "zeroipc/wait/robust_lock.h"

namespace zeroipc::internal {

template <typename P, typename Env, typename T>
class lazy_results {
 public:
  static constexpr uint64_t kStride = lazy_stride(sizeof(T), alignof(T));

  // `buffers`: of kLazyBuffers.
  void bind(Env& env, std::byte* buffers) {
    env_ = &env;
    buffers_ = buffers;
  }

  // A buffer for the caller alone, until give_back(); kLazyBuffers for a caller who is nobody. Blocks if all are held by the
  // living, or the stopped.
  uint32_t take(uint64_t first) {
    for (uint32_t i = 0; i < kLazyBuffers; ++i) {
      const auto n = static_cast<uint32_t>((first + i) % kLazyBuffers);
      if (at(n).writer.try_lock(*env_) != lock_result::busy) return n;
    }
    const auto n = static_cast<uint32_t>(first % kLazyBuffers);
    return at(n).writer.lock(*env_) != lock_result::busy ? n : kLazyBuffers;
  }
  void give_back(uint32_t n) { at(n).writer.unlock(*env_); }

  // Release, here and of each word: a reader that meets one of them finds the word that the writer has seen, or a later one.
  void write(uint32_t n, uint64_t version, const T& value) {
    at(n).version.store(version, std::memory_order_release);
    write_object<P>(result(n), &value, sizeof(T));
  }
  void write(uint32_t n, uint64_t version, const lazy_error& why) {
    at(n).version.store(version, std::memory_order_release);
    write_words<P>(result(n), &why, sizeof why);
  }

  // Any number may come out of shared memory. What is read may be torn; acquire, here and of each word: pairs with write().
  void read(uint32_t n, T& value) const { read_object<P>(&value, result(n), sizeof(T)); }
  void read(uint32_t n, lazy_error& why) const { read_words<P>(&why, result(n), sizeof why); }
  uint64_t version(uint32_t n) const { return at(n).version.load(std::memory_order_acquire); }

 private:
  std::byte* place(uint32_t n) const { return buffers_ + n % kLazyBuffers * kStride; }
  lazy_buffer<P>& at(uint32_t n) const { return *reinterpret_cast<lazy_buffer<P>*>(place(n)); }
  std::byte* result(uint32_t n) const { return place(n) + lazy_result_offset(alignof(T)); }

  Env* env_ = nullptr;
  std::byte* buffers_ = nullptr;
};

}  // namespace zeroipc::internal

#endif  // ZEROIPC_LAZY_RESULTS_H_
