#include "patterns/bulkhead/bulkhead.h"

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/chaos/chaos.h"
#include "testing/evidence/evidence.h"
#include "testing/harness/harness.h"
#include "zeroipc/name_table/name_table.h"

namespace zeroipc::patterns {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

class BulkheadTest : public ::testing::Test {
 protected:
  harness::unique_segment segment_;
  memory mem_{segment_.name(), 1 << 20};
};

TEST_F(BulkheadTest, AFullCompartmentLeavesTheOthersAlone) {
  const Bulkhead bulkhead(mem_, 3, 2);
  auto one = bulkhead.try_enter(0), two = bulkhead.try_enter(0);
  EXPECT_TRUE(one && two);
  EXPECT_EQ(bulkhead.try_enter(0).why(), outcome::empty);
  EXPECT_EQ(bulkhead.enter_for(0, 1ms).why(), outcome::timed_out);
  EXPECT_THAT(bulkhead.health().reason, HasSubstr("compartment 0: all its 2 resources are in use"));
  EXPECT_TRUE(bulkhead.try_enter(1));
  one.leave();
  EXPECT_TRUE(bulkhead.try_enter(0));
  EXPECT_TRUE(bulkhead.health());
  const CompartmentStats s = bulkhead.stats(0);
  EXPECT_EQ(s.resources, 2u);
  EXPECT_EQ(s.in_use, 1u);
  EXPECT_EQ(s.most_in_use, 2u);
  EXPECT_EQ(s.entered, 3u);
  EXPECT_EQ(s.refused, 2u);
  EXPECT_EQ(s.waited, 1u);
  EXPECT_GE(s.waiting, 1ms);
}

TEST_F(BulkheadTest, CallsAsTheSpecificationDoes) {
  Bulkhead bulkhead(mem_, 2, 1);
  int handled = 0;
  bulkhead.execute_in_compartment(0, [&](auto* res) {
    ++handled;
    EXPECT_EQ(res->uses, 1u);
    try {
      bulkhead.execute_in_compartment(0, [](auto*) {});
      ADD_FAILURE() << "there is but one";
    } catch (const error& e) {
      EXPECT_TRUE(absl::IsResourceExhausted(e.status()));
      EXPECT_THAT(e.what(), HasSubstr("compartment 0 exhausted: all its 1 resources are in use"));
    }
  });
  EXPECT_THROW(bulkhead.execute_in_compartment(0, [](auto*) { throw std::runtime_error("no"); }),
               std::runtime_error);
  EXPECT_EQ(bulkhead.execute_in_compartment(0, [](auto* res) { return res->uses; }), 3u)
      << "it came back, as it was left";
  EXPECT_EQ(handled, 1);
}

TEST_F(BulkheadTest, AnswersWithAStatusWhereThatIsWanted) {
  const Bulkhead bulkhead(mem_, 1, 1);
  EXPECT_EQ(*bulkhead.execute_for(0, 1s, [](auto*) { return 7; }), 7);
  const auto held = bulkhead.try_enter(0);
  EXPECT_TRUE(
      absl::IsDeadlineExceeded(bulkhead.execute_for(0, 1ms, [](auto*) { return 7; }).status()));
  EXPECT_TRUE(absl::IsDeadlineExceeded(bulkhead.execute_for(0, 0ms, [](auto*) {})));
  EXPECT_TRUE(absl::IsOutOfRange(bulkhead.execute_for(1, 0ms, [](auto*) {})));
}

TEST_F(BulkheadTest, ResourcesMayBeAnythingAndOfAnyNumber) {
  struct connection {
    int fd;
  };
  const Bulkhead<connection> by_backend(mem_, "backends", {2, 1});
  by_backend.enter(1)->fd = 5;
  EXPECT_EQ(by_backend.enter(1)->fd, 5);
  EXPECT_EQ(by_backend.stats(0).resources, 2u);
}

TEST_F(BulkheadTest, AWaitEndsWhenSomebodyLeavesOrDies) {
  const Bulkhead bulkhead(mem_, 1, 1);
  for (const bool dies : {false, true}) {
    harness::shared_state<harness::gate> inside;
    harness::process holder([&] {
      const auto permit = Bulkhead(memory(segment_.name()), 1, 1).enter(0);
      inside->open();
      if (dies) ::pause();
    });
    ASSERT_TRUE(inside->wait());
    if (dies) {
      EXPECT_FALSE(bulkhead.try_enter(0));
      holder.kill();
    }
    EXPECT_TRUE(bulkhead.enter_for(0, 1min));
    holder.wait();
    EXPECT_EQ(bulkhead.stats(0).recovered, dies ? 1u : 0u);
  }
}

TEST_F(BulkheadTest, StopsInGoodOrder) {
  const Bulkhead bulkhead(mem_, 2, 1);
  auto inside = bulkhead.try_enter(0);
  std::vector<std::unique_ptr<harness::process>> waiting;
  for (int i = 0; i < 3; ++i) {
    waiting.push_back(std::make_unique<harness::process>([&] {
      EXPECT_EQ(Bulkhead(memory(segment_.name()), 2, 1).enter(0).why(), outcome::closed);
    }));
  }
  bulkhead.stop();
  EXPECT_EQ(bulkhead.try_enter(1).why(), outcome::closed);
  EXPECT_THAT(bulkhead.health().reason, HasSubstr("stopped"));
  EXPECT_TRUE(absl::IsUnavailable(bulkhead.execute_for(1, 0ms, [](auto*) {})));
  EXPECT_FALSE(bulkhead.drain_for(1ms)) << "somebody is inside";
  inside.leave();
  EXPECT_TRUE(bulkhead.drain_for(1min));
  for (const auto& w : waiting) EXPECT_EQ(w->wait(), harness::exited(0));
  bulkhead.resume();
  EXPECT_TRUE(bulkhead.try_enter(0));
}

TEST_F(BulkheadTest, SaysWhatIsWrongAndLeavesNothing) {
  const size_t before = list(mem_).size();
  EXPECT_TRUE(absl::IsInvalidArgument(Bulkhead<>::open_or_create(mem_, "b", {}).status()));
  EXPECT_THAT(std::string(Bulkhead<>::open_or_create(mem_, "b", {1, 0}).status().message()),
              HasSubstr("compartment 1 has no resource"));
  const Bulkhead bulkhead(mem_, "b", {2, 3});
  EXPECT_TRUE(absl::IsFailedPrecondition(Bulkhead<>::open_or_create(mem_, "b", {3, 3}).status()));
  EXPECT_EQ(bulkhead.enter(2).why(), outcome::missing);
  EXPECT_TRUE(bulkhead.remove().ok());
  EXPECT_TRUE(bulkhead.remove().ok()) << "somebody else has done it";
  EXPECT_EQ(list(mem_).size(), before);
}

constexpr int kWorkers = 5;
constexpr size_t kPlaces = 2;

struct books {
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> entries{0}, late{0};
};

TEST_F(BulkheadTest, WithHoldersKilledAtRandomPlacesComeBackAndNoMoreThanThereAreAreGiven) {
  harness::shared_state<books> b;
  const Bulkhead bulkhead(mem_, 2, kPlaces);
  chaos::chaos workers({.workers = kWorkers, .seed = 11}, [&](int me) {
    const Bulkhead own(mem_, 2, kPlaces);
    uint64_t i = 0;
    while (!b->stop) {
      const size_t which = ++i % 2;
      const auto permit = own.enter_for(which, 1min);
      if (!permit) {
        ++b->late;
        continue;
      }
      // A number that only its holder writes: if two had it, one would find the other's.
      permit->uses = static_cast<uint64_t>(me) << 32 | i;
      for (int spin = 0; spin < 200; ++spin) hardware::pause();
      if (permit->uses != (static_cast<uint64_t>(me) << 32 | i))
        ADD_FAILURE() << "two in one place";
      ++b->entries;
    }
  });
  workers.run_for(std::chrono::seconds(zeroipc::testing::quick_or_full(2, 60)));
  b->stop = true;
  ASSERT_TRUE(workers.finish()) << workers.so_far().text();
  EXPECT_EQ(b->late, 0u);
  EXPECT_GT(b->entries, 100u);
  bulkhead.stop();
  EXPECT_TRUE(bulkhead.drain_for(1min)) << "all places have come back";
  zeroipc::testing::evidence("pattern bulkhead", zeroipc::testing::instrument::chaos)
      .figure("kills", workers.so_far().kills)
      .figure("stops", workers.so_far().stops)
      .figure("entries", b->entries)
      .figure("taken from the dead", bulkhead.stats(0).recovered + bulkhead.stats(1).recovered);
}

}  // namespace
}  // namespace zeroipc::patterns
