#include "zeroipc/lazy/lazy.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/harness/harness.h"
#include "zeroipc/cell/cell.h"

namespace zeroipc {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

struct odd {
  char text[13];
};
struct alignas(128) wide {
  double x;
};
struct large {
  std::array<uint64_t, 1000> words;
};
struct unmade {
  explicit unmade(int i) : x(i) {}
  const int x;
};

class LazyTest : public ::testing::Test {
 protected:
  const harness::unique_segment name_;
  memory mem_{name_.name(), 4 << 20};
};

TEST_F(LazyTest, IsComputedWhenItIsAskedForAndThenNotAgain) {
  lazy<int> l(mem_, "l");
  int runs = 0;
  EXPECT_TRUE(l.set_computation([&] { return ++runs * 10; }));
  EXPECT_EQ(runs, 0);
  EXPECT_EQ(l.try_get(), std::nullopt);
  EXPECT_EQ(l.version(), 0u);
  EXPECT_EQ(l.get(), 10);
  EXPECT_EQ(l.get(), 10);
  EXPECT_EQ(lazy<int>(mem_, "l", true).try_get(), 10);
  EXPECT_EQ(runs, 1);
  EXPECT_EQ(l.get_versioned().version, l.version());
  EXPECT_TRUE(l.stats().has_value);
  EXPECT_EQ(l.stats().evaluations, 1u);
}

TEST_F(LazyTest, IsComputedByTheThreadOfAnotherHandle) {
  lazy<int> provider(mem_, "l"), asker(mem_, "l", true);
  std::thread::id by;
  EXPECT_TRUE(provider.set_computation([&] {
    by = std::this_thread::get_id();
    return 7;
  }));
  EXPECT_EQ(asker.get(), 7);
  EXPECT_NE(by, std::this_thread::get_id());
  // Who asks by the provider's own handle computes it himself, once the provider's thread is through with the last one, and unless
  // it is to take no longer than so long.
  EXPECT_TRUE(harness::eventually([&] {
    provider.invalidate();
    EXPECT_EQ(provider.get(), 7);
    return by == std::this_thread::get_id();
  }));
  provider.invalidate();
  EXPECT_EQ(provider.get_for(1h), 7);
  EXPECT_NE(by, std::this_thread::get_id());
}

TEST_F(LazyTest, ValuesOfAnySizeAndAlignment) {
  lazy<char> one(mem_, "one");
  one.set_computation([] { return 'x'; });
  EXPECT_EQ(one.get(), 'x');
  lazy<odd> thirteen(mem_, "thirteen");
  thirteen.set_computation([] { return odd{"twelve chars"}; });
  EXPECT_STREQ(thirteen.get().text, "twelve chars");
  lazy<wide> aligned(mem_, "aligned");
  aligned.set_computation([] { return wide{2.5}; });
  EXPECT_EQ(aligned.get().x, 2.5);
  lazy<large> much(mem_, "much");
  much.set_computation([] {
    large l;
    l.words.fill(5);
    return l;
  });
  EXPECT_EQ(much.get().words[999], 5u);
  lazy<unmade> u(mem_, "u");
  u.set_computation([] { return unmade(3); });
  EXPECT_EQ(u.get().x, 3);
}

TEST_F(LazyTest, WhatIsInvalidatedIsComputedAnew) {
  lazy<int> l(mem_, "l");
  int source = 1, runs = 0;
  l.set_computation([&] {
    ++runs;
    return source;
  });
  l.invalidate();
  EXPECT_EQ(l.get(), 1);
  const uint64_t before = l.version();
  source = 2;
  EXPECT_EQ(l.get(), 1);
  l.invalidate();
  EXPECT_EQ(l.try_get(), std::nullopt);
  EXPECT_EQ(runs, 1);
  EXPECT_EQ(l.get(), 2);
  EXPECT_GT(l.version(), before);
  source = 3;
  l.refresh();
  // Asked for already: nobody has to wait for it.
  EXPECT_TRUE(harness::eventually([&] { return l.try_get() == 3; }));
}

TEST_F(LazyTest, WhatIsInvalidatedWhileItIsComputedDoesNotCount) {
  lazy<int> l(mem_, "l"), asker(mem_, "l");
  std::atomic<int> source{1}, runs{0};
  harness::gate read, go_on;
  l.set_computation([&] {
    const int x = source;
    if (++runs == 1) {
      read.open();
      EXPECT_TRUE(go_on.wait());
    }
    return x;
  });
  std::thread waits([&] { EXPECT_EQ(asker.get(), 2) << "computed from what was there before"; });
  ASSERT_TRUE(read.wait());
  EXPECT_TRUE(l.stats().evaluating);
  source = 2;
  l.invalidate();
  EXPECT_EQ(asker.try_get(), std::nullopt);
  go_on.open();
  waits.join();
  EXPECT_EQ(runs, 2);
}

TEST_F(LazyTest, ARefreshWhileItIsComputedHasItComputedOnceMore) {
  lazy<int> l(mem_, "l");
  std::atomic<int> runs{0};
  harness::gate first, go_on;
  l.set_computation([&] {
    const int run = ++runs;
    if (run == 1) {
      first.open();
      EXPECT_TRUE(go_on.wait());
    }
    return run;
  });
  l.refresh();
  ASSERT_TRUE(first.wait());
  l.refresh();
  go_on.open();
  EXPECT_TRUE(harness::eventually([&] { return l.try_get() == 2; }));
  EXPECT_EQ(l.stats().fenced, 0u);
}

TEST_F(LazyTest, AnErrorIsKeptLikeAValue) {
  lazy<int> l(mem_, "l"), asker(mem_, "l");
  int runs = 0;
  l.set_computation([&]() -> absl::StatusOr<int> {
    if (++runs == 1) return absl::NotFoundError("no such file: " + std::string(200, 'x'));
    return 5;
  });
  EXPECT_TRUE(l.error().ok());
  int x = 0;
  EXPECT_EQ(asker.get(x), outcome::failed);
  EXPECT_EQ(asker.get(x), outcome::failed);
  EXPECT_EQ(asker.try_get(x), outcome::failed);
  EXPECT_EQ(asker.get_for(1h), std::nullopt);
  EXPECT_EQ(runs, 1);
  EXPECT_TRUE(absl::IsNotFound(asker.error()));
  EXPECT_EQ(asker.error().message().size(), 112u);
  try {
    asker.get();
    FAIL() << "an error is no value";
  } catch (const error& e) {
    EXPECT_TRUE(absl::IsNotFound(e.status()));
    EXPECT_THAT(e.what(), HasSubstr(name_.name()));
    EXPECT_THAT(e.what(), HasSubstr("lazy 'l'"));
    EXPECT_THAT(e.what(), HasSubstr("no such file"));
  }
  l.invalidate();
  EXPECT_TRUE(l.error().ok());
  EXPECT_EQ(asker.get(), 5);
  EXPECT_EQ(l.stats().failures, 1u);
}

TEST_F(LazyTest, WhateverStandsThereIsAnError) {
  internal::lazy_error why{};
  std::fill(std::begin(why.text), std::end(why.text), 'x');
  why.length = ~0u;
  for (const uint32_t code : {0u, 17u, ~0u}) {
    why.code = code;
    EXPECT_EQ(internal::status_of(why), absl::UnknownError(std::string(112, 'x')));
  }
  const absl::Status status = absl::DataLossError("short");
  EXPECT_EQ(internal::status_of(internal::lazy_error_of(status)), status);
}

TEST_F(LazyTest, AnErrorThatIsNotKeptIsForThoseWhoHaveAsked) {
  lazy<int> l(mem_, "l"), asker(mem_, "l");
  std::atomic<int> runs{0};
  harness::gate go_on;
  l.set_computation(
      [&]() -> absl::StatusOr<int> {
        EXPECT_TRUE(go_on.wait());
        if (++runs < 3) return absl::UnavailableError("not yet");
        return 5;
      },
      {.cache_errors = false});
  harness::tally answered;
  const auto fails = [&] {
    int x = 0;
    EXPECT_EQ(asker.get(x), outcome::failed);
    answered.add();
  };
  std::thread one(fails), other(fails);
  ASSERT_TRUE(harness::eventually([&] { return l.stats().waits == 2; }));
  go_on.open();
  one.join();
  other.join();
  EXPECT_TRUE(absl::IsUnavailable(l.error()));
  EXPECT_EQ(l.try_get(), std::nullopt);
  while (runs < 2) fails();
  EXPECT_EQ(l.get(), 5);
  EXPECT_TRUE(l.error().ok());
}

TEST_F(LazyTest, WhatAComputationThrowsIsAnError) {
  lazy<int> l(mem_, "l");
  l.set_computation([]() -> int { throw std::runtime_error("no disk"); });
  int x = 0;
  EXPECT_EQ(l.get(x), outcome::failed);
  EXPECT_EQ(l.error(), absl::UnknownError("no disk"));
  l.set_computation([]() -> int { throw 5; });
  EXPECT_EQ(l.get(x), outcome::failed);
  EXPECT_EQ(l.error(), absl::UnknownError("no disk")) << "kept, whatever computes it now";
  l.invalidate();
  EXPECT_EQ(l.get(x), outcome::failed);
  EXPECT_NE(l.error(), absl::UnknownError("no disk"));
}

TEST_F(LazyTest, AComputationMayBeReplaced) {
  lazy<int> l(mem_, "l");
  l.set_computation([] { return 1; });
  EXPECT_EQ(l.get(), 1);
  const lazy<int> copy = l;
  lazy<int>(l).set_computation([held = std::make_unique<int>(2)] { return *held; });
  EXPECT_EQ(copy.get(), 1);
  l.invalidate();
  EXPECT_EQ(copy.get(), 2);
  EXPECT_EQ(l.stats().providers, 1u) << "a handle and its copies are one";
}

TEST_F(LazyTest, WithoutAProviderTheAnswerSaysSo) {
  lazy<int> l(mem_, "l");
  int x = 0;
  EXPECT_EQ(l.try_get(x), outcome::missing);
  EXPECT_EQ(l.get_for(x, 1ms), outcome::missing);
  EXPECT_EQ(l.get_for(x, 0ms), outcome::missing);
  harness::gate go_on;
  {
    lazy<int> provider(mem_, "l");
    // The demand from before is still there.
    provider.set_computation([&] {
      EXPECT_TRUE(go_on.wait());
      return 9;
    });
    EXPECT_EQ(l.try_get(x), outcome::empty);
    EXPECT_EQ(l.get_for(x, 1ms), outcome::timed_out);
    go_on.open();
    EXPECT_EQ(l.get(), 9);
  }
  EXPECT_EQ(l.get(), 9);
  l.invalidate();
  EXPECT_EQ(l.try_get(x), outcome::missing);
}

TEST_F(LazyTest, AProviderMayComeAfterTheDemand) {
  lazy<int> l(mem_, "l");
  harness::tally answered;
  const auto waits = [&] {
    EXPECT_EQ(l.get(), 4);
    answered.add();
  };
  std::thread one(waits), other(waits);
  ASSERT_TRUE(harness::eventually([&] { return l.stats().waits == 2; }));
  lazy<int> provider(mem_, "l");
  std::atomic<int> runs{0};
  provider.set_computation([&] {
    ++runs;
    return 4;
  });
  one.join();
  other.join();
  EXPECT_EQ(runs, 1);
}

TEST_F(LazyTest, ItsOwnComputationCannotAskForIt) {
  lazy<int> l(mem_, "l"), same(mem_, "l"), other(mem_, "other");
  other.set_computation([] { return 3; });
  const auto asks = [&] {
    int x = 0;
    EXPECT_EQ(same.get(x), outcome::taken);
    EXPECT_EQ(same.get_for(x, 1h), outcome::taken);
    EXPECT_THROW(l.get(), error);
    return other.get() + 1;
  };
  l.set_computation(asks);
  EXPECT_EQ(l.get(), 4);
  l.invalidate();
  EXPECT_EQ(same.get(), 4);  // in the provider's thread
}

TEST_F(LazyTest, AComputationMayDestroyItsHandle) {
  auto l = std::make_unique<lazy<int>>(mem_, "l");
  lazy<int> asker(mem_, "l");
  l->set_computation([&] {
    l.reset();
    return 8;
  });
  EXPECT_EQ(asker.get(), 8);
  asker.invalidate();
  int x = 0;
  EXPECT_EQ(asker.get_for(x, 1ms), outcome::missing);
}

TEST_F(LazyTest, ThereIsRoomForSixteenProviders) {
  std::vector<lazy<int>> all;
  for (int i = 0; i < 16; ++i) {
    all.emplace_back(mem_, "l");
    EXPECT_TRUE(all.back().set_computation([i] { return i; }));
  }
  lazy<int> one_more(mem_, "l");
  EXPECT_EQ(one_more.set_computation([] { return 99; }), outcome::exhausted);
  EXPECT_EQ(one_more.stats().providers, 16u);
  EXPECT_LT(one_more.get(), 16);
  all.pop_back();
  EXPECT_TRUE(one_more.set_computation([] { return 99; }));
}

TEST_F(LazyTest, WhatItIsNotIsRefusedAndNamed) {
  const lazy<int> l(mem_, "l");
  EXPECT_TRUE(lazy<int>::open(mem_, "l").ok());
  const auto other = lazy<double>::open(mem_, "l");
  EXPECT_TRUE(absl::IsFailedPrecondition(other.status()));
  EXPECT_THAT(other.status().message(), HasSubstr("lazy<int>"));
  EXPECT_THAT(other.status().message(), HasSubstr("lazy<double>"));
  EXPECT_THAT(cell<int>::open(mem_, "l").status().message(), HasSubstr("lazy<int>"));
  EXPECT_TRUE(absl::IsNotFound(lazy<int>::open(mem_, "n").status()));
  EXPECT_TRUE(absl::IsAlreadyExists(lazy<int>::create(mem_, "l").status()));
  EXPECT_THROW(lazy<double>(mem_, "l", true), error);
  absl::StatusOr<memory> looking = memory::open_read_only(name_.name());
  EXPECT_TRUE(absl::IsPermissionDenied(lazy<int>::open(*looking, "l").status()));
}

TEST_F(LazyTest, StaysWhileSomebodyHoldsIt) {
  lazy<int> l(mem_, "l");
  l.set_computation([] { return 1; });
  EXPECT_TRUE(remove(mem_, "l").ok());
  EXPECT_EQ(l.get(), 1);
  EXPECT_EQ(lazy<int>(mem_, "l").try_get(), std::nullopt);
}

}  // namespace
}  // namespace zeroipc
