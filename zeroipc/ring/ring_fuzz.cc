// Property: whatever stands in a ring's memory, and whatever a peer writes there between any two instructions, no operation
// leaves the memory, crashes, or fails to end.
#include <cstddef>
#include <cstdint>
#include <vector>

#include "testing/hostile/world.h"
#include "zeroipc/ring/core.h"

namespace zeroipc::internal {
namespace {

using testing::input;
using testing::intruded;
using testing::peer;

struct item {
  uint64_t words[3];
  uint8_t last;
};

struct arena {
  static constexpr uint64_t kCapacity = 10;
  using core = ring_core<intruded, peer, item>;
  struct memory {
    ring_header<intruded> header;
    alignas(kCacheLine) std::byte slots[(kCapacity + ring_spare_slots(kCapacity)) * core::kStride];
  };

  uint64_t position = 0;
  uint64_t missed = 0;

  void bind(core& c, peer& p, memory& m) { c.bind(p, m.header, m.slots, kCapacity); }
  std::vector<uint64_t> known() const { return {1, kCapacity, kCapacity + 1, 2 * kCapacity}; }
  void operate(core& c, input& in, deadline until) {
    item some[5] = {};
    uint64_t done = 0;
    switch (in.below(5)) {
      case 0:
        c.push_n(some, 1 + in.below(5), until);
        break;
      case 1: {
        const uint64_t wanted = 1 + in.below(5);
        c.read_n(position, some, wanted, done, missed);
        testing::require(done <= wanted);
        break;
      }
      case 2:
        c.wait_for_more(position, until);
        break;
      case 3:
        position = c.oldest();
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
  return zeroipc::testing::play_hostile<zeroipc::internal::arena>("ring", in);
}
