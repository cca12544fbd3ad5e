// Property: whatever a few processes do to a semaphore at once, some of them killed on the way, there is an order of it that a count of permits allows.
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "testing/linearizability/bursts.h"
#include "zeroipc/segment/segment.h"
#include "zeroipc/semaphore/semaphore.h"

namespace zeroipc {
namespace {

using linearizability::bursts;
using linearizability::recorded;

constexpr int kPermits = 2, kProcesses = 4;

struct rig {
  memory mem = *memory::create_anonymous(256 << 10, {.max_names = 4});
  semaphore s{mem, "s", kPermits};
  int mine = 0;  // permits of the process that turns
};

struct operation {
  enum class kind : uint8_t { acquire, release };
  kind what;
  bool done = false;
};
std::string text_of(const operation& o) {
  return std::string(o.what == operation::kind::acquire ? "acquire" : "release") +
         (o.done ? ", done" : ", not");
}

struct model {
  linearizability::lifetimes to_do;
  std::array<int, kProcesses> held = {};

  std::vector<model> after(const recorded<operation>& r) const {
    const auto me = static_cast<size_t>(r.process);
    model m = *this;
    m.to_do.done(r);
    if (r.what.what == operation::kind::release) {
      if (m.held[me]-- == 0) return {};
      return {m};
    }
    int sum = 0;
    for (const int n : held) sum += n;
    std::vector<model> then;
    if (!r.pending() && !r.what.done) {
      if (sum == kPermits) then.push_back(m);
      return then;
    }
    ++m.held[me];
    if (sum < kPermits) {
      then.push_back(m);
      return then;
    }
    for (size_t p = 0; p < kProcesses; ++p) {
      if (!to_do.over(static_cast<int>(p)) || held[p] == 0) continue;
      then.push_back(m);
      --then.back().held[p];
    }
    return then;
  }
  bool operator==(const model&) const = default;
  uint64_t hash() const {
    uint64_t h = 1;
    for (const int n : held) h = (h ^ static_cast<uint64_t>(n + 1)) * 0x9e37'79b9'7f4a'7c15;
    return h;
  }
  std::string text() const {
    std::string t;
    for (const int n : held) t += std::to_string(n) + " ";
    return t;
  }
};

TEST(SemaphoreHistory, SomeOrderExplainsIt) {
  bursts<rig, operation, model> b("semaphore");
  b.run(
      [](rig& r, auto& h, size_t me, std::mt19937_64& random) {
        operation o = {.what = r.mine == 0 || random() % 3 == 0 ? operation::kind::acquire
                                                                : operation::kind::release};
        const auto at = h.begin(me, o);
        if (o.what == operation::kind::acquire) {
          o.done = static_cast<bool>(r.s.try_acquire());
          r.mine += o.done;
        } else {
          o.done = static_cast<bool>(r.s.release());
          EXPECT_TRUE(o.done);
          --r.mine;
        }
        h.end(at, o);
      },
      [](const auto& to_do) { return model{to_do}; }, text_of);
}

}  // namespace
}  // namespace zeroipc
