// The elements of a stream: slots that one writer at a time fills, and that anybody may read and find out whether the element was
// there all the time.
//
// Writing positions [p, p + n), under the writer lock          killed after it
//   1  claimed = p + n                (release)                what lay S before them is gone; claimed never goes back
//   2  slot.stamp = 0                 (release)  for each      the same
//   3  the element's words            (release each)           the same
//   4  slot.stamp = position + 1      (release)                the same
//   5  tail = p + n                   (release)                done: the linearisation point of all n
// So there is nothing to repair: whoever writes next begins at `tail`.
//
// Reading position p: tail (acquire) is beyond it; slot.stamp is p + 1 (acquire), the words (acquire each), slot.stamp is p + 1
// still. If not, `claimed` has moved beyond p + S meanwhile, for it was stored before the stamp: the element is gone.
// Lock-free: a read is only repeated because others' elements were written.
#ifndef ZEROIPC_STREAM_LOG_H_
#define ZEROIPC_STREAM_LOG_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "zeroipc/base/outcome.h"
#include "zeroipc/base/word_copy.h"
#include "zeroipc/stream/layout.h"

namespace zeroipc::internal {

// kBytes: of an element; 0 if only the creator knew.
template <typename P, size_t kBytes>
class stream_log {
 public:
  // `slots`: of capacity + stream_spare_slots(capacity), `stride` apart.
  void bind(stream_header<P>& header, std::byte* slots, uint64_t capacity, size_t bytes,
            uint64_t align, uint64_t stride) {
    header_ = &header;
    first_ = slots;
    capacity_ = capacity;
    slots_ = capacity + stream_spare_slots(capacity);
    bytes_ = bytes;
    stride_ = stride;
    element_ = stream_element_offset(align);
  }

  uint64_t capacity() const { return capacity_; }
  size_t element_bytes() const { return kBytes != 0 ? kBytes : bytes_; }
  // Acquire: pairs with publish(): the elements below it are there.
  uint64_t tail() const { return header_->tail.load(std::memory_order_acquire); }
  // The oldest element that may be counted on.
  uint64_t oldest() const {
    const uint64_t claimed = this->claimed();
    return oldest(claimed, tail());
  }

  // --- the writer ---

  // REQUIRES: the writer lock is held; n <= capacity().
  void write(uint64_t position, const void* values, uint64_t n) {
    // Relaxed: only writers change it, and the lock orders them.
    const uint64_t end = position + n;
    if (header_->claimed.load(std::memory_order_relaxed) < end) {
      header_->claimed.store(end, std::memory_order_release);
    }
    const auto* from = static_cast<const std::byte*>(values);
    uint64_t slot = position % slots_;
    for (uint64_t p = position; p != end; ++p, from += element_bytes()) {
      // Release: who sees it, or a word of the new element, also sees what was claimed.
      stamp(slot).store(0, std::memory_order_release);
      write_object<P>(element(slot), from, element_bytes());
      stamp(slot).store(p + 1, std::memory_order_release);
      if (++slot == slots_) slot = 0;
    }
  }
  // Makes all before `end` visible. REQUIRES: the writer lock is held, and they are written.
  void publish(uint64_t end) { header_->tail.store(end, std::memory_order_release); }

  // --- readers ---

  // Copies up to n elements from `position` on, which moves behind the last; `missed` grows by those that were gone. `empty`: there
  // is none yet.
  outcome read(uint64_t& position, void* values, uint64_t n, uint64_t& done,
               uint64_t& missed) const {
    done = 0;
    auto* to = static_cast<std::byte*>(values);
    for (int tries = 0; done < n && tries < kTries;) {
      // In this order: a writer claims no more than a capacity beyond the tail, so what is gone lies before the tail that is read
      // after.
      const uint64_t claimed = this->claimed();
      const uint64_t t = tail();
      if (t == position) break;
      const uint64_t first = oldest(claimed, t);
      if (t < position || t <= first) return outcome::corrupt;  // the tail never goes back
      if (position < first) {
        missed += first - position;
        position = first;
      }
      uint64_t left = std::min(t - position, n - done);
      const uint64_t before = position;
      uint64_t slot = position % slots_;
      for (; left != 0 && read_slot(slot, position, to); --left) {
        to += element_bytes();
        ++position;
        ++done;
        if (++slot == slots_) slot = 0;
      }
      if (left == 0) break;
      // Either it has been written over since, or it never was there.
      if (position >= oldest(this->claimed(), t)) {
        return done != 0 ? outcome::ok : outcome::corrupt;
      }
      tries = position == before ? tries + 1 : 0;
    }
    return done != 0 ? outcome::ok : outcome::empty;
  }

  // Where the element lies, or nullptr if it is not there. Stays while a cursor holds it.
  const std::byte* place(uint64_t position) const {
    const uint64_t slot = position % slots_;
    if (stamp(slot).load(std::memory_order_acquire) != position + 1) return nullptr;
    return element(slot);
  }

 private:
  // More would mean that writers complete a whole round in the time of each of our copies, for ever.
  static constexpr int kTries = 1'000'000;

  // Acquire: pairs with the release in write().
  uint64_t claimed() const { return header_->claimed.load(std::memory_order_acquire); }
  uint64_t oldest(uint64_t claimed, uint64_t t) const {
    return std::max(t > capacity_ ? t - capacity_ : 0, claimed > slots_ ? claimed - slots_ : 0);
  }

  typename P::template atomic<uint64_t>& stamp(uint64_t slot) const {
    return *reinterpret_cast<typename P::template atomic<uint64_t>*>(first_ + slot * stride_);
  }
  std::byte* element(uint64_t slot) const { return first_ + slot * stride_ + element_; }
  bool read_slot(uint64_t slot, uint64_t position, void* to) const {
    // Acquire, both: pair with write(). If it is another's, so far has `claimed` come.
    if (stamp(slot).load(std::memory_order_acquire) != position + 1) return false;
    read_object<P>(to, element(slot), element_bytes());
    return stamp(slot).load(std::memory_order_acquire) == position + 1;
  }

  stream_header<P>* header_ = nullptr;
  std::byte* first_ = nullptr;
  uint64_t capacity_ = 0;
  uint64_t slots_ = 1;
  size_t bytes_ = 0;
  uint64_t stride_ = 0;
  uint64_t element_ = 0;
};

}  // namespace zeroipc::internal

#endif  // ZEROIPC_STREAM_LOG_H_
