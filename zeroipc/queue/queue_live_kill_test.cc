// Property: while a process is killed at any instruction of any operation, others that work on the same queue all along go
// on, and the accounts are right in the end.
//
// Where queue_sweep_test judges copies in which everybody is dead, here the victim really dies, and the survivors meet its
// claims, its locks and its death in whatever order the machine makes of it.
#include <gtest/gtest.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "testing/evidence/evidence.h"
#include "testing/harness/harness.h"
#include "testing/kill_sweep/segment_sweep.h"
#include "zeroipc/queue/queue_rig.h"

namespace zeroipc::internal {
namespace {

using harness::eventually;
using harness::exited;
using harness::process;
using harness::shared_state;
using zeroipc::testing::evidence;
using zeroipc::testing::instrument;
using zeroipc::testing::kill_after;
using zeroipc::testing::quick_or_full;

constexpr uint64_t kFirstOwn = 10'000;  // ids of the survivors' own items
constexpr uint64_t kMostOwn = 50'000;

constexpr long kQuickKills = 2;  // an operation

struct accounts {
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> rounds[2] = {};  // of the survivor that pushes, and of the one that pops
  std::atomic<uint64_t> pushed{0};       // own items acknowledged, numbered from kFirstOwn
  std::atomic<uint8_t> seen[kFirstOwn + kMostOwn] = {};
};

template <typename Policy>
class QueueLiveKill : public ::testing::Test {
 protected:
  using Q = queue<numbered, Policy>;
  using operation = queue_operation<Policy>;

  void Count(accounts& books, const numbered& x) {
    EXPECT_TRUE(x.whole()) << "item " << x.id << " is torn";
    ASSERT_LT(x.id, kFirstOwn + kMostOwn) << "from nowhere";
    books.seen[x.id].fetch_add(1);
  }

  // The survivors make room for what finds the queue full alone, and fill what it finds empty.
  static bool MayAdd(const operation& op, uint64_t id) {
    return (op.name.find("push") != op.name.npos || !op.adds.empty()) && id >= kThree[0].id &&
           id <= kThree[2].id;
  }
  static uint64_t MostTaken(const operation& op) {
    if (op.name.find("pop_n") != op.name.npos) return kOperationCapacity;
    return op.name.find("pop") != op.name.npos ? 1 : op.takes;
  }

  // `k`: the victim's last instruction; whether its operation returned before.
  bool Kill(const operation& op, bool pushes, long k) {
    SCOPED_TRACE(op.name + ", killed at instruction " + std::to_string(k));
    queue_rig<Policy> rig(op.filled);
    shared_state<accounts> books;
    std::vector<std::unique_ptr<process>> survivors;
    if (Policy::multi_producer || !pushes) {
      survivors.push_back(std::make_unique<process>([&] {
        while (!books->stop) {
          const uint64_t n = books->pushed;
          if (n + 1 < kMostOwn && rig.q.try_push(numbered::of(kFirstOwn + n)))
            books->pushed = n + 1;
          books->rounds[0].fetch_add(1);
          ::sched_yield();
        }
      }));
    }
    if (Policy::multi_consumer || pushes) {
      survivors.push_back(std::make_unique<process>([&] {
        while (!books->stop) {
          numbered x;
          if (rig.q.try_pop(x)) Count(*books, x);
          books->rounds[1].fetch_add(1);
          ::sched_yield();
        }
      }));
    }
    const zeroipc::testing::kill_result end = kill_after(k, [&] { op.run(rig.q); });
    EXPECT_FALSE(end.broken);
    for (size_t i = 0; i < 2; ++i) {
      const uint64_t before = books->rounds[i];
      if ((i == 0 ? Policy::multi_producer || !pushes : Policy::multi_consumer || pushes)) {
        EXPECT_TRUE(eventually([&] { return books->rounds[i] > before + 20; })) << "stuck";
      }
    }
    books->stop = true;
    for (auto& s : survivors) EXPECT_EQ(s->wait(), exited(0));

    rig.mem.attachment()->self->notice_deaths();
    numbered x;
    while (rig.q.try_pop(x)) Count(*books, x);
    uint64_t gone = 0;
    for (uint64_t id = 0; id < kFirstOwn + kMostOwn; ++id) {
      const int times = books->seen[id];
      EXPECT_LE(times, 1) << "item " << id << " came " << times << " times";
      const bool initial = id >= 1 && id <= op.filled;
      const bool own = id >= kFirstOwn && id < kFirstOwn + books->pushed;
      if (initial && times == 0) ++gone;
      // The victim, too, may have taken one of the survivors' items, for they have long come to the front.
      if (own && times == 0) ++gone;
      if (times != 0 && !initial && !own) {
        EXPECT_TRUE(MayAdd(op, id)) << "item " << id << " from nowhere";
      }
    }
    EXPECT_LE(gone, MostTaken(op)) << "items are lost";
    if (end.returned) {
      for (const uint64_t id : op.adds) {
        // try_push may have found the queue full, but a single one that waits does not give up.
        if (op.name == "push" || op.name == "push_n") {
          EXPECT_EQ(books->seen[id], 1) << "acknowledged and lost";
        }
      }
    }
    expect_whole(rig.q);
    zeroipc::testing::expect_clean_audit(rig.mem, {.first = k});
    return end.returned;
  }
};

using policies = ::testing::Types<mpmc, mpsc, spmc, spsc>;
struct policy_name {
  template <typename Policy>
  static std::string GetName(int) {
    return std::string(Policy::name);
  }
};
TYPED_TEST_SUITE(QueueLiveKill, policies, policy_name);

TYPED_TEST(QueueLiveKill, SurvivorsGoOnAndTheAccountsAreRight) {
  const long kills = quick_or_full(kQuickKills, 100L);
  uint64_t killed = 0;
  for (const bool pushes : {true, false}) {
    for (const auto& op : pushes ? push_operations<TypeParam>() : pop_operations<TypeParam>()) {
      // How long it is when nobody disturbs it.
      queue_rig<TypeParam> rig(op.filled);
      const long whole = zeroipc::testing::step_through(
                             {}, [&] { op.run(rig.q); }, [](long, bool) {})
                             .steps;
      for (long i = 1; i <= kills; ++i) {
        this->Kill(op, pushes, whole * i / kills);
        ++killed;
        if (this->HasFailure()) return;
      }
    }
  }
  evidence("queue " + std::string(TypeParam::name), instrument::kill_sweep)
      .figure("kills beside survivors", killed);
}

}  // namespace
}  // namespace zeroipc::internal
