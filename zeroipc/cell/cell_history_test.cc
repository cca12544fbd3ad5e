// Property: whatever a few processes do to a cell at once, some of them killed on the way, there is an order of it that a value with a version allows.
#include <gtest/gtest.h>

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "testing/linearizability/bursts.h"
#include "zeroipc/cell/cell.h"
#include "zeroipc/segment/segment.h"

namespace zeroipc {
namespace {

using linearizability::bursts;
using linearizability::recorded;

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
  cell<value> c{mem, "c"};
};

struct operation {
  enum class kind : uint8_t { store, store_if, load, update };
  kind what;
  uint64_t number = 0;    // what is stored, or was found
  uint64_t expected = 0;  // by store_if
  bool done = true;
  uint64_t version = 0;  // of what was stored or found
};
std::string text_of(const operation& o) {
  static const char* const kNames[] = {"store ", "store_if ", "load ", "update "};
  return kNames[static_cast<int>(o.what)] + std::to_string(o.number) + ", expecting " +
         std::to_string(o.expected) + (o.done ? ", done, version " : ", not, version ") +
         std::to_string(o.version);
}

struct model {
  uint64_t number = 0, version = 0;

  std::vector<model> after(const recorded<operation>& r) const {
    const operation& o = r.what;
    using enum operation::kind;
    const bool does = o.what == store_if ? version == o.expected : true;
    if (!r.pending() && does != o.done) return {};
    if (o.what == load) {
      const bool fits = o.version == version && (version == 0 || o.number == number);
      return r.pending() || fits ? std::vector{*this} : std::vector<model>();
    }
    if (!does) return {*this};
    if (!r.pending() && o.version != version + 1) return {};
    return {{o.what == update ? number + 1 : o.number, version + 1}};
  }
  bool operator==(const model&) const = default;
  uint64_t hash() const { return (number * 31 + version) * 0x9e37'79b9'7f4a'7c15; }
  std::string text() const {
    return std::to_string(number) + ", version " + std::to_string(version);
  }
};

TEST(CellHistory, SomeOrderExplainsIt) {
  bursts<rig, operation, model> b("cell");
  b.run(
      [](rig& r, auto& h, size_t me, std::mt19937_64& random) {
        operation o = {.what = static_cast<operation::kind>(random() % 4)};
        if (o.what < operation::kind::load) o.number = 1 + random() % 1000;
        if (o.what == operation::kind::store_if) o.expected = r.c.version();
        const auto at = h.begin(me, o);
        value v = value::of(o.number);
        switch (o.what) {
          case operation::kind::store:
            o.done = static_cast<bool>(r.c.store(v, &o.version));
            break;
          case operation::kind::store_if:
            o.done = static_cast<bool>(r.c.store_if(o.expected, v, &o.version));
            break;
          case operation::kind::load:
            // Empty is version 0.
            if (r.c.load(v, &o.version)) {
              EXPECT_TRUE(v.whole());
            }
            o.number = v.number;
            break;
          case operation::kind::update:
            o.done = static_cast<bool>(
                r.c.update([](value& x) { x = value::of(x.number + 1); }, &o.version));
        }
        h.end(at, o);
      },
      [](const auto&) { return model(); }, text_of);
}

}  // namespace
}  // namespace zeroipc
