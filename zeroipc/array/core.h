// The algorithm of zeroipc::array's untorn access, for elements that are too large for one atomic instruction.
//
//   +------------------------------------------------+ 0
//   | structure_geometry   capacity, extra: stripes  |
//   +------------------------------------------------+ 128
//   | figures                                        |
//   +------------------------------------------------+ offsets[0]
//   | stripe[S]    lock, version, index, new value   |   element i belongs to stripe i mod S
//   +------------------------------------------------+ offsets[1]
//   | element[capacity]    as in a C array           |
//   +------------------------------------------------+
//
// The elements lie bare, so a store overwrites in place; what makes it whole again after a death is a copy of the new value in
// the stripe, written before.
//
// Store, under the stripe's lock                              killed after it
//   1  stripe.value = the new value; stripe.index = i        as if never called
//   2  stripe.version = odd          (release)               done: the linearisation point. Who comes next does 3 and 4
//   3  the element's words           (release each)          the same
//   4  stripe.version = even         (release)               done
//
// Load: version (acquire) is even, the words (acquire each), version is the same still. An odd version, or one that keeps
// changing, is waited for at the stripe's lock: its holder finishes, or is dead, and the lock's next owner does 3 and 4 again,
// which may be done any number of times.
#ifndef ZEROIPC_ARRAY_CORE_H_
#define ZEROIPC_ARRAY_CORE_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "zeroipc/base/atomics.h"
#include "zeroipc/base/deadline.h"
#include "zeroipc/base/outcome.h"
#include "zeroipc/base/word_copy.h"
#include "zeroipc/name_table/geometry.h"
#include "zeroipc/wait/robust_hold.h"

namespace zeroipc {

struct array_stats {
  uint64_t capacity = 0;
  uint64_t stripes = 0;     // 0: elements are loaded and stored by one instruction
  uint64_t recoveries = 0;  // stores completed for processes that died inside
};

namespace internal {

template <typename P>
struct array_header {
  structure_geometry geometry;
  alignas(kApart) typename P::template atomic<uint64_t> recoveries;
};

template <typename P>
struct array_stripe {
  template <typename T>
  using atomic = typename P::template atomic<T>;

  robust_lock<P> lock;
  atomic<uint64_t> version;
  atomic<uint64_t> index;
  // The new value follows.
};

inline constexpr uint64_t kMaxArrayStripes = 256;

template <typename T>
inline constexpr bool single_word = (sizeof(T) == 1 || sizeof(T) == 2 || sizeof(T) == 4 ||
                                     sizeof(T) == 8) &&
                                    alignof(T) % sizeof(T) == 0;

constexpr uint64_t array_stripes(uint64_t capacity, bool single) {
  return single ? 0 : std::min(capacity, kMaxArrayStripes);
}
constexpr uint64_t array_stripe_stride(uint64_t size) {
  return round_up(sizeof(array_stripe<hardware>) + round_up(size, 8), kCacheLine);
}

template <typename P, typename Env, typename T>
class array_core {
 public:
  static constexpr uint64_t kStripeStride = array_stripe_stride(sizeof(T));
  using word = word_of<sizeof(T), alignof(T)>;

  void bind(Env& env, array_header<P>& header, std::byte* stripes, uint64_t stripe_count,
            std::byte* elements, uint64_t capacity) {
    env_ = &env;
    header_ = &header;
    stripes_ = stripes;
    stripe_count_ = stripe_count;
    elements_ = elements;
    capacity_ = capacity;
  }

  uint64_t capacity() const { return capacity_; }

  // REQUIRES, all: i < capacity.
  outcome load(uint64_t i, T& value) const {
    const array_stripe<P>& s = stripe(i);
    for (int tries = 0; tries < kTries; ++tries) {
      // Acquire, twice: pair with store(); see word_copy.h.
      const uint64_t version = s.version.load(std::memory_order_acquire);
      if (version % 2 != 0) break;
      read_words<P, word>(&value, element(i), sizeof(T));
      if (s.version.load(std::memory_order_acquire) == version) return outcome::ok;
      P::pause();
    }
    return load_behind_the_writer(i, value);
  }

  outcome store(uint64_t i, const T& value) {
    array_stripe<P>& s = stripe(i);
    robust_hold<P, Env> hold(*env_, s.lock);
    if (!hold) return hold.why();
    settle(s);
    put(s, i, value);
    return outcome::ok;
  }

  // Replaces the element by what `change` makes of it, with no other store in between.
  template <typename F>
  outcome update(uint64_t i, F&& change, T& value) {
    array_stripe<P>& s = stripe(i);
    robust_hold<P, Env> hold(*env_, s.lock);
    if (!hold) return hold.why();
    settle(s);
    read_words<P, word>(&value, element(i), sizeof(T));
    change(value);
    put(s, i, value);
    return outcome::ok;
  }

  array_stats stats() const {
    return {capacity_, stripe_count_, header_->recoveries.load(std::memory_order_relaxed)};
  }

 private:
  static constexpr int kTries = 64;

  array_stripe<P>& stripe(uint64_t i) const {
    return *reinterpret_cast<array_stripe<P>*>(stripes_ + i % stripe_count_ * kStripeStride);
  }
  static std::byte* new_value(array_stripe<P>& s) {
    return reinterpret_cast<std::byte*>(&s) + sizeof s;
  }
  std::byte* element(uint64_t i) const { return elements_ + i * sizeof(T); }

  // REQUIRES, both: the stripe's lock is held. Relaxed: what the lock orders.
  void put(array_stripe<P>& s, uint64_t i, const T& value) {
    P::copy_in(new_value(s), &value, sizeof(T));
    s.index.store(i, std::memory_order_relaxed);
    const uint64_t version = s.version.load(std::memory_order_relaxed);
    // Release: the new value is there before anybody may need it, and before the words below.
    s.version.store(version + 1, std::memory_order_release);
    write_words<P, word>(element(i), &value, sizeof(T));
    s.version.store(version + 2, std::memory_order_release);
  }
  // Completes what somebody left who died inside.
  void settle(array_stripe<P>& s) const {
    const uint64_t version = s.version.load(std::memory_order_relaxed);
    if (version % 2 == 0) [[likely]]
      return;
    const uint64_t i = s.index.load(std::memory_order_relaxed);
    // An index from elsewhere is nobody's store; the version may go on all the same.
    if (i < capacity_ && &stripe(i) == &s) {
      write_words<P, word>(element(i), new_value(s), sizeof(T));
    }
    s.version.store(version + 1, std::memory_order_release);
    header_->recoveries.fetch_add(1, std::memory_order_relaxed);
  }

  [[gnu::noinline]] outcome load_behind_the_writer(uint64_t i, T& value) const {
    array_stripe<P>& s = stripe(i);
    robust_hold<P, Env> hold(*env_, s.lock);
    if (!hold) return hold.why();
    settle(s);
    read_words<P, word>(&value, element(i), sizeof(T));
    return outcome::ok;
  }

  Env* env_ = nullptr;
  array_header<P>* header_ = nullptr;
  std::byte* stripes_ = nullptr;
  uint64_t stripe_count_ = 1;
  std::byte* elements_ = nullptr;
  uint64_t capacity_ = 0;
};

}  // namespace internal
}  // namespace zeroipc

#endif  // ZEROIPC_ARRAY_CORE_H_
