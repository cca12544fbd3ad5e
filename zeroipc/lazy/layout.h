// What a lazy value is in shared memory: one word that says everything, and four buffers for results.
//
//   +------------------------------------------------+ 0
//   | structure_geometry                             |
//   +------------------------------------------------+ 128
//   | word           state, turn, owner or buffer    |
//   | changed        who waits for a result          |
//   | demand         providers that wait for work    |
//   | versions       the last one drawn              |
//   +------------------------------------------------+ 256
//   | providers[16]  owner tags; 0: free             |
//   | counters                                       |
//   +------------------------------------------------+ offsets[0]
//   | buffer[4]      writer, version, result         |   a value of T, or a lazy_error
//   +------------------------------------------------+
//
// The word:
//
//   63   61 60          32 31               0
//   +------+--------------+-----------------+     turn: grows whenever an evaluation begins or its result stops counting, so
//   | state|     turn     | owner or buffer |     that a word never comes again (within 2^29 turns)
//   +------+--------------+-----------------+
//
//   state       low half   is                                 left by                                 killed there: repair
//   none        -          no value, and nobody asks          get(): wanted, or evaluating            -
//   wanted      -          asked for, and nobody is at it     a provider's claim(): evaluating        -
//   evaluating  owner      a provider is at it                publish(): value, error, failed         any provider's claim():
//                                                             invalidate(): stale; refresh(): again   evaluating, by itself
//                                                             take_over(): wanted
//   stale       owner      invalidated since it was begun     the end of it: none; get(): again       the next get(): again
//                                                             take_over(): none
//   again       owner      and asked for since that           the end of it: evaluating, once more    as evaluating
//                                                             take_over(): wanted
//   value       buffer     there it is                        invalidate(): none; refresh(): wanted   -
//   error       buffer     the computation failed             the same                                -
//   failed      buffer     it did, and that is not kept       the same; get(): as none                -
#ifndef ZEROIPC_LAZY_LAYOUT_H_
#define ZEROIPC_LAZY_LAYOUT_H_

#include <cstddef>
#include <cstdint>

#include "zeroipc/base/atomics.h"
#include "zeroipc/name_table/geometry.h"
#include "zeroipc/participant/owner_tag.h"
#include "zeroipc/wait/event_word.h"
#include "zeroipc/wait/robust_lock.h"

namespace zeroipc {

struct lazy_stats {
  bool has_value = false;
  bool evaluating = false;   // a snapshot
  uint64_t version = 0;      // of the value, if there is one
  uint32_t providers = 0;    // handles with a computation whose process lives
  uint64_t evaluations = 0;  // begun
  uint64_t failures = 0;     // that ended with an error
  uint64_t handovers = 0;    // begun because the evaluator before died
  uint64_t take_overs = 0;   // by take_over()
  uint64_t fenced = 0;       // results that came too late
  uint64_t waits = 0;        // get() that found no result
};

namespace internal {

enum class lazy_state : uint64_t {
  none = 0,
  wanted = 1,
  evaluating = 2,
  stale = 3,
  again = 4,
  value = 5,
  error = 6,
  failed = 7,
};

struct lazy_word {
  static constexpr uint64_t kTurnBits = 29, kTurnMask = (uint64_t{1} << kTurnBits) - 1;

  lazy_state state;
  uint64_t turn;
  uint32_t low;  // the owner's tag, or the buffer

  static constexpr lazy_word of(uint64_t bits) {
    return {static_cast<lazy_state>(bits >> 61), bits >> 32 & kTurnMask,
            static_cast<uint32_t>(bits)};
  }
  constexpr uint64_t bits() const {
    return static_cast<uint64_t>(state) << 61 | (turn & kTurnMask) << 32 | low;
  }
  constexpr lazy_word next(lazy_state s, uint32_t l = 0) const { return {s, turn + 1, l}; }
  constexpr lazy_word same_turn(lazy_state s) const { return {s, turn, low}; }

  constexpr owner_tag owner() const { return owner_tag::from_bits(low); }
  // Somebody is at it, or was when it died.
  constexpr bool at_work() const {
    return state == lazy_state::evaluating || state == lazy_state::stale ||
           state == lazy_state::again;
  }
  constexpr bool has_error() const {
    return state == lazy_state::error || state == lazy_state::failed;
  }
};

// Why a computation failed, as it lies in a buffer. `length` is not to be trusted.
struct lazy_error {
  static constexpr size_t kTextBytes = 112;

  uint32_t code;  // absl::StatusCode
  uint32_t length;
  char text[kTextBytes];
};
static_assert(sizeof(lazy_error) == 120 && alignof(lazy_error) <= 8);

inline constexpr uint32_t kLazyProviders = 16;
// One result that counts, one that is being written, and two that were being written when their writers were stopped.
inline constexpr uint32_t kLazyBuffers = 4;
static_assert((kLazyBuffers & (kLazyBuffers - 1)) == 0, "an index is masked");

template <typename P>
struct lazy_header {
  template <typename T>
  using atomic = typename P::template atomic<T>;

  structure_geometry geometry;

  alignas(kApart) atomic<uint64_t> word;
  event_word<P> changed;
  event_word<P> demand;
  atomic<uint64_t> versions;

  alignas(kApart) atomic<uint32_t> providers[kLazyProviders];
  atomic<uint64_t> evaluations;
  atomic<uint64_t> failures;
  atomic<uint64_t> handovers;
  atomic<uint64_t> take_overs;
  atomic<uint64_t> fenced;
  atomic<uint64_t> waits;
};
static_assert(offsetof(lazy_header<hardware>, word) == 128);
static_assert(offsetof(lazy_header<hardware>, changed) == 136);
static_assert(offsetof(lazy_header<hardware>, demand) == 140);
static_assert(offsetof(lazy_header<hardware>, versions) == 144);
static_assert(offsetof(lazy_header<hardware>, providers) == 256);
static_assert(offsetof(lazy_header<hardware>, evaluations) == 320);
static_assert(sizeof(lazy_header<hardware>) == 384);

// What stands before the result in a buffer.
template <typename P>
struct lazy_buffer {
  robust_lock<P> writer;
  typename P::template atomic<uint64_t> version;
};
static_assert(sizeof(lazy_buffer<hardware>) == 16);

constexpr uint64_t lazy_result_offset(uint64_t align) { return align > 16 ? align : 16; }
constexpr uint64_t lazy_stride(uint64_t size, uint64_t align) {
  const uint64_t result =
      round_up(size, 8) > sizeof(lazy_error) ? round_up(size, 8) : sizeof(lazy_error);
  return round_up(lazy_result_offset(align) + result, align > kCacheLine ? align : kCacheLine);
}

}  // namespace internal
}  // namespace zeroipc

#endif  // ZEROIPC_LAZY_LAYOUT_H_
