// Property: a process killed at any instruction of any mutating operation leaves a queue in which nothing acknowledged is
// missing, nothing is doubled or torn, and all room and all leases are there; and so does its recoverer, killed at any
// instruction of its own.
//
// On real segments, with the instructions that programs run; crash_states_test does the same for each access to shared
// memory with more shapes of queues, and queue_explorer_test with every interleaving.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "testing/evidence/evidence.h"
#include "testing/kill_sweep/segment_sweep.h"
#include "zeroipc/name_table/name_table.h"
#include "zeroipc/queue/queue_rig.h"

namespace zeroipc::internal {
namespace {

using zeroipc::testing::evidence;
using zeroipc::testing::instrument;
using zeroipc::testing::moment;
using zeroipc::testing::quick_or_full;
using zeroipc::testing::segment_sweep;

constexpr long kQuickStride = 40;

template <typename Policy>
class QueueSweep : public ::testing::Test {
 protected:
  using Q = queue<numbered, Policy>;
  using operation = queue_operation<Policy>;

  // What the survivor of a copy finds; `spare` items may be gone besides.
  void Judge(const memory& copy, const operation& op, const moment& at, uint64_t spare,
             const std::vector<uint64_t>& may_add = {}) {
    SCOPED_TRACE(op.name + ", " + at.text());
    Q q(copy, "items");
    const bool closed = q.closed();
    std::map<uint64_t, int> seen;
    numbered x;
    outcome r;
    while ((r = q.try_pop(x))) {
      EXPECT_TRUE(x.whole()) << "item " << x.id << " is torn";
      if (++seen[x.id] > 1) ADD_FAILURE() << "item " << x.id << " is there twice";
    }
    EXPECT_EQ(r.name(), outcome(closed ? outcome::closed : outcome::empty).name());

    // Nothing but what belongs there.
    for (const auto& [id, times] : seen) {
      const bool own = id <= op.filled || std::ranges::count(op.adds, id) != 0;
      EXPECT_TRUE(own || std::ranges::count(may_add, id) != 0) << "item " << id << " from nowhere";
    }
    // What was there is gone only if it was taken.
    uint64_t gone = 0;
    for (uint64_t id = 1; id <= op.filled; ++id) {
      if (seen.contains(id)) continue;
      ++gone;
      EXPECT_LE(id, op.takes + spare) << "item " << id << " is lost";
    }
    // Of what was to be added, some at the front are there.
    uint64_t added = 0;
    for (const uint64_t id : op.adds) added += seen.contains(id);
    if (spare == 0) {
      for (uint64_t i = 0; i < added; ++i) {
        EXPECT_TRUE(seen.contains(op.adds[i])) << op.adds[i] << " is missing before later ones";
      }
    }
    if (at.returned) {
      EXPECT_GE(gone, op.takes);
      EXPECT_LE(gone, op.takes + spare);
      EXPECT_GE(added + spare, op.adds.size()) << "acknowledged and lost";
      EXPECT_EQ(closed, op.closes);
    }
    // What has happened is not undone by dying later.
    if (at.second < 0) {
      EXPECT_GE(gone, last_gone_);
      EXPECT_GE(added, last_added_);
      EXPECT_GE(closed, last_closed_);
      last_gone_ = gone;
      last_added_ = added;
      last_closed_ = closed;
    }
    EXPECT_EQ(q.size(), 0u);
    EXPECT_EQ(q.stats().leased, 0u);
    if (!closed) expect_whole(q);
  }

  void Forget() {
    last_gone_ = last_added_ = 0;
    last_closed_ = false;
  }

 private:
  uint64_t last_gone_ = 0, last_added_ = 0;
  bool last_closed_ = false;
};

using policies = ::testing::Types<mpmc, mpsc, spmc, spsc>;
struct policy_name {
  template <typename Policy>
  static std::string GetName(int) {
    return std::string(Policy::name);
  }
};
TYPED_TEST_SUITE(QueueSweep, policies, policy_name);

TYPED_TEST(QueueSweep, AnyInstructionMayBeTheLast) {
  long instructions = 0, states = 0, operations = 0;
  for (const auto& op : all_queue_operations<TypeParam>()) {
    queue_rig<TypeParam> rig(op.filled);
    segment_sweep sweep(rig.mem);
    this->Forget();
    sweep.every_instruction(
        [&] { op.run(rig.q); },
        [&](const memory& copy, const moment& at) { this->Judge(copy, op, at, 0); });
    if (!op.adds.empty() || op.takes != 0 || op.closes) {
      EXPECT_GE(sweep.states(), 2) << op.name << " touches no shared memory";
    }
    instructions += sweep.instructions();
    states += sweep.states();
    ++operations;
    if (this->HasFailure()) return;
  }
  evidence("queue " + std::string(TypeParam::name), instrument::kill_sweep)
      .figure("operations", static_cast<uint64_t>(operations))
      .figure("instructions", static_cast<uint64_t>(instructions))
      .figure("crash states", static_cast<uint64_t>(states));
}

TYPED_TEST(QueueSweep, AndAnyOfItsRecoverer) {
  using Q = typename TestFixture::Q;
  const long stride = quick_or_full(kQuickStride, 1L);
  long states = 0, turn = 0;
  for (const auto& op : all_queue_operations<TypeParam>()) {
    for (const bool pushes : {false, true}) {
      // Pops one, which runs recovery; or pushes one, which does on a full ring.
      queue_rig<TypeParam> rig(op.filled);
      segment_sweep sweep(rig.mem);
      sweep.recoverer_too([&] { op.run(rig.q); },
                          [&](const memory& copy) {
                            return [q = Q(copy, "items"), pushes]() mutable {
                              if (pushes) {
                                q.try_push(numbered::of(201));
                              } else {
                                q.try_pop();
                              }
                            };
                          },
                          [&](const memory& copy, const moment& at) {
                            this->Judge(
                                copy, op, at, pushes ? 0 : 1,
                                pushes ? std::vector<uint64_t>{201} : std::vector<uint64_t>{});
                          },
                          {.first = turn++, .stride = stride});
      states += sweep.states();
      if (this->HasFailure()) return;
    }
  }
  EXPECT_GT(states, 2);
  evidence("queue " + std::string(TypeParam::name), instrument::double_kill)
      .figure("pairs of deaths", static_cast<uint64_t>(states));
}

TYPED_TEST(QueueSweep, CreationAndRemovalAreWholeOrNot) {
  using Q = typename TestFixture::Q;
  long instructions = 0, states = 0;
  for (const bool removes : {false, true}) {
    queue_rig<TypeParam> rig(0);
    const auto create = [&](const memory& mem) {
      return Q::create(mem, "other", 3, {.max_leases = 1}).status();
    };
    if (removes) {
      ASSERT_TRUE(create(rig.mem).ok());
    }
    segment_sweep sweep(rig.mem);
    sweep.every_instruction(
        [&] { (removes ? remove(rig.mem, "other") : create(rig.mem)).IgnoreError(); },
        [&](const memory& copy, const moment& at) {
          SCOPED_TRACE((removes ? "remove, " : "create, ") + at.text());
          if (at.returned) {
            EXPECT_EQ(Q::open(copy, "other").ok(), !removes);
          }
          // As it is there, or anew.
          auto q = Q::open_or_create(copy, "other", 3, {.max_leases = 1});
          ASSERT_TRUE(q.ok()) << q.status();
          EXPECT_TRUE(q->try_push(numbered::of(1)));
          EXPECT_TRUE(q->try_pop());
          // A removal that the victim had decided on may be completed by now.
          const absl::Status removed = remove(copy, "other");
          EXPECT_TRUE(removed.ok() || (removes && absl::IsNotFound(removed))) << removed;
        },
        quick_or_full(4L, 1L));
    instructions += sweep.instructions();
    states += sweep.states();
    if (this->HasFailure()) return;
  }
  evidence("queue " + std::string(TypeParam::name), instrument::kill_sweep)
      .figure("operations", 2)
      .figure("instructions", static_cast<uint64_t>(instructions))
      .figure("crash states", static_cast<uint64_t>(states));
}

}  // namespace
}  // namespace zeroipc::internal
