// Property: whatever stands in a future's memory, and whatever a peer writes there between any two instructions, no operation
// leaves the memory, crashes, or fails to end.
#include <cstddef>
#include <cstdint>
#include <vector>

#include "testing/hostile/world.h"
#include "zeroipc/future/core.h"

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
  struct memory {
    future_header<intruded> header;
    future_slot<intruded> slot;
    std::byte value[sizeof(item)];
  };
  using core = future_core<intruded, peer>;

  void bind(core& c, peer& p, memory& m) { c.bind(p, m.header, m.slot, m.value); }
  std::vector<uint64_t> known() const {
    std::vector<uint64_t> words;
    for (uint32_t phase = 0; phase <= static_cast<uint32_t>(future_phase::dropped) + 1; ++phase) {
      for (uint32_t i = 0; i < 4; ++i) {
        words.push_back(future_word{static_cast<future_phase>(phase), i, owner_tag(i, 1)}.word());
      }
    }
    return words;
  }
  void operate(core& c, input& in, deadline until) {
    item x{};
    uint64_t mine = 0;
    switch (in.below(8)) {
      case 0:
        c.set_value(x, until);
        break;
      case 1:
        c.set_error({.code = 1, .length = static_cast<uint16_t>(in.word(2))}, until);
        break;
      case 2:
        if (c.claim(1, mine)) c.keep(mine, x);
        break;
      case 3:
        if (c.claim(1, mine)) c.give_back(mine);
        break;
      case 4:
        if (c.claim(1, mine)) c.drop(mine);
        break;
      case 5:
        if (c.claim(1, mine)) c.fail(mine, {});
        break;
      case 6:
        if (c.wait(until)) c.read(x);
        break;
      default:
        c.stats();
        c.pid_of(c.seen().owner);
        testing::require(c.error().length <= kFutureErrorText);
    }
  }
};

}  // namespace
}  // namespace zeroipc::internal

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  zeroipc::testing::input in(data, size);
  return zeroipc::testing::play_hostile<zeroipc::internal::arena>("future", in);
}
