// A fixed 64-bit hash: the same value in every process, build and run, unlike std::hash or absl::Hash.
//
// Multiply-and-fold over 8-byte words (the folded 128-bit product of wyhash and its relatives). Not for untrusted keys
// that must not collide; the table that uses it bounds every chain it walks. O(n), no allocation.
#ifndef ZEROIPC_BASE_HASH_H_
#define ZEROIPC_BASE_HASH_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace zeroipc {

namespace internal {

constexpr uint64_t kHashMultiplier = 0x9fb21c651e98df25ull;
constexpr uint64_t kHashSeed = 0xa0761d6478bd642full;

constexpr uint64_t fold_multiply(uint64_t a, uint64_t b) {
  const auto product = static_cast<unsigned __int128>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

constexpr uint64_t read_word(const char* p, size_t n) {
  uint64_t word = 0;
  for (size_t i = 0; i < n; ++i) word |= uint64_t{static_cast<unsigned char>(p[i])} << (8 * i);
  return word;
}

}  // namespace internal

constexpr uint64_t fixed_hash(std::string_view bytes, uint64_t seed = 0) {
  using internal::fold_multiply;
  uint64_t h =
      internal::kHashSeed ^ seed ^ fold_multiply(bytes.size() + 1, internal::kHashMultiplier);
  const char* p = bytes.data();
  size_t n = bytes.size();
  for (; n >= 8; n -= 8, p += 8) {
    uint64_t word = 0;
    if (__builtin_is_constant_evaluated()) {
      word = internal::read_word(p, 8);
    } else {
      std::memcpy(&word, p, 8);
      if constexpr (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__) word = __builtin_bswap64(word);
    }
    h = fold_multiply(h ^ word, internal::kHashMultiplier);
  }
  h = fold_multiply(h ^ internal::read_word(p, n), internal::kHashMultiplier ^ n);
  return h ^ (h >> 29);
}

}  // namespace zeroipc

#endif  // ZEROIPC_BASE_HASH_H_
