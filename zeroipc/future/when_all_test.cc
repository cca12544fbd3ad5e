#include "zeroipc/future/when_all.h"

#include <chrono>
#include <string>
#include <tuple>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/harness/harness.h"
#include "zeroipc/base/error.h"

namespace zeroipc {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class WhenAllTest : public ::testing::Test {
 protected:
  std::vector<future<int>> some(int n) {
    std::vector<future<int>> all;
    for (int i = 0; i < n; ++i) all.emplace_back(mem_, std::to_string(i));
    return all;
  }

  const harness::unique_segment name_;
  memory mem_{name_.name(), 4 << 20};
};

TEST_F(WhenAllTest, ValuesOfUnlikeFuturesMakeATuple) {
  future<int> i(mem_, "i");
  future<double> d(mem_, "d");
  EXPECT_EQ(when_all_for(1ms, i, d), std::nullopt);
  EXPECT_TRUE(i.set_value(3));
  EXPECT_EQ(when_all_for(0ms, i, d), std::nullopt);
  harness::process other([&] { EXPECT_TRUE(d.set_value(1.5)); });
  const auto [a, b] = when_all(i, d);
  EXPECT_EQ(a, 3);
  EXPECT_EQ(b, 1.5);
  EXPECT_EQ(when_all_for(1h, d, i), std::make_tuple(1.5, 3));
  EXPECT_EQ(when_all(), std::tuple<>());
  EXPECT_EQ(other.wait(), harness::exited(0));
}

TEST_F(WhenAllTest, ValuesOfAVectorAreInItsOrder) {
  std::vector<future<int>> all = some(4);
  std::vector<harness::process> workers;
  for (int i = 3; i >= 0; --i) {
    workers.emplace_back([&, i] { EXPECT_TRUE(all[static_cast<size_t>(i)].set_value(i * i)); });
  }
  EXPECT_THAT(when_all(all), ElementsAre(0, 1, 4, 9));
  EXPECT_THAT(*when_all_for(1h, all), ElementsAre(0, 1, 4, 9));
  EXPECT_TRUE(when_all(std::vector<future<int>>()).empty());
  for (harness::process& p : workers) EXPECT_EQ(p.wait(), harness::exited(0));
}

TEST_F(WhenAllTest, TheFirstErrorInOrderIsRaisedOnceAllAreSettled) {
  std::vector<future<int>> all = some(3);
  EXPECT_TRUE(all[2].set_error("the third"));
  EXPECT_TRUE(all[0].set_value(1));
  EXPECT_EQ(when_all_for(1ms, all), std::nullopt) << "the second is not there";
  harness::process late([&] {
    ASSERT_TRUE(harness::eventually([&] { return all[1].stats().waits >= 2; }));
    EXPECT_TRUE(all[1].set_error("the second"));
  });
  try {
    when_all(all);
    FAIL() << "two of them have no value";
  } catch (const error& e) {
    EXPECT_THAT(e.what(), HasSubstr("the second"));
  }
  EXPECT_EQ(late.wait(), harness::exited(0));
  EXPECT_EQ(when_all_for(1h, all), std::nullopt);
  EXPECT_EQ(when_all_for(1h, all[0], all[1]), std::nullopt);
  EXPECT_THROW(when_all(all[2], all[0]), error);
}

TEST_F(WhenAllTest, NobodyIsStillAtItWhenItReturns) {
  for (const bool as_tuple : {false, true}) {
    std::vector<future<int>> all = some(2);
    EXPECT_TRUE(all[0].set_error("the first"));
    harness::process late([&] {
      ASSERT_TRUE(harness::eventually([&] { return all[1].stats().waits != 0; }));
      EXPECT_TRUE(all[1].set_value(1));
    });
    if (as_tuple) {
      EXPECT_THROW(when_all(all[0], all[1]), error);
    } else {
      EXPECT_THROW(when_all(all), error);
    }
    ASSERT_TRUE(all[1].ready());
    EXPECT_EQ(late.wait(), harness::exited(0));
    for (const future<int>& f : all) EXPECT_TRUE(f.remove().ok());
  }
}

}  // namespace
}  // namespace zeroipc
