// The bytes of a stream in its segment.
//
//   +------------------------------------------------+ 0
//   | structure_geometry   capacity N, extra         |   extra: stream_choices
//   +------------------------------------------------+ 128
//   | tail           elements ever emitted           |   position p is the element that was emitted as number p
//   | claimed        up to where slots were written  |   what lay S positions before is gone
//   | changed        who waits for the next          |
//   | closed         1: there will be no more        |
//   +------------------------------------------------+ 256
//   | writer         robust lock                     |
//   | limit          up to where may be emitted      |   never more than what the cursors leave free
//   | counters                                       |
//   +------------------------------------------------+ 384
//   | space          who waits for room              |
//   +------------------------------------------------+ offsets[0]
//   | cursor[C]      state, position, name           |   128 bytes each, so that subscribers share no lines
//   +------------------------------------------------+ offsets[1]
//   | slot[S]        stamp, element                  |   position p lies in slot p mod S; N < S
//   +------------------------------------------------+ offsets[2]
//   | stage, state   of a derived stream: stage.h    |
//   +------------------------------------------------+
#ifndef ZEROIPC_STREAM_LAYOUT_H_
#define ZEROIPC_STREAM_LAYOUT_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "zeroipc/base/atomics.h"
#include "zeroipc/name_table/geometry.h"
#include "zeroipc/participant/owner_tag.h"
#include "zeroipc/wait/event_word.h"
#include "zeroipc/wait/robust_lock.h"

namespace zeroipc {

// What emit() does when the slowest subscriber is a whole capacity behind.
enum class overflow : uint8_t {
  refuse = 1,     // it answers `full`
  block = 2,      // it waits
  overwrite = 3,  // it goes on; subscribers are told how many they missed
};

namespace internal {

inline constexpr uint64_t kMaxStreamCapacity = (uint64_t{1} << 31) - 1;
inline constexpr size_t kMaxCursorName = 111;

// A word that says what a cursor is and whose:
//
//   63    56 55        32 31          0
//   +-------+------------+------------+
//   | state |    turn    | owner tag  |      turn: grows with every change, so that a word never comes again
//   +-------+------------+------------+
enum class cursor_state : uint64_t {
  free = 0,
  passing = 1,  // goes with its owner
  durable = 2,  // stays, under its name; owner 0: nobody reads there now
  stage = 3,    // the same, of the derived stream of that name
};

namespace cursor_word {

constexpr cursor_state state(uint64_t word) { return static_cast<cursor_state>(word >> 56); }
constexpr owner_tag owner(uint64_t word) {
  return owner_tag::from_bits(static_cast<uint32_t>(word));
}
constexpr uint64_t next(uint64_t word, cursor_state s, owner_tag owner) {
  const uint64_t turn = ((word >> 32) + 1) & 0xff'ffff;
  return static_cast<uint64_t>(s) << 56 | turn << 32 | owner.bits();
}

}  // namespace cursor_word

template <typename P>
struct stream_cursor {
  template <typename T>
  using atomic = typename P::template atomic<T>;

  alignas(kApart) atomic<uint64_t> word;
  atomic<uint64_t> position;  // of the element that is read next; everything before it may go
  atomic<uint64_t> name[(kMaxCursorName + 1) / 8];  // of a durable one, filled up with zeroes
};
static_assert(sizeof(stream_cursor<hardware>) == 128);

template <typename P>
struct stream_header {
  template <typename T>
  using atomic = typename P::template atomic<T>;

  structure_geometry geometry;

  alignas(kApart) atomic<uint64_t> tail;
  atomic<uint64_t> claimed;
  event_word<P> changed;
  atomic<uint32_t> closed;

  alignas(kApart) robust_lock<P> writer;
  atomic<uint64_t> limit;
  atomic<uint64_t> refused;
  atomic<uint64_t> waits;
  atomic<uint64_t> recoveries;

  alignas(kApart) event_word<P> space;
};
static_assert(offsetof(stream_header<hardware>, tail) == 128);
static_assert(offsetof(stream_header<hardware>, writer) == 256);
static_assert(offsetof(stream_header<hardware>, space) == 384);

// What a creator chooses, packed into structure_geometry::extra.
struct stream_choices {
  overflow when_full = overflow::refuse;
  uint32_t cursors = 64;
  uint32_t window = 0;  // of a stream of windows: how many items the longest has (element.h)
  uint32_t stage = 0;   // of a derived stream: 1 + the bytes of its operator's state (stage.h)

  // The most that there is room for.
  static constexpr uint32_t kMostItems = (1 << 20) - 1, kMostState = (1 << 20) - 2;

  constexpr uint64_t packed() const {
    return uint64_t{stage} << 44 | uint64_t{window} << 24 | uint64_t{cursors} << 8 |
           static_cast<uint8_t>(when_full);
  }
  static constexpr stream_choices unpacked(uint64_t extra) {
    return {static_cast<overflow>(extra & 0xff), static_cast<uint32_t>(extra >> 8 & 0xffff),
            static_cast<uint32_t>(extra >> 24 & 0xf'ffff), static_cast<uint32_t>(extra >> 44)};
  }
};

// More slots than elements that may be counted on, so that the newest N stay whole while the next are written.
constexpr uint64_t stream_spare_slots(uint64_t capacity) {
  return std::clamp<uint64_t>(capacity / 8, 1, 64);
}
constexpr uint64_t stream_element_offset(uint64_t align) { return align > 8 ? align : 8; }
constexpr uint64_t stream_stride(uint64_t size, uint64_t align) {
  return round_up(stream_element_offset(align) + round_up(size, 8), align > 8 ? align : 8);
}

}  // namespace internal
}  // namespace zeroipc

#endif  // ZEROIPC_STREAM_LAYOUT_H_
