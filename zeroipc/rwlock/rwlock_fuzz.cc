// Property: whatever stands in an rwlock's memory, and whatever a peer writes there between any two instructions, no operation
// leaves the memory, crashes, or fails to end.
#include <cstddef>
#include <cstdint>
#include <vector>

#include "testing/hostile/world.h"
#include "zeroipc/rwlock/core.h"

namespace zeroipc::internal {
namespace {

using testing::input;
using testing::intruded;
using testing::peer;

struct arena {
  static constexpr uint64_t kSlots = testing::world::kPeers;
  using core = rwlock_core<intruded, peer>;
  struct memory {
    rwlock_header<intruded> header;
    alignas(core::kStride) std::byte readers[kSlots * core::kStride];
  };

  void bind(core& c, peer& p, memory& m) { c.bind(p, m.header, m.readers, kSlots); }
  std::vector<uint64_t> known() const {
    std::vector<uint64_t> words;
    for (uint32_t i = 0; i < kSlots; ++i) {
      const owner_tag tag(i, 1);
      words.push_back(reader_count{tag, 1, 0, 0}.word());
      words.push_back(reader_count{tag, 1, 1, 1}.word());
      words.push_back(reader_count{tag, reader_count::kMostInside, 0, 0}.word());
      words.push_back(reader_count{tag, 0, reader_count::kMostWaiting, 0}.word());
    }
    return words;
  }
  void operate(core& c, input& in, deadline until) {
    switch (in.below(6)) {
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
        c.lock_shared(until);
        break;
      case 4:
        c.unlock_shared();
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
  return zeroipc::testing::play_hostile<zeroipc::internal::arena>("rwlock", in);
}
