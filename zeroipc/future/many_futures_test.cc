// Property: names and memory of futures do not pile up. Any number of requests is answered through one segment, one future each,
// and in the end it holds what it held before: also when nobody is left who waits for the answer, and when clients die.
//
// 50,000 of them; a million with --test_env=ZEROIPC_LAB=full.
#include <gtest/gtest.h>
#include <signal.h>

#include <cstdint>
#include <string>

#include "testing/evidence/evidence.h"
#include "testing/harness/harness.h"
#include "zeroipc/future/future.h"
#include "zeroipc/heap/heap.h"
#include "zeroipc/name_table/audit.h"
#include "zeroipc/name_table/name_table.h"
#include "zeroipc/queue/queue.h"

namespace zeroipc {
namespace {

constexpr uint64_t kStop = ~uint64_t{0};

struct answer {
  uint64_t words[30];
};

std::string name_of(uint64_t id) { return "response_" + std::to_string(id); }

class ManyFutures : public ::testing::Test {
 protected:
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  static constexpr uint64_t kQuick = 5'000;
#else
  static constexpr uint64_t kQuick = 50'000;
#endif

  void expect_as_before() {
    const heap_stats now = stats(mem_);
    EXPECT_EQ(now.used, before_.used);
    EXPECT_EQ(now.used_blocks, before_.used_blocks);
    EXPECT_EQ(list(mem_, true).size(), 1u);
    const auto report = audit(mem_);
    ASSERT_TRUE(report.ok() && report->status.ok());
  }
  // Answers each request whose future is still there.
  void serve() {
    for (;;) {
      const uint64_t id = requests_.pop().value_or(kStop);
      if (id == kStop) return;
      auto response = future<answer>::open(mem_, name_of(id));
      if (response.ok()) {
        EXPECT_TRUE(response->set_value({{id}}));
      }
    }
  }

  const harness::unique_segment name_;
  memory mem_{name_.name(), 1 << 20};
  queue<uint64_t> requests_{mem_, "requests", 16};
  const heap_stats before_ = stats(mem_);
};

TEST_F(ManyFutures, OneAfterTheOther) {
  const uint64_t n = testing::quick_or_full<uint64_t>(kQuick, 1'000'000);
  for (uint64_t i = 0; i < n; ++i) {
    future<answer> f(mem_, name_of(i));
    ASSERT_TRUE(f.set_value({{i}}));
    ASSERT_EQ(f.peek()->words[0], i);
    ASSERT_TRUE(f.remove().ok());
  }
  expect_as_before();
}

TEST_F(ManyFutures, RequestsAndResponsesOfTwoProcesses) {
  const uint64_t n = testing::quick_or_full<uint64_t>(kQuick / 10, 1'000'000);
  harness::process server([&] { serve(); });
  for (uint64_t i = 0; i < n; ++i) {
    future<answer> response(mem_, name_of(i), true);
    ASSERT_TRUE(requests_.push(i));
    // Now and then it does not wait.
    if (i % 16 != 0) {
      ASSERT_EQ(response.get().words[0], i);
    }
    ASSERT_TRUE(response.remove().ok());
  }
  EXPECT_TRUE(requests_.push(kStop));
  EXPECT_EQ(server.wait(), harness::exited(0));
  expect_as_before();
}

// Of a client that was killed there stays the name, which anybody can take away who knows it.
TEST_F(ManyFutures, WhatADeadClientAskedForCanBeRemoved) {
  harness::process client([&] {
    future<answer> response(mem_, name_of(1), true);
    EXPECT_TRUE(requests_.push(1));
    response.get();
  });
  ASSERT_EQ(requests_.pop(), 1u);
  ASSERT_TRUE(harness::wait_until_asleep(client.pid()));
  client.kill();
  EXPECT_EQ(client.wait(), harness::killed_by(SIGKILL));
  {
    const auto orphan = future<answer>::open(mem_, name_of(1));
    ASSERT_TRUE(orphan.ok());
    EXPECT_TRUE(orphan->remove().ok());
  }
  expect_as_before();
}

}  // namespace
}  // namespace zeroipc
