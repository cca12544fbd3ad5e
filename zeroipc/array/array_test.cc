#include "zeroipc/array/array.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <numeric>
#include <ranges>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/harness/harness.h"

namespace zeroipc {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct big {
  uint64_t words[9];
  static big of(uint64_t x) { return {x, x, x, x, x, x, x, x, x}; }
  bool whole() const {
    return std::ranges::all_of(words, [&](uint64_t w) { return w == words[0]; });
  }
};
struct odd {
  char text[13];
};
struct three {
  uint32_t a, b, c;
};
struct alignas(64) wide {
  double x;
};

static_assert(std::ranges::contiguous_range<array<int>>);
static_assert(std::ranges::sized_range<array<int>>);

class ArrayTest : public ::testing::Test {
 protected:
  const harness::unique_segment name_;
  memory mem_{name_.name(), 16 << 20};
};

TEST_F(ArrayTest, IsACArray) {
  array<int> a(mem_, "a", 5);
  EXPECT_THAT(a, ElementsAre(0, 0, 0, 0, 0)) << "zeroes at first";
  std::iota(a.begin(), a.end(), 10);
  EXPECT_EQ(a.size(), 5u);
  EXPECT_EQ(a.front(), 10);
  EXPECT_EQ(a.back(), 14);
  a[2] = 1;
  a.at(3) = 2;
  std::ranges::sort(a);
  EXPECT_THAT(array<int>(mem_, "a").span(), ElementsAre(1, 2, 10, 11, 14));
  EXPECT_EQ(std::accumulate(a.cbegin(), a.cend(), 0), 38);
  EXPECT_EQ(&a[4] - &a[0], 4) << "nothing between elements";
  a.fill(7);
  EXPECT_THAT(a, ElementsAre(7, 7, 7, 7, 7));
  const std::vector<int> two = {1, 2};
  a.copy_in(3, two);
  std::vector<int> out(3);
  a.copy_out(2, out);
  EXPECT_THAT(out, ElementsAre(7, 1, 2));
}

TEST_F(ArrayTest, AnIndexBeyondTheEndIsNamed) {
  array<int> a(mem_, "a", 5);
  try {
    a.at(5) = 1;
    FAIL();
  } catch (const error& e) {
    EXPECT_TRUE(absl::IsOutOfRange(e.status()));
    EXPECT_THAT(e.what(), HasSubstr("index 5"));
    EXPECT_THAT(e.what(), HasSubstr("5 elements"));
  }
  const std::vector<int> two = {1, 2};
  EXPECT_THROW(a.copy_in(4, two), error);
  EXPECT_THROW(a.copy_in(~size_t{0}, two), error);
  EXPECT_NO_THROW(a.copy_in(5, {}));
  EXPECT_THROW((void)a.load(5), error);
  EXPECT_THROW(a.store(5, 1), error);
}

template <typename T>
void expect_holds(const memory& mem, std::string_view name, const T& one, const T& two) {
  array<T> a(mem, name, 3);
  EXPECT_TRUE(a.store(0, one));
  EXPECT_TRUE(a.store(2, two));
  EXPECT_TRUE(a.store(2, one));
  EXPECT_TRUE(a.store(2, two));
  T got = a.load(0);
  EXPECT_EQ(std::memcmp(&got, &one, sizeof(T)), 0);
  got = a.load(2);
  EXPECT_EQ(std::memcmp(&got, &two, sizeof(T)), 0);
  EXPECT_EQ(std::memcmp(&a[2], &two, sizeof(T)), 0) << "in its place";
  const T zero{};
  got = a.load(1);
  EXPECT_EQ(std::memcmp(&got, &zero, sizeof(T)), 0);
}

TEST_F(ArrayTest, LoadsAndStoresOfAnySize) {
  expect_holds<char>(mem_, "char", 'x', 'y');
  expect_holds<float>(mem_, "float", 1.5f, 2.5f);
  expect_holds<double>(mem_, "double", 1.5, 2.5);
  expect_holds<odd>(mem_, "odd", {"twelve chars"}, {"TWELVE CHARS"});
  expect_holds<three>(mem_, "three", {1, 2, 3}, {4, 5, 6});
  expect_holds<wide>(mem_, "wide", {1.5}, {2.5});
  expect_holds<big>(mem_, "big", big::of(3), big::of(4));
}

TEST_F(ArrayTest, UpdatesAndAtomicsAreAtomic) {
  array<uint32_t> small(mem_, "small", 2);
  array<big> large(mem_, "large", 2);
  constexpr int kThreads = 3, kTimes = 5'000;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < kTimes; ++i) {
        small.atomic(1).fetch_add(1);
        small.update(1, [](uint32_t& x) { ++x; });
        large.update(1, [](big& b) { b = big::of(b.words[0] + 1); });
      }
    });
  }
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(small.load(1), 2u * kThreads * kTimes);
  EXPECT_EQ(large.load(1).words[0], uint64_t{kThreads} * kTimes);
}

TEST_F(ArrayTest, ReadersInOtherProcessesSeeWholeElements) {
  array<big> a(mem_, "a", 4);
  constexpr uint64_t kLast = 30'000;
  std::vector<harness::process> readers;
  for (int i = 0; i < 2; ++i) {
    readers.emplace_back([&]() -> int {
      uint64_t seen = 0;
      while (seen < kLast) {
        const big b = a.load(2);
        if (!b.whole() || b.words[0] < seen) return 1;
        seen = b.words[0];
      }
      return 0;
    });
  }
  for (uint64_t i = 1; i <= kLast; ++i) ASSERT_TRUE(a.store(2, big::of(i)));
  for (harness::process& p : readers) EXPECT_EQ(p.wait(), harness::exited(0));
}

TEST_F(ArrayTest, MoreElementsThanStripes) {
  array<three> a(mem_, "a", 1000);
  EXPECT_EQ(a.stats().stripes, internal::kMaxArrayStripes);
  for (uint32_t i = 0; i < 1000; ++i) EXPECT_TRUE(a.store(i, {i, i + 1, i + 2}));
  for (uint32_t i = 0; i < 1000; ++i) EXPECT_EQ(a.load(i).c, i + 2);
  EXPECT_EQ(array<int>(mem_, "ints", 9).stats().stripes, 0u);
}

TEST_F(ArrayTest, WhatItIsNotIsRefusedAndNamed) {
  array<int> a(mem_, "a", 4);
  const auto other = array<int>::open_or_create(mem_, "a", 5);
  EXPECT_TRUE(absl::IsFailedPrecondition(other.status()));
  EXPECT_THAT(other.status().message(), HasSubstr("capacity 4, asked for 5"));
  EXPECT_TRUE(absl::IsFailedPrecondition(array<float>::open(mem_, "a").status()));
  EXPECT_TRUE(absl::IsNotFound(array<int>::open(mem_, "b").status()));
  EXPECT_TRUE(absl::IsAlreadyExists(array<int>::create(mem_, "a", 4).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(array<int>::create(mem_, "b", 0).status()));
  EXPECT_TRUE(absl::IsResourceExhausted(array<int>::create(mem_, "b", 1 << 30).status()));
  EXPECT_TRUE(absl::IsResourceExhausted(array<int>::create(mem_, "b", ~size_t{0} / 4).status()));
  EXPECT_THROW(array<int>(mem_, "b"), error);
}

TEST_F(ArrayTest, StaysWhileSomebodyHoldsIt) {
  array<int> a(mem_, "a", 4);
  a[0] = 1;
  EXPECT_TRUE(remove(mem_, "a").ok());
  array<int> anew(mem_, "a", 4);
  EXPECT_EQ(anew[0], 0);
  EXPECT_EQ(a[0], 1);
}

}  // namespace
}  // namespace zeroipc
