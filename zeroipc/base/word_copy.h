// Copies between private memory and shared memory that another process may be writing at the same time.
//
// A copy may be torn between two values, as any longer one may; it is no data race, and it is ordered: the caller finds out
// by a version that it reads before and after, which the writer changes before and after (a sequence lock).
//
//   writer   version = odd (relaxed)      write_words (release each)      version = even (release)
//   reader   v = version (acquire)        read_words (acquire each)       version again (relaxed): v, and even?
//
// A reader that met one of the writer's words synchronises with its release store, so its second look at the version sees
// at least the odd one. No fences, which ThreadSanitizer does not know; on x86 and with arm64's ldar/stlr each word costs
// one plain instruction. (After H.-J. Boehm, "Can seqlocks get along with programming language memory models?", 2012.)
#ifndef ZEROIPC_BASE_WORD_COPY_H_
#define ZEROIPC_BASE_WORD_COPY_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

namespace zeroipc::internal {

// The widest word of which objects of that size and alignment consist.
template <size_t Size, size_t Align>
using word_of = std::conditional_t<
    Size % 8 == 0 && Align % 8 == 0, uint64_t,
    std::conditional_t<Size % 4 == 0 && Align % 4 == 0, uint32_t,
                       std::conditional_t<Size % 2 == 0 && Align % 2 == 0, uint16_t, uint8_t>>>;

// `shared` holds n bytes, aligned for Word, of which n is a multiple; private memory needs no alignment.
template <typename P, typename Word = uint64_t>
void read_words(void* to, const void* shared, size_t n) {
  using atomic_word = typename P::template atomic<Word>;
  const auto* from = static_cast<const atomic_word*>(shared);
  auto* out = static_cast<std::byte*>(to);
  for (size_t i = 0; i < n / sizeof(Word); ++i) {
    const Word w = from[i].load(std::memory_order_acquire);
    std::memcpy(out + i * sizeof(Word), &w, sizeof(Word));
  }
}

template <typename P, typename Word = uint64_t>
void write_words(void* shared, const void* source, size_t n) {
  using atomic_word = typename P::template atomic<Word>;
  auto* to = static_cast<atomic_word*>(shared);
  const auto* in = static_cast<const std::byte*>(source);
  for (size_t i = 0; i < n / sizeof(Word); ++i) {
    Word w;
    std::memcpy(&w, in + i * sizeof(Word), sizeof(Word));
    to[i].store(w, std::memory_order_release);
  }
}

// The same for an object of n bytes in a place that is rounded up to words of eight: the last word's rest is not copied out,
// and is filled up with zeroes.
template <typename P>
void read_object(void* to, const void* shared, size_t n) {
  const size_t whole = n / 8 * 8;
  read_words<P>(to, shared, whole);
  if (n == whole) return;
  uint64_t last;
  read_words<P>(&last, static_cast<const std::byte*>(shared) + whole, 8);
  std::memcpy(static_cast<std::byte*>(to) + whole, &last, n - whole);
}

template <typename P>
void write_object(void* shared, const void* source, size_t n) {
  const size_t whole = n / 8 * 8;
  write_words<P>(shared, source, whole);
  if (n == whole) return;
  uint64_t last = 0;
  std::memcpy(&last, static_cast<const std::byte*>(source) + whole, n - whole);
  write_words<P>(static_cast<std::byte*>(shared) + whole, &last, 8);
}

}  // namespace zeroipc::internal

#endif  // ZEROIPC_BASE_WORD_COPY_H_
