#include "tools/demo/kill_plan.h"

#include "gtest/gtest.h"

namespace zeroipc::demo {
namespace {

constexpr int64_t kMs = 1'000'000;

// Runs one pass over `files`, each taking `per_file`, and returns after how many files the kills came.
std::vector<size_t> one_pass(kill_plan& plan, uint32_t pass, size_t files, int64_t per_file,
                             int64_t& now) {
  std::vector<size_t> kills;
  for (size_t taken = 0; taken < files; ++taken, now += per_file) {
    if (plan.due(pass, taken, now)) {
      kills.push_back(taken);
      plan.done(now);
    }
  }
  return kills;
}

TEST(KillPlan, SpreadsTheKillsOverALongPass) {
  kill_plan plan(20, 10'000, 7);
  int64_t now = 1;
  const auto kills = one_pass(plan, 1, 10'000, kMs, now);
  ASSERT_GE(kills.size(), 19u);  // the last may fall behind the end
  EXPECT_LT(kills.front(), 4'000u);
  EXPECT_GT(kills.back(), 6'000u);
}

TEST(KillPlan, WhatAShortPassHasNoTimeForComesInTheNextOnes) {
  kill_plan plan(20, 3, 7);
  int64_t now = 1;
  uint32_t pass = 1;
  while (plan.left() > 0 && pass < 10'000) one_pass(plan, pass++, 3, kMs, now);
  EXPECT_EQ(plan.left(), 0);
}

TEST(KillPlan, DoesNotWaitForProgressThatDoesNotCome) {
  kill_plan plan(3, 1, 7);
  int64_t now = 1;
  int kills = 0;
  for (int i = 0; i < 200; ++i, now += 10 * kMs) {
    if (plan.due(1, 0, now)) {
      ++kills;
      plan.done(now);
    }
  }
  EXPECT_EQ(kills, 3);
}

TEST(KillPlan, TheSameSeedPlansTheSame) {
  int64_t a_now = 1, b_now = 1;
  kill_plan a(10, 1000, 5), b(10, 1000, 5);
  EXPECT_EQ(one_pass(a, 1, 1000, kMs, a_now), one_pass(b, 1, 1000, kMs, b_now));
}

TEST(KillPlan, NeverWaitsLongerThanTheNextMoment) {
  kill_plan plan(1, 0, 3);
  EXPECT_FALSE(plan.due(2, 0, kMs));
  const int64_t wait = plan.until_next(kMs);
  EXPECT_LE(wait, 10 * kMs);
  EXPECT_TRUE(plan.due(2, 0, kMs + wait));
}

}  // namespace
}  // namespace zeroipc::demo
