// An input iterator over what a source hands out one at a time until there is no more: `for (const T& x : channel)`.
//
// The source has `std::optional<T> pull_from(Source&)` where argument-dependent lookup finds it. The end is std::default_sentinel.
#ifndef ZEROIPC_BASE_PULL_ITERATOR_H_
#define ZEROIPC_BASE_PULL_ITERATOR_H_

#include <cstddef>
#include <iterator>
#include <optional>

namespace zeroipc::internal {

template <typename Source, typename T>
class pull_iterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = T;
  using difference_type = std::ptrdiff_t;
  using pointer = const T*;
  using reference = const T&;

  pull_iterator() = default;
  explicit pull_iterator(Source* from) : from_(from), value_(pull_from(*from)) {}

  const T& operator*() const { return *value_; }
  const T* operator->() const { return &*value_; }
  pull_iterator& operator++() {
    value_ = pull_from(*from_);
    return *this;
  }
  void operator++(int) { ++*this; }
  bool operator==(std::default_sentinel_t) const { return !value_.has_value(); }

 private:
  Source* from_ = nullptr;
  std::optional<T> value_;
};

}  // namespace zeroipc::internal

#endif  // ZEROIPC_BASE_PULL_ITERATOR_H_
