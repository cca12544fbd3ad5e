// Property: whatever stands in a once's memory, and whatever a peer writes there between any two instructions, no operation
// leaves the memory, crashes, or fails to end.
#include <cstddef>
#include <cstdint>
#include <vector>

#include "testing/hostile/world.h"
#include "zeroipc/once/core.h"

namespace zeroipc::internal {
namespace {

using testing::input;
using testing::intruded;
using testing::peer;

struct arena {
  struct memory {
    once_header<intruded> header;
  };
  using core = once_core<intruded, peer>;

  void bind(core& c, peer& p, memory& m) { c.bind(p, m.header); }
  std::vector<uint64_t> known() const { return {1}; }
  void operate(core& c, input& in, deadline until) {
    switch (in.below(4)) {
      case 0:
        c.call([](bool) {}, until);
        break;
      case 1:
        try {
          c.call([](bool) { throw 1; }, until);
        } catch (int) {
        }
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
  return zeroipc::testing::play_hostile<zeroipc::internal::arena>("once", in);
}
