// Property: while somebody overwrites the words of a lazy value, every operation with a deadline ends, and nobody crashes.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <random>
#include <vector>

#include "testing/harness/harness.h"
#include "testing/hostile/structure_scribble.h"
#include "zeroipc/lazy/lazy.h"

namespace zeroipc::internal {
namespace {

struct item {
  uint64_t words[3];
};

// In processes of their own, with a provider's thread each.
void operate(lazy<item>& s, std::mt19937_64& random) {
  const std::chrono::microseconds patience(random() % 3000);
  item x{};
  switch (random() % 12) {
    case 0:
      s.set_computation([] { return item{}; }, {.cache_errors = false});
      break;
    case 1:
      s.set_computation([]() -> absl::StatusOr<item> { return absl::UnavailableError("now"); },
                        {.cache_errors = random() % 2 == 0});
      break;
    case 2:
      s.try_get(x);
      break;
    case 3:
      s.refresh();
      break;
    case 4:
      s.take_over();
      break;
    case 5:
      s.error().IgnoreError();
      break;
    case 6:
      s.stats();
      break;
    case 7:
      s.invalidate();
      break;
    default:
      s.get_for(x, patience);
  }
}

TEST(LazyScribble, EveryOperationEnds) {
  harness::unique_segment segment;
  memory mem(segment.name(), 1 << 20);
  lazy<item> first(mem, "victim");
  const auto word = [](lazy_state s, uint32_t low) { return lazy_word{s, 1, low}.bits(); };
  testing::scribble_structure(
      mem,
      {.type = structure_type::of<item>(kind::lazy),
       .header = sizeof(lazy_header<hardware>),
       .known = {0, word(lazy_state::wanted, 0), word(lazy_state::value, 3),
                 word(lazy_state::error, 2), word(lazy_state::failed, 1), ~uint64_t{0}},
       .locks = [](std::byte* bytes) -> std::vector<robust_lock<hardware>*> {
         std::vector<robust_lock<hardware>*> writers;
         for (uint64_t i = 0; i < kLazyBuffers; ++i) {
           std::byte* const at =
               bytes + sizeof(lazy_header<hardware>) + i * lazy_stride(sizeof(item), alignof(item));
           writers.push_back(&reinterpret_cast<lazy_buffer<hardware>*>(at)->writer);
         }
         return writers;
       }},
      [&](std::mt19937_64& random) { operate(first, random); });
}

}  // namespace
}  // namespace zeroipc::internal
