// Property: whatever a few processes do to a stack at once, some of them killed on the way, there is an order of it that a vector allows.
#include <gtest/gtest.h>

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "testing/linearizability/bursts.h"
#include "zeroipc/segment/segment.h"
#include "zeroipc/stack/stack.h"

namespace zeroipc {
namespace {

using linearizability::bursts;
using linearizability::recorded;

constexpr size_t kCapacity = 3;

struct rig {
  memory mem = *memory::create_anonymous(256 << 10, {.max_names = 4});
  stack<uint64_t> s{mem, "s", kCapacity};
};

struct operation {
  enum class kind : uint8_t { push, pop, top };
  kind what;
  uint64_t number = 0;  // what is pushed, or was found; 0: it was full, or empty
};
std::string text_of(const operation& o) {
  static const char* const kNames[] = {"push ", "pop ", "top "};
  return kNames[static_cast<int>(o.what)] + std::to_string(o.number);
}

struct model {
  std::vector<uint64_t> numbers;

  std::vector<model> after(const recorded<operation>& r) const {
    using enum operation::kind;
    model m = *this;
    if (r.what.what == push) {
      const bool full = numbers.size() == kCapacity;
      // Of a pending one the number is what was to be pushed.
      if (!r.pending() && full != (r.what.number == 0)) return {};
      if (!full) m.numbers.push_back(r.what.number);
      return {m};
    }
    const uint64_t newest = numbers.empty() ? 0 : numbers.back();
    if (!r.pending() && r.what.number != newest) return {};
    if (r.what.what == pop && newest != 0) m.numbers.pop_back();
    return {m};
  }
  bool operator==(const model&) const = default;
  uint64_t hash() const {
    uint64_t h = 1;
    for (const uint64_t n : numbers) h = (h ^ n) * 0x9e37'79b9'7f4a'7c15;
    return h;
  }
  std::string text() const {
    std::string t;
    for (const uint64_t n : numbers) t += std::to_string(n) + " ";
    return t;
  }
};

TEST(StackHistory, SomeOrderExplainsIt) {
  bursts<rig, operation, model> b("stack");
  b.run(
      [](rig& r, auto& h, size_t me, std::mt19937_64& random) {
        operation o = {.what = static_cast<operation::kind>(random() % 5 / 2)};
        if (o.what == operation::kind::push) o.number = 1 + random() % 1000;
        const auto at = h.begin(me, o);
        switch (o.what) {
          case operation::kind::push:
            if (r.s.try_push(o.number) == outcome::full) o.number = 0;
            break;
          case operation::kind::pop:
            o.number = r.s.try_pop().value_or(0);
            break;
          case operation::kind::top:
            if (!r.s.try_top(o.number)) o.number = 0;
        }
        h.end(at, o);
      },
      [](const auto&) { return model(); }, text_of);
}

}  // namespace
}  // namespace zeroipc
