// The bytes of a queue in its segment.
//
//   +--------------------------------------------------+ 0
//   | queue_geometry      written once, by the creator |
//   +--------------------------------------------------+ 128
//   | tail                producers                    |
//   +--------------------------------------------------+ 256
//   | head                consumers                    |
//   +--------------------------------------------------+ 384
//   | events, hints       who waits, dies or closes    |   read by every operation, so nothing else may be written here
//   +--------------------------------------------------+ 512
//   | busy                the single producer          |
//   +--------------------------------------------------+ 640
//   | roles, recovery     slow paths                   |
//   | counters            slow paths                   |
//   +--------------------------------------------------+ slots_offset
//   | slot[capacity]      spsc: the element alone      |
//   |                     else: seq, pad, element      |
//   +--------------------------------------------------+ leases_offset
//   | lease[max_leases]   state, ticket, deliveries,   |
//   |                     pad, element                 |
//   +--------------------------------------------------+ bytes
//
// Memory of zeroes is a fresh queue once the geometry is written: creation touches one page, and the slots stay sparse
// until they are used. Lines are kept two apart because processors fetch them in pairs.
//
// Slots are not padded to cache lines. Neighbouring slots of small elements share one, which costs something when two
// producers fill them at the same moment and saves more when one batch or one consumer walks over them; a slot costs 8
// bytes beyond the element (rounded up to the element's alignment), and none with the spsc policy.
#ifndef ZEROIPC_QUEUE_LAYOUT_H_
#define ZEROIPC_QUEUE_LAYOUT_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "zeroipc/base/atomics.h"
#include "zeroipc/queue/position.h"
#include "zeroipc/wait/event_word.h"
#include "zeroipc/wait/robust_lock.h"

namespace zeroipc::internal {

inline constexpr uint64_t kMaxQueueCapacity = uint64_t{1} << 31;

// Where an element lies behind its bookkeeping, and how far apart two of them are.
struct cell_shape {
  uint64_t payload;
  uint64_t stride;
};
constexpr cell_shape cell_behind(uint64_t bookkeeping, uint64_t size, uint64_t align) {
  const uint64_t unit = align > 8 ? align : 8;
  const uint64_t payload = round_up(bookkeeping, align > 8 ? align : 8);
  return {payload, round_up(payload + size, unit)};
}
constexpr cell_shape slot_shape(uint64_t size, uint64_t align, bool bare) {
  if (bare) return {0, round_up(size, align)};
  return cell_behind(8, size, align);
}
constexpr cell_shape lease_shape(uint64_t size, uint64_t align) {
  return cell_behind(24, size, align);
}

// Written by the creator, compared on opening with what the opener computes from its own element type, and kept in
// private memory from then on.
struct queue_geometry {
  uint32_t magic;
  uint32_t variant;  // policy::variant
  uint64_t capacity;
  uint64_t max_leases;
  uint32_t element_size;
  uint32_t element_align;
  uint64_t slot_stride;
  uint64_t lease_stride;
  uint64_t slots_offset;
  uint64_t leases_offset;
  uint64_t bytes;
  uint64_t checksum;  // fixed_hash of all the above

  friend bool operator==(const queue_geometry&, const queue_geometry&) = default;
};
inline constexpr uint32_t kQueueMagic = 0x5a51'0001;  // "ZQ", format 1

// Bits of queue_header::hints.
enum queue_hint : uint32_t {
  kOrphans = 1,  // there may be orphaned items: consumers look for them first
  kUnresolved =
      2,         // recovery met a claim it could not judge: whoever ends an operation runs it again
  kAgain = 4,    // recovery was asked for while it ran: its runner runs it once more
  kClosing = 8,  // close() was called; never taken back
};

template <typename P>
struct queue_header {
  template <typename T>
  using atomic = typename P::template atomic<T>;

  queue_geometry geometry;

  alignas(kApart) atomic<uint64_t> tail;  // next position to push | kClosedBit
  alignas(kApart) atomic<uint64_t> head;  // next position to pop

  alignas(kApart) event_word<P> not_empty;
  event_word<P> not_full;
  event_word<P> lease_freed;
  atomic<uint32_t> hints;
  atomic<uint32_t> recovered_epoch;  // the death epoch up to which recovery is done

  // 1 while the single producer is between looking at kClosing and publishing; meaningful while `producer` is alive.
  alignas(kApart) atomic<uint32_t> busy;

  alignas(kApart) robust_lock<P> recovery;
  atomic<uint32_t> producer;  // owner_tag of the role's holder, where the policy has one producer
  atomic<uint32_t> consumer;  // the same of the consumer
  // Counted on slow paths only; approximate when a process dies between doing and counting.
  atomic<uint64_t> refused;
  atomic<uint64_t> waits;
  atomic<uint64_t> recoveries;
  atomic<uint64_t> redelivered;
  atomic<uint64_t> tombs_made;
  atomic<uint64_t> tombs_passed;
};

static_assert(sizeof(queue_geometry) == 80);
static_assert(offsetof(queue_header<hardware>, tail) == 128);
static_assert(offsetof(queue_header<hardware>, head) == 256);
static_assert(offsetof(queue_header<hardware>, not_empty) == 384);
static_assert(offsetof(queue_header<hardware>, recovered_epoch) == 400);
static_assert(offsetof(queue_header<hardware>, busy) == 512);
static_assert(offsetof(queue_header<hardware>, recovery) == 640);
static_assert(offsetof(queue_header<hardware>, refused) == 656);
static_assert(sizeof(queue_header<hardware>) == 768);

// What a handle must know to lay a queue out or to check one.
struct queue_element {
  uint32_t size;
  uint32_t align;
  uint32_t variant;
  bool bare;  // slots without a sequence word (spsc)
};

// How many leases a queue gets when its creator names no number.
uint64_t default_leases(uint64_t capacity, const queue_element& element);

// Lays a queue out. InvalidArgument for a capacity of 0 or beyond 2^31, ResourceExhausted if it could never fit into
// `available` bytes; both name what was asked for and what there is. `what` names segment and queue.
absl::StatusOr<queue_geometry> make_queue_geometry(uint64_t capacity, uint64_t max_leases,
                                                   const queue_element& element, uint64_t available,
                                                   std::string_view what);

// Checks what stands in `found`, a structure of `bytes` bytes, against the opener's element type. DataLoss if a field
// contradicts the others; the message names both values.
absl::Status check_queue_geometry(const queue_geometry& found, const queue_element& element,
                                  uint64_t bytes, std::string_view what);

}  // namespace zeroipc::internal

#endif  // ZEROIPC_QUEUE_LAYOUT_H_
