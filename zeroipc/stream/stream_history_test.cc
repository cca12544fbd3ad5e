// Property: whatever a few processes do to a stream at once, some of them killed on the way, there is an order of it that a list and a
// number for each name allow.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "testing/linearizability/bursts.h"
#include "zeroipc/segment/segment.h"
#include "zeroipc/stream/stream.h"

namespace zeroipc {
namespace {

using linearizability::bursts;
using linearizability::recorded;

constexpr uint64_t kCapacity = 3;

// Two names are there from the beginning on, and who wants to read as one does so for one element.
struct rig {
  memory mem = *memory::create_anonymous(256 << 10, {.max_names = 4});
  stream<uint64_t> s{mem, "s", kCapacity};
  rig() {
    static_cast<void>(s.subscriber("a", stream_start::oldest()));
    static_cast<void>(s.subscriber("b", stream_start::oldest()));
  }
};

struct operation {
  enum class kind : uint8_t { emit, next };
  kind what;
  uint8_t who = 0;
  // What was emitted, or read; 0: it was full, or there was nothing.
  uint64_t number = 0;
  bool taken = false;  // another one read as that
};
std::string text_of(const operation& o) {
  return (o.what == operation::kind::emit ? "emit "
          : o.who == 0                    ? "a reads "
                                          : "b reads ") +
         (o.taken ? "not, it is taken" : std::to_string(o.number));
}

struct model {
  std::vector<uint64_t> numbers;
  std::array<size_t, 2> at{};

  std::vector<model> after(const recorded<operation>& r) const {
    model m = *this;
    if (r.what.what == operation::kind::emit) {
      const bool full = numbers.size() - std::min(at[0], at[1]) == kCapacity;
      if (!r.pending() && full != (r.what.number == 0)) return {};
      if (!full) m.numbers.push_back(r.what.number);
      return {m};
    }
    // That another one was at it is not what this model is about.
    if (r.what.taken) return {m};
    size_t& next = m.at[r.what.who];
    const bool there = next < numbers.size();
    if (!r.pending() && r.what.number != (there ? numbers[next] : 0)) return {};
    if (there) ++next;
    return {m};
  }
  bool operator==(const model&) const = default;
  uint64_t hash() const {
    uint64_t h = at[0] * 64 + at[1] + 1;
    for (const uint64_t n : numbers) h = (h ^ n) * 0x9e37'79b9'7f4a'7c15;
    return h;
  }
  std::string text() const {
    std::string t;
    for (const uint64_t n : numbers) t += std::to_string(n) + " ";
    return t + "a at " + std::to_string(at[0]) + ", b at " + std::to_string(at[1]);
  }
};

TEST(StreamHistory, SomeOrderExplainsIt) {
  bursts<rig, operation, model> b("stream");
  b.run(
      [](rig& r, auto& h, size_t me, std::mt19937_64& random) {
        operation o = {.what = static_cast<operation::kind>(random() % 3 != 0)};
        if (o.what == operation::kind::emit) {
          o.number = 1 + random() % 1000;
          const auto at = h.begin(me, o);
          if (r.s.emit(o.number) == outcome::full) o.number = 0;
          h.end(at, o);
          return;
        }
        o.who = random() % 2;
        const auto at = h.begin(me, o);
        auto own = r.s.make_subscriber(o.who == 0 ? "a" : "b");
        o.taken = !own.ok();
        if (own.ok()) o.number = own->try_next().value_or(0);
        h.end(at, o);
      },
      [](const auto&) { return model(); }, text_of);
}

}  // namespace
}  // namespace zeroipc
