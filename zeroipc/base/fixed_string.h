// Text of at most N bytes that can live in shared memory: length and bytes in place, no pointer.
//
// When to use: names, messages and keys inside a shared element. When not: text of unbounded length; send it in
// pieces. Construction from longer text truncates at N bytes (`try_assign` refuses instead). Unused bytes are zero, so
// that equal strings are equal as bytes and may be hashed or compared as such. All operations O(N), never allocate.
#ifndef ZEROIPC_BASE_FIXED_STRING_H_
#define ZEROIPC_BASE_FIXED_STRING_H_

#include <algorithm>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <ostream>
#include <string>
#include <string_view>
#include <type_traits>

namespace zeroipc {

template <size_t N>
class fixed_string {
  static_assert(N > 0 && N <= 65'535);

 public:
  constexpr fixed_string() = default;
  constexpr fixed_string(std::string_view text) { assign(text); }               // NOLINT
  constexpr fixed_string(const char* text) { assign(std::string_view(text)); }  // NOLINT
  fixed_string(const std::string& text) { assign(text); }                       // NOLINT

  // Takes the first N bytes of `text`.
  constexpr void assign(std::string_view text) {
    size_ = static_cast<uint16_t>(std::min(text.size(), N));
    std::copy_n(text.data(), size_, bytes_);
    std::fill(bytes_ + size_, bytes_ + N, '\0');
  }
  // False, and unchanged, if `text` is longer than N.
  constexpr bool try_assign(std::string_view text) {
    if (text.size() > N) return false;
    assign(text);
    return true;
  }

  // The length is clamped: it may come out of shared memory that somebody scribbled on.
  constexpr size_t size() const { return std::min<size_t>(size_, N); }
  constexpr bool empty() const { return size() == 0; }
  static constexpr size_t capacity() { return N; }
  constexpr const char* data() const { return bytes_; }
  constexpr std::string_view view() const { return {bytes_, size()}; }
  constexpr operator std::string_view() const { return view(); }  // NOLINT
  std::string str() const { return std::string(view()); }
  constexpr const char* begin() const { return bytes_; }
  constexpr const char* end() const { return bytes_ + size(); }

  friend constexpr bool operator==(const fixed_string& a, const fixed_string& b) {
    return a.view() == b.view();
  }
  friend constexpr bool operator==(const fixed_string& a, std::string_view b) {
    return a.view() == b;
  }
  friend constexpr bool operator==(const fixed_string& a, const char* b) { return a.view() == b; }
  friend constexpr auto operator<=>(const fixed_string& a, const fixed_string& b) {
    return a.view() <=> b.view();
  }
  friend std::ostream& operator<<(std::ostream& os, const fixed_string& s) {
    return os << s.view();
  }

 private:
  uint16_t size_ = 0;
  char bytes_[N] = {};
};

}  // namespace zeroipc

#endif  // ZEROIPC_BASE_FIXED_STRING_H_
