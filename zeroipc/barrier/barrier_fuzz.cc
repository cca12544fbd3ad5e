// Property: whatever stands in a barrier's memory, and whatever a peer writes there between any two instructions, no operation
// leaves the memory, crashes, or fails to end.
#include <cstddef>
#include <cstdint>
#include <vector>

#include "testing/hostile/world.h"
#include "zeroipc/barrier/core.h"

namespace zeroipc::internal {
namespace {

using testing::input;
using testing::intruded;
using testing::peer;

template <on_death Rule>
struct arena {
  static constexpr uint64_t kParties = 4;
  using core = barrier_core<intruded, peer>;
  struct memory {
    barrier_header<intruded> header;
    typename core::seat_word seats[kParties];
  };

  uint32_t phase = 0;

  void bind(core& c, peer& p, memory& m) { c.bind(p, m.header, m.seats, kParties, Rule); }
  std::vector<uint64_t> known() const {
    return {uint64_t{barrier_seat::kDropped.bits()} << 32, uint64_t{1} << 32, 2, kParties};
  }
  void operate(core& c, input& in, deadline until) {
    switch (in.below(6)) {
      case 0:
        c.join();
        break;
      case 1:
        c.arrive(phase);
        break;
      case 2:
        c.drop();
        break;
      case 3:
        c.wait(phase, until);
        break;
      case 4:
        c.wait(static_cast<uint32_t>(in.word(1)), until);
        break;
      default:
        c.stats();
    }
  }
};

}  // namespace
}  // namespace zeroipc::internal

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  zeroipc::testing::input in(data, size);
  using zeroipc::on_death;
  using zeroipc::testing::play_hostile;
  return in.below(2) == 0
             ? play_hostile<zeroipc::internal::arena<on_death::shrink>>("barrier", in)
             : play_hostile<zeroipc::internal::arena<on_death::break_all>>("barrier", in);
}
