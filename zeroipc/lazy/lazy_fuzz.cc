// Property: whatever stands in a lazy value's memory, and whatever a peer writes there between any two instructions, no operation
// leaves the memory, crashes, or fails to end.
#include <cstddef>
#include <cstdint>
#include <vector>

#include "testing/hostile/world.h"
#include "zeroipc/lazy/core.h"

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
  using core = lazy_core<intruded, peer, item>;
  struct memory {
    lazy_header<intruded> header;
    alignas(kCacheLine) std::byte buffers[kLazyBuffers * core::kStride];
  };
  uint64_t kept = 0;  // a turn that was begun some time ago

  void bind(core& c, peer& p, memory& m) { c.bind(p, m.header, m.buffers); }
  std::vector<uint64_t> known() const {
    std::vector<uint64_t> words;
    for (uint64_t state = 0; state < 8; ++state) {
      for (const uint32_t low : {0u, 3u, owner_tag(0, 1).bits(), owner_tag(2, 1).bits()}) {
        words.push_back(lazy_word{static_cast<lazy_state>(state), 1, low}.bits());
      }
    }
    return words;
  }
  void finish(core& c, input& in, uint64_t mine) {
    const item x{};
    for (int i = 0; i < 3; ++i) {
      const lazy_publication p = in.below(3) == 0
                                     ? c.publish_error(mine, lazy_error{}, in.below(2) != 0)
                                     : c.publish(mine, x);
      if (p != lazy_publication::again) return;
    }
  }
  bool evaluate(core& c, input& in, bool asks) {
    uint64_t mine = 0;
    if (!c.claim(mine, asks)) return false;
    finish(c, in, mine);
    return true;
  }
  void operate(core& c, input& in, deadline until) {
    item x{};
    lazy_error why{};
    uint64_t version = 0;
    switch (in.below(14)) {
      case 0:
        c.get(x, &version, &why, until, [] { return false; });
        break;
      case 1: {
        int left = 3;
        c.get(x, nullptr, &why, until, [&] { return left-- > 0 && evaluate(c, in, true); });
        break;
      }
      case 2:
        c.load(x, &version, nullptr);
        break;
      case 3:
        c.invalidate();
        break;
      case 4:
        c.refresh();
        break;
      case 5:
        c.take_over();
        break;
      case 6:
        evaluate(c, in, false);
        break;
      case 7:
        c.claim(kept, in.below(2) != 0);
        break;
      case 8:
        finish(c, in, kept);
        break;
      case 9: {
        uint32_t seat = 0;
        if (c.seats().enlist(seat)) {
          testing::require(seat < kLazyProviders);
          if (in.below(2) != 0) c.seats().leave(seat);
        }
        break;
      }
      case 10: {
        int left = 3;
        c.wait_for_work([&] { return left-- == 0; });
        break;
      }
      case 11:
        c.error(why);
        break;
      case 12:
        c.version();
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
  return zeroipc::testing::play_hostile<zeroipc::internal::arena>("lazy", in);
}
