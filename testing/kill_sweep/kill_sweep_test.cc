#include "testing/kill_sweep/kill_sweep.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <map>
#include <set>
#include <utility>
#include <vector>

namespace zeroipc::testing {
namespace {

struct shared_counter {
  std::atomic<int> a{0};
  std::atomic<int> b{0};
};

class KillSweepTest : public ::testing::Test {
 protected:
  KillSweepTest()
      : shared_(*static_cast<shared_counter*>(::mmap(nullptr, sizeof(shared_counter),
                                                     PROT_READ | PROT_WRITE,
                                                     MAP_SHARED | MAP_ANONYMOUS, -1, 0))) {}
  ~KillSweepTest() override { ::munmap(&shared_, sizeof shared_); }
  std::span<const std::byte> bytes() const {
    return {reinterpret_cast<const std::byte*>(&shared_), sizeof shared_};
  }
  void Operation() {
    shared_.a.store(1);
    shared_.b.store(1);
    shared_.a.store(2);
  }
  shared_counter& shared_;
};

TEST_F(KillSweepTest, EachStateIsJudgedOnceAndInOrder) {
  std::vector<std::pair<int, int>> seen;
  std::vector<bool> acknowledged;
  const sweep_result result = step_through(
      bytes(), [&] { Operation(); },
      [&](long, bool returned) {
        seen.emplace_back(shared_.a.load(), shared_.b.load());
        acknowledged.push_back(returned);
      });
  EXPECT_FALSE(result.broken);
  EXPECT_EQ(seen, (std::vector<std::pair<int, int>>{{0, 0}, {1, 0}, {1, 1}, {2, 1}, {2, 1}}));
  EXPECT_EQ(acknowledged, (std::vector<bool>{false, false, false, false, true}));
  EXPECT_EQ(result.states, 5);
}

TEST_F(KillSweepTest, AKilledChildWentNoFurther) {
  std::map<int, long> reached;  // sum of the counters -> first step at which it is there
  const sweep_result whole = step_through(
      bytes(), [&] { Operation(); },
      [&](long step, bool) { reached.emplace(shared_.a.load() + shared_.b.load(), step); });
  ASSERT_EQ(reached.size(), 4u);
  std::set<int> seen;
  for (const auto& [sum, step] : reached) {
    for (const long k : {step - 1, step, step + 1}) {
      if (k < 0 || k > whole.steps) continue;
      shared_.a.store(0);
      shared_.b.store(0);
      const kill_result result = kill_after(k, [&] { Operation(); });
      ASSERT_FALSE(result.broken);
      const int now = shared_.a.load() + shared_.b.load();
      seen.insert(now);
      if (result.returned) {
        EXPECT_EQ(now, 3);
      }
#if !defined(__SANITIZE_THREAD__)  // whose own work varies from run to run
      EXPECT_EQ(now, k < step ? sum - 1 : k == step ? sum : now) << "after " << k;
#endif
    }
  }
  EXPECT_TRUE(seen.contains(0));
  EXPECT_TRUE(seen.contains(3));
  EXPECT_TRUE(kill_after(2 * whole.steps, [&] { Operation(); }).returned);
}

TEST_F(KillSweepTest, TurningPointsAreChangesAndSystemCalls) {
  // Three changes, each with the step before it, and whatever the system calls at the end are.
  const turning_points without_calls = find_turning_points(bytes(), [&] { Operation(); });
  EXPECT_FALSE(without_calls.broken);
  EXPECT_GE(without_calls.at.size(), 6u);
  EXPECT_TRUE(std::ranges::is_sorted(without_calls.at));
  shared_.a.store(0);
  shared_.b.store(0);
  const turning_points with_call = find_turning_points(bytes(), [&] {
    shared_.a.store(1);
    ::syscall(SYS_getppid);
    shared_.a.store(2);
  });
  std::set<int> seen;
  for (const long k : with_call.at) {
    shared_.a.store(0);
    ASSERT_FALSE(kill_after(k, [&] {
                   shared_.a.store(1);
                   ::syscall(SYS_getppid);
                   shared_.a.store(2);
                 }).broken);
    seen.insert(shared_.a.load());
  }
#if !defined(__SANITIZE_THREAD__)  // whose own work varies from run to run
  EXPECT_EQ(with_call.at.size(), 6u);
  EXPECT_EQ(seen, (std::set<int>{0, 1, 2}));
#endif
}

TEST_F(KillSweepTest, AChildThatCrashesIsReported) {
  EXPECT_TRUE(step_through(
                  bytes(), [] { std::abort(); }, [](long, bool) {})
                  .broken);
}

}  // namespace
}  // namespace zeroipc::testing
