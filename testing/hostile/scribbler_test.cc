// The scribbler overwrites what it is told to, and the watch over its workers sees what it is there to see.
#include "testing/hostile/scribbler.h"

#include <gtest/gtest-spi.h>
#include <gtest/gtest.h>

#include <csignal>
#include <thread>

namespace zeroipc::testing {
namespace {

using std::chrono::milliseconds;

struct numbers {
  std::atomic<uint64_t> guard_before{5};
  std::atomic<uint64_t> words[8];
  std::atomic<uint64_t> guard_after{5};
};

TEST(Scribbler, OverwritesItsRegionsAndNothingElseAndPutsThemBack) {
  harness::shared_state<numbers> n;
  harness::shared_state<std::atomic<uint64_t>> changed(0);
  for (auto& w : n->words) w = 7;
  scribbled_work work(1, [&](int me, scribbled_work& w) {
    w.ready(me);
    while (w.next()) {
      for (const auto& word : n->words) *changed += word != 7;
      std::this_thread::yield();
    }
  });
  work.scribble_for(milliseconds(100), {.regions = {{n->words, sizeof n->words}}});
  EXPECT_TRUE(work.finish());
  EXPECT_GT(changed->load(), 0u);
  EXPECT_GT(work.rounds(), 0u);
  EXPECT_GE(work.words(), work.rounds());
  for (const auto& word : n->words) EXPECT_EQ(word, 7u);
  EXPECT_EQ(n->guard_before, 5u);
  EXPECT_EQ(n->guard_after, 5u);
}

TEST(Scribbler, FreesOwnersAndNothingMore) {
  harness::shared_state<numbers> n;
  for (auto& w : n->words) w = uint64_t{1} << 32 | 1;
  harness::shared_state<std::atomic<uint64_t>> wrong(0);
  scribbled_work work(1, [&](int me, scribbled_work& w) {
    w.ready(me);
    while (w.next()) {
      const auto low = static_cast<uint32_t>(n->words[3]);
      const auto high = static_cast<uint32_t>(n->words[4] >> 32);
      *wrong += low > 1 || high > 1;
      std::this_thread::yield();
    }
  });
  auto* halves = reinterpret_cast<uint32_t*>(n->words);
  work.scribble_for(milliseconds(100),
                    {.regions = {{n->words, sizeof n->words}}, .owners = {halves + 6, halves + 9}});
  EXPECT_TRUE(work.finish());
  EXPECT_EQ(wrong->load(), 0u);
}

void WorkThatCrashes() {
  harness::shared_state<numbers> n;
  scribbled_work work(1, [&](int me, scribbled_work& w) {
    w.ready(me);
    std::raise(SIGKILL);
  });
  work.scribble_for(milliseconds(10), {.regions = {{n->words, sizeof n->words}}});
  static_cast<void>(!work.finish());
}

TEST(Scribbler, AWorkerThatIsEndedByASignalIsAFailure) {
  ::testing::TestPartResultArray failures;
  {
    ::testing::ScopedFakeTestPartResultReporter reporter(
        ::testing::ScopedFakeTestPartResultReporter::INTERCEPT_ONLY_CURRENT_THREAD, &failures);
    WorkThatCrashes();
  }
  ASSERT_GT(failures.size(), 0);
  EXPECT_NE(std::string(failures.GetTestPartResult(0).message()).find("worker 0"),
            std::string::npos);
}

}  // namespace
}  // namespace zeroipc::testing
