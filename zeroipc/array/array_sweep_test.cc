// Property: a process killed at any instruction of store() or update() leaves each element as it was or as it was to be, whole,
// and what a reader has seen stays; and so does who completes it, killed at any instruction of its own.
#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "testing/evidence/evidence.h"
#include "testing/kill_sweep/segment_sweep.h"
#include "zeroipc/array/array.h"

namespace zeroipc {
namespace {

using testing::evidence;
using testing::instrument;
using testing::moment;
using testing::quick_or_full;
using testing::segment_sweep;

#if defined(__SANITIZE_ADDRESS__)
constexpr long kQuickStride = 16, kQuickSecondStride = 32;
#else
constexpr long kQuickStride = 1, kQuickSecondStride = 1;
#endif

// Large enough for a lock, and with no word of eight bytes in it.
struct large {
  uint32_t words[7];
  static large of(uint64_t x) {
    large l;
    for (uint32_t i = 0; i < 7; ++i) l.words[i] = static_cast<uint32_t>(x) * 10 + i;
    return l;
  }
  uint64_t id() const { return words[0] / 10; }
  bool whole() const {
    for (uint32_t i = 0; i < 7; ++i) {
      if (words[i] != words[0] + i) return false;
    }
    return true;
  }
};
struct small {
  uint32_t id_, check;
  static small of(uint64_t x) { return {static_cast<uint32_t>(x), ~static_cast<uint32_t>(x)}; }
  uint64_t id() const { return id_; }
  bool whole() const { return check == ~id_; }
};
struct alignas(8) aligned_small : small {
  static aligned_small of(uint64_t x) { return {small::of(x)}; }
};

// More than stripes, so that two elements share one.
constexpr size_t kSize = internal::kMaxArrayStripes + 8;
constexpr size_t kWhere = 3, kNeighbour = kWhere + internal::kMaxArrayStripes;

template <typename T>
struct rig {
  rig() {
    for (size_t i = 0; i < kSize; ++i) EXPECT_TRUE(a.store(i, T::of(i + 1)));
  }
  memory mem = *memory::create_anonymous(
      256 << 10, {.max_participants = 8, .max_threads = 16, .max_names = 4});
  array<T> a{mem, "a", kSize};
};

template <typename T>
class ArraySweep : public ::testing::Test {};
using types = ::testing::Types<large, aligned_small>;
TYPED_TEST_SUITE(ArraySweep, types);

TYPED_TEST(ArraySweep, AnyInstructionMayBeTheLast) {
  using T = TypeParam;
  constexpr uint64_t kOld = kWhere + 1, kNew = 1000, kOther = 2000;
  const std::vector<std::function<void(array<T>&)>> operations = {
      [](array<T>& a) { a.store(kWhere, T::of(kNew)); },
      [](array<T>& a) { a.update(kWhere, [](T& x) { x = T::of(kNew); }); },
  };
  const auto expect_others = [](const array<T>& a) {
    for (size_t i = 0; i < kSize; ++i) {
      if (i == kWhere || i == kNeighbour) continue;
      const T x = a.load(i);
      EXPECT_TRUE(x.whole());
      EXPECT_EQ(x.id(), i + 1);
    }
  };
  uint64_t instructions = 0, states = 0, pairs = 0;
  for (const auto& op : operations) {
    rig<T> once;
    segment_sweep sweep(once.mem);
    uint64_t last = kOld;
    sweep.every_instruction(
        [&] { op(once.a); },
        [&](const memory& copy, const moment& at) {
          SCOPED_TRACE(at.text());
          array<T> a(copy, "a");
          const T found = a.load(kWhere);
          EXPECT_TRUE(found.whole()) << "torn";
          EXPECT_TRUE(found.id() == kOld || found.id() == kNew) << found.id();
          EXPECT_GE(found.id(), last) << "what has happened is undone by dying later";
          last = found.id();
          if (at.returned) {
            EXPECT_EQ(found.id(), kNew);
          }
          // Whoever stores next takes the lock over, and nothing changes by that but what it stores.
          EXPECT_TRUE(a.store(kNeighbour, T::of(kOther)));
          EXPECT_EQ(a.load(kNeighbour).id(), kOther);
          EXPECT_EQ(a.load(kWhere).id(), found.id()) << "seen, and then another";
          EXPECT_EQ(a[kWhere].id(), found.id());
          expect_others(a);
        },
        quick_or_full(kQuickStride, 1L));
    instructions += static_cast<uint64_t>(sweep.instructions());
    states += static_cast<uint64_t>(sweep.states());

    for (const bool by_update : {false, true}) {
      rig<T> again;
      segment_sweep twice(again.mem);
      twice.recoverer_too(
          [&] { op(again.a); },
          [&](const memory& copy) {
            return [a = array<T>(copy, "a"), by_update] {
              if (by_update) {
                a.update(kNeighbour, [](T& x) { x = T::of(kOther); });
              } else {
                a.store(kNeighbour, T::of(kOther));
              }
            };
          },
          [&](const memory& copy, const moment& at) {
            SCOPED_TRACE(at.text());
            array<T> a(copy, "a");
            const T found = a.load(kWhere), neighbour = a.load(kNeighbour);
            EXPECT_TRUE(found.whole());
            EXPECT_TRUE(found.id() == kOld || found.id() == kNew) << found.id();
            EXPECT_TRUE(neighbour.whole());
            EXPECT_TRUE(neighbour.id() == kNeighbour + 1 || neighbour.id() == kOther);
            expect_others(a);
          },
          {.first = 0,
           .stride = quick_or_full(kQuickStride, 1L),
           .second_stride = quick_or_full(2 * kQuickSecondStride, 1L)});
      pairs += static_cast<uint64_t>(twice.states());
    }
    if (this->HasFailure()) return;
  }
  evidence("array", instrument::kill_sweep)
      .figure("operations", operations.size())
      .figure("instructions", instructions)
      .figure("crash states", states);
  evidence("array", instrument::double_kill).figure("pairs of deaths", pairs);
}

}  // namespace
}  // namespace zeroipc
