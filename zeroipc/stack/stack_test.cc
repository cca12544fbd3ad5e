#include "zeroipc/stack/stack.h"

#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <numeric>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/harness/harness.h"

namespace zeroipc {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

class StackTest : public ::testing::Test {
 protected:
  const harness::unique_segment name_;
  memory mem_{name_.name(), 16 << 20};
};

TEST_F(StackTest, LastInFirstOut) {
  stack<int> s(mem_, "s", 3);
  int x = 0;
  EXPECT_EQ(s.try_pop(x), outcome::empty);
  EXPECT_EQ(s.try_top(x), outcome::empty);
  for (int i = 1; i <= 3; ++i) EXPECT_TRUE(s.push(i));
  EXPECT_EQ(s.try_push(4), outcome::full);
  EXPECT_EQ(s.push_for(4, 1ms), outcome::timed_out);
  EXPECT_TRUE(s.try_top(x));
  EXPECT_EQ(x, 3);
  EXPECT_EQ(s.size(), 3u);
  for (int i = 3; i >= 1; --i) EXPECT_EQ(s.pop(), i);
  EXPECT_EQ(s.try_pop(), std::nullopt);
  EXPECT_EQ(s.pop_for(x, 1ms), outcome::timed_out);
  EXPECT_EQ(s.pop_for(0ms), std::nullopt);
  const stack_stats stats = s.stats();
  EXPECT_EQ(stats.pushed, 3u);
  EXPECT_EQ(stats.popped, 3u);
  EXPECT_EQ(stats.refused, 1u);
}

TEST_F(StackTest, Batches) {
  stack<int> s(mem_, "s", 5);
  std::vector<int> in = {1, 2, 3, 4, 5, 6, 7};
  batch_outcome r = s.try_push_n(in);
  EXPECT_EQ(r.count, 5u);
  EXPECT_EQ(r.why, outcome::full);
  std::vector<int> out(3);
  r = s.pop_n(out);
  EXPECT_TRUE(r);
  EXPECT_EQ(r.count, 3u);
  EXPECT_THAT(out, ::testing::ElementsAre(5, 4, 3));
  r = s.push_n_for(in, 1ms);
  EXPECT_EQ(r.count, 3u);
  EXPECT_EQ(r.why, outcome::timed_out);
  out.resize(10);
  EXPECT_EQ(s.try_pop_n(out).count, 5u);
  EXPECT_EQ(s.try_pop_n(out).why, outcome::empty);
  EXPECT_EQ(s.pop_n_for(out, 1ms).why, outcome::timed_out);
  EXPECT_TRUE(s.try_push_n({}));
  EXPECT_TRUE(s.try_pop_n({}));
}

TEST_F(StackTest, ClosingLetsWhatIsThereOut) {
  stack<int> s(mem_, "s", 5);
  EXPECT_TRUE(s.push(1));
  s.close();
  EXPECT_TRUE(s.closed());
  EXPECT_EQ(s.push(2), outcome::closed);
  int x;
  EXPECT_TRUE(s.pop(x));
  EXPECT_EQ(s.pop(x), outcome::closed);
  EXPECT_EQ(s.pop(), std::nullopt);
}

TEST_F(StackTest, SleepersAreWoken) {
  stack<int> s(mem_, "s", 1);
  harness::process taker([&]() -> int { return s.pop() == 7 && s.pop() == 8 ? 0 : 1; });
  ASSERT_TRUE(harness::wait_until_asleep(taker.pid()));
  EXPECT_TRUE(s.push(7));
  EXPECT_TRUE(s.push(8));
  EXPECT_EQ(taker.wait(), harness::exited(0));
  EXPECT_TRUE(s.push(9));
  harness::process giver(
      [&]() -> int { return s.push(10) && s.push(11) == outcome::closed ? 0 : 1; });
  ASSERT_TRUE(harness::wait_until_asleep(giver.pid()));
  EXPECT_EQ(s.pop(), 9);
  ASSERT_TRUE(harness::eventually([&] { return s.size() == 1; }));
  ASSERT_TRUE(harness::wait_until_asleep(giver.pid()));
  s.close();
  EXPECT_EQ(giver.wait(), harness::exited(0));
}

TEST_F(StackTest, ClosingWakesWhoWaitsForAnElement) {
  stack<int> s(mem_, "s", 1);
  harness::process taker([&]() -> int { return s.pop() ? 1 : 0; });
  ASSERT_TRUE(harness::eventually([&] { return s.stats().waits == 1; }));
  ASSERT_TRUE(harness::wait_until_asleep(taker.pid()));
  s.close();
  EXPECT_EQ(taker.wait(), harness::exited(0));
}

struct alignas(32) wide {
  char text[33];
};
TEST_F(StackTest, ElementsOfAnySizeAndAlignment) {
  stack<char> bytes(mem_, "bytes", 10);
  EXPECT_TRUE(bytes.push('x'));
  EXPECT_EQ(bytes.pop(), 'x');
  stack<wide> wides(mem_, "wides", 10);
  EXPECT_TRUE(wides.push({"wide"}));
  EXPECT_STREQ(wides.pop()->text, "wide");
  stack<std::array<char, 4096>> pages(mem_, "pages", 5);
  EXPECT_TRUE(pages.push({"page"}));
  EXPECT_STREQ(pages.pop()->data(), "page");
}

// Threads of several processes: each element comes out once.
TEST_F(StackTest, EachElementComesOutOnce) {
  constexpr uint64_t kEach = 10'000;
  struct books {
    std::atomic<uint64_t> taken[4 * kEach];
  };
  harness::shared_state<books> book;
  stack<uint64_t> s(mem_, "s", 16);
  std::vector<harness::process> takers, givers;
  for (int p = 0; p < 2; ++p) {
    takers.emplace_back([&]() -> int {
      const auto take = [&] {
        while (auto x = s.pop()) book->taken[*x].fetch_add(1);
      };
      std::thread other(take);
      take();
      other.join();
      return 0;
    });
    givers.emplace_back([&, p]() -> int {
      const auto give = [&](uint64_t from) {
        for (uint64_t i = 0; i < kEach; ++i) {
          if (!s.push(from + i)) std::abort();
        }
      };
      const uint64_t base = static_cast<uint64_t>(p) * 2 * kEach;
      std::thread other(give, base);
      give(base + kEach);
      other.join();
      return 0;
    });
  }
  for (harness::process& p : givers) EXPECT_EQ(p.wait(), harness::exited(0));
  s.close();
  for (harness::process& p : takers) EXPECT_EQ(p.wait(), harness::exited(0));
  for (const auto& taken : book->taken) ASSERT_EQ(taken.load(), 1u);
}

TEST_F(StackTest, WhatItIsNotIsRefusedAndNamed) {
  stack<int> s(mem_, "s", 4);
  const auto other = stack<int>::open_or_create(mem_, "s", 5);
  EXPECT_TRUE(absl::IsFailedPrecondition(other.status()));
  EXPECT_THAT(other.status().message(), HasSubstr("capacity 4, asked for 5"));
  EXPECT_TRUE(absl::IsFailedPrecondition(stack<float>::open(mem_, "s").status()));
  EXPECT_TRUE(absl::IsNotFound(stack<int>::open(mem_, "t").status()));
  EXPECT_TRUE(absl::IsAlreadyExists(stack<int>::create(mem_, "s", 4).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(stack<int>::create(mem_, "t", 0).status()));
  EXPECT_TRUE(absl::IsResourceExhausted(stack<int>::create(mem_, "t", 1 << 30).status()));
  EXPECT_THROW(stack<int>(mem_, "t"), error);
}

}  // namespace
}  // namespace zeroipc
