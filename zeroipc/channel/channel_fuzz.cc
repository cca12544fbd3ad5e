// Property: whatever stands in a rendezvous's memory, and whatever a peer writes there between any two instructions, no operation
// leaves the memory, crashes, or fails to end.
#include <cstddef>
#include <cstdint>
#include <vector>

#include "testing/hostile/world.h"
#include "zeroipc/channel/core.h"

namespace zeroipc::internal {
namespace {

using testing::input;
using testing::intruded;
using testing::peer;

struct item {
  uint64_t words[2];
  uint8_t rest[3];
};

struct arena {
  static constexpr uint64_t kOffers = 3, kSeatsHere = 3;
  using core = rendezvous_core<intruded, peer, item>;
  struct memory {
    rendezvous_header<intruded> header;
    alignas(128) std::byte offers[kOffers * core::kShape.stride];
    channel_seat<intruded> seats[kSeatsHere];
  };

  void bind(core& c, peer& p, memory& m) {
    c.bind(p, m.header, m.offers, kOffers, m.seats, kSeatsHere);
  }
  std::vector<uint64_t> known() const {
    std::vector<uint64_t> all = {1, kOffers, kOffers + 1};
    for (uint64_t state = 1; state < 7; ++state) {
      for (uint32_t peer = 0; peer < testing::world::kPeers; ++peer) {
        all.push_back(state << 56 | owner_tag(peer, 1).bits());
      }
      for (const uint64_t offer : {uint64_t{0}, kOffers - 1, kOffers, uint64_t{255}}) {
        all.push_back(state << 60 | offer << 52 | owner_tag(state % 3, 1).bits());
      }
    }
    // What a sender leaves in a seat, the first time that it is used.
    constexpr auto kGiven = static_cast<uint64_t>(seat_state::given);
    for (uint32_t peer = 0; peer < testing::world::kPeers; ++peer) {
      for (const uint64_t offer : {uint64_t{0}, kOffers, uint64_t{255}}) {
        all.push_back(kGiven << 60 | offer << 52 | uint64_t{3} << 32 | owner_tag(peer, 1).bits());
      }
    }
    return all;
  }
  void operate(core& c, input& in, deadline until) {
    item x{};
    switch (in.below(7)) {
      case 0:
        c.send(x, until);
        break;
      case 1:
      case 2:
        c.receive(x, until);
        break;
      case 3: {
        core::held_lease h;
        if (!c.lease(h, until)) break;
        testing::require(h.index < kOffers);
        c.deliveries(h);
        in.below(2) == 0 ? c.ack(h) : c.nack(h);
        break;
      }
      case 4: {
        core::standing s;
        c.stand(x, s, true);
        testing::require(s.index < kOffers);
        if (c.look_after(s) == outcome::empty) c.withdraw(s);
        break;
      }
      case 5:
        if (in.below(8) == 0) c.close();
        break;
      default:
        c.stats();
        testing::require(c.depth() <= kOffers);
    }
  }
};

}  // namespace
}  // namespace zeroipc::internal

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  zeroipc::testing::input in(data, size);
  return zeroipc::testing::play_hostile<zeroipc::internal::arena>("channel", in);
}
