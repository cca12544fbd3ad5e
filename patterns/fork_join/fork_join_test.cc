#include "patterns/fork_join/fork_join.h"

#include <signal.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/chaos/chaos.h"
#include "testing/evidence/evidence.h"
#include "testing/harness/harness.h"
#include "zeroipc/cell/cell.h"
#include "zeroipc/name_table/name_table.h"

namespace zeroipc::patterns {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

using Sums = ForkJoin<int64_t, int64_t>;

int64_t sum_of(const Share<int64_t>& s) {
  return std::accumulate(s.input.begin(), s.input.end(), int64_t{0});
}

class ForkJoinTest : public ::testing::Test {
 protected:
  // 0, 1, ..., size - 1.
  Sums counted(size_t size, size_t shares, std::string_view name = "sums") {
    Sums job(mem_, name, size, shares);
    std::iota(job.input().begin(), job.input().end(), int64_t{0});
    return job;
  }

  harness::unique_segment segment_;
  memory mem_{segment_.name(), 4 << 20};
};

TEST_F(ForkJoinTest, SharesCoverTheInputOnce) {
  for (const size_t shares : {1u, 3u, 7u, 10u}) {
    Sums job = counted(10, shares, absl::StrCat("in ", shares));
    EXPECT_TRUE(job.scatter());
    size_t next = 0;
    EXPECT_EQ(job.work([&](const Share<int64_t>& s) {
      EXPECT_EQ(s.first, next) << "one worker takes them in order";
      EXPECT_EQ(s.input[0], static_cast<int64_t>(next));
      EXPECT_EQ(s.attempt, 1u);
      next += s.input.size();
      return sum_of(s);
    }),
              shares);
    EXPECT_EQ(next, 10u);
    const auto all = job.join();
    ASSERT_TRUE(all.ok()) << all.status();
    EXPECT_EQ(std::accumulate(all->begin(), all->end(), int64_t{0}), 45);
    EXPECT_TRUE(job.health());
  }
}

TEST_F(ForkJoinTest, WorkersOfAnyProcessComeBeforeOrAfter) {
  Sums job = counted(1000, 50);
  std::vector<std::unique_ptr<harness::process>> workers;
  harness::shared_state<std::atomic<uint64_t>> done;
  const auto start = [&] {
    workers.push_back(std::make_unique<harness::process>(
        [&] { *done += Sums(memory(segment_.name()), "sums").work(sum_of); }));
  };
  start();
  start();
  EXPECT_TRUE(job.scatter());
  start();
  const auto all = job.join_for(1min);
  ASSERT_TRUE(all.ok()) << all.status();
  for (size_t i = 0; i < 50; ++i) {
    EXPECT_EQ((*all)[i], static_cast<int64_t>(20 * (20 * i) + 190)) << i;
  }
  for (const auto& w : workers)
    EXPECT_EQ(w->wait(), harness::exited(0)) << "they end by themselves";
  EXPECT_EQ(*done, 50u);
  EXPECT_EQ(job.stats().done, 50u);
  EXPECT_EQ(job.stats().at_work, 0u);
}

TEST_F(ForkJoinTest, TheShareOfAKilledWorkerIsDoneByAnother) {
  Sums job = counted(100, 10);
  job.scatter();
  harness::process victim([&] {
    Sums(memory(segment_.name()), "sums").work([](const Share<int64_t>& s) {
      if (s.number == 3) ::raise(SIGKILL);
      return sum_of(s);
    });
  });
  EXPECT_EQ(victim.wait(), harness::killed_by(SIGKILL));
  EXPECT_EQ(job.stats().done, 3u);
  uint32_t attempt = 0;
  EXPECT_EQ(job.work([&](const Share<int64_t>& s) {
    if (s.number == 3) attempt = s.attempt;
    return sum_of(s);
  }),
            7u);
  EXPECT_EQ(attempt, 2u);
  EXPECT_EQ(job.join()->at(3), 345);
  EXPECT_EQ(job.stats().redelivered, 1u);
}

TEST_F(ForkJoinTest, AShareThatKillsIsGivenUp) {
  Sums job = counted(100, 10);
  job.scatter();
  const auto work = [&] {
    harness::process worker([&] {
      Sums(memory(segment_.name()), "sums", {.most_deaths = 2}).work([](const Share<int64_t>& s) {
        if (s.number == 4) ::raise(SIGKILL);
        return sum_of(s);
      });
    });
    return worker.wait();
  };
  EXPECT_EQ(work(), harness::killed_by(SIGKILL));
  EXPECT_EQ(work(), harness::killed_by(SIGKILL));
  EXPECT_EQ(work(), harness::exited(0));
  const auto all = job.join();
  EXPECT_TRUE(absl::IsAborted(all.status()));
  EXPECT_THAT(std::string(all.status().message()),
              HasSubstr("fork-join 'sums': share 4 of 10: 2 processes have died at it"));
  EXPECT_EQ(job.result(5).get(), 545) << "the others have their results";
  EXPECT_EQ(job.stats().failed, 1u);
  EXPECT_EQ(job.stats().done, 9u);
  EXPECT_FALSE(job.health());
  EXPECT_THAT(job.health().reason, HasSubstr("share 4 of 10"));
}

TEST_F(ForkJoinTest, ErrorsAndExceptionsAreTheSharesResult) {
  Sums job = counted(4, 4);
  job.scatter();
  job.work([](const Share<int64_t>& s) -> absl::StatusOr<int64_t> {
    if (s.number == 1) return absl::OutOfRangeError("too large");
    if (s.number == 2) throw std::runtime_error("no idea");
    return 7;
  });
  EXPECT_EQ(job.result(0).get(), 7);
  EXPECT_THAT(std::string(job.join().status().message()), HasSubstr("share 1 of 4"));
  EXPECT_THAT(std::string(job.join().status().message()), HasSubstr("too large"));
  EXPECT_THAT(std::string(job.result(2).status().message()), HasSubstr("no idea"));
}

TEST_F(ForkJoinTest, NoWaitIsWithoutAnEnd) {
  Sums job = counted(10, 5);
  EXPECT_EQ(job.work_for(1ms, sum_of), 0u) << "nothing has been scattered";
  auto all = job.join_for(1ms);
  EXPECT_TRUE(absl::IsDeadlineExceeded(all.status()));
  EXPECT_THAT(std::string(all.status().message()), HasSubstr("they have not been scattered"));
  job.scatter();
  all = job.join_for(0ms);
  EXPECT_THAT(std::string(all.status().message()),
              AllOf(HasSubstr("0 of 5 shares are done"), Not(HasSubstr("scattered"))));
  EXPECT_EQ(job.work_for(1min, sum_of), 5u);
  EXPECT_THAT(*job.join_for(0ms), ElementsAre(1, 5, 9, 13, 17));
}

TEST_F(ForkJoinTest, CancelEndsAllWaits) {
  Sums job = counted(10, 5);
  harness::process joiner([&] {
    const auto all = Sums(memory(segment_.name()), "sums").join();
    EXPECT_TRUE(absl::IsCancelled(all.status())) << all.status();
    EXPECT_THAT(std::string(all.status().message()), HasSubstr("not needed any more"));
  });
  harness::process worker([&] { Sums(memory(segment_.name()), "sums").work(sum_of); });
  job.cancel("not needed any more");
  EXPECT_EQ(joiner.wait(), harness::exited(0));
  EXPECT_EQ(worker.wait(), harness::exited(0));
  job.scatter();
  EXPECT_EQ(job.work(sum_of), 0u);
}

TEST_F(ForkJoinTest, AnyoneMayGoOnWithScatteringWhenItsProcessIsKilled) {
  for (int round = 0; round < 20; ++round) {
    const std::string name = absl::StrCat("round ", round);
    Sums job = counted(200, 100, name);
    harness::process scatterer([&] { Sums(memory(segment_.name()), name).scatter(); });
    // Sometime in it, before, or after.
    for (int spin = 0; spin < round * 400; ++spin) hardware::pause();
    scatterer.kill();
    scatterer.wait();
    EXPECT_TRUE(job.scatter());
    job.work(sum_of);
    EXPECT_TRUE(job.join_for(0ms).ok()) << job.join_for(0ms).status();
    EXPECT_TRUE(job.remove().ok());
  }
}

TEST_F(ForkJoinTest, SaysWhatIsWrong) {
  const auto message = [&](size_t size, size_t shares) {
    return std::string(Sums::open_or_create(mem_, "sums", size, shares).status().message());
  };
  EXPECT_THAT(message(10, 0), HasSubstr("10 inputs can be cut into 1 to 10 shares, not 0"));
  EXPECT_THAT(message(10, 11), HasSubstr("not 11"));
  EXPECT_TRUE(absl::IsNotFound(Sums::open(mem_, "sums").status()));
  const Sums job(mem_, "sums", 10, 5);
  EXPECT_THAT(message(10, 4),
              HasSubstr("exists with 10 inputs in 5 shares, asked for with 10 in 4"));
  EXPECT_THAT(message(11, 5), HasSubstr("asked for with 11 in 5"));
  const auto other = ForkJoin<double, int64_t>::open(mem_, "sums");
  EXPECT_TRUE(absl::IsFailedPrecondition(other.status())) << other.status();
}

TEST_F(ForkJoinTest, NothingIsLeftWhenItIsRemoved) {
  const size_t before = list(mem_).size();
  Sums job = counted(10, 5);
  EXPECT_TRUE(job.remove().ok());
  EXPECT_EQ(list(mem_).size(), before);
  EXPECT_TRUE(job.remove().ok()) << "somebody else has done it";
}

struct books {
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> jobs{0}, runs{0}, wrong{0}, late{0};
};

// One after the other, until told to stop; the workers learn of each by a cell.
void give_work(const memory& mem, books& b) {
  cell<uint64_t> newest(mem, "newest");
  uint64_t round = 0;
  while (!b.stop) {
    const std::string name = absl::StrCat("job ", ++round);
    Sums job(mem, name, 400, 40, {.most_deaths = 1000});
    std::iota(job.input().begin(), job.input().end(), static_cast<int64_t>(round));
    newest.store(round);
    job.scatter();
    const auto all = job.join_for(2min);
    if (!all.ok()) {
      ADD_FAILURE() << all.status();
      ++b.late;
      break;
    }
    for (size_t i = 0; i < all->size(); ++i) {
      b.wrong += (*all)[i] != static_cast<int64_t>(10 * (round + 10 * i) + 45);
    }
    EXPECT_TRUE(job.remove().ok());
    ++b.jobs;
  }
  newest.store(~uint64_t{0});
}

void work(const memory& mem, books& b) {
  cell<uint64_t> newest(mem, "newest");
  for (uint64_t seen = 0;;) {
    seen = newest.wait_for_change(seen);
    const uint64_t round = newest.load().value_or(0);
    if (round == ~uint64_t{0}) return;
    auto job = Sums::open(mem, absl::StrCat("job ", round), {.most_deaths = 1000});
    if (!job.ok()) continue;  // it is done already
    b.runs += job->work(sum_of);
  }
}

TEST_F(ForkJoinTest, WithWorkersKilledAtRandomEveryResultIsRight) {
  harness::shared_state<books> b;
  const cell<uint64_t> newest(mem_, "newest");
  harness::process giver([&] { give_work(memory(segment_.name()), *b); });
  chaos::chaos workers({.workers = 3, .seed = 5}, [&](int) { work(mem_, *b); });
  workers.run_for(std::chrono::seconds(zeroipc::testing::quick_or_full(2, 60)));
  b->stop = true;
  EXPECT_EQ(giver.wait(), harness::exited(0));
  ASSERT_TRUE(workers.finish()) << workers.so_far().text();
  EXPECT_EQ(b->wrong, 0u);
  EXPECT_EQ(b->late, 0u);
  EXPECT_GT(b->jobs, 3u);
  zeroipc::testing::evidence("pattern fork-join", zeroipc::testing::instrument::chaos)
      .figure("kills", workers.so_far().kills)
      .figure("stops", workers.so_far().stops)
      .figure("jobs of 40 shares", b->jobs)
      .figure("results", 40 * b->jobs);
}

}  // namespace
}  // namespace zeroipc::patterns
