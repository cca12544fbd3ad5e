#include "zeroipc/once/once.h"

#include <signal.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/harness/harness.h"
#include "zeroipc/base/error.h"
#include "zeroipc/cell/cell.h"

namespace zeroipc {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

class OnceTest : public ::testing::Test {
 protected:
  const harness::unique_segment name_;
  memory mem_{name_.name(), 4 << 20};
};

TEST_F(OnceTest, OneThreadOfAllRunsIt) {
  harness::shared_state<std::atomic<int>> runs;
  once o(mem_, "o");
  std::vector<harness::process> all;
  for (int p = 0; p < 4; ++p) {
    all.emplace_back([&]() -> int {
      const auto go = [&] {
        EXPECT_TRUE(o.call([&] { runs->fetch_add(1); }));
        EXPECT_TRUE(o.done());
        EXPECT_EQ(*runs, 1);
      };
      std::thread other(go);
      go();
      other.join();
      return 0;
    });
  }
  for (harness::process& p : all) EXPECT_EQ(p.wait(), harness::exited(0));
  EXPECT_EQ(*runs, 1);
  EXPECT_TRUE(o.stats().done);
}

TEST_F(OnceTest, IsHandedOverByWhoDiesInIt) {
  once o(mem_, "o");
  harness::process dies([&] { o.call([](bool) { ::raise(SIGKILL); }); });
  EXPECT_EQ(dies.wait(), harness::killed_by(SIGKILL));
  EXPECT_FALSE(o.done());
  bool told = false;
  EXPECT_TRUE(o.call([&](bool again) { told = again; }));
  EXPECT_TRUE(told);
  EXPECT_TRUE(o.call([](bool) { FAIL() << "it has been done"; }));
  EXPECT_EQ(o.stats().deaths, 1u);
}

TEST_F(OnceTest, ARunThatThrowsWasNone) {
  once o(mem_, "o");
  EXPECT_THROW(o.call([] { throw std::runtime_error("no"); }), std::runtime_error);
  EXPECT_FALSE(o.done());
  EXPECT_TRUE(o.call([](bool again) { EXPECT_FALSE(again) << "nobody died"; }));
  EXPECT_TRUE(o.done());
}

TEST_F(OnceTest, OthersWaitOrNot) {
  once o(mem_, "o");
  harness::shared_state<std::atomic<bool>> in, out;
  harness::process runs([&] {
    o.call([&] {
      *in = true;
      while (!*out) std::this_thread::yield();
    });
  });
  ASSERT_TRUE(harness::eventually([&] { return in->load(); }));
  EXPECT_EQ(o.try_call([] { FAIL(); }), outcome::taken);
  EXPECT_EQ(o.call_for(1ms, [] { FAIL(); }), outcome::timed_out);
  EXPECT_FALSE(o.wait_for(1ms));
  EXPECT_TRUE(o.stats().running);
  std::thread waits([&] {
    o.wait();
    EXPECT_TRUE(o.done());
  });
  *out = true;
  waits.join();
  EXPECT_EQ(runs.wait(), harness::exited(0));
}

TEST_F(OnceTest, WhatItIsNotIsRefusedAndNamed) {
  const once o(mem_, "o");
  EXPECT_TRUE(once::open(mem_, "o").ok());
  EXPECT_TRUE(absl::IsAlreadyExists(once::create(mem_, "o").status()));
  EXPECT_TRUE(absl::IsNotFound(once::open(mem_, "n").status()));
  const cell<int> c(mem_, "c");
  EXPECT_THAT(once::open(mem_, "c").status().message(), HasSubstr("once"));
  EXPECT_THROW(once(mem_, ""), error);
}

}  // namespace
}  // namespace zeroipc
