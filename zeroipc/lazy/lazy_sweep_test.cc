// Property: a process killed at any instruction of an operation leaves a value that is whole and not older than it may be, or none,
// and one that can be computed; and so does the next one, killed at any instruction of its own.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <string>

#include "testing/harness/harness.h"
#include "testing/kill_sweep/structure_sweep.h"
#include "zeroipc/lazy/bare_lazy.h"

namespace zeroipc {
namespace {

using testing::bare_lazy;
using testing::moment;

struct value {
  uint64_t words[3];
  static value of(uint64_t x) { return {x, x + 1, x + 2}; }
  bool whole() const { return words[1] == words[0] + 1 && words[2] == words[0] + 2; }
};

// What it is computed from lies in the segment as well.
struct source {
  std::atomic<uint64_t> now, settled;
};

constexpr uint64_t kBefore = 100, kAfter = 200, kAfterThat = 300;

struct parts {
  explicit parts(const memory& mem)
      : l(mem, "l"),
        held(*internal::open_or_create_structure(mem, "from", {.what = kind::raw}, sizeof(source),
                                                 64, [](void*) {})),
        from(static_cast<source*>(held.data())) {}
  value compute() const { return value::of(from->now); }
  outcome get(value& v, uint64_t* version = nullptr) const {
    return l.get(v, version, [this] { return compute(); });
  }
  // Asked for by somebody who does not compute, and computed by a provider.
  void serve() const {
    uint64_t mine = 0;
    if (l.core().claim(mine, false)) publish(mine);
  }
  void publish(uint64_t mine) const {
    while (l.core().publish(mine, compute()) == internal::lazy_publication::again) {
    }
  }
  void change_to(uint64_t x) const {
    from->now = x;
    l.core().invalidate();
    from->settled = x;
  }
  bare_lazy<value> l;
  internal::structure held;
  source* from;
};

struct rig {
  memory mem = testing::small_memory();
  parts p{mem};
  rig() {
    p.from->now = kBefore;
    p.from->settled = kBefore;
  }
};

TEST(LazySweep, AnyInstructionMayBeTheLast) {
  testing::structure_sweep<rig> sweep("lazy");
  const auto get = [](rig& r) {
    value v;
    r.p.get(v);
  };
  sweep.operation("get", get);
  sweep.operation("get, and again", [=](rig& r) {
    get(r);
    get(r);
  });
  sweep.operation("demand, and its computation", [](rig& r) {
    r.p.l.core().refresh();
    r.p.serve();
  });
  sweep.operation("invalidate", [=](rig& r) {
    get(r);
    r.p.change_to(kAfter);
    get(r);
  });
  sweep.operation("invalidate while it is computed", [](rig& r) {
    r.p.l.core().refresh();
    uint64_t mine = 0;
    EXPECT_TRUE(r.p.l.core().claim(mine, false));
    r.p.change_to(kAfter);
    r.p.publish(mine);
  });
  sweep.operation("refresh while it is computed", [](rig& r) {
    r.p.l.core().refresh();
    uint64_t mine = 0;
    EXPECT_TRUE(r.p.l.core().claim(mine, false));
    r.p.from->now = kAfter;
    r.p.l.core().refresh();
    r.p.from->settled = kAfter;
    r.p.publish(mine);
  });
  // Of the third evaluation, which comes to the buffer of the first.
  sweep.operation("take_over, and what comes late", [](rig& r) {
    uint64_t first = 0, second = 0;
    EXPECT_TRUE(r.p.l.core().claim(first, true));
    for (int i = 0; i < 2; ++i) {
      EXPECT_TRUE(r.p.l.core().take_over());
      EXPECT_TRUE(r.p.l.core().claim(second, false));
    }
    r.p.publish(second);
    r.p.from->now = kAfter;
    r.p.publish(first);
  });
  sweep.operation("an error, kept", [](rig& r) {
    uint64_t mine = 0;
    EXPECT_TRUE(r.p.l.core().claim(mine, true));
    r.p.l.core().publish_error(mine, {.code = 5, .length = 4, .text = "oops"}, true);
    r.p.change_to(kAfter);
  });
  sweep.operation("an error, not kept", [](rig& r) {
    uint64_t mine = 0;
    EXPECT_TRUE(r.p.l.core().claim(mine, true));
    r.p.l.core().publish_error(mine, {.code = 5, .length = 4, .text = "oops"}, false);
  });
  sweep.operation("a provider comes and goes", [](rig& r) {
    uint32_t seat = 0;
    EXPECT_TRUE(r.p.l.core().seats().enlist(seat));
    r.p.l.core().seats().leave(seat);
  });
  sweep.recoverer([](const memory& copy) {
    return [p = parts(copy)] {
      value v;
      p.l.core().seats().living();
      p.get(v);
      p.change_to(kAfterThat);
      p.get(v);
    };
  });
  sweep.run([](const memory& copy, const std::string& name, const moment& at) {
    const parts p(copy);
    value v{};
    uint64_t version = 0;
    lazy<value> handle(copy, "l");
    EXPECT_EQ(handle.stats().providers, 0u) << "seats of the dead";
    outcome r = handle.try_get(v, &version);
    if (r == outcome::ok) {
      EXPECT_TRUE(v.whole());
      EXPECT_GE(v.words[0], p.from->settled);
      EXPECT_LE(v.words[0], p.from->now);
      EXPECT_NE(version, 0u);
      if (name.find("late") != name.npos && v.words[0] != kAfterThat) {
        EXPECT_EQ(v.words[0], kBefore) << "overwritten by one who is late";
      }
    } else if (r == outcome::failed) {
      internal::lazy_error why;
      EXPECT_TRUE(p.l.core().error(why));
      EXPECT_STREQ(why.text, "oops");
    } else {
      EXPECT_EQ(r, outcome::missing);
    }
    if (at.returned && at.second < 0 && name.find("invalid") == name.npos &&
        name.find("error") == name.npos && name.find("provider") == name.npos) {
      EXPECT_EQ(r, outcome::ok) << "computed, and lost";
    }
    // It goes on, around all its buffers.
    for (uint64_t i = 1; i <= internal::kLazyBuffers + 1; ++i) {
      uint64_t next = 0;
      p.change_to(1000 * i);
      EXPECT_EQ(handle.try_get(v), outcome::missing);
      EXPECT_TRUE(p.get(v, &next));
      EXPECT_TRUE(v.whole());
      EXPECT_EQ(v.words[0], 1000 * i);
      EXPECT_GT(next, version);
      version = next;
    }
  });
}

}  // namespace
}  // namespace zeroipc
