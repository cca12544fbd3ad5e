// The segment's allocator: two-level segregated fit over offsets (Masmano, Ripoll, Crespo and Real,
// "TLSF: a new dynamic memory allocator for real-time systems", ECRTS 2004, sections 3 and 4), with
// every change in the undo journal.
//
// When to use: never directly; structures get their memory from the name table. When not: for
// elements; use a pool.
//
//   heap_offset                                               top                           size
//   +--------+-----------------+--------+----------+--  ...  --+----------------------------+
//   | header | payload (used)  | header | (free)   |           | wilderness: never carved,  |
//   | 64 B   | n * 64 B        |        |          |           | or merged back             |
//   +--------+-----------------+--------+----------+--  ...  --+----------------------------+
//
// The unit is a cache line, so every payload is 64-byte aligned; a page at most can be asked for.
//
// Invariants (between transactions)
//  1. Blocks tile [heap_offset, top) without gaps: a block ends where the next one starts, and
//     knows how long its predecessor is. `last_units` is the length of the last one.
//  2. No two neighbours are free, and the last block before `top` is in use (it would be part of
//     the wilderness).
//  3. A free block is in the list of its size class, and a class's bits are set just if its list is
//     not empty.
//  4. Memory above `touched` has never been written to, and so is zero. A rollback does not lower
//     `touched`.
//  5. Under kReserve, every page below `backed` has been allocated by the file system, except
//     inside blocks marked hollow. `backed` may lie below `top` (after a hollow block went back to
//     the wilderness): then it just says less.
//
// State, owner, repair: all words belong to the owner of the control lock; one who dies is rolled
// back by the journal. Headers carry a check of their position and size; a block that fails it is
// reported as DataLoss and nothing is changed. A heap whose words were scribbled on gives errors or
// wrong sizes, never an access outside the segment.
//
// Complexity: allocate and free O(1), besides zeroing what was in use before. Overhead: 64 bytes a
// block. Limits: 2^32 units (256 GiB). Good fit: the first two blocks of the request's own size
// class are tried, then the next larger classes, then the wilderness; when nothing else is left, up
// to 32 blocks of its own class.
#ifndef ZEROIPC_HEAP_HEAP_H_
#define ZEROIPC_HEAP_HEAP_H_

#include <algorithm>
#include <bit>
#include <cstdint>
#include <optional>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "zeroipc/base/hash.h"
#include "zeroipc/heap/control_block.h"
#include "zeroipc/heap/control_plane.h"
#include "zeroipc/heap/journal.h"
#include "zeroipc/segment/segment.h"

namespace zeroipc {

struct heap_stats {
  uint64_t total = 0;    // bytes the heap manages, headers included
  uint64_t used = 0;     // in blocks in use, headers included
  uint64_t free = 0;     // total - used
  uint64_t largest = 0;  // a single structure of this many bytes fits for sure
  uint64_t used_blocks = 0;
  uint64_t free_blocks = 0;
};

// Reads counters without a lock: each is right at some moment, not all at the same one. Works
// read-only too.
heap_stats stats(const memory& mem);

namespace internal {

struct block_header {
  static constexpr uint64_t kFree = uint64_t{1} << 32;
  static constexpr uint64_t kHollow =
      uint64_t{1} << 33;  // parts were given back to the system; free blocks only

  shared_word tag;         // check:16 | 0 | hollow | free | units:32
  shared_word prev_units;  // length of the block before this one; 0 for the first
  shared_word next_free;   // unit + 1; meaningful while free
  shared_word prev_free;   // unit + 1; 0 for the first of a list
  shared_word unused[4];
};
static_assert(sizeof(block_header) == kCacheLine);

class heap {
 public:
  static constexpr uint64_t kUnit = kCacheLine;
  static constexpr uint64_t kMaxAlign = kPage;
  // Blocks of at least this many bytes give their pages back when they are freed.
  static constexpr uint64_t kGiveBack = 1024 * 1024;

  explicit heap(const attachment& segment)
      : segment_(segment),
        block_(control_of(segment).heap),
        units_(segment.geometry.heap_bytes() / kUnit) {}

  // The offset of `bytes` zeroed bytes. REQUIRES: the control lock; `tx` is its owner's.
  // InvalidArgument (alignment), ResourceExhausted (says what is needed, free, and the largest
  // piece), DataLoss.
  absl::StatusOr<uint64_t> allocate(transaction& tx, uint64_t bytes, uint64_t align);

  // REQUIRES: as above; `offset` came from allocate(). The contents are lost even if `tx` is rolled
  // back. DataLoss if no block in use starts there.
  absl::Status free(transaction& tx, uint64_t offset);

  heap_stats stats() const;

  struct block_view {
    uint64_t unit = 0;
    uint64_t units = 0;
    uint64_t prev_units = 0;
    bool free = false;
    bool hollow = false;
    uint64_t payload(const segment_geometry& g) const { return g.heap_offset + (unit + 1) * kUnit; }
  };
  // Checks invariants 1 to 3 and calls f for each block. REQUIRES: the control lock. O(blocks).
  absl::Status walk(absl::FunctionRef<void(const block_view&)> f) const;

 private:
  static constexpr uint32_t kSecondBits = 5;
  static_assert(heap_block::kSecondLevels == 1u << kSecondBits);

  struct size_class {
    uint32_t first;
    uint32_t second;
  };
  struct place {
    block_view block;  // the free block it is cut from; block.units == 0: the wilderness
    uint64_t gap = 0;  // units before the header, for alignment
  };

  static size_class class_of(uint64_t units);
  static uint64_t check_of(uint64_t unit, uint64_t low_bits);
  static uint64_t pack(uint64_t unit, uint64_t units, bool free, bool hollow);
  static uint64_t gap_for(uint64_t unit, uint64_t align);

  block_header& at(uint64_t unit) const {
    return *reinterpret_cast<block_header*>(segment_.base + segment_.geometry.heap_offset +
                                            unit * kUnit);
  }
  uint64_t top() const;
  // The block at `unit`, if one stands there that its header's check vouches for.
  std::optional<block_view> view(uint64_t unit) const;
  [[gnu::visibility("hidden")]] absl::StatusOr<std::optional<block_view>> first_fit(
      uint64_t units) const;
  // Hidden, so that they are inlined in position-independent code too.
  // Looks at up to `tries` blocks of the class of `request`.
  [[gnu::visibility("hidden")]] absl::StatusOr<std::optional<place>> probe(uint64_t request,
                                                                           uint64_t units,
                                                                           uint64_t align,
                                                                           int tries) const;
  [[gnu::visibility("hidden")]] absl::StatusOr<std::optional<place>> find(uint64_t units,
                                                                          uint64_t align) const;
  [[gnu::visibility("hidden")]] absl::Status prepare(const place& p, uint64_t units);
  [[gnu::visibility("hidden")]] absl::Status link(transaction& tx, const block_view& b);
  [[gnu::visibility("hidden")]] absl::Status unlink(transaction& tx, const block_view& b);
  [[gnu::visibility("hidden")]] void count(transaction& tx, int64_t free_units, int32_t used_blocks,
                                           int32_t free_blocks);
  absl::Status corrupt(uint64_t unit, const char* what) const;
  absl::Status exhausted(uint64_t bytes, uint64_t align) const;

  const attachment& segment_;
  heap_block& block_;
  const uint64_t units_;
};

// Relaxed: words that the lock's owner writes, read by itself.
inline heap::size_class heap::class_of(uint64_t units) {
  if (units < heap_block::kSecondLevels) return {0, static_cast<uint32_t>(units)};
  const uint32_t log = static_cast<uint32_t>(std::bit_width(units)) - 1;
  return {log - kSecondBits + 1,
          static_cast<uint32_t>(units >> (log - kSecondBits)) & (heap_block::kSecondLevels - 1)};
}

inline uint64_t heap::check_of(uint64_t unit, uint64_t low_bits) {
  return fold_multiply(unit + kHashSeed, low_bits ^ kHashMultiplier) & 0xffff;
}

inline uint64_t heap::pack(uint64_t unit, uint64_t units, bool free, bool hollow) {
  const uint64_t low =
      units | (free ? block_header::kFree : 0) | (hollow ? block_header::kHollow : 0);
  return check_of(unit, low) << 48 | low;
}

inline uint64_t heap::gap_for(uint64_t unit, uint64_t align) {
  // heap_offset is page-aligned, so unit numbers align as addresses do.
  return -(unit + 1) & (align / kUnit - 1);
}

inline uint64_t heap::top() const {
  return std::min(block_.top.load(std::memory_order_relaxed), units_);
}

inline std::optional<heap::block_view> heap::view(uint64_t unit) const {
  const uint64_t end = top();
  if (unit >= end) return std::nullopt;
  const block_header& header = at(unit);
  const uint64_t tag = header.tag.load(std::memory_order_relaxed);
  const uint64_t low = tag & ((uint64_t{1} << 48) - 1);
  block_view b;
  b.unit = unit;
  b.units = tag & 0xffff'ffffu;
  b.free = (tag & block_header::kFree) != 0;
  b.hollow = (tag & block_header::kHollow) != 0;
  b.prev_units = header.prev_units.load(std::memory_order_relaxed);
  if (tag >> 48 != check_of(unit, low) || b.units == 0 || b.units > end - unit ||
      b.prev_units > unit) {
    return std::nullopt;
  }
  return b;
}

}  // namespace internal
}  // namespace zeroipc

#endif  // ZEROIPC_HEAP_HEAP_H_
