// The bytes of a rendezvous channel in its segment, and the words by which values change hands. (A buffered channel is a
// queue, byte for byte: zeroipc/queue/layout.h.)
//
//   +------------------------------------------------+ 0
//   | structure_geometry         capacity: offers    |
//   +------------------------------------------------+ 128
//   | closed, recovered_epoch                        |   read by every operation, seldom written
//   | offers_used, seats_used                        |
//   | receivable, sendable       who waits for any   |
//   +------------------------------------------------+ 256
//   | tickets, counters                              |
//   +------------------------------------------------+ offsets[0]
//   | offer[capacity]    word, ticket, toward,       |
//   |                    settled, deliveries, value  |
//   +------------------------------------------------+ offsets[1]
//   | seat[64]           word, called                |
//   +------------------------------------------------+
//
// An offer is a value between its sender and its receiver, a seat is a receiver that waits. Each is changed by one CAS on
// one word, which says whose it is:
//
//   offer   63    56 55        32 31          0        seat   63   60 59   52 51      32 31          0
//           +-------+------------+------------+               +-------+-------+----------+------------+
//           | state |    turn    | owner tag  |               | state | offer |   turn   | owner tag  |
//           +-------+------------+------------+               +-------+-------+----------+------------+
//
// The turn grows with every change, so that an offer's word does not come again before 2^24 of them.
#ifndef ZEROIPC_CHANNEL_LAYOUT_H_
#define ZEROIPC_CHANNEL_LAYOUT_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "zeroipc/base/atomics.h"
#include "zeroipc/name_table/geometry.h"
#include "zeroipc/participant/owner_tag.h"
#include "zeroipc/wait/event_word.h"

namespace zeroipc::internal {

inline constexpr uint8_t kBufferedChannel = 1;
inline constexpr uint8_t kRendezvousChannel = 2;

// Receivers that can wait with a seat; those beyond wait for a seat.
inline constexpr uint64_t kSeats = 64;

enum class offer_state : uint64_t {
  free = 0,
  writing = 1,  // its sender is at it
  offered = 2,  // for any receiver
  handing = 3,  // for the receiver in the seat that `toward` names, once that seat says so
  leased = 4,   // a receiver's, until it has acknowledged it
  // Was handed over, and its receiver died or gave it back: for any receiver, before what is offered.
  orphan = 5,
  refused = 6,  // its sender's again, for the channel is closed
};

enum class seat_state : uint64_t {
  free = 0,
  away = 1,     // its receiver looks for itself
  waiting = 2,  // for any sender's value
  given = 3,    // a sender has handed the offer over that the word names
};

template <typename P>
struct channel_offer {
  typename P::template atomic<uint64_t> word;
  typename P::template atomic<uint64_t> ticket;  // by which the oldest is found
  typename P::template atomic<uint64_t> toward;  // a seat and its turn: seat_place()
  event_word<P> settled;                         // its sender sleeps here
  typename P::template atomic<uint32_t> deliveries;
};
static_assert(sizeof(channel_offer<hardware>) == 32);
static_assert(offsetof(channel_offer<hardware>, settled) == 24);

template <typename P>
struct alignas(kCacheLine) channel_seat {
  typename P::template atomic<uint64_t> word;
  event_word<P> called;  // its receiver sleeps here
};
static_assert(sizeof(channel_seat<hardware>) == kCacheLine);
static_assert(offsetof(channel_seat<hardware>, called) == 8);

template <typename P>
struct rendezvous_header {
  template <typename T>
  using atomic = typename P::template atomic<T>;

  structure_geometry geometry;

  alignas(kApart) atomic<uint32_t> closed;
  atomic<uint32_t> recovered_epoch;  // the death epoch up to which the dead have been looked for
  atomic<uint32_t> offers_used;  // none beyond has ever been in use: what a look has to go through
  atomic<uint32_t> seats_used;
  event_word<P> receivable;  // something may be there to be received, or a seat
  event_word<P> sendable;    // somebody may be waiting to receive, or an offer is free

  alignas(kApart) atomic<uint64_t> tickets;
  // For people; approximate when a process dies between doing and counting.
  atomic<uint64_t> sent;
  atomic<uint64_t> received;
  atomic<uint64_t> waits;
  atomic<uint64_t> redelivered;
};
static_assert(offsetof(rendezvous_header<hardware>, closed) == 128);
static_assert(offsetof(rendezvous_header<hardware>, receivable) == 144);
static_assert(offsetof(rendezvous_header<hardware>, tickets) == 256);
static_assert(sizeof(rendezvous_header<hardware>) == 384);

namespace offer_word {

constexpr offer_state state(uint64_t w) { return static_cast<offer_state>(w >> 56); }
constexpr owner_tag owner(uint64_t w) { return owner_tag::from_bits(static_cast<uint32_t>(w)); }
constexpr uint64_t next(uint64_t w, offer_state s, owner_tag to) {
  return static_cast<uint64_t>(s) << 56 | (((w >> 32) + 1) & 0xff'ffff) << 32 | to.bits();
}

}  // namespace offer_word

namespace seat_word {

constexpr seat_state state(uint64_t w) { return static_cast<seat_state>(w >> 60); }
constexpr uint64_t offer(uint64_t w) { return w >> 52 & 0xff; }
constexpr uint64_t turn(uint64_t w) { return w >> 32 & 0xf'ffff; }
constexpr owner_tag owner(uint64_t w) { return owner_tag::from_bits(static_cast<uint32_t>(w)); }
constexpr uint64_t next(uint64_t w, seat_state s, owner_tag to, uint64_t offer = 0) {
  return static_cast<uint64_t>(s) << 60 | offer << 52 | ((turn(w) + 1) & 0xf'ffff) << 32 |
         to.bits();
}
// Which seat it was, and when, in the word of one that waits: what an offer notes that is handed to it.
constexpr uint64_t place(uint64_t seat, uint64_t w) { return seat << 32 | turn(w); }
// The same, in the word that follows.
constexpr uint64_t waited(uint64_t seat, uint64_t w) {
  return seat << 32 | ((turn(w) - 1) & 0xf'ffff);
}

}  // namespace seat_word

// Where the value lies in an offer, and how far apart two offers are: a small value shares the line of its word.
struct offer_shape {
  uint64_t payload;
  uint64_t stride;
  uint64_t count;
};
constexpr offer_shape shape_of_offers(uint64_t size, uint64_t align) {
  constexpr uint64_t kMost = 128, kFewest = 16, kAffordable = 1 << 20;
  const uint64_t payload = round_up(sizeof(channel_offer<hardware>), std::max<uint64_t>(align, 8));
  const uint64_t stride =
      round_up(payload + round_up(size, 8), std::max<uint64_t>(align, kCacheLine));
  return {payload, stride, std::clamp(kAffordable / stride, kFewest, kMost)};
}
static_assert(shape_of_offers(1, 1).count <= 256, "a seat names its offer in 8 bits");

}  // namespace zeroipc::internal

#endif  // ZEROIPC_CHANNEL_LAYOUT_H_
