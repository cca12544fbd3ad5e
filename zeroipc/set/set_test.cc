#include "zeroipc/set/set.h"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/harness/harness.h"

namespace zeroipc {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

class SetTest : public ::testing::Test {
 protected:
  const harness::unique_segment name_;
  memory mem_{name_.name(), 16 << 20};
};

TEST_F(SetTest, KnowsWhatIsThere) {
  set<uint64_t> s(mem_, "s", 1000);
  EXPECT_EQ(s.capacity(), 1000u);
  std::set<uint64_t> model;
  for (uint64_t i = 0; i < 1000; ++i) {
    const uint64_t k = i * i % 1009;
    ASSERT_EQ(s.insert(k), model.insert(k).second ? outcome::ok : outcome::exists);
  }
  for (uint64_t k = 0; k < 1009; ++k) ASSERT_EQ(s.contains(k), model.contains(k));
  EXPECT_EQ(s.size(), model.size());
  std::set<uint64_t> met;
  EXPECT_TRUE(s.for_each([&](uint64_t k) { met.insert(k); }));
  EXPECT_EQ(met, model);
  for (const uint64_t k : model) ASSERT_EQ(s.erase(k), outcome::ok);
  EXPECT_EQ(s.erase(1), outcome::missing);
  EXPECT_TRUE(s.empty());
  s.insert(1);
  EXPECT_TRUE(s.clear());
  EXPECT_FALSE(s.contains(1));
}

// Of several processes that insert the same keys, one is told for each that it was the first.
TEST_F(SetTest, OneIsTheFirst) {
  constexpr uint64_t kKeys = 5'000;
  set<fixed_string<11>> s(mem_, "s", kKeys);
  harness::shared_state<std::atomic<uint64_t>> firsts;
  std::vector<harness::process> all;
  for (int p = 0; p < 3; ++p) {
    all.emplace_back([&] {
      for (uint64_t k = 0; k < kKeys; ++k) {
        if (s.insert(std::to_string(k))) firsts->fetch_add(1);
      }
    });
  }
  for (harness::process& p : all) EXPECT_EQ(p.wait(), harness::exited(0));
  EXPECT_EQ(*firsts, kKeys);
  EXPECT_EQ(s.size(), kKeys);
}

TEST_F(SetTest, WhoWaitsForAKeyIsWoken) {
  set<int> s(mem_, "s", 10);
  EXPECT_FALSE(s.wait_until_there_for(1, 1ms));
  EXPECT_TRUE(s.wait_until_gone_for(1, 1ms));
  harness::shared_state<std::atomic<bool>> seen;
  harness::process waits([&] {
    s.wait_until_there(1);
    *seen = true;
    s.wait_until_gone(1);
  });
  ASSERT_TRUE(harness::wait_until_asleep(waits.pid()));
  s.insert(1);
  ASSERT_TRUE(harness::eventually([&] { return seen->load(); }));
  s.erase(1);
  EXPECT_EQ(waits.wait(), harness::exited(0));
}

TEST_F(SetTest, WhatItIsNotIsRefusedAndNamed) {
  const set<int> s(mem_, "s", 4);
  EXPECT_THAT(set<int>::open_or_create(mem_, "s", 5).status().message(),
              HasSubstr("capacity 4, asked for 5"));
  EXPECT_THAT(set<long>::open(mem_, "s").status().message(), HasSubstr("set_entry<int>"));
  EXPECT_TRUE(absl::IsInvalidArgument(set<int>::create(mem_, "t", 0).status()));
  EXPECT_THROW(set<int>(mem_, "t"), error);
}

}  // namespace
}  // namespace zeroipc
