// Property: whatever stands in a pool's memory, and whatever a peer writes there between any two instructions, no operation
// leaves the memory, crashes, or fails to end.
#include <cstddef>
#include <cstdint>
#include <vector>

#include "testing/hostile/world.h"
#include "zeroipc/pool/core.h"

namespace zeroipc::internal {
namespace {

using testing::input;
using testing::intruded;
using testing::peer;

struct arena {
  static constexpr uint64_t kCapacity = 70;
  using core = pool_core<intruded, peer>;
  struct memory {
    pool_header<intruded> header;
    intruded::atomic<uint64_t> summary[pool_words(pool_words(kCapacity))];
    intruded::atomic<uint64_t> hints[pool_words(kCapacity)];
    intruded::atomic<uint64_t> states[kCapacity];
  };

  bool open = false;

  void bind(core& c, peer& p, memory& m) {
    structure_geometry g = {};
    g.capacity = kCapacity;
    g.offsets[0] = offsetof(memory, summary);
    g.offsets[1] = offsetof(memory, hints);
    g.offsets[2] = offsetof(memory, states);
    c.bind(p, &m, g);
    if (!open) c.open_for_business();
    open = true;
  }
  std::vector<uint64_t> known() const {
    return {~uint64_t{0}, (uint64_t{1} << kCapacity % 64) - 1, uint64_t{1} << 63};
  }
  void operate(core& c, input& in, deadline until) {
    uint64_t index = kCapacity;
    uint32_t generation = 0;
    switch (in.below(6)) {
      case 0:
      case 1:
        if (c.allocate(index, generation, until)) testing::require(index < kCapacity);
        break;
      case 2:
        c.deallocate(in.below(kCapacity), nullptr);
        break;
      case 3:
        index = in.below(kCapacity);
        generation = c.generation(index);
        if (in.below(2) == 0) {
          c.deallocate(index, &generation);
        } else {
          c.adopt(index, generation);
        }
        break;
      case 4:
        c.sweep();
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
  return zeroipc::testing::play_hostile<zeroipc::internal::arena>("pool", in);
}
