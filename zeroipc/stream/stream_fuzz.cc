// Property: whatever stands in a stream's memory, and whatever a peer writes there between any two instructions, no operation
// leaves the memory, crashes, or fails to end.
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "testing/hostile/world.h"
#include "zeroipc/stream/core.h"

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
  static constexpr uint64_t kCapacity = 10;
  static constexpr uint32_t kCursors = 4;
  static constexpr uint64_t kStride = stream_stride(sizeof(item), alignof(item));
  using core = stream_core<intruded, peer, sizeof(item)>;
  struct memory {
    stream_header<intruded> header;
    stream_cursor<intruded> cursors[kCursors];
    alignas(kCacheLine) std::byte slots[(kCapacity + stream_spare_slots(kCapacity)) * kStride];
  };

  const std::byte* slots = nullptr;
  core::held_cursor held;
  uint64_t position = 0, missed = 0;
  uint32_t bound = 0;

  void bind(core& c, peer& p, memory& m) {
    stream_log<intruded, sizeof(item)> log;
    slots = m.slots;
    log.bind(m.header, m.slots, kCapacity, sizeof(item), alignof(item), kStride);
    constexpr overflow kPolicies[] = {overflow::refuse, overflow::block, overflow::overwrite};
    c.bind(p, m.header, m.cursors, {kPolicies[bound++ % 3], kCursors}, log);
  }
  std::vector<uint64_t> known() const {
    return {1,
            kCapacity,
            kCapacity + 1,
            2 * kCapacity,
            uint64_t{1} << 56,
            uint64_t{2} << 56,
            ~uint64_t{0} - kCapacity};
  }
  void operate(core& c, input& in, deadline until) {
    static constexpr std::string_view kNames[] = {"a", "another"};
    item some[5] = {};
    uint64_t done = 0;
    const std::string_view name = kNames[in.below(2)];
    switch (in.below(10)) {
      case 0:
        c.emit(some, 1 + in.below(5), done, until, deadline::at_once());
        break;
      case 1: {
        const uint64_t wanted = 1 + in.below(5);
        c.log().read(position, some, wanted, done, missed);
        testing::require(done <= wanted);
        break;
      }
      case 2:
        c.wait_for(position, until);
        break;
      case 3:
        if (c.subscribe(in.word(8), held)) position = c.position(held);
        break;
      case 4:
        if (c.subscribe(cursor_state::durable, name, in.word(8), held)) position = c.position(held);
        break;
      case 5:
        c.unsubscribe(held);
        break;
      case 6:
        c.forget(cursor_state::durable, name);
        break;
      case 7:
        c.move_on(held, position);
        break;
      case 8: {
        const std::byte* place = c.log().place(in.word(8));
        testing::require(place == nullptr ||
                         (place >= slots && place < slots + sizeof memory::slots));
        position = c.log().oldest();
        break;
      }
      default:
        if (in.below(8) == 0) c.close();
        c.room();
        c.stats();
        c.cursors().name_of(static_cast<uint32_t>(in.below(kCursors)));
    }
  }
};

}  // namespace
}  // namespace zeroipc::internal

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  zeroipc::testing::input in(data, size);
  return zeroipc::testing::play_hostile<zeroipc::internal::arena>("stream", in);
}
