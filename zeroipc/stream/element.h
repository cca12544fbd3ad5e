// How an element of a stream lies in its memory: as it is; or, of a window, as its length and its items, as many as the stream's
// longest window has.
#ifndef ZEROIPC_STREAM_ELEMENT_H_
#define ZEROIPC_STREAM_ELEMENT_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>

#include "zeroipc/base/atomics.h"
#include "zeroipc/base/shareable.h"
#include "zeroipc/name_table/name_table.h"

namespace zeroipc {

// Some consecutive elements of a stream, as one element of another: what stream::window() makes. A view of where they lie, good for
// as long as the callback or the peek() that it came from; copy the items that are to stay.
template <typename T>
class window {
 public:
  using value_type = T;
  using const_iterator = const T*;

  window(const T* first, size_t n) : first_(first), size_(n) {}

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  const T* data() const { return first_; }
  const T* begin() const { return first_; }
  const T* end() const { return first_ + size_; }
  // REQUIRES: not empty; i < size().
  const T& operator[](size_t i) const { return first_[i]; }
  const T& front() const { return first_[0]; }
  const T& back() const { return first_[size_ - 1]; }

 private:
  const T* first_;
  size_t size_;
};

namespace internal {

template <typename T>
struct stream_element {
  static_assert(check_shareable<T>());
  static constexpr size_t kBytes = sizeof(T);
  static constexpr uint64_t kAlign = alignof(T);
  static constexpr bool kIsWindow = false;

  static constexpr uint64_t bytes(uint32_t) { return sizeof(T); }
  static structure_type type() { return structure_type::of<T>(kind::stream); }
  static void write(std::byte* to, const T& x, uint32_t) { std::memcpy(to, &x, sizeof(T)); }

  // What stands at `at`, for as long as it does, and the reader.
  class reader {
   public:
    explicit reader(uint32_t = 0) {}
    const T& see(const std::byte* at) { return *reinterpret_cast<const T*>(at); }
  };
};

template <typename T>
struct stream_element<window<T>> {
  static_assert(check_shareable<T>());
  static constexpr size_t kBytes = 0;  // as many as the creator said
  static constexpr uint64_t kAlign = std::max<uint64_t>(alignof(T), 8);
  static constexpr bool kIsWindow = true;

  static constexpr uint64_t bytes(uint32_t longest) {
    return round_up(kAlign + uint64_t{longest} * sizeof(T), kAlign);
  }
  static structure_type type() {
    structure_type t = structure_type::of<T>(kind::stream);
    t.fingerprint = type_fingerprint<window<T>>();
    t.type_name = type_name<window<T>>();
    return t;
  }
  static void write(std::byte* to, const window<T>& w, uint32_t longest) {
    const uint64_t n = std::min<uint64_t>(w.size(), longest);
    std::memcpy(to, &n, sizeof n);
    std::memcpy(to + kAlign, w.data(), n * sizeof(T));
  }

  class reader {
   public:
    explicit reader(uint32_t longest = 0) : longest_(longest) {}
    const window<T>& see(const std::byte* at) {
      uint64_t n;
      std::memcpy(&n, at, sizeof n);
      seen_ = {reinterpret_cast<const T*>(at + kAlign), std::min<uint64_t>(n, longest_)};
      return seen_;
    }

   private:
    uint32_t longest_;
    window<T> seen_{nullptr, 0};
  };
};

class aligned_delete {
 public:
  explicit aligned_delete(size_t align = 1) : align_(align) {}
  void operator()(std::byte* p) const { ::operator delete(p, std::align_val_t(align_)); }

 private:
  size_t align_;
};

// Private memory for something whose size is known only now, or whose constructor is not to run.
class aligned_bytes {
 public:
  aligned_bytes() = default;
  aligned_bytes(size_t n, size_t align)
      : at_(static_cast<std::byte*>(::operator new(n, std::align_val_t(align))),
            aligned_delete(align)) {
    std::memset(at_.get(), 0, n);
  }
  std::byte* get() const { return at_.get(); }
  explicit operator bool() const { return at_ != nullptr; }

 private:
  std::unique_ptr<std::byte, aligned_delete> at_;
};

}  // namespace internal
}  // namespace zeroipc

#endif  // ZEROIPC_STREAM_ELEMENT_H_
