// Property: whatever stands in a cell's memory, and whatever a peer writes there between any two instructions, no operation
// leaves the memory, crashes, or fails to end.
#include <cstddef>
#include <cstdint>
#include <vector>

#include "testing/hostile/world.h"
#include "zeroipc/cell/core.h"

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
  using core = cell_core<intruded, peer, item>;
  struct memory {
    cell_header<intruded> header;
    alignas(kCacheLine) std::byte buffers[kCellBuffers * core::kStride];
  };

  void bind(core& c, peer& p, memory& m) { c.bind(p, m.header, m.buffers); }
  std::vector<uint64_t> known() const { return {1, 2, 3, 4}; }
  void operate(core& c, input& in, deadline until) {
    item x{};
    uint64_t version = 0;
    switch (in.below(6)) {
      case 0:
        c.load(x, &version);
        break;
      case 1:
        c.store(x, core::kAny, &version, until);
        break;
      case 2:
        c.store(x, in.below(4), nullptr, until);
        break;
      case 3:
        c.update([](item& i) { ++i.words[0]; }, x, &version);
        break;
      case 4:
        c.wait_for_change(in.below(4), version, until);
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
  return zeroipc::testing::play_hostile<zeroipc::internal::arena>("cell", in);
}
