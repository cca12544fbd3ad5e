// The algorithm of zeroipc::ring: one writer at a time appends, over the oldest; readers copy and find out whether they were
// overtaken.
//
//   +------------------------------------------------+ 0
//   | structure_geometry   capacity N, extra S       |
//   +------------------------------------------------+ 128
//   | tail           elements ever written           |   position p is the element that was written as number p
//   | changed        who waits for the next          |
//   +------------------------------------------------+ 256
//   | writer         robust lock                     |
//   | waits, recoveries                              |
//   +------------------------------------------------+ offsets[0]
//   | slot[S]        stamp, element                  |   position p lies in slot p mod S; N < S
//   +------------------------------------------------+
//
// There are more slots than elements that readers may count on, so the newest N are whole while the next S - N are being
// written, and stay so if their writer dies.
//
// Push of position p = tail, under the lock                   killed after it
//   1  slot.stamp = 0               (release)                 an element older than the newest N is gone; p is written anew
//   2  the element's words          (release each)            the same
//   3  slot.stamp = p + 1           (release)                 the same
//   4  tail = p + 1                 (release)                 done: the linearisation point; a batch has one for each S - N
//   5  changed.notify                                         sleepers wake by the segment's death epoch
// So there is nothing to repair: who inherits the lock begins at 1.
//
// Read of position p: t = tail (acquire). p = t: nothing new. t - p > N: the elements up to t - N are missed. Else
// slot.stamp is p + 1 (acquire), the words (acquire each), and slot.stamp is p + 1 still; if not, tail has moved
// beyond p + N meanwhile: look again. Linearisation point: the load of `tail` that succeeded.
// Lock-free: a read is only repeated because others' pushes were completed. Pushes block each other.
#ifndef ZEROIPC_RING_CORE_H_
#define ZEROIPC_RING_CORE_H_

#include <algorithm>
#include <climits>
#include <cstddef>
#include <cstdint>

#include "zeroipc/base/atomics.h"
#include "zeroipc/base/deadline.h"
#include "zeroipc/base/outcome.h"
#include "zeroipc/base/word_copy.h"
#include "zeroipc/name_table/geometry.h"
#include "zeroipc/wait/robust_hold.h"
#include "zeroipc/wait/wait.h"

namespace zeroipc {

struct ring_stats {
  uint64_t capacity = 0;
  uint64_t written = 0;     // since creation
  uint64_t waits = 0;       // reads that had to wait
  uint64_t recoveries = 0;  // writers that died inside
};

namespace internal {

template <typename P>
struct ring_header {
  template <typename T>
  using atomic = typename P::template atomic<T>;

  structure_geometry geometry;

  alignas(kApart) atomic<uint64_t> tail;
  event_word<P> changed;

  alignas(kApart) robust_lock<P> writer;
  atomic<uint64_t> waits;
  atomic<uint64_t> recoveries;
};
static_assert(offsetof(ring_header<hardware>, tail) == 128);
static_assert(offsetof(ring_header<hardware>, writer) == 256);

inline constexpr uint64_t kMaxRingCapacity = (uint64_t{1} << 31) - 1;

// How many more slots there are than elements: what a batch writes before it says so.
constexpr uint64_t ring_spare_slots(uint64_t capacity) {
  return std::clamp<uint64_t>(capacity / 8, 1, 64);
}
constexpr uint64_t ring_element_offset(uint64_t align) { return align > 8 ? align : 8; }
constexpr uint64_t ring_stride(uint64_t size, uint64_t align) {
  return round_up(ring_element_offset(align) + round_up(size, 8), align > 8 ? align : 8);
}

template <typename P, typename Env, typename T>
class ring_core {
 public:
  static constexpr uint64_t kStride = ring_stride(sizeof(T), alignof(T));

  // `first`: of capacity + ring_spare_slots(capacity) slots.
  void bind(Env& env, ring_header<P>& header, std::byte* first, uint64_t capacity) {
    env_ = &env;
    header_ = &header;
    first_ = first;
    capacity_ = capacity;
    slots_ = capacity + ring_spare_slots(capacity);
  }

  uint64_t capacity() const { return capacity_; }
  uint64_t tail() const { return header_->tail.load(std::memory_order_acquire); }
  uint64_t oldest() const {
    const uint64_t t = tail();
    return t > capacity_ ? t - capacity_ : 0;
  }

  // They become visible in pieces of ring_spare_slots().
  outcome push_n(const T* values, uint64_t n, deadline until) {
    robust_hold<P, Env> hold(*env_, header_->writer, until);
    if (!hold) return hold.why();
    if (hold.inherited()) count(header_->recoveries);
    // Relaxed: only writers change it, and the lock orders them.
    uint64_t p = header_->tail.load(std::memory_order_relaxed);
    uint64_t slot = p % slots_;
    while (n != 0) {
      for (uint64_t left = std::min(n, slots_ - capacity_); left != 0; --left, --n) {
        write(slot, p++, *values++);
        if (++slot == slots_) slot = 0;
      }
      header_->tail.store(p, std::memory_order_release);
    }
    header_->changed.notify(*env_, INT_MAX);
    return outcome::ok;
  }

  // Up to n elements from `position` on, which moves behind the last; `missed` grows by those that were gone. `empty` if
  // there was none.
  outcome read_n(uint64_t& position, T* values, uint64_t n, uint64_t& done,
                 uint64_t& missed) const {
    done = 0;
    for (int tries = 0; done < n && tries < kTries;) {
      const uint64_t t = header_->tail.load(std::memory_order_acquire);
      if (t == position) break;
      if (t < position) return outcome::corrupt;  // the tail never goes back
      if (t - position > capacity_) {
        missed += t - position - capacity_;
        position = t - capacity_;
      }
      const uint64_t end = std::min(t, position + (n - done));
      const uint64_t before = position;
      uint64_t slot = position % slots_;
      while (position != end && read(slot, position, values[done])) {
        ++position;
        ++done;
        if (++slot == slots_) slot = 0;
      }
      if (position == end) break;
      // Either it has been overwritten since, or it never was there.
      if (header_->tail.load(std::memory_order_acquire) - position <= capacity_) {
        return done != 0 ? outcome::ok : outcome::corrupt;
      }
      tries = position == before ? tries + 1 : 0;
    }
    return done != 0 ? outcome::ok : outcome::empty;
  }

  outcome wait_for_more(uint64_t position, deadline until) {
    if (tail() != position) return outcome::ok;
    if (!until.is_at_once()) count(header_->waits);
    const bool more =
        wait_until<P>(*env_, header_->changed, until, [&] { return tail() != position; });
    return more ? outcome::ok : outcome::timed_out;
  }

  ring_stats stats() const {
    // Relaxed: figures for people.
    return {capacity_, tail(), header_->waits.load(std::memory_order_relaxed),
            header_->recoveries.load(std::memory_order_relaxed)};
  }

 private:
  // More would mean that writers complete a whole ring in the time of each of our copies, for ever.
  static constexpr int kTries = 1'000'000;

  typename P::template atomic<uint64_t>& stamp(uint64_t slot) const {
    return *reinterpret_cast<typename P::template atomic<uint64_t>*>(first_ + slot * kStride);
  }
  std::byte* element(uint64_t slot) const {
    return first_ + slot * kStride + ring_element_offset(alignof(T));
  }

  // REQUIRES: the lock is held.
  void write(uint64_t slot, uint64_t position, const T& value) {
    // Release: who sees it, or a word of the new element, also sees how far `tail` was.
    stamp(slot).store(0, std::memory_order_release);
    write_object<P>(element(slot), &value, sizeof(T));
    stamp(slot).store(position + 1, std::memory_order_release);
  }
  bool read(uint64_t slot, uint64_t position, T& value) const {
    // Acquire, both: pair with write(). If it is another's, so far has `tail` come.
    if (stamp(slot).load(std::memory_order_acquire) != position + 1) return false;
    read_object<P>(&value, element(slot), sizeof(T));
    return stamp(slot).load(std::memory_order_acquire) == position + 1;
  }
  static void count(typename P::template atomic<uint64_t>& counter) {
    counter.fetch_add(1, std::memory_order_relaxed);  // relaxed: a figure for people
  }

  Env* env_ = nullptr;
  ring_header<P>* header_ = nullptr;
  std::byte* first_ = nullptr;
  uint64_t capacity_ = 0;
  uint64_t slots_ = 1;
};

}  // namespace internal
}  // namespace zeroipc

#endif  // ZEROIPC_RING_CORE_H_
