// Property: while somebody overwrites the words of a future, every operation with a deadline ends, and nobody crashes.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <random>
#include <utility>
#include <vector>

#include "testing/harness/harness.h"
#include "testing/hostile/structure_scribble.h"
#include "zeroipc/future/future.h"

namespace zeroipc::internal {
namespace {

struct item {
  uint64_t words[3];
};

void operate(future<item>& f, std::mt19937_64& random) {
  const std::chrono::microseconds patience(random() % 3000);
  item x{};
  switch (random() % 8) {
    case 0:
      f.set_value_for(x, patience);
      break;
    case 1:
      f.set_error_for(patience, "an error", 1);
      break;
    case 2:
      f.get_for(x, patience);
      break;
    case 3:
      f.error();
      f.status().IgnoreError();
      break;
    case 4:
      f.stats();
      f.peek();
      break;
    case 5: {
      promise<item> p = f.claim();
      p.set_value(x);
      break;
    }
    case 6: {
      promise<item> p = f.claim();
      p.release();
      break;
    }
    default:
      const promise<item> p = f.claim();
  }
}

TEST(FutureScribble, EveryOperationEnds) {
  harness::unique_segment segment;
  memory mem(segment.name(), 1 << 20);
  future<item> first(mem, "victim");
  std::vector<uint64_t> known;
  for (uint64_t phase = 0; phase < 9; ++phase) known.push_back(phase);
  for (uint32_t slot = 0; slot < 5; ++slot) {
    for (const future_phase p :
         {future_phase::setting, future_phase::claimed, future_phase::died}) {
      known.push_back(future_word{p, 1, owner_tag(slot, 1)}.word());
    }
  }
  testing::scribble_structure(mem,
                              {.type = structure_type::of<item>(kind::future),
                               .header = sizeof(future_header<hardware>),
                               .known = std::move(known)},
                              [&](std::mt19937_64& random) { operate(first, random); });
}

}  // namespace
}  // namespace zeroipc::internal
