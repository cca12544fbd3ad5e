// Property: whatever stands in a mutex's memory, and whatever a peer writes there between any two instructions, no operation
// leaves the memory, crashes, or fails to end.
#include <cstddef>
#include <cstdint>
#include <vector>

#include "testing/hostile/world.h"
#include "zeroipc/mutex/core.h"

namespace zeroipc::internal {
namespace {

using testing::input;
using testing::intruded;
using testing::peer;

struct arena {
  struct memory {
    mutex_header<intruded> header;
  };
  using core = mutex_core<intruded, peer>;

  void bind(core& c, peer& p, memory& m) { c.bind(p, m.header); }
  std::vector<uint64_t> known() const { return {}; }
  void operate(core& c, input& in, deadline until) {
    switch (in.below(5)) {
      case 0:
        c.lock(until);
        break;
      case 1:
        c.unlock();
        break;
      case 2:
        c.mark_consistent();
        break;
      case 3:
        c.held_here();
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
  return zeroipc::testing::play_hostile<zeroipc::internal::arena>("mutex", in);
}
