// How the keys of zeroipc::map and zeroipc::set are hashed and compared: in the same way in every process and every build.
//
//   struct Symbol { char text[8]; uint32_t venue; uint32_t unused; };       // nothing to do: all its bytes matter
//
//   template <>
//   struct zeroipc::key_traits<Point> {                                     // has padding, or floating-point numbers
//     static uint64_t hash(const Point& p) { return hash_words(round(p.x), round(p.y)); }
//     static bool equal(const Point& a, const Point& b) { return a.x == b.x && a.y == b.y; }
//   };
//
// hash() has to spread over all 64 bits: fixed_hash() and hash_words() do.
#ifndef ZEROIPC_MAP_KEY_TRAITS_H_
#define ZEROIPC_MAP_KEY_TRAITS_H_

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <type_traits>

#include "zeroipc/base/fixed_string.h"
#include "zeroipc/base/hash.h"

namespace zeroipc {

// Of up to eight words; not for keys of people who want them to collide.
template <std::convertible_to<uint64_t>... Words>
constexpr uint64_t hash_words(Words... words) {
  uint64_t h = internal::kHashSeed;
  ((h = internal::fold_multiply(h ^ static_cast<uint64_t>(words), internal::kHashMultiplier)), ...);
  h = internal::fold_multiply(h ^ sizeof...(words), internal::kHashMultiplier);
  return h ^ (h >> 29);
}

template <typename K>
struct key_traits {
  static_assert(std::has_unique_object_representations_v<K>,
                "equal keys of this type need not have equal bytes (padding, floating-point "
                "numbers): specialize zeroipc::key_traits for it");

  static uint64_t hash(const K& key) {
    if constexpr (sizeof(K) <= 8) {
      uint64_t word = 0;
      std::memcpy(&word, &key, sizeof key);
      return hash_words(word);
    } else {
      return fixed_hash({reinterpret_cast<const char*>(&key), sizeof key});
    }
  }
  static bool equal(const K& a, const K& b) { return std::memcmp(&a, &b, sizeof(K)) == 0; }
};

template <size_t N>
struct key_traits<fixed_string<N>> {
  static uint64_t hash(const fixed_string<N>& key) { return fixed_hash(key.view()); }
  static bool equal(const fixed_string<N>& a, const fixed_string<N>& b) {
    return a.view() == b.view();
  }
};

}  // namespace zeroipc

#endif  // ZEROIPC_MAP_KEY_TRAITS_H_
