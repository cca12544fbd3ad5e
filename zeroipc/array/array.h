// array<T>: a fixed number of elements under one name, laid out as in a C array.
//
//   zeroipc::array<double> input(mem, "input", 1000);   // opens it, or creates it: zeroes
//   input[7] = 0.5;                                     // a plain element, at plain speed
//   std::ranges::sort(input);                           // iterators, ranges and spans are those of a C array
//
//   zeroipc::array<Position> table(mem, "positions");   // in another process
//   table.store(7, {symbol, quantity, price});          // never torn, whoever reads at the same time, or is killed
//   Position p = table.load(7);
//   input.atomic(3).fetch_add(1.0);                     // for sizes that the processor does in one instruction
//
// When to use it: for data that is written in phases, or by one process (images, matrices, tables), and with load and store
// for tables that change while they are read. When not: for values under keys, use zeroipc::map; for one value, zeroipc::cell.
//
// Two kinds of access. operator[], at(), span(), iterators, fill and copies are plain memory: the caller sees to it that nobody
// writes what others read at the same time (by a zeroipc::mutex, a barrier, a queue that hands out index ranges). load(),
// store(), update() and atomic() need nothing of the kind, among themselves.
//
// What is promised when a process is killed
//   * store() and update() happened or did not: the element found is the old or the new one, whole. What returned, happened.
//   * Plain writes are there as far as they had come.
//   * Nobody waits for a dead process longer than it takes to see that it is dead.
//
// Thread safety: handles are thread-safe as above, cheap to copy, and keep the segment mapped.
// Progress: elements of 1, 2, 4 or 8 bytes, aligned to their size: wait-free. Others: store() excludes other stores to one
// element in 256 by a robust lock; load() takes no lock unless it meets a store 64 times in a row, or a dead or stopped one.
// Complexity: O(1). Memory: 256 bytes, and for elements that need them at most 256 stripes of sizeof(T) + 24, rounded up to
// cache lines. No bytes between the elements.
// Source: sequence locks (Lameter 2005; Boehm 2012), with a redo record in each stripe.
#ifndef ZEROIPC_ARRAY_ARRAY_H_
#define ZEROIPC_ARRAY_ARRAY_H_

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "zeroipc/array/core.h"
#include "zeroipc/base/error.h"
#include "zeroipc/base/outcome.h"
#include "zeroipc/base/shareable.h"
#include "zeroipc/name_table/geometry.h"
#include "zeroipc/name_table/sized_structure.h"
#include "zeroipc/participant/participant.h"
#include "zeroipc/segment/segment.h"

namespace zeroipc {

template <typename T>
class array : public sized_structure<array<T>> {
  static_assert(internal::check_shareable<T>());
  static constexpr bool kSingle = internal::single_word<T>;

 public:
  using value_type = T;
  using size_type = size_t;
  using difference_type = ptrdiff_t;
  using reference = T&;
  using const_reference = const T&;
  using iterator = T*;
  using const_iterator = const T*;

  // Opens the array, or creates it, all zero bytes; one that exists with another size is an error. Throws zeroipc::error.
  array(const memory& mem, std::string_view name, size_t size)
      : array(internal::value_or_raise(array::open_or_create(mem, name, size))) {}
  // Opens an array that exists. Throws zeroipc::error.
  array(const memory& mem, std::string_view name)
      : array(internal::value_or_raise(array::open(mem, name))) {}

  // --- plain access: the caller keeps readers and writers apart ---

  size_t size() const { return size_; }
  size_t capacity() const { return size_; }
  bool empty() const { return false; }
  T* data() const { return elements_; }
  // REQUIRES: i < size(). Not checked, as in a C array.
  T& operator[](size_t i) const { return elements_[i]; }
  // Throws zeroipc::error (OutOfRange) unless i < size().
  T& at(size_t i) const {
    check(i);
    return elements_[i];
  }
  T& front() const { return elements_[0]; }
  T& back() const { return elements_[size_ - 1]; }
  T* begin() const { return elements_; }
  T* end() const { return elements_ + size_; }
  const T* cbegin() const { return elements_; }
  const T* cend() const { return elements_ + size_; }
  std::span<T> span() const { return {elements_, size_}; }

  void fill(const T& value) const { std::fill_n(elements_, size_, value); }
  // Throws zeroipc::error (OutOfRange) unless all of it lies within the array.
  void copy_in(size_t first, std::span<const T> values) const {
    check(first, values.size());
    std::ranges::copy(values, elements_ + first);
  }
  void copy_out(size_t first, std::span<T> values) const {
    check(first, values.size());
    std::copy_n(elements_ + first, values.size(), values.begin());
  }

  // --- access that is never torn ---

  // All throw zeroipc::error (OutOfRange) unless i < size(). `exhausted`: this process is a forked child that could not join
  // the segment; possible only for elements that need a lock.
  outcome load(size_t i, T& value) const {
    check(i);
    if constexpr (kSingle) {
      const word w = word_at(i).load(std::memory_order_acquire);
      std::memcpy(&value, &w, sizeof(T));
      return outcome::ok;
    } else {
      return state_->core.load(i, value);
    }
  }
  // Throws zeroipc::error where the other form answers `exhausted`.
  T load(size_t i) const {
    storage s;
    if (!load(i, s.value)) {
      internal::raise(absl::ResourceExhaustedError(absl::StrCat(
          "array \"", name(), "\": this process could not join the segment after a fork")));
    }
    return s.value;
  }
  outcome store(size_t i, const T& value) const {
    check(i);
    if constexpr (kSingle) {
      word w;
      std::memcpy(&w, &value, sizeof(T));
      word_at(i).store(w, std::memory_order_release);
      return outcome::ok;
    } else {
      return state_->core.store(i, value);
    }
  }
  // Calls change(T&) on a copy of the element and stores that; no other store() or update() comes in between. Where elements
  // take one instruction it may be called more than once, otherwise under a lock: then it must not store to this array.
  template <typename F>
  outcome update(size_t i, F&& change) const {
    check(i);
    storage s;
    if constexpr (kSingle) {
      word seen = word_at(i).load(std::memory_order_acquire);
      word next;
      do {
        std::memcpy(&s.value, &seen, sizeof(T));
        change(s.value);
        std::memcpy(&next, &s.value, sizeof(T));
      } while (!word_at(i).compare_exchange_weak(seen, next, std::memory_order_acq_rel,
                                                 std::memory_order_acquire));
      return outcome::ok;
    } else {
      return state_->core.update(i, std::forward<F>(change), s.value);
    }
  }

  // The element as a std::atomic_ref. REQUIRES: i < size()
  std::atomic_ref<T> atomic(size_t i) const requires(kSingle) {
    return std::atomic_ref<T>(elements_[i]);
  }

  array_stats stats() const { return state_->core.stats(); }
  const std::string& name() const { return state_->held.name(); }

 private:
  friend class sized_structure<array>;
  using core_type = internal::array_core<hardware, internal::participant, T>;
  using word = internal::word_of<sizeof(T), alignof(T)>;
  struct state {
    internal::structure held;
    core_type core;
  };
  union storage {
    storage() {}
    T value;  // which need not have a default constructor
  };

  explicit array(std::shared_ptr<state> s, T* elements)
      : state_(std::move(s)), elements_(elements), size_(state_->core.capacity()) {}

  static absl::StatusOr<array> make(const memory& mem, std::string_view name,
                                    internal::open_mode mode, size_t size) {
    auto opened = internal::open_laid_out(
        mem, name, mode, structure_type::of<T>(kind::array),
        {.capacity = size, .max_capacity = ~uint64_t{0} / sizeof(T)},
        [](internal::geometry_builder& g) {
          const uint64_t stripes = internal::array_stripes(g.capacity(), kSingle);
          g.set_extra(stripes);
          g.header(sizeof(internal::array_header<hardware>));
          g.part(stripes, core_type::kStripeStride, kCacheLine);
          g.part(g.capacity(), sizeof(T), alignof(T));
        },
        [](void*, const internal::structure_geometry&) {});
    if (!opened.ok()) return opened.status();
    const internal::structure_geometry& g = opened->geometry;
    auto s = std::make_shared<state>();
    s->held = std::move(opened->held);
    void* data = s->held.data();
    std::byte* elements = internal::item_of(data, g, 1, 0);
    s->core.bind(s->held.env(), *static_cast<internal::array_header<hardware>*>(data),
                 internal::item_of(data, g, 0, 0), g.extra, elements, g.capacity);
    return array(std::move(s), reinterpret_cast<T*>(elements));
  }

  std::atomic_ref<word> word_at(size_t i) const {
    return std::atomic_ref<word>(*reinterpret_cast<word*>(elements_ + i));
  }
  void check(size_t i, size_t n = 1) const {
    if (i < size_ && n <= size_ - i) [[likely]]
      return;
    if (n == 0 && i == size_) return;
    internal::raise(absl::OutOfRangeError(absl::StrCat("array \"", name(), "\": ", n, " at index ",
                                                       i, ", but it has ", size_, " elements")));
  }

  std::shared_ptr<state> state_;
  T* elements_;
  size_t size_;
};

}  // namespace zeroipc

#endif  // ZEROIPC_ARRAY_ARRAY_H_
