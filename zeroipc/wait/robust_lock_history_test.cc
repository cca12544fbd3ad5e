// Property: whatever a few processes do to a robust lock at once, some of them killed while they hold it or are about to, there
// is an order of it that a plain lock allows (testing/linearizability/lock_model.h).
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <random>
#include <vector>

#include "testing/evidence/evidence.h"
#include "testing/harness/harness.h"
#include "testing/linearizability/checker.h"
#include "testing/linearizability/lock_model.h"
#include "zeroipc/segment/segment.h"
#include "zeroipc/wait/robust_lock.h"

namespace zeroipc::internal {
namespace {

using linearizability::checker;
using linearizability::finding;
using linearizability::history;
using linearizability::lock_model;
using linearizability::lock_operation;
using kind = lock_operation::kind;
using result = lock_operation::result;
using zeroipc::testing::evidence;
using zeroipc::testing::instrument;

constexpr int kProcesses = 3, kOperations = 12;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int kQuickBursts = 60;
#else
constexpr int kQuickBursts = 600;
#endif

using record = history<lock_operation>;
using lock_type = robust_lock<hardware>;

result result_of(lock_result r) {
  switch (r) {
    case lock_result::acquired:
      return result::acquired;
    case lock_result::inherited:
      return result::inherited;
    case lock_result::busy:
      break;
  }
  return result::busy;
}

// Locks in one of the three ways, and unlocks if that succeeded.
void one_turn(participant& self, lock_type& lock, record& h, size_t me, uint64_t draw) {
  lock_operation o = {.what = kind::lock};
  auto at = h.begin(me, o);
  o.how =
      result_of(draw % 3 == 0   ? lock.try_lock(self)
                : draw % 3 == 1 ? lock.lock(self)
                                : lock.lock(self, deadline::after(std::chrono::microseconds(20))));
  h.end(at, o);
  if (o.how == result::busy) return;
  for (uint64_t i = draw % 50; i != 0; --i) hardware::pause();
  o = {.what = kind::unlock};
  at = h.begin(me, o);
  lock.unlock(self);
  h.end(at, o);
}

TEST(RobustLockHistory, SomeOrderExplainsIt) {
  const int bursts = zeroipc::testing::quick_or_full(kQuickBursts, 20'000);
  uint64_t operations = 0, pending = 0, undecided = 0, kills = 0, inherited = 0;
  memory mem = *memory::create_anonymous(256 << 10, {.max_names = 4});
  participant& self = *mem.attachment()->self;
  for (int burst = 0; burst < bursts; ++burst) {
    record h;
    harness::shared_state<lock_type> lock;
    harness::shared_state<harness::gate> start;
    std::vector<std::unique_ptr<harness::process>> workers;
    for (int i = 0; i < kProcesses; ++i) {
      workers.push_back(std::make_unique<harness::process>([&, i] {
        EXPECT_TRUE(start->wait());
        const auto me = static_cast<size_t>(i);
        // Up to two die in a burst.
        const bool die = (burst + i) % 3 != 0 && burst % 4 != 0;
        std::mt19937_64 random(static_cast<uint64_t>(burst) * 31 + me);
        const int last = die ? static_cast<int>(random() % (kOperations / 2)) : kOperations;
        for (int n = 0; n < kOperations || die; ++n) {
          if (n == last) {
            harness::kill_this_process_within(std::chrono::nanoseconds(3'000 + random() % 9'000));
          }
          if (h.full(me)) ::pause();  // the timer is late
          one_turn(self, *lock, h, me, random());
        }
      }));
    }
    start->open();
    uint32_t killed = 0;
    for (size_t i = 0; i < workers.size(); ++i) {
      const harness::exit_state end = workers[i]->wait();
      EXPECT_TRUE(end == harness::killed_by(SIGKILL) || end == harness::exited(0)) << end;
      if (end == harness::killed_by(SIGKILL)) killed |= 1u << i;
    }
    for (size_t i = 0; i < workers.size(); ++i) h.buried(i);
    one_turn(self, *lock, h, kProcesses, 1);
    if (::testing::Test::HasFailure()) return;
    const auto all = h.operations();
    for (const auto& o : all) {
      pending += o.pending();
      inherited += o.what.how == result::inherited;
    }
    kills += static_cast<uint64_t>(__builtin_popcount(killed));
    operations += all.size();
    const auto v =
        checker<lock_operation, lock_model>(all, lock_model(killed), linearizability::text_of)
            .check();
    undecided += v.what == finding::undecided;
    ASSERT_NE(v.what, finding::violation) << "burst " << burst << ": " << v.text;
  }
  EXPECT_LE(undecided * 20, static_cast<uint64_t>(bursts)) << "most histories must be decided";
  EXPECT_GT(pending, 0u) << "nobody was killed in the middle";
  EXPECT_GT(inherited, 0u) << "nobody was killed while he held it";
  evidence("robust lock", instrument::linearizability)
      .figure("histories", static_cast<uint64_t>(bursts))
      .figure("operations", operations)
      .figure("cut off", pending)
      .figure("killed", kills)
      .figure("inherited", inherited)
      .figure("undecided", undecided);
}

}  // namespace
}  // namespace zeroipc::internal
