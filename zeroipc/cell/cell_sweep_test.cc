// Property: a process killed at any instruction of a store leaves the value before or the value stored, whole, and a cell that
// goes on; and so does the next writer, killed at any instruction of its own.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "testing/evidence/evidence.h"
#include "testing/kill_sweep/blocked_kill.h"
#include "testing/kill_sweep/segment_sweep.h"
#include "zeroipc/cell/cell.h"

namespace zeroipc {
namespace {

using testing::evidence;
using testing::instrument;
using testing::moment;
using testing::quick_or_full;
using testing::segment_sweep;

#if defined(__SANITIZE_ADDRESS__)
constexpr long kQuickStride = 16, kQuickSecondStride = 32;
#else
constexpr long kQuickStride = 1, kQuickSecondStride = 1;
#endif

struct value {
  uint64_t words[5];
  static value of(uint64_t x) { return {x, x + 1, x + 2, x + 3, x + 4}; }
  bool whole() const {
    for (uint64_t i = 0; i < 5; ++i) {
      if (words[i] != words[0] + i) return false;
    }
    return true;
  }
};

struct operation {
  operation(std::string called, std::function<void(cell<value>&)> does, uint64_t stored)
      : name(std::move(called)), run(std::move(does)), stores(stored) {}
  std::string name;
  std::function<void(cell<value>&)> run;
  uint64_t stores;  // how many versions it adds
};

// A version v has the value 100 * v.
std::vector<operation> operations(uint64_t before) {
  const auto next = [before](uint64_t n) { return value::of(100 * (before + n)); };
  return {
      {"store", [=](cell<value>& c) { c.store(next(1)); }, 1},
      {"store_for", [=](cell<value>& c) { c.store_for(next(1), std::chrono::seconds(60)); }, 1},
      {"store_if", [=](cell<value>& c) { c.store_if(before, next(1)); }, 1},
      {"store_if, too late", [=](cell<value>& c) { c.store_if(before + 1, next(1)); }, 0},
      {"update", [=](cell<value>& c) { c.update([=](value& v) { v = next(1); }); }, 1},
      {"two stores",
       [=](cell<value>& c) {
         c.store(next(1));
         c.store(next(2));
       },
       2},
  };
}

// A cell at version `before`, in a segment of its own.
struct rig {
  explicit rig(uint64_t before) {
    for (uint64_t v = 1; v <= before; ++v) EXPECT_TRUE(c.store(value::of(100 * v)));
  }
  memory mem = *memory::create_anonymous(
      128 << 10, {.max_participants = 8, .max_threads = 16, .max_names = 4});
  cell<value> c{mem, "c"};
};

class CellSweep : public ::testing::TestWithParam<uint64_t> {
 protected:
  // Returns the version found.
  uint64_t Judge(const memory& copy, const operation& op, const moment& at) {
    SCOPED_TRACE(op.name + ", " + at.text());
    cell<value> c(copy, "c");
    const uint64_t before = GetParam();
    uint64_t version = 0;
    value v{};
    const outcome r = c.load(v, &version);
    if (r == outcome::ok) {
      EXPECT_TRUE(v.whole());
      EXPECT_EQ(v.words[0], 100 * version);
    } else {
      EXPECT_EQ(r, outcome::empty);
      EXPECT_EQ(before, 0u);
    }
    EXPECT_GE(version, before) << "acknowledged and lost";
    EXPECT_LE(version, before + op.stores);
    if (at.returned) {
      EXPECT_EQ(version, before + op.stores);
    }
    // It goes on, all the way around its buffers.
    for (uint64_t i = 1; i <= internal::kCellBuffers + 1; ++i) {
      uint64_t stored = 0;
      EXPECT_TRUE(c.store(value::of(7 * i), &stored));
      EXPECT_EQ(stored, version + i);
      EXPECT_EQ(c.load()->words[0], 7 * i);
    }
    return version;
  }
};

INSTANTIATE_TEST_SUITE_P(After, CellSweep, ::testing::Values(0, 1, 6));

TEST_P(CellSweep, AnyInstructionMayBeTheLast) {
  uint64_t instructions = 0, states = 0, pairs = 0;
  for (const operation& op : operations(GetParam())) {
    rig once(GetParam());
    segment_sweep sweep(once.mem);
    uint64_t last = 0;
    sweep.every_instruction([&] { op.run(once.c); },
                            [&](const memory& copy, const moment& at) {
                              const uint64_t version = Judge(copy, op, at);
                              EXPECT_GE(version, last)
                                  << "what has happened is undone by dying later";
                              last = version;
                            },
                            quick_or_full(kQuickStride, 1L));
    EXPECT_GE(sweep.states(), 2) << op.name;
    instructions += static_cast<uint64_t>(sweep.instructions());
    states += static_cast<uint64_t>(sweep.states());

    // The next writer dies as well; what it stores is none of the versions above.
    rig again(GetParam());
    segment_sweep twice(again.mem);
    twice.recoverer_too([&] { op.run(again.c); },
                        [&](const memory& copy) {
                          return [c = cell<value>(copy, "c")]() mutable {
                            c.update([](value& v) { v = value::of(v.words[0]); });
                          };
                        },
                        [&](const memory& copy, const moment& at) {
                          SCOPED_TRACE(op.name + ", " + at.text());
                          cell<value> c(copy, "c");
                          value v{};
                          uint64_t version = 0;
                          if (c.load(v, &version)) {
                            EXPECT_TRUE(v.whole());
                          }
                          EXPECT_LE(version, GetParam() + op.stores + 1);
                          EXPECT_GE(version, GetParam());
                          EXPECT_TRUE(c.store(value::of(1)));
                          EXPECT_EQ(c.version(), version + 1);
                        },
                        {.first = 0,
                         .stride = quick_or_full(2 * kQuickStride, 1L),
                         .second_stride = quick_or_full(2 * kQuickSecondStride, 1L)});
    pairs += static_cast<uint64_t>(twice.states());
    if (HasFailure()) return;
  }
  evidence("cell", instrument::kill_sweep)
      .figure("operations", operations(0).size())
      .figure("instructions", instructions)
      .figure("crash states", states);
  evidence("cell", instrument::double_kill).figure("pairs of deaths", pairs);
}

struct full_rig : rig {
  full_rig() : rig(1) {}
};

TEST(CellSweep, WhoWaitsBesideOneThatDiesIsServed) {
  constexpr std::chrono::hours kLong(1);
  testing::blocked_kill<full_rig> kills("cell");
  using rig = full_rig;
  const auto store = [](rig& r) { EXPECT_TRUE(r.c.store(value::of(200))); };
  kills.operation("wait_for_change",
                  {.wait = [](rig& r) { EXPECT_EQ(r.c.wait_for_change(1), 2u); }, .serve = store});
  kills.operation(
      "wait_for_change_for",
      {.wait = [](rig& r) { EXPECT_EQ(r.c.wait_for_change_for(1, kLong), 2u); }, .serve = store});
  kills.run();
}

}  // namespace
}  // namespace zeroipc
