// What a future's memory holds. How it is used: core.h.
#ifndef ZEROIPC_FUTURE_LAYOUT_H_
#define ZEROIPC_FUTURE_LAYOUT_H_

#include <cstddef>
#include <cstdint>

#include "zeroipc/base/atomics.h"
#include "zeroipc/base/outcome.h"
#include "zeroipc/name_table/geometry.h"
#include "zeroipc/participant/owner_tag.h"
#include "zeroipc/wait/event_word.h"

namespace zeroipc {

enum class future_state : uint8_t {
  empty,    // nobody has set or claimed it
  setting,  // somebody alive is in the middle of setting it
  claimed,  // somebody alive has promised to
  value,
  error,
  broken,  // who had promised to has died, or dropped the promise
};

struct future_stats {
  future_state state = future_state::empty;  // a snapshot
  uint64_t waits = 0;                        // operations that found it not settled and waited
  uint64_t deaths = 0;                       // claims and settings that ended with their process
};

namespace internal {

inline constexpr size_t kFutureErrorText = 96;

// Written and read as a whole, under the word.
struct future_error_record {
  int32_t code = 0;
  uint16_t length = 0;
  uint16_t is_status = 0;  // the code is an absl::StatusCode
  char text[kFutureErrorText] = {};
};
static_assert(sizeof(future_error_record) == 104);

template <typename P>
struct future_header {
  template <typename T>
  using atomic = typename P::template atomic<T>;

  structure_geometry geometry;

  alignas(kApart) atomic<uint64_t> claimant;
  atomic<uint64_t> waits;
  atomic<uint64_t> deaths;
  future_error_record error;
};
static_assert(offsetof(future_header<hardware>, claimant) == 128);
static_assert(offsetof(future_header<hardware>, error) == 152);
static_assert(sizeof(future_header<hardware>) == 256);

// What stands before the value.
template <typename P>
struct future_slot {
  typename P::template atomic<uint64_t> word;
  event_word<P> settled;
};
static_assert(offsetof(future_slot<hardware>, settled) == 8);
static_assert(sizeof(future_slot<hardware>) == 16);

constexpr uint64_t future_value_offset(uint64_t align) { return align > 16 ? align : 16; }
constexpr uint64_t future_bytes(uint64_t size, uint64_t align) {
  return round_up(future_value_offset(align) + size, 8);
}

enum class future_phase : uint8_t { empty, setting, claimed, value, error, died, dropped };
// As users are told it; anything else is no phase.
constexpr future_state state_of(future_phase phase) {
  switch (phase) {
    case future_phase::empty:
      return future_state::empty;
    case future_phase::setting:
      return future_state::setting;
    case future_phase::claimed:
      return future_state::claimed;
    case future_phase::value:
      return future_state::value;
    case future_phase::error:
      return future_state::error;
    case future_phase::died:
    case future_phase::dropped:
      return future_state::broken;
  }
  return future_state::empty;
}

struct future_word {
  static constexpr uint32_t kTurns = 1u << 24;

  future_phase phase = future_phase::empty;
  uint32_t turn = 0;
  owner_tag owner;

  static constexpr future_word of(uint64_t word) {
    return {static_cast<future_phase>(word & 0xff), static_cast<uint32_t>(word) >> 8,
            owner_tag::from_bits(static_cast<uint32_t>(word >> 32))};
  }
  constexpr uint64_t word() const {
    return uint64_t{owner.bits()} << 32 | turn << 8 | static_cast<uint8_t>(phase);
  }
  // The same turn of the same owner's.
  constexpr uint64_t as(future_phase p) const { return future_word{p, turn, owner}.word(); }
  constexpr uint64_t next(future_phase p, owner_tag who) const {
    return future_word{p, (turn + 1) % kTurns, who}.word();
  }
  // What who waits for the end is told; `empty`: it is not settled.
  constexpr outcome answer() const {
    if (phase > future_phase::dropped) return outcome::corrupt;
    switch (state_of(phase)) {
      case future_state::value:
        return outcome::ok;
      case future_state::error:
        return outcome::failed;
      case future_state::broken:
        return outcome::broken;
      default:
        return outcome::empty;
    }
  }
};

}  // namespace internal
}  // namespace zeroipc

#endif  // ZEROIPC_FUTURE_LAYOUT_H_
