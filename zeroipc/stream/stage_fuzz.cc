// Property: whatever stands in the memory of a derived stream, of its stage and of its source, and whatever a peer writes there between
// any two instructions, no pump leaves the memory, crashes, or fails to end.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "testing/hostile/world.h"
#include "zeroipc/stream/core.h"
#include "zeroipc/stream/operators.h"
#include "zeroipc/stream/pump.h"
#include "zeroipc/stream/source.h"
#include "zeroipc/stream/stage.h"

namespace zeroipc::internal {
namespace {

using testing::input;
using testing::intruded;
using testing::peer;

struct arena {
  static constexpr uint64_t kCapacity = 6;
  static constexpr uint32_t kCursors = 2, kMemory = 3;
  static constexpr uint64_t kStride = stream_stride(8, 8);
  using stream_type = stream_core<intruded, peer, 8>;
  using state = listing<uint64_t>;
  struct one_stream {
    stream_header<intruded> header;
    stream_cursor<intruded> cursors[kCursors];
    alignas(kCacheLine) std::byte slots[(kCapacity + stream_spare_slots(kCapacity)) * kStride];
  };
  struct memory {
    one_stream out, first, second;
    stage_header<intruded> stage;
    alignas(8) std::byte states[2 * state::bytes(kMemory)];
  };
  // One process.
  struct core {
    using distinct = distinct_operator<uint64_t>;
    using single = single_feed<intruded, peer, uint64_t>;
    using merged = merged_feed<intruded, peer, uint64_t>;
    using zipped_type = zipped_feed<intruded, peer, uint64_t, uint64_t>;
    struct sum_of_pairs : stateless {
      void next(const zipped<uint64_t, uint64_t>& x, state&, sink<uint64_t>& out) {
        out.put(x.first + x.second);
      }
    };

    stream_type out, first, second;
    stage_core<intruded, peer> stage, of_pairs;  // the same, for operators whose states differ
    std::unique_ptr<pump<intruded, peer, single, uint64_t, distinct>> one;
    std::unique_ptr<pump<intruded, peer, merged, uint64_t, distinct>> two;
    std::unique_ptr<pump<intruded, peer, zipped_type, uint64_t, sum_of_pairs>> pairs;
  };

  static void bind(stream_type& c, peer& p, one_stream& m, overflow when_full) {
    stream_log<intruded, 8> log;
    log.bind(m.header, m.slots, kCapacity, 8, 8, kStride);
    c.bind(p, m.header, m.cursors, {when_full, kCursors}, log);
  }
  void bind(core& c, peer& p, memory& m) {
    bind(c.out, p, m.out, overflow::block);
    bind(c.first, p, m.first, overflow::refuse);
    bind(c.second, p, m.second, overflow::overwrite);
    c.stage.bind(p, m.stage, m.states, state::bytes(kMemory));
    c.of_pairs.bind(p, m.stage, m.states, sizeof(no_state));
    c.one = std::make_unique<decltype(c.one)::element_type>(
        core::single({c.first, 0}), c.out, 0, c.stage, "stage", core::distinct{kMemory});
    c.two = std::make_unique<decltype(c.two)::element_type>(
        core::merged({c.first, 0}, {c.second, 0}), c.out, 0, c.stage, "stage",
        core::distinct{kMemory});
    c.pairs = std::make_unique<decltype(c.pairs)::element_type>(
        core::zipped_type({c.first, 0}, {c.second, 0}), c.out, 0, c.of_pairs, "stage",
        core::sum_of_pairs());
  }
  std::vector<uint64_t> known() const {
    return {1, kCapacity, kMemory, kEnded, uint64_t{3} << 56, ~uint64_t{0} - kCapacity};
  }
  template <typename Pump>
  static void run(core& c, Pump& p, uint64_t steps) {
    const auto stop = [] { return false; };
    if (!c.stage.take(deadline::at_once(), stop)) return;
    outcome r = p.begin();
    for (uint64_t i = 0; r && i < steps; ++i) {
      int looks = 0;
      r = p.step([](auto f) { return f(), true; }, [&] { return looks++ > 2; });
    }
    p.end();
    c.stage.let_go();
  }
  void operate(core& c, input& in, deadline until) {
    uint64_t some[3] = {in.word(8), in.word(8), 7}, done = 0;
    switch (in.below(8)) {
      case 0:
        run(c, *c.one, in.below(4));
        break;
      case 1:
        run(c, *c.two, in.below(4));
        break;
      case 2:
        run(c, *c.pairs, in.below(4));
        break;
      case 3:
        c.first.emit(some, 1 + in.below(3), done, until, deadline::at_once());
        break;
      case 4:
        c.second.emit(some, 1 + in.below(3), done, until, deadline::at_once());
        break;
      case 5:
        if (in.below(4) == 0) c.first.close();
        c.first.reserve(cursor_state::stage, "stage", in.word(8));
        break;
      case 6:
        c.stage.progress();
        testing::require(c.stage.origin().source(1).size() <= kMaxNameBytes);
        c.stage.origin().text();
        break;
      default: {
        uint64_t position = in.word(8), missed = 0;
        c.out.log().read(position, some, 3, done, missed);
        c.out.find(cursor_state::stage, "stage");
        if (in.below(4) == 0) {
          c.out.forget_if(cursor_state::durable, [](std::string_view n) { return n.empty(); });
        }
      }
    }
  }
};

}  // namespace
}  // namespace zeroipc::internal

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  zeroipc::testing::input in(data, size);
  return zeroipc::testing::play_hostile<zeroipc::internal::arena>("stage", in);
}
