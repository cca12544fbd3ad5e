// Up to N elements in place: what a shared element uses where it would hold a std::vector.
//
// Trivially copyable, so growing beyond N is an error the caller sees (`push_back` answers false), never a
// reallocation. The length is clamped when read, because it may come out of shared memory that somebody scribbled on.
#ifndef ZEROIPC_BASE_INLINE_VECTOR_H_
#define ZEROIPC_BASE_INLINE_VECTOR_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>

#include "zeroipc/base/shareable.h"

namespace zeroipc {

template <shareable T, size_t N>
class inline_vector {
  static_assert(N > 0 && N <= UINT32_MAX);

 public:
  using value_type = T;
  using iterator = T*;
  using const_iterator = const T*;

  constexpr inline_vector() = default;
  // Takes the first N of `values`.
  constexpr inline_vector(std::initializer_list<T> values) {
    for (const T& value : values) push_back(value);
  }

  constexpr bool push_back(const T& value) {
    if (size() == N) return false;
    elements_[size_++] = value;
    return true;
  }
  // REQUIRES: !empty()
  constexpr void pop_back() { --size_; }
  constexpr void clear() { size_ = 0; }
  // New elements are value-initialised; false, and unchanged, if n > N.
  constexpr bool resize(size_t n) {
    if (n > N) return false;
    for (size_t i = size(); i < n; ++i) elements_[i] = T{};
    size_ = static_cast<uint32_t>(n);
    return true;
  }

  constexpr size_t size() const { return std::min<size_t>(size_, N); }
  constexpr bool empty() const { return size() == 0; }
  static constexpr size_t capacity() { return N; }
  // REQUIRES: i < size()
  constexpr T& operator[](size_t i) { return elements_[i]; }
  constexpr const T& operator[](size_t i) const { return elements_[i]; }
  constexpr T* data() { return elements_; }
  constexpr const T* data() const { return elements_; }
  constexpr T* begin() { return elements_; }
  constexpr T* end() { return elements_ + size(); }
  constexpr const T* begin() const { return elements_; }
  constexpr const T* end() const { return elements_ + size(); }
  constexpr T& front() { return elements_[0]; }
  constexpr const T& front() const { return elements_[0]; }
  constexpr T& back() { return elements_[size() - 1]; }
  constexpr const T& back() const { return elements_[size() - 1]; }

  friend constexpr bool operator==(const inline_vector& a, const inline_vector& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end());
  }

 private:
  uint32_t size_ = 0;
  T elements_[N] = {};
};

}  // namespace zeroipc

#endif  // ZEROIPC_BASE_INLINE_VECTOR_H_
