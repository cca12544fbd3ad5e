// Property: whatever a few processes do to a map at once, some of them killed on the way, there is an order of it that a dictionary allows.
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "testing/linearizability/bursts.h"
#include "zeroipc/map/map.h"
#include "zeroipc/segment/segment.h"

namespace zeroipc {
namespace {

using linearizability::bursts;
using linearizability::recorded;

constexpr uint32_t kKeys = 3;

struct value {
  uint64_t number, check[4];
  static value of(uint64_t n) { return {n, {n + 1, n + 2, n + 3, n + 4}}; }
  bool whole() const {
    for (uint64_t i = 0; i < 4; ++i) {
      if (check[i] != number + i + 1) return false;
    }
    return true;
  }
};
struct rig {
  memory mem = *memory::create_anonymous(256 << 10, {.max_names = 4});
  map<uint32_t, value> m{mem, "m", kKeys};
};

struct operation {
  enum class kind : uint8_t { insert, assign, either, erase, get, twice };
  kind what;
  uint32_t key;
  uint64_t argument = 0;
  bool done = false;    // its result
  uint64_t number = 0;  // what get found
};
std::string text_of(const operation& o) {
  static const char* const kNames[] = {"insert", "assign", "insert_or_assign",
                                       "erase",  "get",    "double"};
  return std::string(kNames[static_cast<int>(o.what)]) + "(" + std::to_string(o.key) + ", " +
         std::to_string(o.argument) + ") = " + (o.done ? "done " : "not ") +
         std::to_string(o.number);
}

struct model {
  std::array<uint64_t, kKeys> numbers = {};  // 0: not there

  std::vector<model> after(const recorded<operation>& r) const {
    const operation& o = r.what;
    const uint64_t now = numbers[o.key];
    using enum operation::kind;
    const bool does = o.what == insert ? now == 0 : o.what == either ? true : now != 0;
    if (!r.pending() && does != o.done) return {};
    if (!r.pending() && o.what == get && does && o.number != now) return {};
    model m = *this;
    if (does) {
      uint64_t& then = m.numbers[o.key];
      then = o.what == erase ? 0 : o.what == get ? now : o.what == twice ? 2 * now : o.argument;
    }
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

TEST(MapHistory, SomeOrderExplainsIt) {
  bursts<rig, operation, model> b("map");
  b.run(
      [](rig& r, auto& h, size_t me, std::mt19937_64& random) {
        operation o = {.what = static_cast<operation::kind>(random() % 6),
                       .key = static_cast<uint32_t>(random() % kKeys),
                       .argument = 1 + random() % 1000};
        const auto at = h.begin(me, o);
        switch (o.what) {
          case operation::kind::insert:
            o.done = static_cast<bool>(r.m.insert(o.key, value::of(o.argument)));
            break;
          case operation::kind::assign:
            o.done = static_cast<bool>(r.m.assign(o.key, value::of(o.argument)));
            break;
          case operation::kind::either:
            o.done = static_cast<bool>(r.m.insert_or_assign(o.key, value::of(o.argument)));
            break;
          case operation::kind::erase:
            o.done = static_cast<bool>(r.m.erase(o.key));
            break;
          case operation::kind::get: {
            value v;
            o.done = static_cast<bool>(r.m.get(o.key, v));
            if (o.done) {
              EXPECT_TRUE(v.whole());
            }
            o.number = o.done ? v.number : 0;
            break;
          }
          case operation::kind::twice:
            o.done =
                static_cast<bool>(r.m.update(o.key, [](value& v) { v = value::of(2 * v.number); }));
        }
        h.end(at, o);
      },
      [](const auto&) { return model(); }, text_of);
}

}  // namespace
}  // namespace zeroipc
