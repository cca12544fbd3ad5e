// Property: whatever a few processes do to a lazy value at once, some of them killed on the way, it looks as if each get() read
// what it is computed from.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "testing/harness/harness.h"
#include "testing/linearizability/bursts.h"
#include "zeroipc/lazy/bare_lazy.h"
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

// These cannot be computed.
constexpr uint64_t kBad = 5;
bool is_bad(uint64_t number) { return number % kBad == 0 && number != 0; }

struct rig {
  memory mem = *memory::create_anonymous(256 << 10, {.max_names = 4});
  testing::bare_lazy<value> l{mem, "l"};
  harness::shared_state<std::atomic<uint64_t>> source;

  bool evaluate() {
    uint64_t mine = 0;
    if (!l.core().claim(mine, true)) return false;
    for (;;) {
      const uint64_t x = *source;
      const internal::lazy_publication p = is_bad(x) ? l.core().publish_error(mine, {}, x % 2 == 0)
                                                     : l.core().publish(mine, value::of(x));
      if (p != internal::lazy_publication::again) return true;
    }
  }
};

struct operation {
  enum class kind : uint8_t { change, refresh, get, take_over };
  kind what;
  uint64_t number = 0;  // what it is computed from, or what was computed
  bool failed = false;
};
std::string text_of(const operation& o) {
  static const char* const kNames[] = {"change ", "refresh ", "get ", "take over, and get "};
  return kNames[static_cast<int>(o.what)] + (o.failed ? "failed" : std::to_string(o.number));
}

struct model {
  uint64_t number = 0;

  std::vector<model> after(const recorded<operation>& r) const {
    const operation& o = r.what;
    if (o.what < operation::kind::get) return {{o.number}};
    const bool fits = o.failed == is_bad(number) && (o.failed || o.number == number);
    return r.pending() || fits ? std::vector{*this} : std::vector<model>();
  }
  bool operator==(const model&) const = default;
  uint64_t hash() const { return number * 0x9e37'79b9'7f4a'7c15; }
  std::string text() const { return std::to_string(number); }
};

TEST(LazyHistory, SomeOrderExplainsIt) {
  bursts<rig, operation, model> b("lazy");
  b.run(
      [](rig& r, auto& h, size_t me, std::mt19937_64& random) {
        operation o = {.what = static_cast<operation::kind>(random() % 7 / 2)};
        if (o.what < operation::kind::get) o.number = 1 + random() % 1000;
        const auto at = h.begin(me, o);
        value v{};
        switch (o.what) {
          case operation::kind::change:
            *r.source = o.number;
            r.l.core().invalidate();
            break;
          case operation::kind::refresh:
            *r.source = o.number;
            r.l.core().refresh();
            break;
          case operation::kind::take_over:
            r.l.core().take_over();
            [[fallthrough]];
          case operation::kind::get: {
            const outcome got = r.l.core().get(v, nullptr, nullptr, deadline::never(),
                                               [&] { return r.evaluate(); });
            EXPECT_TRUE(got == outcome::ok || got == outcome::failed) << got.name();
            EXPECT_TRUE(v.whole());
            o.failed = got == outcome::failed;
            o.number = v.number;
          }
        }
        h.end(at, o);
      },
      [](const auto&) { return model(); }, text_of);
}

}  // namespace
}  // namespace zeroipc
