// Property: whatever stands in a map's memory, and whatever a peer writes there between any two instructions, no operation
// leaves the memory, crashes, or fails to end.
#include <cstddef>
#include <cstdint>
#include <vector>

#include "testing/hostile/world.h"
#include "zeroipc/map/core.h"

namespace zeroipc::internal {
namespace {

using testing::input;
using testing::intruded;
using testing::peer;

struct entry {
  uint64_t key, value[3];
};
// Few homes, so that they are crowded.
struct traits {
  static uint64_t hash(uint64_t key) { return key << 62 | key; }
  static bool equal(uint64_t a, uint64_t b) { return a == b; }
};

struct arena {
  static constexpr uint64_t kBuckets = 4, kStripes = map_stripes(kBuckets);
  static constexpr uint64_t kCells = kBuckets * kBucketSlots + kStripes;
  using core = map_core<intruded, peer, entry, traits>;
  struct memory {
    map_header<intruded> header;
    map_stripe<intruded> stripes[kStripes];
    map_bucket<intruded> buckets[kBuckets];
    alignas(kCacheLine) std::byte cells[kCells * core::kStride];
  };

  bool open = false;

  void bind(core& c, peer& p, memory& m) {
    c.bind(p, m.header, m.stripes, m.buckets, m.cells, 16, kBuckets);
    if (!open) core::initialize(m.stripes, m.buckets, kBuckets);
    open = true;
  }
  std::vector<uint64_t> known() const {
    std::vector<uint64_t> words = {1, 2, kBuckets, kBuckets * kBucketSlots, kCells - 1, kCells};
    for (const uint64_t key : {0, 5, 10}) {
      const auto tag = static_cast<uint16_t>(traits::hash(key) & 0x7fff);
      words.push_back(map_slot{true, tag, 1, 0}.word());
      words.push_back(map_slot{true, tag, 1, kCells - 1}.word());
      words.push_back(map_slot{false, tag, 0, kCells}.word());
    }
    return words;
  }
  void operate(core& c, input& in, deadline until) {
    entry e = {in.below(32), {1, 2, 3}};
    uint64_t version = 0;
    switch (in.below(10)) {
      case 0:
      case 1:
        c.put(e, core::when::missing);
        break;
      case 2:
        c.put(e, core::when::either);
        break;
      case 3:
        c.put(e, core::when::present);
        break;
      case 4:
        c.update(e.key, [&](entry& found) { return ++found.value[0] % 4 != 0; });
        break;
      case 5:
        c.erase(e.key);
        break;
      case 6:
        c.get(e.key, e, sizeof e, &version);
        break;
      case 7:
        c.for_each([](const entry&) {});
        break;
      case 8:
        c.wait_for_change(e.key, in.below(4), version, until);
        break;
      default:
        c.stats();
        if (in.below(4) == 0) c.clear();
    }
  }
};

}  // namespace
}  // namespace zeroipc::internal

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  zeroipc::testing::input in(data, size);
  return zeroipc::testing::play_hostile<zeroipc::internal::arena>("map", in);
}
