#include "zeroipc/future/future.h"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/harness/harness.h"
#include "zeroipc/base/error.h"
#include "zeroipc/cell/cell.h"
#include "zeroipc/future/core.h"
#include "zeroipc/future/half_set.h"
#include "zeroipc/name_table/name_table.h"

namespace zeroipc {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::HasSubstr;

struct block {
  uint64_t words[100];
  static block of(uint64_t x) {
    block b;
    for (uint64_t& w : b.words) w = x++;
    return b;
  }
  bool whole() const {
    for (uint64_t i = 0; i < 100; ++i) {
      if (words[i] != words[0] + i) return false;
    }
    return true;
  }
};
// Neither small nor easily made.
struct alignas(256) wide {
  explicit wide(double x) : x(x) {}
  double x;
};

class FutureTest : public ::testing::Test {
 protected:
  const harness::unique_segment name_;
  memory mem_{name_.name(), 4 << 20};
};

TEST_F(FutureTest, IsSetOnceAndGotByAnybodyAnyNumberOfTimes) {
  future<int> f(mem_, "f");
  int x = 5;
  EXPECT_EQ(f.try_get(x), outcome::empty);
  EXPECT_EQ(f.get_for(x, 0s), outcome::timed_out);
  EXPECT_EQ(f.get_for(x, 1ms), outcome::timed_out);
  EXPECT_EQ(f.get_until(x, deadline::after(1ms)), outcome::timed_out);
  EXPECT_EQ(f.wait_until(deadline::after(1ms)), outcome::timed_out);
  EXPECT_EQ(f.try_get(), std::nullopt);
  EXPECT_EQ(f.get_for(1ms), std::nullopt);
  EXPECT_EQ(f.peek(), nullptr);
  EXPECT_FALSE(f.ready());
  EXPECT_EQ(f.state(), future_state::empty);
  EXPECT_EQ(x, 5);

  EXPECT_TRUE(f.set_value(7));
  EXPECT_EQ(f.set_value(8), outcome::exists);
  EXPECT_EQ(f.set_value_for(8, 0s), outcome::exists);
  EXPECT_EQ(f.set_error("too late"), outcome::exists);
  EXPECT_EQ(f.claim().why(), outcome::exists);
  EXPECT_FALSE(f.error());
  EXPECT_TRUE(f.status().ok());

  harness::process other([&] {
    const future<int> same(mem_, "f", true);
    EXPECT_EQ(same.get(), 7);
    EXPECT_EQ(same.try_get(), 7);
    EXPECT_EQ(*same.peek(), 7);
  });
  EXPECT_EQ(other.wait(), harness::exited(0));
  EXPECT_TRUE(f.get(x));
  EXPECT_EQ(x, 7);
  EXPECT_EQ(f.get_for(1h), 7);
  EXPECT_TRUE(f.ready() && f.has_value() && f.wait() && f.wait_for(1h));
  EXPECT_EQ(f.state(), future_state::value);
}

TEST_F(FutureTest, MayBeOpenedAndWaitedForBeforeItsProducerHasCreatedIt) {
  harness::process asks([&] { EXPECT_EQ(future<int>(mem_, "f", true).get(), 3); });
  ASSERT_TRUE(harness::eventually([&] { return find(mem_, "f").ok(); }));
  ASSERT_TRUE(harness::wait_until_asleep(asks.pid()));
  EXPECT_TRUE(future<int>(mem_, "f").set_value(3));
  EXPECT_EQ(asks.wait(), harness::exited(0));
}

TEST_F(FutureTest, AllWhoWaitAreWokenByTheValue) {
  future<block> f(mem_, "f");
  harness::shared_state<harness::tally> got;
  std::vector<harness::process> all;
  for (uint64_t i = 0; i < 3; ++i) {
    all.emplace_back([&]() -> int {
      const bool right = f.get().whole();
      got->add();
      // Stays until all are: the end of one would wake the others.
      return right && got->wait_for_at_least(3) ? 0 : 1;
    });
    ASSERT_TRUE(harness::eventually([&] { return f.stats().waits > i; }));
    ASSERT_TRUE(harness::wait_until_asleep(all.back().pid()));
  }
  EXPECT_TRUE(f.set_value(block::of(11)));
  for (harness::process& p : all) EXPECT_EQ(p.wait(), harness::exited(0));
}

TEST_F(FutureTest, OfManyWhoSetItOneDoes) {
  constexpr int kFutures = 300;
  harness::shared_state<std::atomic<int>> set;
  const auto race = [&](uint64_t me) {
    for (int i = 0; i < kFutures; ++i) {
      future<block> f(mem_, std::to_string(i));
      const outcome r = i % 3 == 0 ? f.set_error("no") : f.set_value(block::of(me * 1000));
      EXPECT_TRUE(r || r == outcome::exists) << r.name();
      *set += static_cast<bool>(r);
      block b;
      const outcome g = f.try_get(b);
      EXPECT_TRUE(i % 3 == 0 ? g == outcome::failed : g && b.whole());
    }
  };
  std::vector<harness::process> all;
  for (uint64_t p = 0; p < 2; ++p) {
    all.emplace_back([&, p] {
      std::thread other([&] { race(p * 2); });
      race(p * 2 + 1);
      other.join();
    });
  }
  for (harness::process& p : all) EXPECT_EQ(p.wait(), harness::exited(0));
  EXPECT_EQ(*set, kFutures);
}

TEST_F(FutureTest, ValuesOfAnySizeAndAlignment) {
  future<char> one(mem_, "one");
  EXPECT_TRUE(one.set_value('x'));
  EXPECT_EQ(one.get(), 'x');
  future<wide> aligned(mem_, "aligned");
  EXPECT_TRUE(aligned.set_value(wide(2.5)));
  EXPECT_EQ(aligned.get().x, 2.5);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(aligned.peek()) % alignof(wide), 0u);
  future<block> large(mem_, "large");
  EXPECT_TRUE(large.set_value(block::of(1)));
  EXPECT_TRUE(large.peek()->whole());
}

TEST_F(FutureTest, AnErrorTakesThePlaceOfTheValue) {
  future<int> f(mem_, "f");
  EXPECT_TRUE(f.set_error("disk full", 28));
  EXPECT_EQ(f.set_value(1), outcome::exists);
  int x = 0;
  EXPECT_EQ(f.get(x), outcome::failed);
  EXPECT_EQ(f.wait(), outcome::failed);
  EXPECT_EQ(f.try_get(), std::nullopt);
  EXPECT_EQ(f.peek(), nullptr);
  EXPECT_TRUE(f.ready());
  EXPECT_EQ(f.state(), future_state::error);
  EXPECT_EQ(f.error()->code, 28);
  EXPECT_EQ(f.error()->message, "disk full");
  EXPECT_FALSE(f.error()->broken_promise);
  EXPECT_EQ(f.status().code(), absl::StatusCode::kUnknown);
  try {
    f.get();
    FAIL() << "it has no value";
  } catch (const error& e) {
    EXPECT_THAT(e.what(), AllOf(HasSubstr(name_.name()), HasSubstr("'f'"), HasSubstr("disk full"),
                                HasSubstr("28")));
  }
}

TEST_F(FutureTest, AStatusIsAnErrorThatKeepsItsCode) {
  future<int> f(mem_, "f"), ok(mem_, "ok"), late(mem_, "late");
  EXPECT_TRUE(f.set_error(absl::NotFoundError("no such row")));
  EXPECT_TRUE(absl::IsNotFound(f.status()));
  EXPECT_THAT(f.status().message(), HasSubstr("no such row"));
  EXPECT_EQ(f.error()->code, static_cast<int>(absl::StatusCode::kNotFound));
  EXPECT_TRUE(ok.set_error(absl::OkStatus()));
  EXPECT_TRUE(absl::IsInternal(ok.status())) << "that is an error too";
  EXPECT_TRUE(absl::IsUnavailable(late.status()));
  EXPECT_TRUE(late.set_error_for(1h, std::string(200, 'x')));
  future<int> silent(mem_, "silent");
  EXPECT_TRUE(silent.set_error(std::string_view(), 3));
  EXPECT_EQ(silent.error()->message, "");
  EXPECT_EQ(silent.error()->code, 3);
  EXPECT_EQ(late.error()->message.view(), std::string(96, 'x')) << "cut off";
}

TEST_F(FutureTest, GoesOnWithoutItsNameWhichIsFreeAgain) {
  future<int> f(mem_, "f");
  const future<int> same(mem_, "f");
  EXPECT_TRUE(f.remove().ok());
  EXPECT_TRUE(absl::IsNotFound(f.remove()));
  EXPECT_TRUE(absl::IsNotFound(future<int>::open(mem_, "f").status()));
  future<double> anew(mem_, "f");
  EXPECT_TRUE(absl::IsNotFound(same.remove())) << "the name is another's now";
  EXPECT_TRUE(find(mem_, "f").ok());
  EXPECT_TRUE(f.set_value(4));
  EXPECT_EQ(same.get(), 4);
  EXPECT_FALSE(anew.ready());
}

TEST_F(FutureTest, WhatItIsNotIsRefusedAndNamed) {
  const future<int> f(mem_, "f");
  const auto other = future<double>::open(mem_, "f");
  EXPECT_TRUE(absl::IsFailedPrecondition(other.status()));
  EXPECT_THAT(other.status().message(),
              AllOf(HasSubstr("future<int>"), HasSubstr("future<double>")));
  const cell<int> c(mem_, "c");
  EXPECT_THAT(future<int>::open(mem_, "c").status().message(),
              AllOf(HasSubstr("future<int>"), HasSubstr("cell<int>")));
  EXPECT_TRUE(future<int>::open(mem_, "f").ok());
  EXPECT_TRUE(absl::IsAlreadyExists(future<int>::create(mem_, "f").status()));
  EXPECT_TRUE(absl::IsNotFound(future<int>::open(mem_, "n").status()));
  EXPECT_THROW(future<double>(mem_, "f"), error);
  absl::StatusOr<memory> looking = memory::open_read_only(name_.name());
  EXPECT_TRUE(absl::IsPermissionDenied(future<int>::open(*looking, "f").status()));
}

TEST_F(FutureTest, WhatNobodyCanHaveWrittenIsCorrupt) {
  using namespace internal;  // NOLINT: of no other test
  future<int> f(mem_, "f"), g(mem_, "g");
  const auto of = [&](const char* name) {
    return *open_structure(mem_, name, structure_type::of<int>(kind::future));
  };
  testing::slot_of(of("f")).word.store(7);
  int x = 0;
  EXPECT_EQ(f.get(x), outcome::corrupt);
  EXPECT_EQ(f.wait(), outcome::corrupt);
  EXPECT_EQ(f.set_value(1), outcome::corrupt);
  EXPECT_EQ(f.claim().why(), outcome::corrupt);
  EXPECT_EQ(f.peek(), nullptr);
  EXPECT_FALSE(f.error());
  EXPECT_TRUE(absl::IsDataLoss(f.status()));
  EXPECT_THROW(f.get(), error);

  const structure held = of("g");
  testing::slot_of(held).word.store(static_cast<uint64_t>(future_phase::error));
  future_error_record& e = static_cast<future_header<hardware>*>(held.data())->error;
  e.length = 0xffff;
  e.is_status = 1;
  EXPECT_EQ(g.error()->message.size(), kFutureErrorText);
  EXPECT_TRUE(absl::IsDataLoss(g.status())) << "an error that is OK";
}

// Whose every question is followed by a word that is another dead one's.
struct restless {
  internal::future_slot<hardware>& slot;
  uint32_t turn = 0;

  owner_tag self() const { return owner_tag(0, 1); }
  owner_tag tag() const { return self(); }
  bool is_dead(owner_tag) {
    slot.word.store(
        internal::future_word{internal::future_phase::setting, ++turn, owner_tag(1, 1)}.word());
    return true;
  }
  uint32_t death_epoch() const { return 0; }
  void light_fence() const {}
  void heavy_fence() const {}
  int spins() const { return 0; }
  bool sleep(std::atomic<uint32_t>&, uint32_t, uint32_t, deadline) const { return false; }
  int wake(std::atomic<uint32_t>&, int) const { return 0; }
};

TEST(Future, AWordThatNeverStandsStillHoldsUpNobody) {
  internal::future_header<hardware> header{};
  struct {
    internal::future_slot<hardware> slot{};
    std::byte value[8];
  } item;
  restless env{item.slot};
  env.is_dead({});
  internal::future_core<hardware, restless> core;
  core.bind(env, header, item.slot, item.value);
  EXPECT_EQ(core.set_value(uint64_t{1}, deadline::never()), outcome::corrupt);
}

TEST_F(FutureTest, AChildThatCouldNotJoinGetsAndClaimsNothing) {
  memory mem = *memory::create_anonymous(1 << 20, {.max_participants = 1});
  future<int> f(mem, "f");
  harness::process child([&] {
    EXPECT_EQ(f.set_value(1), outcome::exhausted);
    EXPECT_EQ(f.claim().why(), outcome::exhausted);
    EXPECT_EQ(f.try_get(), std::nullopt);
  });
  EXPECT_EQ(child.wait(), harness::exited(0));
  EXPECT_TRUE(f.set_value(2));
}

}  // namespace
}  // namespace zeroipc
