// Property: whatever stands in a semaphore's memory, and whatever a peer writes there between any two instructions, no operation
// leaves the memory, crashes, or fails to end.
#include <cstddef>
#include <cstdint>
#include <vector>

#include "testing/hostile/world.h"
#include "zeroipc/semaphore/core.h"

namespace zeroipc::internal {
namespace {

using testing::input;
using testing::intruded;
using testing::peer;

struct arena {
  static constexpr uint64_t kPermits = 5;
  using core = semaphore_core<intruded, peer>;
  struct memory {
    semaphore_header<intruded> header;
    core::permit_word permits[kPermits];
  };

  void bind(core& c, peer& p, memory& m) { c.bind(p, m.header, m.permits, kPermits); }
  std::vector<uint64_t> known() const { return {}; }
  void operate(core& c, input& in, deadline until) {
    switch (in.below(4)) {
      case 0: {
        uint64_t index = kPermits;
        if (c.acquire(index, until)) testing::require(index < kPermits);
        break;
      }
      case 1:
        c.release(in.below(kPermits + 2));
        break;
      case 2:
        c.release_any();
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
  return zeroipc::testing::play_hostile<zeroipc::internal::arena>("semaphore", in);
}
