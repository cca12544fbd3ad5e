// Property: whatever a few processes do to an array at once, some of them killed on the way, there is an order of it that a C array allows.
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "testing/linearizability/bursts.h"
#include "zeroipc/array/array.h"
#include "zeroipc/segment/segment.h"

namespace zeroipc {
namespace {

using linearizability::bursts;
using linearizability::recorded;

constexpr size_t kSize = 2;

struct value {
  uint64_t number, check[6];
  static value of(uint64_t n) { return {n, {n, n, n, n, n, n}}; }
  bool whole() const {
    for (const uint64_t c : check) {
      if (c != number) return false;
    }
    return true;
  }
};
struct rig {
  memory mem = *memory::create_anonymous(256 << 10, {.max_names = 4});
  zeroipc::array<value> a{mem, "a", kSize};
};

struct operation {
  enum class kind : uint8_t { store, load, update };
  kind what;
  size_t where;
  uint64_t number = 0;  // what is stored, or was found, or was made of it
};
std::string text_of(const operation& o) {
  static const char* const kNames[] = {"store ", "load ", "update "};
  return kNames[static_cast<int>(o.what)] + std::to_string(o.number) + " at " +
         std::to_string(o.where);
}

struct model {
  std::array<uint64_t, kSize> numbers = {};

  std::vector<model> after(const recorded<operation>& r) const {
    const operation& o = r.what;
    using enum operation::kind;
    model m = *this;
    uint64_t& x = m.numbers[o.where];
    if (o.what == store) x = o.number;
    if (o.what == update) ++x;
    if (!r.pending() && x != o.number) return {};
    return {m};
  }
  bool operator==(const model&) const = default;
  uint64_t hash() const { return (numbers[0] * 4099 + numbers[1]) * 0x9e37'79b9'7f4a'7c15; }
  std::string text() const {
    return std::to_string(numbers[0]) + ", " + std::to_string(numbers[1]);
  }
};

TEST(ArrayHistory, SomeOrderExplainsIt) {
  bursts<rig, operation, model> b("array");
  b.run(
      [](rig& r, auto& h, size_t me, std::mt19937_64& random) {
        operation o = {.what = static_cast<operation::kind>(random() % 3),
                       .where = random() % kSize};
        if (o.what == operation::kind::store) o.number = 1 + random() % 1000;
        const auto at = h.begin(me, o);
        value v = value::of(o.number);
        switch (o.what) {
          case operation::kind::store:
            r.a.store(o.where, v);
            break;
          case operation::kind::load:
            r.a.load(o.where, v);
            break;
          case operation::kind::update:
            r.a.update(o.where, [&](value& x) { v = x = value::of(x.number + 1); });
        }
        EXPECT_TRUE(v.whole());
        o.number = v.number;
        h.end(at, o);
      },
      [](const auto&) { return model(); }, text_of);
}

}  // namespace
}  // namespace zeroipc
