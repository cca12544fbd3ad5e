// Property: while somebody overwrites the words of a stream, every operation with a deadline ends, and nobody crashes.
#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <random>
#include <vector>

#include "testing/harness/harness.h"
#include "testing/hostile/structure_scribble.h"
#include "zeroipc/stream/stream.h"

namespace zeroipc::internal {
namespace {

struct item {
  uint64_t words[3];
};

void operate(stream<item>& s, std::mt19937_64& random) {
  const std::chrono::microseconds patience(random() % 3000);
  const stream_start from = random() % 2 == 0 ? stream_start::oldest() : stream_start::next();
  item x{};
  std::array<item, 5> some{};
  switch (random() % 8) {
    case 0:
      s.emit_for(x, patience);
      break;
    case 1:
      if (auto own = s.make_subscriber(from); own.ok()) own->next_n_for(some, patience);
      break;
    case 2:
      if (auto own = s.make_subscriber("name", from); own.ok()) {
        const item* e = nullptr;
        if (own->peek_for(e, patience)) {
          x = *e;
          own->release();
        }
      }
      break;
    case 3:
      for (const item& e : s.history()) x = e;
      break;
    case 4:
      s.stats();
      s.size();
      s.available_space();
      s.forget("name");
      break;
    default:
      s.emit_n_for(some, std::chrono::microseconds(500));
  }
}

TEST(StreamScribble, EveryOperationEnds) {
  harness::unique_segment segment;
  memory mem(segment.name(), 1 << 20);
  stream<item> first(mem, "victim", 7, {.max_subscribers = 5});
  for (int i = 0; i < 9; ++i) ASSERT_TRUE(first.emit(item{}));
  testing::scribble_structure(
      mem,
      {.type = structure_type::of<item>(kind::stream),
       .header = sizeof(stream_header<hardware>),
       .known = {0, 1, 7, 8, 9, 10, uint64_t{1} << 56, uint64_t{2} << 56, ~uint64_t{0}},
       .locks = [](std::byte* bytes) -> std::vector<robust_lock<hardware>*> {
         return {&reinterpret_cast<stream_header<hardware>*>(bytes)->writer};
       }},
      [&](std::mt19937_64& random) { operate(first, random); });
}

}  // namespace
}  // namespace zeroipc::internal
