// Properties: a worker ends with its handle, whatever it is at; a child that is forked has none.
#include "zeroipc/background/worker.h"

#include <gtest/gtest.h>

#include <atomic>
#include <climits>
#include <memory>
#include <utility>

#include "testing/harness/harness.h"
#include "zeroipc/participant/test_support.h"
#include "zeroipc/wait/wait.h"

namespace zeroipc::internal {
namespace {

using harness::exited;

class Worker : public ::testing::Test {
 protected:
  // Runs turns until told to stop, and sleeps in between.
  std::unique_ptr<worker> started() {
    auto w = worker::start(
        "test", [this] { event_.notify(env_, INT_MAX); },
        [this](const worker::stop_flag& stop) {
          while (!stop) {
            turns_.fetch_add(1);
            turns_.notify_all();
            wait_until<hardware>(env_, event_, deadline::never(),
                                 [&] { return stop || work_.exchange(false); });
          }
          ended_ = true;
        });
    EXPECT_TRUE(w.ok()) << w.status();
    return *std::move(w);
  }
  void expect_turn(int n) {
    for (int seen = turns_; seen < n; seen = turns_) turns_.wait(seen);
  }

  harness::unique_segment segment_;
  memory mem_{segment_.name(), kTestSegmentBytes};
  participant& env_ = self_of(mem_);
  event_word<hardware>& event_ = scratch<event_word<hardware>>(mem_);
  std::atomic<int> turns_{0};
  std::atomic<bool> work_{false};
  std::atomic<bool> ended_{false};
};

TEST_F(Worker, WorksUntilItsHandleGoes) {
  std::unique_ptr<worker> w = started();
  expect_turn(1);
  work_ = true;
  event_.notify(env_, 1);
  expect_turn(2);
  EXPECT_FALSE(w->is_this_thread());
  w.reset();
  EXPECT_TRUE(ended_);
}

TEST_F(Worker, IsStoppedWhereverItIs) {
  env_.set_spins(0);
  // Before its first step, on its way to sleep, and asleep.
  for (int i = 0; i < 300; ++i) {
    ended_ = false;
    std::unique_ptr<worker> w = started();
    for (int k = 0; k < i; ++k) std::atomic_signal_fence(std::memory_order_seq_cst);
    w.reset();
    EXPECT_TRUE(ended_);
  }
}

TEST_F(Worker, MayDestroyItself) {
  std::unique_ptr<worker> w;
  harness::gate known, gone;
  auto made = worker::start(
      "test", [] {},
      [&](const worker::stop_flag& stop) {
        EXPECT_TRUE(known.wait());
        EXPECT_TRUE(w->is_this_thread());
        w.reset();
        EXPECT_TRUE(static_cast<bool>(stop));
        gone.open();
      });
  ASSERT_TRUE(made.ok());
  w = *std::move(made);
  known.open();
  EXPECT_TRUE(gone.wait());
}

TEST_F(Worker, IsNotThereInAForkedChild) {
  std::unique_ptr<worker> w = started();
  expect_turn(1);
  harness::process child([&] {
    w.reset();
    EXPECT_FALSE(ended_);
    // The child's own works.
    turns_ = 0;
    std::unique_ptr<worker> own = started();
    expect_turn(1);
    own.reset();
    EXPECT_TRUE(ended_);
  });
  EXPECT_EQ(child.wait(), exited(0));
  EXPECT_FALSE(ended_);
  w.reset();
  EXPECT_TRUE(ended_);
}

}  // namespace
}  // namespace zeroipc::internal
