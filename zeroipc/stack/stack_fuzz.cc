// Property: whatever stands in a stack's memory, and whatever a peer writes there between any two instructions, no operation
// leaves the memory, crashes, or fails to end.
#include <cstddef>
#include <cstdint>
#include <vector>

#include "testing/hostile/world.h"
#include "zeroipc/stack/core.h"

namespace zeroipc::internal {
namespace {

using testing::input;
using testing::intruded;
using testing::peer;

struct item {
  uint64_t words[3];
};

struct arena {
  static constexpr uint64_t kCapacity = 6;
  using core = stack_core<intruded, peer, item>;
  struct memory {
    stack_header<intruded> header;
    alignas(item) std::byte elements[kCapacity * sizeof(item)];
  };

  void bind(core& c, peer& p, memory& m) { c.bind(p, m.header, m.elements, kCapacity); }
  std::vector<uint64_t> known() const { return {1, kCapacity - 1, kCapacity, kCapacity + 1}; }
  void operate(core& c, input& in, deadline until) {
    item some[5] = {};
    uint64_t done = 0;
    const uint64_t n = 1 + in.below(5);
    switch (in.below(6)) {
      case 0:
        c.push_n(some, n, done, until);
        testing::require(done <= n);
        break;
      case 1:
      case 2:
        c.pop_n(some, n, done, until);
        testing::require(done <= n);
        break;
      case 3:
        c.top(some[0], until);
        break;
      case 4:
        if (in.below(8) == 0) c.close();
        break;
      default:
        c.stats();
        testing::require(c.depth() <= kCapacity);
    }
  }
};

}  // namespace
}  // namespace zeroipc::internal

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  zeroipc::testing::input in(data, size);
  return zeroipc::testing::play_hostile<zeroipc::internal::arena>("stack", in);
}
