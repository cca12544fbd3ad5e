// Property: while somebody overwrites the words of a rendezvous, every operation with a deadline ends, and nobody crashes. (Of a
// buffered channel: queue_scribble_test.)
#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <random>
#include <span>
#include <vector>

#include "testing/harness/harness.h"
#include "testing/hostile/structure_scribble.h"
#include "zeroipc/channel/channel.h"

namespace zeroipc::internal {
namespace {

struct item {
  uint64_t words[3];
};

void operate(channel<item>& c, std::mt19937_64& random) {
  const std::chrono::microseconds patience(random() % 3000);
  item x{};
  std::array<item, 3> some{};
  switch (random() % 8) {
    case 0:
      c.send_for(x, patience);
      break;
    case 1:
      c.receive_for(x, patience);
      break;
    case 2:
      c.send_n_for(std::span<const item>(some), patience);
      break;
    case 3:
      c.receive_n_for(std::span<item>(some), patience);
      break;
    case 4: {
      auto held = c.lease_for(patience);
      if (held && random() % 2 == 0) held.ack();
      break;
    }
    case 5:
      c.stats();
      // Undone with the next round, like everything else.
      if (random() % 8 == 0) c.close();
      break;
    case 6:
      c.try_send(x);
      break;
    default:
      c.try_receive();
  }
}

TEST(ChannelScribble, EveryOperationEnds) {
  harness::unique_segment segment;
  memory mem(segment.name(), 1 << 20);
  channel<item> first(mem, "victim", 0);
  std::vector<uint64_t> known = {0, 1, 15, 16, kSeats, ~uint64_t{0}};
  for (uint64_t state = 1; state < 7; ++state) {
    for (uint64_t slot = 0; slot < 5; ++slot) {
      const auto tag = owner_tag(static_cast<uint32_t>(slot), 1).bits();
      known.push_back(state << 56 | tag);
      known.push_back(state << 60 | (slot * 60) << 52 | tag);
    }
  }
  testing::scribble_structure(
      mem,
      {.type = structure_type::of<item>(kind::channel, kRendezvousChannel, "direct"),
       .header = sizeof(rendezvous_header<hardware>),
       .known = known},
      [&](std::mt19937_64& random) { operate(first, random); });
}

}  // namespace
}  // namespace zeroipc::internal
