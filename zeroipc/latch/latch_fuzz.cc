// Property: whatever stands in a latch's memory, and whatever a peer writes there between any two instructions, no operation
// leaves the memory, crashes, or fails to end.
#include <cstddef>
#include <cstdint>
#include <vector>

#include "testing/hostile/world.h"
#include "zeroipc/latch/core.h"

namespace zeroipc::internal {
namespace {

using testing::input;
using testing::intruded;
using testing::peer;

struct arena {
  static constexpr uint64_t kExpected = 5;
  using core = latch_core<intruded, peer>;
  struct memory {
    latch_header<intruded> header;
    core::arrival_word arrivals[kExpected];
  };

  void bind(core& c, peer& p, memory& m) { c.bind(p, m.header, m.arrivals, kExpected); }
  std::vector<uint64_t> known() const {
    return {kArrived, kForfeited, uint64_t{kArrived} << 32 | kArrived, kExpected};
  }
  void operate(core& c, input& in, deadline until) {
    switch (in.below(6)) {
      case 0:
        c.count_down();
        break;
      case 1: {
        uint64_t index = kExpected;
        if (c.promise(index)) testing::require(index < kExpected);
        break;
      }
      case 2:
        c.arrive(in.below(kExpected + 2));
        break;
      case 3:
        c.withdraw(in.below(kExpected + 2));
        break;
      case 4:
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
  return zeroipc::testing::play_hostile<zeroipc::internal::arena>("latch", in);
}
