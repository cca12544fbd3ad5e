// Property: whatever a few processes do to a pool at once, some of them killed on the way, there is an order of it that a set of cells with owners allows.
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "testing/linearizability/bursts.h"
#include "zeroipc/pool/pool.h"
#include "zeroipc/segment/segment.h"

namespace zeroipc {
namespace {

using linearizability::bursts;
using linearizability::recorded;

constexpr size_t kCapacity = 4;

struct rig {
  memory mem = *memory::create_anonymous(256 << 10, {.max_names = 4});
  pool<uint64_t> p{mem, "p", kCapacity};
  std::vector<uint64_t*> mine = {};  // of the process that turns
};

struct operation {
  enum class kind : uint8_t { allocate, deallocate };
  kind what;
  int cell = -1;  // which; -1: none was free
};
std::string text_of(const operation& o) {
  return (o.what == operation::kind::allocate ? "allocate " : "deallocate ") +
         std::to_string(o.cell);
}

struct model {
  linearizability::lifetimes to_do;
  std::array<int, kCapacity> owners = {-1, -1, -1, -1};

  bool free(size_t i) const { return owners[i] < 0 || to_do.over(owners[i]); }
  std::vector<model> after(const recorded<operation>& r) const {
    const operation& o = r.what;
    std::vector<model> then;
    model next = *this;
    next.to_do.done(r);
    const auto changed = [&](size_t i, int owner) {
      model m = next;
      m.owners[i] = owner;
      then.push_back(m);
    };
    if (o.what == operation::kind::deallocate) {
      if (owners[static_cast<size_t>(o.cell)] != r.process) return {};
      changed(static_cast<size_t>(o.cell), -1);
    } else if (r.pending()) {
      for (size_t i = 0; i < kCapacity; ++i) {
        if (free(i)) changed(i, r.process);
      }
    } else if (o.cell < 0) {
      for (const int owner : owners) {
        if (owner < 0) return {};
      }
      then.push_back(next);
    } else if (free(static_cast<size_t>(o.cell))) {
      changed(static_cast<size_t>(o.cell), r.process);
    }
    return then;
  }
  bool operator==(const model&) const = default;
  uint64_t hash() const {
    uint64_t h = 1;
    for (const int o : owners) h = (h ^ static_cast<uint64_t>(o + 2)) * 0x9e37'79b9'7f4a'7c15;
    return h;
  }
  std::string text() const {
    std::string t;
    for (const int o : owners) t += std::to_string(o) + " ";
    return t;
  }
};

TEST(PoolHistory, SomeOrderExplainsIt) {
  bursts<rig, operation, model> b("pool");
  b.run(
      [](rig& r, auto& h, size_t me, std::mt19937_64& random) {
        operation o = {.what = r.mine.empty() || random() % 2 == 0 ? operation::kind::allocate
                                                                   : operation::kind::deallocate};
        if (o.what == operation::kind::allocate) {
          const auto at = h.begin(me, o);
          if (uint64_t* const c = r.p.allocate()) {
            r.mine.push_back(c);
            o.cell = static_cast<int>(r.p.ref(c).index);
          }
          h.end(at, o);
        } else {
          uint64_t* const c = r.mine.back();
          r.mine.pop_back();
          o.cell = static_cast<int>(r.p.ref(c).index);
          const auto at = h.begin(me, o);
          EXPECT_TRUE(r.p.deallocate(c));
          h.end(at, o);
        }
      },
      [](const auto& to_do) { return model{to_do}; }, text_of);
}

}  // namespace
}  // namespace zeroipc
