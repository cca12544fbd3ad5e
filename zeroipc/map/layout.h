// What zeroipc::map and zeroipc::set keep in shared memory; core.h says how it is used.
//
//   +------------------------------------------------+ 0
//   | structure_geometry      extra: buckets         |
//   | waits, recoveries                              |
//   +------------------------------------------------+ offsets[0]
//   | stripe[stripes]         two lines each         |   who writes, and what it is at
//   +------------------------------------------------+ offsets[1]
//   | bucket[buckets]         a line each            |   7 slots, and where the bucket's own keys are
//   +------------------------------------------------+ offsets[2]
//   | cell[7 * buckets + stripes]                    |   the entries
//   +------------------------------------------------+
#ifndef ZEROIPC_MAP_LAYOUT_H_
#define ZEROIPC_MAP_LAYOUT_H_

#include <cstddef>
#include <cstdint>

#include "zeroipc/base/atomics.h"
#include "zeroipc/name_table/geometry.h"
#include "zeroipc/wait/event_word.h"
#include "zeroipc/wait/robust_lock.h"

namespace zeroipc::internal {

inline constexpr uint64_t kMaxMapCapacity = uint64_t{1} << 30;
inline constexpr uint64_t kBucketSlots = 7;
// In how many buckets a key may be. Where each is at 0.7 of its load, and they are spread, all of them are full once in 10^11.
inline constexpr uint64_t kReach = 16;
inline constexpr uint64_t kMostStripes = 256;

// A slot's word. Every slot has a cell, and so does every stripe; publishing an entry swaps the two.
struct map_slot {
  bool occupied;
  uint16_t tag;  // 15 bits of the key's hash
  uint16_t
      version;  // the cell's, so that what a reader has seen is not taken for what came into the cell later
  uint32_t cell;

  static constexpr map_slot of(uint64_t word) {
    return {word >> 63 != 0, static_cast<uint16_t>(word >> 48 & 0x7fff),
            static_cast<uint16_t>(word >> 32), static_cast<uint32_t>(word)};
  }
  constexpr uint64_t word() const {
    return uint64_t{occupied} << 63 | uint64_t{tag} << 48 | uint64_t{version} << 32 | cell;
  }
};

template <typename P>
struct map_header {
  template <typename T>
  using atomic = typename P::template atomic<T>;

  structure_geometry geometry;
  atomic<uint64_t> waits;
  atomic<uint64_t> recoveries;
};

// What a writer is about to change, while `home` is not 0. Everything else follows from what it finds.
template <typename P>
struct map_journal {
  template <typename T>
  using atomic = typename P::template atomic<T>;

  atomic<uint64_t> home;   // 1 + the key's home bucket
  atomic<uint64_t> slot;   // its number
  atomic<uint64_t> from;   // its word before
  atomic<uint64_t> to;     // and after
  atomic<uint64_t> count;  // of the stripe, before
};

// Keys whose home bucket is congruent to its number.
template <typename P>
struct alignas(kApart) map_stripe {
  template <typename T>
  using atomic = typename P::template atomic<T>;

  robust_lock<P> lock;
  atomic<uint32_t> spare;  // cell
  event_word<P> changed;   // who waits for a change of one of its keys
  atomic<uint64_t> count;  // keys
  atomic<uint64_t> changes;
  map_journal<P> journal;
};
static_assert(sizeof(map_stripe<hardware>) == kApart);

template <typename P>
struct alignas(kCacheLine) map_bucket {
  template <typename T>
  using atomic = typename P::template atomic<T>;

  // Four bits for each distance: how many keys whose home this is are that far away.
  atomic<uint64_t> spread;
  atomic<uint64_t> slots[kBucketSlots];
};
static_assert(sizeof(map_bucket<hardware>) == kCacheLine);

// What stands before the entry in a cell.
template <typename P>
struct map_cell {
  template <typename T>
  using atomic = typename P::template atomic<T>;

  atomic<uint64_t> sequence;  // odd: being written
  atomic<uint64_t> change;    // the number, in its stripe, of the change that brought the entry in
};

constexpr uint64_t map_entry_offset(uint64_t align) {
  return align > sizeof(map_cell<hardware>) ? align : sizeof(map_cell<hardware>);
}
constexpr uint64_t map_cell_stride(uint64_t size, uint64_t align) {
  return round_up(map_entry_offset(align) + round_up(size, 8), align > 8 ? align : 8);
}

// So many that `capacity` keys take 0.7 of the slots.
constexpr uint64_t map_buckets(uint64_t capacity) {
  const uint64_t least = (capacity * 10 + 7 * kBucketSlots - 1) / (7 * kBucketSlots);
  if (least > 256) return least;
  // Few buckets are a power of two, so that probing comes to all of them.
  uint64_t n = 1;
  while (n < least) n *= 2;
  return n;
}
constexpr uint64_t map_stripes(uint64_t buckets) {
  return buckets < kMostStripes ? buckets : kMostStripes;
}
// The bucket at a distance from home. Triangular steps, so that neighbours do not crowd the same ones; for less than that, all
// of them differ.
constexpr uint64_t bucket_at(uint64_t home, uint64_t distance, uint64_t buckets) {
  const uint64_t at = home + distance * (distance + 1) / 2;
  return buckets > 256 ? (at < buckets ? at : at - buckets) : at & (buckets - 1);
}
constexpr uint64_t map_reach(uint64_t buckets) { return buckets < kReach ? buckets : kReach; }

}  // namespace zeroipc::internal

#endif  // ZEROIPC_MAP_LAYOUT_H_
