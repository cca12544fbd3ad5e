// Property: whatever a few processes do to a future at once, some of them killed on the way, there is an order of it that one
// word allows: empty, claimed, and then settled once.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "testing/linearizability/bursts.h"
#include "zeroipc/base/atomics.h"
#include "zeroipc/future/future.h"
#include "zeroipc/segment/segment.h"

namespace zeroipc {
namespace {

using linearizability::bursts;
using linearizability::recorded;

struct rig {
  memory mem = *memory::create_anonymous(256 << 10, {.max_names = 4});
  future<uint64_t> f{mem, "f"};
};

struct operation {
  enum class kind : uint8_t { set, claim, keep, give_back, get };
  kind what;
  uint64_t number = 0;  // what is set, or was found
  outcome told = outcome::ok;
};
std::string text_of(const operation& o) {
  static const char* const kNames[] = {"set ", "claim ", "keep ", "give_back ", "get "};
  return kNames[static_cast<int>(o.what)] + std::to_string(o.number) + ", " +
         std::string(o.told.name());
}

struct model {
  enum class phase : uint8_t { empty, claimed, value, broken };

  linearizability::lifetimes to_do;
  phase is = phase::empty;
  int owner = -1;
  uint64_t number = 0;

  std::vector<model> after(const recorded<operation>& r) const {
    std::vector<model> then = turned(r);
    // A claim may be a dead one's: it is broken when somebody notices.
    if (is == phase::claimed && to_do.over(owner)) {
      model broken = *this;
      broken.is = phase::broken;
      for (model& m : broken.turned(r)) then.push_back(m);
    }
    return then;
  }

  std::vector<model> turned(const recorded<operation>& r) const {
    using enum operation::kind;
    model m = *this;
    m.to_do.done(r);
    const outcome would = answer(r);
    if (!r.pending() && r.what.told != would) return {};
    if (r.what.what == get) {
      return r.pending() || !would || r.what.number == number ? std::vector{m}
                                                              : std::vector<model>{};
    }
    if (!would) return {m};
    switch (r.what.what) {
      case set:
      case keep:
        m.is = phase::value;
        m.number = r.what.number;
        break;
      case claim:
        m.is = phase::claimed;
        m.owner = r.process;
        break;
      default:
        m.is = phase::empty;
    }
    return {m};
  }
  outcome answer(const recorded<operation>& r) const {
    using enum operation::kind;
    switch (r.what.what) {
      case keep:
      case give_back:
        return is == phase::claimed && owner == r.process ? outcome::ok : outcome::gone;
      case get:
        return is == phase::value    ? outcome::ok
               : is == phase::broken ? outcome::broken
                                     : outcome::empty;
      default:
        return is == phase::value     ? outcome::exists
               : is == phase::broken  ? outcome::broken
               : is == phase::claimed ? outcome::taken
                                      : outcome::ok;
    }
  }
  bool operator==(const model&) const = default;
  uint64_t hash() const {
    uint64_t h = 1;
    for (const uint64_t n : {static_cast<uint64_t>(is), static_cast<uint64_t>(owner + 1), number}) {
      h = (h ^ n) * 0x9e37'79b9'7f4a'7c15;
    }
    return h;
  }
  std::string text() const {
    static const char* const kNames[] = {"empty", "claimed by ", "value ", "broken"};
    return kNames[static_cast<int>(is)] + (is == phase::claimed ? std::to_string(owner)
                                           : is == phase::value ? std::to_string(number)
                                                                : "");
  }
};

// Claims and gives back more often than it settles, for that is the end.
void turn(rig& r, auto& h, size_t me, std::mt19937_64& random) {
  using enum operation::kind;
  const auto record = [&](operation o, auto&& run) {
    const auto at = h.begin(me, o);
    run(o);
    h.end(at, o);
    return o.told;
  };
  const uint64_t what = random() % 16, number = 1 + random() % 1000;
  if (what < 4) {
    record({get}, [&](operation& o) { o.told = r.f.try_get(o.number); });
    return;
  }
  if (what == 4) {
    record({set, number}, [&](operation& o) { o.told = r.f.set_value(o.number); });
    return;
  }
  std::optional<promise<uint64_t>> p;
  const outcome claimed = record({claim}, [&](operation& o) {
    p.emplace(r.f.claim());
    o.told = p->why();
  });
  if (!claimed) return;
  // For long enough that others run into it.
  for (uint64_t i = random() % 200; i != 0; --i) hardware::pause();
  if (what == 5) {
    record({keep, number}, [&](operation& o) { o.told = p->set_value(o.number); });
  } else {
    record({give_back}, [&](operation& o) { o.told = p->release(); });
  }
}

TEST(FutureHistory, SomeOrderExplainsIt) {
  bursts<rig, operation, model> b("future");
  b.run([](rig& r, auto& h, size_t me, std::mt19937_64& random) { turn(r, h, me, random); },
        [](const auto& to_do) { return model{to_do}; }, text_of);
}

}  // namespace
}  // namespace zeroipc
