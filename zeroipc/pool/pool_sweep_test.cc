// Property: a process killed at any instruction of any operation leaves a pool in which every cell can be had again, those that
// the living have stay theirs, and none is given twice; and so does who takes its cells back, killed at any instruction of its own.
#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "testing/evidence/evidence.h"
#include "testing/kill_sweep/blocked_kill.h"
#include "testing/kill_sweep/segment_sweep.h"
#include "zeroipc/pool/pool.h"

namespace zeroipc {
namespace {

using testing::evidence;
using testing::instrument;
using testing::kill_result;
using testing::moment;
using testing::quick_or_full;
using testing::segment_sweep;

#if defined(__SANITIZE_ADDRESS__)
constexpr long kQuickStride = 16, kQuickSecondStride = 48;
constexpr int kQuickKills = 5;
#else
constexpr long kQuickStride = 1, kQuickSecondStride = 2;
constexpr int kQuickKills = 15;
#endif

constexpr size_t kCapacity = 70;  // two words of hints

using pool_type = pool<uint64_t>;

struct operation {
  // `before`: cells that are in use as it starts, by those who die with it.
  operation(std::string called, size_t in_use, std::function<void(pool_type&)> does)
      : name(std::move(called)), before(in_use), run(std::move(does)) {}
  std::string name;
  size_t before;
  std::function<void(pool_type&)> run;
};

std::vector<operation> operations() {
  return {
      {"allocate", 0, [](pool_type& p) { p.allocate(); }},
      {"allocate, the last", kCapacity - 1, [](pool_type& p) { p.allocate(); }},
      {"allocate, none", kCapacity, [](pool_type& p) { p.allocate(); }},
      {"allocate_for", 64, [](pool_type& p) { p.allocate_for(std::chrono::seconds(60)); }},
      {"allocate_n", 60,
       [](pool_type& p) {
         std::array<uint64_t*, 20> cells;
         p.allocate_n(cells);
       }},
      {"deallocate", 65,
       [](pool_type& p) {
         uint64_t* c = p.allocate();
         p.deallocate(c);
       }},
      {"deallocate, twice", 0,
       [](pool_type& p) {
         uint64_t* c = p.allocate();
         p.deallocate(c);
         p.deallocate(c);
       }},
      {"borrow", 3, [](pool_type& p) { p.borrow(); }},
      {"recover", 5, [](pool_type& p) { p.recover(); }},
  };
}

struct rig {
  explicit rig(size_t before) {
    for (size_t i = 0; i < before; ++i) cells.push_back(p.allocate());
  }
  memory mem = *memory::create_anonymous(
      128 << 10, {.max_participants = 8, .max_threads = 16, .max_names = 4});
  pool_type p{mem, "p", kCapacity};
  std::vector<uint64_t*> cells;
};

// Takes all that can be had; how many.
size_t take_all(pool_type& p) {
  std::set<uint64_t*> cells;
  while (uint64_t* c = p.allocate()) {
    EXPECT_TRUE(cells.insert(c).second) << "given twice";
  }
  const size_t n = cells.size();
  for (uint64_t* c : cells) EXPECT_TRUE(p.deallocate(c));
  return n;
}

TEST(PoolSweep, AnyInstructionMayBeTheLast) {
  uint64_t instructions = 0, states = 0, pairs = 0;
  for (const operation& op : operations()) {
    rig once(op.before);
    segment_sweep sweep(once.mem);
    sweep.every_instruction([&] { op.run(once.p); },
                            [&](const memory& copy, const moment& at) {
                              SCOPED_TRACE(op.name + ", " + at.text());
                              pool_type p(copy, "p");
                              EXPECT_EQ(take_all(p), kCapacity);
                              EXPECT_EQ(take_all(p), kCapacity);
                              EXPECT_EQ(p.stats().in_use, 0u);
                            },
                            quick_or_full(kQuickStride, 1L));
    EXPECT_GE(sweep.states(), 2);
    instructions += static_cast<uint64_t>(sweep.instructions());
    states += static_cast<uint64_t>(sweep.states());

    rig again(op.before);
    segment_sweep twice(again.mem);
    twice.recoverer_too([&] { op.run(again.p); },
                        [](const memory& copy) {
                          return [p = pool_type(copy, "p")]() mutable {
                            p.recover();
                            p.allocate();
                          };
                        },
                        [&](const memory& copy, const moment& at) {
                          SCOPED_TRACE(op.name + ", " + at.text());
                          pool_type p(copy, "p");
                          EXPECT_EQ(take_all(p), kCapacity);
                          EXPECT_EQ(p.stats().in_use, 0u);
                        },
                        {.first = 0,
                         .stride = quick_or_full(8 * kQuickStride, 1L),
                         .second_stride = quick_or_full(24 * kQuickSecondStride, 1L)});
    pairs += static_cast<uint64_t>(twice.states());

    // Really killed, beside one who lives and keeps what it has.
    rig beside(op.before);
    const int kills = quick_or_full(kQuickKills, 1000);
    const std::vector<long> points =
        segment_sweep(beside.mem).turning_points([&] { op.run(beside.p); });
    for (int i = 0; i <= kills; ++i) {
      const moment at{
          .first =
              points[(points.size() - 1) * static_cast<size_t>(i) / static_cast<size_t>(kills)]};
      SCOPED_TRACE(op.name + ", really " + at.text());
      const kill_result killed =
          segment_sweep(beside.mem).kill_after(at.first, [&] { op.run(beside.p); });
      ASSERT_FALSE(killed.broken);
      beside.mem.attachment()->self->notice_deaths();  // and not when the watcher gets to it
      EXPECT_EQ(take_all(beside.p), kCapacity - op.before);
    }
    for (uint64_t* c : beside.cells) EXPECT_TRUE(beside.p.deallocate(c)) << "taken from the living";
    EXPECT_EQ(take_all(beside.p), kCapacity);
    evidence("pool", instrument::kill_sweep)
        .figure("kills beside survivors", static_cast<uint64_t>(kills) + 1);
    if (::testing::Test::HasFailure()) return;
  }
  evidence("pool", instrument::kill_sweep)
      .figure("operations", operations().size())
      .figure("instructions", instructions)
      .figure("crash states", states);
  evidence("pool", instrument::double_kill).figure("pairs of deaths", pairs);
}

struct used_up_rig : rig {
  used_up_rig() : rig(kCapacity) {}
};

TEST(PoolSweep, WhoWaitsBesideOneThatDiesIsServed) {
  constexpr std::chrono::hours kLong(1);
  testing::blocked_kill<used_up_rig> kills("pool");
  using rig = used_up_rig;
  const auto free_one = [](rig& r) { EXPECT_TRUE(r.p.deallocate(r.cells[0])); };
  kills.operation("allocate_wait", {.wait = [](rig& r) { EXPECT_NE(r.p.allocate_wait(), nullptr); },
                                    .serve = free_one});
  kills.operation(
      "allocate_for",
      {.wait = [](rig& r) { EXPECT_NE(r.p.allocate_for(kLong), nullptr); }, .serve = free_one});
  kills.run();
}

}  // namespace
}  // namespace zeroipc
