// Property: a process killed at any instruction of a push leaves the newest N that were acknowledged, whole and in order, with
// what it was pushing behind them or not; and so does the next writer, killed at any instruction of its own.
#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "testing/evidence/evidence.h"
#include "testing/kill_sweep/blocked_kill.h"
#include "testing/kill_sweep/segment_sweep.h"
#include "testing/kill_sweep/structure_sweep.h"
#include "zeroipc/ring/ring.h"

namespace zeroipc {
namespace {

using testing::evidence;
using testing::instrument;
using testing::moment;
using testing::quick_or_full;
using testing::segment_sweep;

#if defined(__SANITIZE_ADDRESS__)
constexpr long kQuickStride = 16, kQuickSecondStride = 48;
#else
constexpr long kQuickStride = 1, kQuickSecondStride = 2;
#endif

// Element n of the history has id n.
struct element {
  uint64_t id, check[2];
  static element of(uint64_t id) { return {id, {~id, id * 3}}; }
  bool whole() const { return check[0] == ~id && check[1] == id * 3; }
};

struct shape {
  uint64_t capacity, before;
};
void PrintTo(const shape& s, std::ostream* out) { *out << s.before << " in " << s.capacity; }

struct rig {
  explicit rig(const shape& s) : r(mem, "r", s.capacity) {
    for (uint64_t i = 0; i < s.before; ++i) EXPECT_TRUE(r.push(element::of(i)));
  }
  memory mem = *memory::create_anonymous(
      128 << 10, {.max_participants = 8, .max_threads = 16, .max_names = 4});
  ring<element> r;
};

struct operation {
  operation(std::string called, uint64_t n, std::function<void(ring<element>&)> does)
      : name(std::move(called)), adds(n), run(std::move(does)) {}
  std::string name;
  uint64_t adds;
  std::function<void(ring<element>&)> run;
};

std::vector<operation> operations(uint64_t before) {
  std::array<element, 5> five;
  for (uint64_t i = 0; i < 5; ++i) five[i] = element::of(before + i);
  return {
      {"push", 1, [=](ring<element>& r) { r.push(five[0]); }},
      {"push_for", 1, [=](ring<element>& r) { r.push_for(five[0], std::chrono::seconds(60)); }},
      {"push_n", 5, [=](ring<element>& r) { r.push_n(five); }},
  };
}

// All that can be read is whole and in its place; returns how many were ever written. Those from `known` on are not
// looked at: they are somebody else's.
uint64_t read_all(const ring<element>& r, uint64_t known) {
  auto reader = r.reader(read_from::oldest);
  uint64_t next = reader.position();
  EXPECT_EQ(next, r.written() > r.capacity() ? r.written() - r.capacity() : 0);
  for (element e; reader.try_read(e); ++next) {
    EXPECT_TRUE(e.whole());
    if (next < known) {
      EXPECT_EQ(e.id, next);
    }
  }
  EXPECT_EQ(reader.missed(), 0u) << "nobody else writes";
  EXPECT_EQ(next, r.written());
  return next;
}

class RingSweep : public ::testing::TestWithParam<shape> {};
INSTANTIATE_TEST_SUITE_P(With, RingSweep,
                         ::testing::Values(shape{1, 0}, shape{2, 5}, shape{3, 2}, shape{24, 60}));

TEST_P(RingSweep, AnyInstructionMayBeTheLast) {
  const uint64_t before = GetParam().before;
  uint64_t instructions = 0, states = 0, pairs = 0;
  for (const operation& op : operations(before)) {
    rig once(GetParam());
    segment_sweep sweep(once.mem);
    uint64_t last = 0;
    sweep.every_instruction([&] { op.run(once.r); },
                            [&](const memory& copy, const moment& at) {
                              SCOPED_TRACE(op.name + ", " + at.text());
                              ring<element> r(copy, "r");
                              const uint64_t found = read_all(r, before + op.adds);
                              EXPECT_GE(found, before) << "acknowledged and lost";
                              EXPECT_LE(found, before + op.adds);
                              EXPECT_GE(found, last)
                                  << "what has happened is undone by dying later";
                              last = found;
                              if (at.returned) {
                                EXPECT_EQ(found, before + op.adds);
                              }
                              for (uint64_t i = 0; i < 2 * r.capacity() + 2; ++i) {
                                EXPECT_TRUE(r.push(element::of(found + i)));
                              }
                              EXPECT_EQ(read_all(r, ~uint64_t{0}), found + 2 * r.capacity() + 2);
                            },
                            quick_or_full(kQuickStride, 1L));
    EXPECT_GE(sweep.states(), 2);
    instructions += static_cast<uint64_t>(sweep.instructions());
    states += static_cast<uint64_t>(sweep.states());

    rig again(GetParam());
    segment_sweep twice(again.mem);
    twice.recoverer_too([&] { op.run(again.r); },
                        [&](const memory& copy) {
                          return [r = ring<element>(copy, "r")]() mutable {
                            r.push(element::of(r.written()));
                          };
                        },
                        [&](const memory& copy, const moment& at) {
                          SCOPED_TRACE(op.name + ", " + at.text());
                          ring<element> r(copy, "r");
                          const uint64_t found = read_all(r, ~uint64_t{0});
                          EXPECT_GE(found, before);
                          EXPECT_LE(found, before + op.adds + 1);
                          EXPECT_TRUE(r.push(element::of(found)));
                          EXPECT_EQ(read_all(r, ~uint64_t{0}), found + 1);
                        },
                        {.first = 0,
                         .stride = quick_or_full(2 * kQuickStride, 1L),
                         .second_stride = quick_or_full(kQuickSecondStride, 1L)});
    pairs += static_cast<uint64_t>(twice.states());
    if (HasFailure()) return;
  }
  evidence("ring", instrument::kill_sweep)
      .figure("operations", operations(0).size())
      .figure("instructions", instructions)
      .figure("crash states", states);
  evidence("ring", instrument::double_kill).figure("pairs of deaths", pairs);
}

struct empty_rig {
  memory mem = testing::small_memory();
  ring<element> r{mem, "r", 4};
};

TEST(RingSweep, WhoWaitsBesideOneThatDiesIsServed) {
  constexpr std::chrono::hours kLong(1);
  testing::blocked_kill<empty_rig> kills("ring");
  using rig = empty_rig;
  const auto push = [](rig& r) { EXPECT_TRUE(r.r.push(element::of(0))); };
  kills.operation("read", {.wait =
                               [](rig& r) {
                                 element e;
                                 EXPECT_TRUE(r.r.reader(read_from::oldest).read(e));
                               },
                           .serve = push});
  kills.operation("read_for", {.wait =
                                   [](rig& r) {
                                     element e;
                                     EXPECT_TRUE(r.r.reader(read_from::oldest).read_for(e, kLong));
                                   },
                               .serve = push});
  kills.run();
}

}  // namespace
}  // namespace zeroipc
