// Property: whatever stands in an array's memory, and whatever a peer writes there between any two instructions, no operation
// leaves the memory, crashes, or fails to end.
#include <cstddef>
#include <cstdint>
#include <vector>

#include "testing/hostile/world.h"
#include "zeroipc/array/core.h"

namespace zeroipc::internal {
namespace {

using testing::input;
using testing::intruded;
using testing::peer;

struct item {
  uint64_t words[3];
};

struct arena {
  static constexpr uint64_t kCapacity = 7, kStripes = 3;
  using core = array_core<intruded, peer, item>;
  struct memory {
    array_header<intruded> header;
    alignas(kCacheLine) std::byte stripes[kStripes * core::kStripeStride];
    alignas(item) std::byte elements[kCapacity * sizeof(item)];
  };

  void bind(core& c, peer& p, memory& m) {
    c.bind(p, m.header, m.stripes, kStripes, m.elements, kCapacity);
  }
  std::vector<uint64_t> known() const { return {1, 2, kCapacity - 1, kCapacity}; }
  void operate(core& c, input& in, deadline) {
    item x{};
    const uint64_t i = in.below(kCapacity);
    switch (in.below(4)) {
      case 0:
        c.load(i, x);
        break;
      case 1:
        c.store(i, x);
        break;
      case 2:
        c.update(
            i, [](item& e) { ++e.words[0]; }, x);
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
  return zeroipc::testing::play_hostile<zeroipc::internal::arena>("array", in);
}
