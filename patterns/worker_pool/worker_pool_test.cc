#include "patterns/worker_pool/worker_pool.h"

#include <signal.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/chaos/accounts.h"
#include "testing/chaos/chaos.h"
#include "testing/evidence/evidence.h"
#include "testing/harness/harness.h"
#include "zeroipc/name_table/name_table.h"

namespace zeroipc::patterns {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

using Squares = WorkerPool<int, int64_t>;
int64_t square(int x) { return int64_t{x} * x; }

class WorkerPoolTest : public ::testing::Test {
 protected:
  Squares pool_of(size_t capacity, WorkerPoolOptions options = {}) {
    return Squares(mem_, "p", capacity, options);
  }
  Squares own(WorkerPoolOptions options = {}) {
    return Squares(memory(segment_.name()), "p", options);
  }
  static std::vector<int64_t> all_of(Squares& pool) {
    std::vector<int64_t> all;
    while (auto c = pool.collect()) {
      EXPECT_TRUE(c->result.ok()) << c->result.status();
      all.push_back(c->result.value_or(-1));
    }
    return all;
  }

  harness::unique_segment segment_;
  memory mem_{segment_.name(), 8 << 20};
};

TEST_F(WorkerPoolTest, EveryTaskHasOneResultAndThenItEnds) {
  Squares pool = pool_of(10);
  for (int i = 1; i <= 3; ++i) EXPECT_EQ(pool.submit(i).number(), static_cast<uint64_t>(i));
  EXPECT_EQ(pool.stats().waiting, 3u);
  pool.close();
  EXPECT_EQ(pool.submit(4).why(), outcome::closed);
  EXPECT_EQ(pool.work(square), 3u);
  EXPECT_EQ(pool.stats().uncollected, 3u);
  EXPECT_THAT(all_of(pool), UnorderedElementsAre(1, 4, 9));
  EXPECT_FALSE(pool.collect()) << "and again";
  EXPECT_EQ(pool.work(square), 0u);
  EXPECT_EQ(pool.stats().collected, 3u);
}

TEST_F(WorkerPoolTest, EndsWhenThereWasNothing) {
  Squares pool = pool_of(10);
  harness::process worker([&] { EXPECT_EQ(own().work(square), 0u); });
  harness::process collector([&] { EXPECT_FALSE(own().collect()); });
  pool.close();
  EXPECT_EQ(worker.wait(), harness::exited(0));
  EXPECT_EQ(collector.wait(), harness::exited(0));
}

TEST_F(WorkerPoolTest, WorkersMayBeThereFirstAndInAnyProcess) {
  Squares pool = pool_of(4);
  std::vector<std::unique_ptr<harness::process>> workers;
  for (int i = 0; i < 3; ++i) {
    workers.push_back(std::make_unique<harness::process>([&] { own().work(square); }));
  }
  harness::process submitter([&] {
    Squares mine = own();
    for (int i = 0; i < 200; ++i) EXPECT_TRUE(mine.submit(i));
    mine.close();
  });
  const std::vector<int64_t> all = all_of(pool);
  EXPECT_EQ(all.size(), 200u);
  EXPECT_EQ(std::set<int64_t>(all.begin(), all.end()).size(), 200u);
  EXPECT_EQ(submitter.wait(), harness::exited(0));
  for (auto& w : workers) EXPECT_EQ(w->wait(), harness::exited(0));
}

TEST_F(WorkerPoolTest, AFailedTaskIsCollectedWithItsTaskAndItsReason) {
  WorkerPool<int, int> pool(mem_, "p", 10);
  pool.submit(1);
  pool.submit(2);
  pool.close();
  pool.work([](int x) -> absl::StatusOr<int> {
    if (x == 1) throw std::runtime_error("no idea");
    return absl::NotFoundError("nowhere");
  });
  const auto first = pool.collect(), second = pool.collect();
  EXPECT_EQ(first->task, 1);
  EXPECT_EQ(first->result.status(), absl::UnknownError("no idea"));
  EXPECT_EQ(second->result.status(), absl::NotFoundError("nowhere"));
  EXPECT_FALSE(pool.collect());
  EXPECT_EQ(pool.stats().failed, 2u);
}

TEST_F(WorkerPoolTest, ADeadWorkersTaskIsDoneByAnother) {
  Squares pool = pool_of(10);
  pool.submit(7);
  pool.close();
  harness::process victim([&] {
    own().work([](int) -> int64_t {
      ::raise(SIGKILL);
      return 0;
    });
  });
  harness::process heir([&] { own().work(square); });
  const auto c = pool.collect();
  ASSERT_TRUE(c);
  EXPECT_EQ(*c->result, 49);
  EXPECT_LE(c->deaths, 1u) << "who came first is open";
  EXPECT_FALSE(pool.collect());
  EXPECT_EQ(victim.wait() == harness::exited(0), c->deaths == 0);
  EXPECT_EQ(heir.wait(), harness::exited(0));
}

TEST_F(WorkerPoolTest, WhoComesWhenAllAreDeadFindsTheirTasks) {
  harness::process everybody([&] {
    Squares pool(memory(segment_.name()), "p", 10);
    pool.submit(7);
    pool.work([](int) -> int64_t {
      ::raise(SIGKILL);
      return 0;
    });
  });
  EXPECT_EQ(everybody.wait(), harness::killed_by(SIGKILL));
  Squares pool = own();
  EXPECT_EQ(pool.work_until_idle_for(0ms, square), 1u);
  EXPECT_EQ(*pool.try_collect()->result, 49);
}

TEST_F(WorkerPoolTest, ATaskThatKillsIsGivenUp) {
  Squares pool = pool_of(10, {.most_deaths = 2});
  pool.submit(13);
  pool.submit(2);
  pool.close();
  for (int i = 0; i < 2; ++i) {
    harness::process victim([&] {
      own({.most_deaths = 2}).work([](int x) {
        if (x == 13) ::raise(SIGKILL);
        return square(x);
      });
    });
    EXPECT_EQ(victim.wait(), harness::killed_by(SIGKILL));
  }
  EXPECT_LE(pool.work(square), 1u) << "13 is not tried again";
  int failed = 0;
  while (auto c = pool.collect()) {
    if (c->result.ok()) continue;
    ++failed;
    EXPECT_EQ(c->task, 13);
    EXPECT_EQ(c->result.status(), absl::AbortedError("2 workers have died at it"));
    EXPECT_EQ(c->deaths, 2u);
  }
  EXPECT_EQ(failed, 1);
  EXPECT_EQ(pool.stats().poisoned, 1u);
  EXPECT_EQ(pool.stats().retried, 1u);
}

TEST_F(WorkerPoolTest, ADeadCollectorsResultIsCollectedByAnother) {
  Squares pool = pool_of(10);
  pool.submit(5);
  pool.work_until_idle_for(0ms, square);
  harness::process victim([&] { own().collect([](const auto&) { ::raise(SIGKILL); }); });
  EXPECT_EQ(victim.wait(), harness::killed_by(SIGKILL));
  std::vector<int64_t> seen;
  EXPECT_TRUE(pool.collect_for(1min, [&](const auto& c) { seen.push_back(*c.result); }));
  EXPECT_THAT(seen, UnorderedElementsAre(25));
  EXPECT_EQ(pool.try_collect([](const auto&) {}), outcome::empty);
  EXPECT_EQ(pool.stats().uncollected, 0u);
}

TEST_F(WorkerPoolTest, AHintTooManyIsNoResultMore) {
  Squares pool = pool_of(10);
  pool.submit(5);
  harness::process worker([&] { EXPECT_EQ(own().work_until_idle_for(0ms, square), 1u); });
  EXPECT_EQ(worker.wait(), harness::exited(0));
  // Looks at all records, for the worker is dead, and gives its hint again.
  EXPECT_EQ(pool.work_until_idle_for(0ms, square), 0u);
  EXPECT_TRUE(pool.try_collect([&](const auto& c) {
    EXPECT_EQ(*c.result, 25);
    EXPECT_FALSE(pool.try_collect());
  }));
  EXPECT_FALSE(pool.try_collect());
  EXPECT_EQ(pool.stats().collected, 1u);
}

TEST_F(WorkerPoolTest, WhoCollectsTheLastOneWakesTheOthers) {
  Squares pool = pool_of(10);
  pool.submit(5);
  pool.close();
  pool.work(square);
  std::unique_ptr<harness::process> other;
  EXPECT_TRUE(pool.collect([&](const auto&) {
    other = std::make_unique<harness::process>([&] { EXPECT_FALSE(own().collect()); });
    EXPECT_TRUE(harness::wait_until_asleep(other->pid()));
  }));
  EXPECT_EQ(other->wait(), harness::exited(0));
}

TEST_F(WorkerPoolTest, AHandlerThatThrowsHasNotCollectedIt) {
  set_callback_error_handler([](const callback_error& e) {
    EXPECT_EQ(e.where + ": " + e.what, "worker pool 'p', collector: not today");
  });
  WorkerPool<int, int> pool(mem_, "p", 10);
  pool.submit(5);
  pool.submit(6);
  pool.work_until_idle_for(0ms, [](int x) -> absl::StatusOr<int> {
    return x == 5 ? absl::StatusOr<int>(50) : absl::InternalError("six");
  });
  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(pool.collect([](const auto&) { throw std::runtime_error("not today"); }));
  }
  set_callback_error_handler({});
  int sum = 0, errors = 0;
  for (int i = 0; i < 2; ++i) {
    const auto c = pool.try_collect();
    ASSERT_TRUE(c);
    c->result.ok() ? sum += *c->result : ++errors;
  }
  EXPECT_EQ(sum, 50);
  EXPECT_EQ(errors, 1);
}

TEST_F(WorkerPoolTest, OverloadHoldsUpOrIsRefused) {
  Squares pool = pool_of(2);
  EXPECT_TRUE(pool.submit(1));
  EXPECT_THAT(pool.health().reason, HasSubstr("1 tasks wait, and nobody is at work"));
  EXPECT_TRUE(pool.submit(2));
  EXPECT_EQ(pool.try_submit(3).why(), outcome::full);
  EXPECT_EQ(pool.submit_for(3, 1ms).why(), outcome::timed_out);
  harness::process worker([&] { own().work(square); });
  EXPECT_TRUE(pool.submit(3));
  pool.close();
  EXPECT_THAT(all_of(pool), UnorderedElementsAre(1, 4, 9));
  EXPECT_EQ(worker.wait(), harness::exited(0));
  EXPECT_THAT(pool.health().reason, HasSubstr("closed, 0 tasks left"));
}

TEST_F(WorkerPoolTest, ResultsThatNobodyCollectsHoldWorkersUp) {
  Squares pool = pool_of(2);
  for (int i = 0; i < 2; ++i) pool.submit(i);
  EXPECT_EQ(pool.work_until_idle_for(0ms, square), 2u);
  for (int i = 2; i < 4; ++i) pool.submit(i);
  // No room for its hint. The result is there all the same, and whoever collects finds it.
  EXPECT_EQ(pool.work_until_idle_for(0ms, square), 2u);
  EXPECT_THAT(pool.health().reason, HasSubstr("4 results wait to be collected"));
  pool.close();
  EXPECT_THAT(all_of(pool), UnorderedElementsAre(0, 1, 4, 9));
}

TEST_F(WorkerPoolTest, NoWaitIsWithoutAnEnd) {
  Squares pool = pool_of(2);
  EXPECT_EQ(pool.work_for(1ms, square), 0u);
  EXPECT_EQ(pool.work_until_idle_for(1ms, square), 0u);
  EXPECT_FALSE(pool.try_collect());
  EXPECT_FALSE(pool.collect_for(1ms));
  EXPECT_EQ(pool.collect_for(1ms, [](const auto&) {}), outcome::timed_out);
}

TEST_F(WorkerPoolTest, WorkersLeaveWhenTheyAreToldTo) {
  Squares pool = pool_of(10);
  harness::process worker([&] { EXPECT_EQ(own().work(square), 2u); });
  pool.submit(1);
  pool.submit(2);
  EXPECT_EQ(pool.retire(1), 1u);
  EXPECT_EQ(worker.wait(), harness::exited(0));
  // One that nobody follows does not keep the pool from ending.
  EXPECT_EQ(pool.retire(3), 3u);
  pool.close();
  EXPECT_THAT(all_of(pool), UnorderedElementsAre(1, 4));
}

TEST_F(WorkerPoolTest, CancelLeavesOutWhatNobodyHasBegun) {
  Squares pool = pool_of(10);
  for (int i = 0; i < 3; ++i) pool.submit(i);
  EXPECT_EQ(pool.cancel("it rains"), 3u);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(pool.collect()->result.status(), absl::CancelledError("it rains"));
  }
  EXPECT_FALSE(pool.collect());
}

TEST_F(WorkerPoolTest, SaysWhatIsWrongAndLeavesNothing) {
  EXPECT_TRUE(absl::IsNotFound(Squares::open(mem_, "p").status()));
  EXPECT_THAT(std::string(Squares::open_or_create(mem_, "q", 0).status().message()),
              HasSubstr("a capacity of 0 tasks"));
  EXPECT_TRUE(
      absl::IsInvalidArgument(Squares::open_or_create(mem_, "q", 1, {.most_deaths = 0}).status()));
  const size_t before = list(mem_).size();
  const Squares pool = pool_of(10);
  EXPECT_TRUE(absl::IsFailedPrecondition(Squares::open_or_create(mem_, "p", 11).status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(WorkerPool<int, double>::open(mem_, "p").status()));
  EXPECT_TRUE(pool.remove().ok());
  EXPECT_TRUE(pool.remove().ok()) << "somebody else has done it";
  EXPECT_EQ(list(mem_).size(), before);
}

constexpr int kSubmitters = 2, kWorkers = 2, kCollectors = 2;

struct books {
  std::atomic<bool> stop{false};
  std::array<chaos::account, kSubmitters> submitted;
  std::atomic<uint64_t> wrong{0};
};

struct numbered {
  uint32_t submitter;
  uint64_t number;
};
void take_a_moment() {
  for (int i = 0; i < 1000; ++i) hardware::pause();
}
using Numbered = WorkerPool<numbered, uint64_t>;

// Nothing is killed between the erasure of a record and the note of it in the books, which is not the pool's doing: collectors use the
// form with a handler, whose death means that another one collects it, and again.
TEST_F(WorkerPoolTest, WithEverybodyKilledAtRandomEachTaskHasItsResult) {
  harness::shared_state<books> b;
  constexpr WorkerPoolOptions kOptions = {.most_deaths = 1'000'000};
  Numbered pool(mem_, "chaos", 16, kOptions);
  chaos::chaos all({.workers = kSubmitters + kWorkers + kCollectors, .seed = 7}, [&](int me) {
    Numbered mine(mem_, "chaos", 16, kOptions);
    if (me < kSubmitters) {
      chaos::account& account = b->submitted[static_cast<size_t>(me)];
      while (!b->stop) {
        const uint64_t n = account.next();
        if (mine.submit_for({static_cast<uint32_t>(me), n}, 1min)) account.acknowledge(n);
      }
    } else if (me < kSubmitters + kWorkers) {
      mine.work([&](const numbered& t) {
        take_a_moment();
        return 3 * t.number + t.submitter;
      });
    } else {
      while (mine.collect([&](const Numbered::Collected& c) {
        b->wrong += !c.result.ok() || *c.result != 3 * c.task.number + c.task.submitter;
        b->submitted[c.task.submitter].handle(c.task.number);
        take_a_moment();
      })) {
      }
    }
  });
  all.run_for(std::chrono::seconds(zeroipc::testing::quick_or_full(2, 60)));
  b->stop = true;
  EXPECT_TRUE(harness::eventually([&] {
    const WorkerPoolStats s = pool.stats();
    return s.waiting == 0 && s.at_work == 0;
  }));
  pool.close();
  ASSERT_TRUE(all.finish()) << all.so_far().text();
  chaos::account::sums sum;
  for (chaos::account& a : b->submitted) sum += a.total();
  EXPECT_EQ(sum.lost, 0u);
  EXPECT_LE(sum.again, all.so_far().kills) << "once more for each collector killed in its handler";
  EXPECT_EQ(b->wrong, 0u);
  EXPECT_GT(sum.acknowledged, 100u);
  const WorkerPoolStats s = pool.stats();
  EXPECT_EQ(s.waiting + s.at_work + s.uncollected, 0u);
  EXPECT_EQ(s.poisoned, 0u);
  zeroipc::testing::evidence("pattern worker pool", zeroipc::testing::instrument::chaos)
      .figure("kills", all.so_far().kills)
      .figure("stops", all.so_far().stops)
      .figure("tasks collected", sum.acknowledged)
      .figure("begun again", s.retried)
      .figure("handled again", sum.again);
}

}  // namespace
}  // namespace zeroipc::patterns
