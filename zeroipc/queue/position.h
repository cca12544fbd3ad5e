// Positions in a ring of any capacity, and what a slot's sequence word says about one.
//
//   position   63 62        56 55                 B  B-1     0       B = bit_width(capacity - 1)
//              +-+------------+--------------------+---------+
//              |C|  always 0  |        lap         |  index  |       C: closed (in `tail` only)
//              +-+------------+--------------------+---------+
//
//   sequence   63                          8 7        2 1   0
//              +----------------------------+----------+-----+
//              |            lap             |   turn   |phase|
//              +----------------------------+----------+-----+
//
// The index is kept apart from the lap, so that a capacity that is no power of two costs a comparison and no division.
// Positions grow and never repeat (2^56 of them last 80 years at 26 million a second), and so do the sequence words of a
// slot: the lap grows with each reuse, the turn each time an item is put back. A CAS on either can not be fooled by a value
// that went away and came again.
#ifndef ZEROIPC_QUEUE_POSITION_H_
#define ZEROIPC_QUEUE_POSITION_H_

#include <bit>
#include <cstdint>

namespace zeroipc::internal {

inline constexpr uint64_t kClosedBit = uint64_t{1} << 63;

// Which position comes after which. REQUIRES of all members: positions have index < capacity (see valid()).
class ring_shape {
 public:
  constexpr ring_shape() = default;
  // REQUIRES: 1 <= capacity < 2^32
  constexpr explicit ring_shape(uint64_t capacity)
      : capacity_(capacity),
        shift_(static_cast<uint32_t>(std::bit_width(capacity - 1))),
        mask_((uint64_t{1} << shift_) - 1) {}

  constexpr uint64_t capacity() const { return capacity_; }
  // Whether a word out of shared memory may be used as a position.
  constexpr bool valid(uint64_t position) const { return index(position) < capacity_; }
  constexpr uint64_t index(uint64_t position) const { return position & mask_; }
  constexpr uint64_t lap(uint64_t position) const { return position >> shift_; }
  constexpr uint64_t at(uint64_t lap, uint64_t index) const { return lap << shift_ | index; }
  constexpr uint64_t next(uint64_t position) const {
    return index(position) + 1 == capacity_ ? (position | mask_) + 1 : position + 1;
  }
  // REQUIRES: n <= capacity
  constexpr uint64_t advance(uint64_t position, uint64_t n) const {
    const uint64_t i = index(position) + n;
    return i < capacity_ ? position + n : at(lap(position) + 1, i - capacity_);
  }
  // Steps from one position to another; wraps around if `to` comes before `from`.
  constexpr uint64_t distance(uint64_t from, uint64_t to) const {
    return (lap(to) - lap(from)) * capacity_ + index(to) - index(from);
  }

 private:
  uint64_t capacity_ = 1;
  uint32_t shift_ = 0;
  uint64_t mask_ = 0;
};

// What has become of a slot's position. All bits zero is what a fresh slot needs to say: lap 0, empty.
enum class slot_phase : uint64_t {
  empty = 0,  // for the pusher that claims the position; its, once `tail` is past it
  full = 1,   // for the popper that claims the position; its, once `head` is past it
  tomb =
      2,  // nothing will come here: a reservation was aborted, or its holder died. Poppers step over it
  orphan =
      3,  // `head` is past it, but the item was put back, or its popper died: for whoever takes it
};

namespace seq {

inline constexpr uint64_t kPhaseBits = 2;
inline constexpr uint64_t kTurnBits = 6;
inline constexpr uint64_t kLastTurn = (1 << kTurnBits) - 1;

constexpr uint64_t make(uint64_t lap, slot_phase phase, uint64_t turn = 0) {
  return lap << (kTurnBits + kPhaseBits) | turn << kPhaseBits | static_cast<uint64_t>(phase);
}
constexpr uint64_t lap(uint64_t word) { return word >> (kTurnBits + kPhaseBits); }
constexpr uint64_t turn(uint64_t word) { return word >> kPhaseBits & kLastTurn; }
constexpr slot_phase phase(uint64_t word) { return static_cast<slot_phase>(word & 3); }
// How many laps `word` is ahead of `position_lap`; negative if behind.
constexpr int64_t ahead(uint64_t word, uint64_t position_lap) {
  // Shifted up so that the difference keeps its sign whatever a corrupt position holds.
  return static_cast<int64_t>((lap(word) - position_lap) << (kTurnBits + kPhaseBits)) >>
         (kTurnBits + kPhaseBits);
}
// The item in `word` (full) put back: the turn grows, up to the last one.
constexpr uint64_t put_back(uint64_t word) {
  const uint64_t t = turn(word) == kLastTurn ? kLastTurn : turn(word) + 1;
  return make(lap(word), slot_phase::orphan, t);
}
constexpr uint64_t taken_again(uint64_t word) {
  return make(lap(word), slot_phase::full, turn(word));
}
constexpr uint64_t released(uint64_t word) { return make(lap(word) + 1, slot_phase::empty); }

}  // namespace seq
}  // namespace zeroipc::internal

#endif  // ZEROIPC_QUEUE_POSITION_H_
