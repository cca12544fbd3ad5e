// The ring of the spsc policy: elements alone, no word per slot, no atomic read-modify-write (L. Lamport, "Concurrent
// reading and writing", 1977; each side remembers how far it may go before it must look at the other's counter again).
//
//   push: if nothing is known to be free, read `head`; copy in; `tail` on      linearisation: the store to `tail`
//   pop:  if nothing is known to be there, read `tail`; copy out; `head` on    linearisation: the store to `head`
//
// Invariants
//  1. `tail` is written by the holder of the producer's role alone, `head` by that of the consumer's.
//  2. head <= tail <= head + capacity, at all times.
//  3. What a side knows (room_, stock_) is in private memory and only ever too small.
//
// Killed anywhere, either side leaves a valid queue: an element that was not published was not pushed, one that was not
// released is still there. There is nothing to repair but one thing: a lease entry filled whose position was not released.
#ifndef ZEROIPC_QUEUE_SPSC_RING_H_
#define ZEROIPC_QUEUE_SPSC_RING_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "zeroipc/base/outcome.h"
#include "zeroipc/queue/claims.h"
#include "zeroipc/queue/layout.h"
#include "zeroipc/queue/lease.h"
#include "zeroipc/queue/position.h"

namespace zeroipc::internal {

template <typename P, typename Env, typename T>
class spsc_ring {
 public:
  using ticket = ring_ticket<P>;
  static constexpr cell_shape kShape = slot_shape(sizeof(T), alignof(T), true);
  static constexpr bool kManyPush = false;
  static constexpr bool kManyPop = false;

  void bind(Env&, queue_header<P>& header, std::byte* slots, uint64_t capacity, uint32_t) {
    header_ = &header;
    slots_ = slots;
    shape_ = ring_shape(capacity);
  }
  const ring_shape& shape() const { return shape_; }

  // --- the producer; ok, full or corrupt ---

  outcome push(const T& value) {
    if (room_ == 0) [[unlikely]] {
      const outcome r = look_for_room();
      if (!r) return r;
    }
    P::copy_in(payload(tail_), &value, sizeof(T));
    push_on(1);
    return outcome::ok;
  }

  outcome push_some(const T* values, uint64_t want, uint64_t& n) {
    if (room_ < want) {
      const outcome r = look_for_room();
      if (!r) return r;
    }
    n = std::min(want, room_);
    const uint64_t before_end = std::min(n, shape_.capacity() - shape_.index(tail_));
    P::copy_in(payload(tail_), values, before_end * sizeof(T));
    if (n != before_end) P::copy_in(slots_, values + before_end, (n - before_end) * sizeof(T));
    push_on(n);
    return outcome::ok;
  }

  outcome reserve(ticket& t) {
    if (room_ == 0) {
      const outcome r = look_for_room();
      if (!r) return r;
    }
    t = {tail_, 0, payload(tail_), nullptr};
    return outcome::ok;
  }
  void publish(ticket&) { push_on(1); }
  bool abandon(ticket&) { return false; }  // `tail` has not moved: the position is used next

  // --- the consumer; ok, empty or corrupt ---

  outcome pop(T& value, uint64_t&) {
    if (stock_ == 0) [[unlikely]] {
      const outcome r = look_for_stock();
      if (!r) return r;
    }
    P::copy_out(&value, payload(head_), sizeof(T));
    pop_on(1);
    return outcome::ok;
  }

  outcome pop_some(T* values, uint64_t want, uint64_t& n, uint64_t&) {
    if (stock_ < want) {
      const outcome r = look_for_stock();
      if (!r) return r;
    }
    n = std::min(want, stock_);
    const uint64_t before_end = std::min(n, shape_.capacity() - shape_.index(head_));
    P::copy_out(values, payload(head_), before_end * sizeof(T));
    if (n != before_end) P::copy_out(values + before_end, slots_, (n - before_end) * sizeof(T));
    pop_on(n);
    return outcome::ok;
  }

  outcome claim_one(ticket& t, uint64_t&, bool) {
    if (stock_ == 0) {
      const outcome r = look_for_stock();
      if (!r) return r;
    }
    t = {head_, 0, payload(head_), nullptr};
    return outcome::ok;
  }
  outcome claim_orphan(ticket&, bool) { return outcome::empty; }
  uint64_t pass_tombs() { return 0; }
  void release(ticket&) { pop_on(1); }
  bool put_back(ticket&) { return true; }  // `head` has not moved: the item is simply next
  void put_back_locked(ticket&) {}

  // --- looking ---

  bool looks_poppable() const { return depth() != 0; }
  bool looks_pushable() const { return depth() < shape_.capacity(); }
  // Whether the consumer knows of items without looking at shared memory.
  bool stocked() const { return stock_ != 0; }
  uint64_t depth() const {
    const uint64_t h = header_->head.load(std::memory_order_acquire);
    const uint64_t t = header_->tail.load(std::memory_order_acquire);
    return std::min<uint64_t>(shape_.distance(h, t), shape_.capacity());
  }
  uint64_t orphans() const { return 0; }
  bool released(uint64_t position) const {
    return header_->head.load(std::memory_order_acquire) > position;
  }
  bool drained() const { return depth() == 0; }

  // --- taking over a role; the caller holds it ---

  void repair_producer() {
    tail_ = header_->tail.load(std::memory_order_acquire);
    room_ = 0;
  }
  void repair_consumer(const lease_table<P, Env, T>& leases) {
    uint64_t h = header_->head.load(std::memory_order_acquire);
    const uint64_t t = header_->tail.load(std::memory_order_acquire);
    for (uint64_t n = 0; n < shape_.capacity() && h != t && leases.holds(h); ++n)
      h = shape_.next(h);
    header_->head.store(h, std::memory_order_release);
    head_ = h;
    stock_ = 0;
  }

  struct repair_result {
    uint32_t changed = 0, orphaned = 0, orphans = 0, transient = 0, tombs = 0;
  };
  repair_result repair(holder_survey<P, Env>&, const lease_table<P, Env, T>&) { return {}; }

 private:
  std::byte* payload(uint64_t position) const {
    return slots_ + shape_.index(position) * kShape.stride;
  }

  // `tail_` is private, but was read from shared memory when the role was taken: it is checked here, and so before use.
  [[gnu::noinline]] outcome look_for_room() {
    // Acquire: pairs with the release in pop_on(): the consumer is done with what it says it is done with.
    const uint64_t h = header_->head.load(std::memory_order_acquire);
    if (!shape_.valid(h) || !shape_.valid(tail_)) return outcome::corrupt;
    const uint64_t used = shape_.distance(h, tail_);
    if (used > shape_.capacity()) return outcome::corrupt;
    room_ = shape_.capacity() - used;
    return room_ == 0 ? outcome(outcome::full) : outcome(outcome::ok);
  }
  [[gnu::noinline]] outcome look_for_stock() {
    // Acquire: pairs with the release in push_on(): the elements below `tail` are there.
    const uint64_t t = header_->tail.load(std::memory_order_acquire);
    if (!shape_.valid(t) || !shape_.valid(head_)) return outcome::corrupt;
    const uint64_t there = shape_.distance(head_, t);
    if (there > shape_.capacity()) return outcome::corrupt;
    stock_ = there;
    return stock_ == 0 ? outcome(outcome::empty) : outcome(outcome::ok);
  }
  void push_on(uint64_t n) {
    tail_ = n == 1 ? shape_.next(tail_) : shape_.advance(tail_, n);
    room_ -= n;
    header_->tail.store(tail_, std::memory_order_release);  // pairs with look_for_stock()
  }
  void pop_on(uint64_t n) {
    head_ = n == 1 ? shape_.next(head_) : shape_.advance(head_, n);
    stock_ -= n;
    header_->head.store(head_, std::memory_order_release);  // pairs with look_for_room()
  }

  queue_header<P>* header_ = nullptr;
  std::byte* slots_ = nullptr;
  ring_shape shape_;

  // The producer's, and the consumer's: private to the process, but often used by two threads of one.
  alignas(kApart) uint64_t tail_ = 0;
  uint64_t room_ = 0;
  alignas(kApart) uint64_t head_ = 0;
  uint64_t stock_ = 0;
};

}  // namespace zeroipc::internal

#endif  // ZEROIPC_QUEUE_SPSC_RING_H_
