#include "zeroipc/cell/cell.h"

#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/harness/harness.h"
#include "zeroipc/queue/queue.h"

namespace zeroipc {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

// All words are the same in a value that is not torn.
template <size_t Words>
struct block {
  std::array<uint64_t, Words> words;
  static block of(uint64_t x) {
    block b;
    b.words.fill(x);
    return b;
  }
  bool whole() const {
    for (const uint64_t w : words) {
      if (w != words[0]) return false;
    }
    return true;
  }
};

struct odd {
  char text[13];
};
struct alignas(128) wide {
  double x;
};

class CellTest : public ::testing::Test {
 protected:
  const harness::unique_segment name_;
  memory mem_{name_.name(), 4 << 20};
};

TEST_F(CellTest, HoldsTheNewestValue) {
  cell<int> c(mem_, "c");
  EXPECT_EQ(c.load(), std::nullopt);
  int x = 5;
  EXPECT_EQ(c.load(x), outcome::empty);
  EXPECT_EQ(c.version(), 0u);
  uint64_t version = 0;
  for (int i = 1; i <= 20; ++i) {
    EXPECT_TRUE(c.store(i * 10, &version));
    EXPECT_EQ(version, static_cast<uint64_t>(i));
    EXPECT_EQ(c.load(), i * 10);
    EXPECT_TRUE(c.load(x, &version));
    EXPECT_EQ(x, i * 10);
    EXPECT_EQ(version, static_cast<uint64_t>(i));
  }
  EXPECT_EQ(cell<int>(mem_, "c").load(), 200);
  EXPECT_EQ(c.stats().version, 20u);
}

TEST_F(CellTest, ValuesOfAnySizeAndAlignment) {
  cell<char> one(mem_, "one");
  EXPECT_TRUE(one.store('x'));
  EXPECT_EQ(one.load(), 'x');

  cell<odd> thirteen(mem_, "thirteen");
  EXPECT_TRUE(thirteen.store({"twelve chars"}));
  EXPECT_STREQ(thirteen.load()->text, "twelve chars");

  cell<wide> aligned(mem_, "aligned");
  EXPECT_TRUE(aligned.store({2.5}));
  EXPECT_EQ(aligned.load()->x, 2.5);

  cell<block<8192>> large(mem_, "large");
  EXPECT_TRUE(large.store(block<8192>::of(7)));
  EXPECT_TRUE(large.load()->whole());
}

TEST_F(CellTest, ValuesWithDefaultsOfTheirOwnAndWithoutAny) {
  struct defaulted {
    int x = 7;
  };
  cell<defaulted> a(mem_, "defaulted");
  EXPECT_TRUE(a.update([](defaulted& v) { EXPECT_EQ(v.x++, 0) << "nothing has been stored"; }));
  EXPECT_EQ(a.load()->x, 1);
  struct without {
    explicit without(int v) : x(v) {}
    int x;
  };
  cell<without> b(mem_, "without");
  EXPECT_TRUE(b.store(without(3)));
  EXPECT_TRUE(b.update([](without& v) { ++v.x; }));
  EXPECT_EQ(b.load()->x, 4);
}

TEST_F(CellTest, StoreIfStoresOverTheVersionOneHasSeen) {
  cell<int> c(mem_, "c");
  uint64_t version = 99;
  EXPECT_EQ(c.store_if(1, 5, &version), outcome::gone);
  EXPECT_EQ(version, 0u);
  EXPECT_TRUE(c.store_if(0, 5, &version));
  EXPECT_EQ(version, 1u);
  EXPECT_EQ(c.store_if(0, 6, &version), outcome::gone);
  EXPECT_EQ(version, 1u);
  EXPECT_EQ(c.load(), 5);
}

TEST_F(CellTest, UpdateIsAtomic) {
  cell<uint64_t> c(mem_, "count");
  constexpr int kThreads = 4, kTimes = 5'000;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < kTimes; ++i) EXPECT_TRUE(c.update([](uint64_t& n) { ++n; }));
    });
  }
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(c.load(), uint64_t{kThreads} * kTimes);
  EXPECT_EQ(c.version(), uint64_t{kThreads} * kTimes);
}

TEST_F(CellTest, WhatCannotBeReadIsNotUpdated) {
  cell<int> c(mem_, "c");
  EXPECT_TRUE(c.store(1));
  const auto held = internal::open_structure(mem_, "c", structure_type::of<int>(kind::cell));
  ASSERT_TRUE(held.ok());
  auto& g = *static_cast<internal::structure_geometry*>(held->data());
  internal::item_of(held->data(), g, 0, 1)[0] ^= std::byte{0x55};  // the version of its buffer
  EXPECT_EQ(c.update([](int& x) { ++x; }), outcome::corrupt);
  EXPECT_EQ(c.version(), 1u);
  EXPECT_EQ(c.load(), std::nullopt);
  EXPECT_TRUE(c.store(2));
  EXPECT_EQ(c.load(), 2);
}

TEST_F(CellTest, ReadersInOtherProcessesSeeWholeValuesInOrder) {
  using big = block<64>;
  cell<big> c(mem_, "c");
  constexpr uint64_t kLast = 20'000;
  std::vector<harness::process> readers;
  for (int i = 0; i < 2; ++i) {
    readers.emplace_back([&]() -> int {
      uint64_t seen = 0;
      while (seen < kLast) {
        uint64_t version;
        big b;
        const outcome r = c.load(b, &version);
        if (r == outcome::empty) continue;
        if (!r || !b.whole() || b.words[0] != version || version < seen) return 1;
        seen = version;
      }
      return 0;
    });
  }
  for (uint64_t i = 1; i <= kLast; ++i) ASSERT_TRUE(c.store(big::of(i)));
  for (harness::process& p : readers) EXPECT_EQ(p.wait(), harness::exited(0));
}

TEST_F(CellTest, AChangeWakesWhoWaits) {
  cell<int> c(mem_, "c");
  EXPECT_EQ(c.wait_for_change_for(0, 1ms), 0u);
  EXPECT_TRUE(c.store(1));
  EXPECT_EQ(c.wait_for_change(0), 1u);
  EXPECT_EQ(c.wait_for_change_for(1, 1ms), 0u);
  harness::shared_state<harness::tally> woken;
  const auto waits = [&]() -> int {
    const bool right = c.wait_for_change(1) == 2 && c.load() == 2;
    woken->add();
    // Stays until both are: the end of one would wake the other.
    return right && woken->wait_for_at_least(2) ? 0 : 1;
  };
  harness::process one(waits), other(waits);
  for (harness::process* p : {&one, &other}) ASSERT_TRUE(harness::wait_until_asleep(p->pid()));
  EXPECT_TRUE(c.store(2));
  EXPECT_EQ(one.wait(), harness::exited(0));
  EXPECT_EQ(other.wait(), harness::exited(0));
}

TEST_F(CellTest, AStoppedWriterHoldsUpWritersOnly) {
  cell<int> c(mem_, "c");
  EXPECT_TRUE(c.store(1));
  harness::shared_state<harness::gate> inside;
  harness::process writer([&] {
    c.update([&](int& x) {
      x = 2;
      inside->open();
      ::pause();
    });
  });
  ASSERT_TRUE(inside->wait());
  EXPECT_EQ(c.load(), 1);
  EXPECT_EQ(c.store_for(3, 1ms), outcome::timed_out);
  writer.kill(SIGKILL);
  writer.wait();
  EXPECT_TRUE(c.store(3));
  EXPECT_EQ(c.load(), 3);
  EXPECT_EQ(c.version(), 2u);
  EXPECT_EQ(c.stats().recoveries, 1u);
}

TEST_F(CellTest, WhatItIsNotIsRefusedAndNamed) {
  cell<int> c(mem_, "c");
  const auto other = cell<double>::open(mem_, "c");
  EXPECT_TRUE(absl::IsFailedPrecondition(other.status()));
  EXPECT_THAT(other.status().message(), HasSubstr("cell<int>"));
  EXPECT_TRUE(absl::IsFailedPrecondition(queue<int>::open(mem_, "c").status()));
  EXPECT_TRUE(absl::IsNotFound(cell<int>::open(mem_, "d").status()));
  EXPECT_TRUE(absl::IsAlreadyExists(cell<int>::create(mem_, "c").status()));
  EXPECT_THROW(cell<double>(mem_, "c"), error);
  absl::StatusOr<memory> looking = memory::open_read_only(name_.name());
  EXPECT_TRUE(absl::IsPermissionDenied(cell<int>::open(*looking, "c").status()));
}

TEST_F(CellTest, StaysWhileSomebodyHoldsIt) {
  cell<int> c(mem_, "c");
  EXPECT_TRUE(c.store(1));
  EXPECT_TRUE(remove(mem_, "c").ok());
  EXPECT_EQ(c.load(), 1);
  cell<int> anew(mem_, "c");
  EXPECT_EQ(anew.load(), std::nullopt);
  EXPECT_EQ(c.load(), 1);
}

}  // namespace
}  // namespace zeroipc
