// A Markdown table of one struct, from the compiler's own idea of it.
//
// The offset, size and type of each field come from offsetof, sizeof and decltype; only the sentence is written by hand.
// Bytes between two fields that no field covers are shown as unused, so a field that was forgotten is seen.
#ifndef ZEROIPC_DOCS_FORMAT_DOC_TABLE_H_
#define ZEROIPC_DOCS_FORMAT_DOC_TABLE_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>

namespace zeroipc::format_doc {

namespace table_internal {

template <typename T>
struct is_atomic : std::false_type {};
template <typename T>
struct is_atomic<std::atomic<T>> : std::true_type {
  using held = T;
};

}  // namespace table_internal

// "u32", "atomic u64", "char[32]", "atomic u64[28][32]"; empty for a type that the page names by hand.
template <typename T>
std::string spelling() {
  if constexpr (std::is_array_v<T>) {
    std::string extents;
    std::string element = spelling<std::remove_all_extents_t<T>>();
    if (element.empty()) return {};
    extents = "[" + std::to_string(std::extent_v<T>) + "]";
    if constexpr (std::rank_v < T >> 1) extents += "[" + std::to_string(std::extent_v<T, 1>) + "]";
    return element + extents;
  } else if constexpr (table_internal::is_atomic<T>::value) {
    return "atomic " + spelling<typename table_internal::is_atomic<T>::held>();
  } else if constexpr (std::is_enum_v<T>) {
    return spelling<std::underlying_type_t<T>>();
  } else if constexpr (std::is_same_v<T, char>) {
    return "char";
  } else if constexpr (std::is_integral_v<T>) {
    return (std::is_signed_v<T> ? "i" : "u") + std::to_string(sizeof(T) * 8);
  } else {
    return {};
  }
}

class table {
 public:
  // `bytes` is sizeof the struct.
  table(std::string* out, size_t bytes);
  void row(size_t offset, size_t bytes, std::string_view type, std::string_view name,
           std::string_view meaning);
  ~table();

 private:
  void unused_up_to(size_t offset);
  std::string* out_;
  size_t bytes_;
  size_t next_ = 0;
};

}  // namespace zeroipc::format_doc

// One row, in a scope where `S` is the struct and `t` the table. REQUIRES: fields in the order of their offsets.
#define ZEROIPC_FIELD(member, meaning)          \
  t.row(offsetof(S, member), sizeof(S::member), \
        ::zeroipc::format_doc::spelling<decltype(S::member)>(), #member, meaning)
// For a field whose type is a struct or an alias that the page should name.
#define ZEROIPC_FIELD_OF(member, type, meaning) \
  t.row(offsetof(S, member), sizeof(S::member), type, #member, meaning)

#endif  // ZEROIPC_DOCS_FORMAT_DOC_TABLE_H_
