// Property: whatever stands in an event's memory, and whatever a peer writes there between any two instructions, no operation
// leaves the memory, crashes, or fails to end.
#include <cstddef>
#include <cstdint>
#include <vector>

#include "testing/hostile/world.h"
#include "zeroipc/event/core.h"

namespace zeroipc::internal {
namespace {

using testing::input;
using testing::intruded;
using testing::peer;

template <event_reset Mode>
struct arena {
  struct memory {
    event_header<intruded> header;
  };
  using core = event_core<intruded, peer>;

  void bind(core& c, peer& p, memory& m) { c.bind(p, m.header, Mode); }
  std::vector<uint64_t> known() const { return {1}; }
  void operate(core& c, input& in, deadline until) {
    switch (in.below(4)) {
      case 0:
        c.set();
        break;
      case 1:
        c.reset();
        break;
      case 2:
        c.wait(until);
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
  using zeroipc::event_reset;
  using zeroipc::testing::play_hostile;
  return in.below(2) == 0
             ? play_hostile<zeroipc::internal::arena<event_reset::manual>>("event", in)
             : play_hostile<zeroipc::internal::arena<event_reset::automatic>>("event", in);
}
