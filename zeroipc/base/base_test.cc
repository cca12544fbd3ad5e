#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <string>
#include <thread>

#include "zeroipc/base/asymmetric_fence.h"
#include "zeroipc/base/deadline.h"
#include "zeroipc/base/error.h"
#include "zeroipc/base/fixed_string.h"
#include "zeroipc/base/hash.h"
#include "zeroipc/base/inline_vector.h"
#include "zeroipc/base/outcome.h"
#include "zeroipc/base/shareable.h"

namespace zeroipc {
namespace {

struct point {
  int x, y;
};
struct owner {
  std::string name;
};

static_assert(shareable<int> && shareable<point> && shareable<fixed_string<7>>);
static_assert(shareable<inline_vector<point, 3>>);
static_assert(!shareable<int*> && !shareable<owner> && !shareable<const int> && !shareable<int&>);
static_assert(std::is_trivially_copyable_v<fixed_string<7>>);

TEST(OutcomeTest, IsTrueOnlyWhenItTookEffect) {
  EXPECT_TRUE(outcome());
  for (outcome o : {outcome::full, outcome::empty, outcome::closed, outcome::timed_out,
                    outcome::taken, outcome::exhausted, outcome::gone, outcome::corrupt}) {
    EXPECT_FALSE(o) << o.name();
  }
  EXPECT_EQ(outcome(outcome::timed_out).name(), "timed out");
}

TEST(HashTest, HasTheSameValuesInEveryBuild) {
  // Part of the format: a change of these values is a change of format version.
  EXPECT_EQ(fixed_hash(""), 0x408a4b8bee79ec09ull);
  EXPECT_EQ(fixed_hash("tasks"), 0x6cf47896032e7dd1ull);
  EXPECT_EQ(fixed_hash("a name longer than one word"), 0xea7e649f9865254cull);
  constexpr uint64_t at_compile_time = fixed_hash("a name longer than one word");
  EXPECT_EQ(at_compile_time, fixed_hash(std::string("a name longer than one word")));
  EXPECT_NE(fixed_hash("a"), fixed_hash(std::string_view("a\0", 2)));
}

TEST(TypeTest, IsNamedAsTheProgramSpellsIt) {
  EXPECT_EQ(internal::type_name<int>(), "int");
  EXPECT_EQ(internal::type_name<fixed_string<7>>(), "zeroipc::fixed_string<7>");
  EXPECT_NE(internal::type_name<point>().find("point"), std::string_view::npos);
}

TEST(TypeTest, FingerprintTellsRepresentationsApart) {
  EXPECT_EQ(internal::type_fingerprint<unsigned long>(), internal::type_fingerprint<uint64_t>());
  EXPECT_EQ(internal::type_fingerprint<unsigned long>(),
            internal::type_fingerprint<unsigned long long>());
  EXPECT_NE(internal::type_fingerprint<int32_t>(), internal::type_fingerprint<uint32_t>());
  EXPECT_NE(internal::type_fingerprint<int32_t>(), internal::type_fingerprint<float>());
  EXPECT_NE(internal::type_fingerprint<fixed_string<7>>(),
            internal::type_fingerprint<fixed_string<8>>());
}

TEST(FixedStringTest, TruncatesOnConstructionAndRefusesInTryAssign) {
  fixed_string<4> s("abcdef");
  EXPECT_EQ(s, "abcd");
  EXPECT_FALSE(s.try_assign("12345"));
  EXPECT_EQ(s, "abcd");
  EXPECT_TRUE(s.try_assign("12"));
  EXPECT_EQ(s.size(), 2u);
  EXPECT_EQ(std::memcmp(s.data(), "12\0\0", 4), 0) << "unused bytes must be zero";
}

TEST(FixedStringTest, ClampsALengthThatSomebodyScribbledOver) {
  fixed_string<4> s("ab");
  const uint16_t wild = 60'000;
  std::memcpy(static_cast<void*>(&s), &wild, sizeof wild);
  EXPECT_EQ(s.size(), 4u);
  EXPECT_EQ(s.view().size(), 4u);
}

TEST(InlineVectorTest, HoldsUpToNAndClampsItsLength) {
  inline_vector<int, 2> v;
  EXPECT_TRUE(v.push_back(1));
  EXPECT_TRUE(v.push_back(2));
  EXPECT_FALSE(v.push_back(3));
  EXPECT_EQ(v, (inline_vector<int, 2>{1, 2}));
  EXPECT_FALSE(v.resize(3));
  const uint32_t wild = 1'000'000;
  std::memcpy(static_cast<void*>(&v), &wild, sizeof wild);
  EXPECT_EQ(v.size(), 2u);
}

TEST(DeadlineTest, SaturatesInsteadOfOverflowing) {
  EXPECT_TRUE(deadline::after(std::chrono::hours::max()).is_never());
  EXPECT_TRUE(deadline::after(std::chrono::nanoseconds::max()).is_never());
  EXPECT_TRUE(deadline::after(std::chrono::seconds(-5)).is_at_once());
  EXPECT_TRUE(deadline::after(std::chrono::seconds(0)).passed());
  EXPECT_FALSE(deadline::after(std::chrono::hours(1)).passed());
  EXPECT_TRUE(deadline::after(std::chrono::hours(1)) < deadline::never());
}

TEST(ErrorTest, CarriesTheStatusAndItsMessage) {
  try {
    internal::raise_if_error(absl::NotFoundError("segment /x: there is none"));
    FAIL() << "must throw";
  } catch (const error& e) {
    EXPECT_TRUE(absl::IsNotFound(e.status()));
    EXPECT_STREQ(e.what(), "segment /x: there is none");
  }
}

TEST(FenceTest, SupportedModeCanBeRegisteredRepeatedly) {
  const fence_mode mode = internal::supported_fence_mode();
  EXPECT_TRUE(internal::register_for_fences(mode));
  EXPECT_TRUE(internal::register_for_fences(mode));
  internal::light_fence(mode);
  internal::heavy_fence(mode);
}

// Each writes a word and then looks at the other's: one of the two sees it.
TEST(FenceTest, OrdersAStoreAndALoadOnBothSides) {
  const fence_mode mode = internal::supported_fence_mode();
  ASSERT_TRUE(internal::register_for_fences(mode));
  constexpr uint32_t kEnd = ~uint32_t{0};
  const deadline enough = deadline::after(std::chrono::milliseconds(500));
  alignas(128) std::atomic<uint32_t> light{0};
  alignas(128) std::atomic<uint32_t> heavy{0};
  alignas(128) std::atomic<uint32_t> ready[2] = {0, 0};
  uint32_t seen[2][2] = {};  // by whom, in the last two rounds
  uint32_t missed = 0;
  const auto side = [&](size_t me, std::atomic<uint32_t>& mine, std::atomic<uint32_t>& other,
                        auto&& fence) {
    for (uint32_t round = 1;; ++round) {
      const bool end = me == 0 && round % 64 == 0 && enough.passed();
      ready[me].store(end ? kEnd : round, std::memory_order_release);
      if (end) return;
      for (int spins = 0; ready[1 - me].load(std::memory_order_acquire) < round; ++spins) {
        if (spins > 1000) std::this_thread::yield();
      }
      if (ready[0].load(std::memory_order_relaxed) == kEnd) return;
      // Not always at once, so that every distance between the two comes about.
      for (uint32_t i = round % (me == 0 ? 613 : 617); i != 0; --i) {
        std::atomic_signal_fence(std::memory_order_seq_cst);
      }
      mine.store(round, std::memory_order_relaxed);
      fence();
      seen[me][round % 2] = other.load(std::memory_order_relaxed);
      // The other one's last round is over.
      const uint32_t last = round - 1;
      if (me == 0) missed += last != 0 && seen[0][last % 2] < last && seen[1][last % 2] < last;
    }
  };
  std::thread there([&] { side(1, heavy, light, [&] { internal::heavy_fence(mode); }); });
  side(0, light, heavy, [&] { internal::light_fence(mode); });
  there.join();
  EXPECT_EQ(missed, 0u) << "both looked before the other's store had arrived";
}

}  // namespace
}  // namespace zeroipc
