// Which types may live in shared memory, and how two processes agree that they mean the same one.
//
// An element is copied as bytes between processes that load this library at different addresses and may die half-way,
// so it must be trivially copyable and trivially destructible, and must not hold what only means something in one
// process (a pointer, a reference, a virtual table, a std::string). `fixed_string` and `inline_vector` stand in for
// what a heap would hold.
#ifndef ZEROIPC_BASE_SHAREABLE_H_
#define ZEROIPC_BASE_SHAREABLE_H_

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

#include "zeroipc/base/hash.h"

namespace zeroipc {

inline constexpr size_t kMaxElementBytes = 64 * 1024;

template <typename T>
concept shareable =
    std::is_object_v<T> && !std::is_const_v<T> && !std::is_volatile_v<T> &&
    std::is_trivially_copyable_v<T> && std::is_trivially_destructible_v<T> &&
    !std::is_pointer_v<T> && !std::is_member_pointer_v<T> && sizeof(T) <= kMaxElementBytes;

namespace internal {

// Says in one readable line which rule T breaks. Instantiated by each structure for its element type.
template <typename T>
constexpr bool check_shareable() {
  static_assert(std::is_object_v<T> && !std::is_const_v<T> && !std::is_volatile_v<T>,
                "zeroipc: an element must be a plain object type, without const, volatile or &");
  static_assert(!std::is_pointer_v<T> && !std::is_member_pointer_v<T>,
                "zeroipc: a pointer means nothing in another process; share a value or an index");
  static_assert(std::is_trivially_copyable_v<T>,
                "zeroipc: an element must be trivially copyable; use zeroipc::fixed_string<N> for "
                "text and zeroipc::inline_vector<T, N> for lists");
  static_assert(std::is_trivially_destructible_v<T>,
                "zeroipc: an element must be trivially destructible: its owner may be killed");
  static_assert(sizeof(T) <= kMaxElementBytes, "zeroipc: an element holds at most 64 KiB");
  return true;
}

// "Task", "zeroipc::fixed_string<32>": T as this compiler spells it.
template <typename T>
constexpr std::string_view type_name() {
#if defined(__clang__)
  constexpr std::string_view name = __PRETTY_FUNCTION__;
  constexpr std::string_view key = "[T = ";
#else
  constexpr std::string_view name = __PRETTY_FUNCTION__;
  constexpr std::string_view key = "[with T = ";
#endif
  const size_t begin = name.find(key) + key.size();
  const size_t end = name.find_first_of(";]", begin);
  // A template argument may hold a ']' of its own only in array types; take the last bracket then.
  const size_t semicolon = name.find(';', begin);
  return name.substr(begin, (semicolon == name.npos ? name.rfind(']') : end) - begin);
}

// Arithmetic types are told apart by their representation, not their spelling: `unsigned long` and `uint64_t` or
// `long long` may name one layout. Other types are told apart by name, size and alignment.
template <typename T>
constexpr uint64_t type_fingerprint() {
  if constexpr (std::is_arithmetic_v<T> || std::is_enum_v<T>) {
    using U = T;
    char tag = 'u';
    if constexpr (std::is_floating_point_v<U>) {
      tag = 'f';
    } else if constexpr (std::is_same_v<U, bool>) {
      tag = 'b';
    } else if constexpr (std::is_enum_v<U>) {
      return fixed_hash(type_name<U>(), sizeof(U));
    } else if constexpr (std::is_signed_v<U>) {
      tag = 'i';
    }
    return fixed_hash(std::string_view(&tag, 1), sizeof(U));
  } else {
    return fixed_hash(type_name<T>(), sizeof(T) * 131 + alignof(T));
  }
}

}  // namespace internal
}  // namespace zeroipc

#endif  // ZEROIPC_BASE_SHAREABLE_H_
