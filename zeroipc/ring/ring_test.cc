#include "zeroipc/ring/ring.h"

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
using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct sample {
  uint64_t words[6];
  static sample of(uint64_t x) { return {x, x, x, x, x, x}; }
  bool whole() const {
    for (const uint64_t w : words) {
      if (w != words[0]) return false;
    }
    return true;
  }
};

struct alignas(64) wide {
  char text[65];
};

class RingTest : public ::testing::Test {
 protected:
  const harness::unique_segment name_;
  memory mem_{name_.name(), 16 << 20};
};

template <typename R>
std::vector<int> rest(R& reader) {
  std::vector<int> all;
  for (int x; reader.try_read(x);) all.push_back(x);
  return all;
}

TEST_F(RingTest, KeepsTheNewest) {
  ring<int> r(mem_, "r", 3);
  EXPECT_TRUE(r.empty());
  EXPECT_EQ(r.newest(), std::nullopt);
  auto from_start = r.reader();
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(r.push(i));
  auto from_oldest = r.reader(read_from::oldest);
  EXPECT_THAT(rest(from_oldest), ElementsAre(0, 1, 2));
  EXPECT_EQ(from_oldest.missed(), 0u);
  for (int i = 3; i < 10; ++i) EXPECT_TRUE(r.push(i));
  EXPECT_EQ(r.size(), 3u);
  EXPECT_EQ(r.written(), 10u);
  EXPECT_EQ(r.newest(), 9);
  EXPECT_EQ(from_oldest.lag(), 7u);
  EXPECT_THAT(rest(from_oldest), ElementsAre(7, 8, 9));
  EXPECT_EQ(from_oldest.missed(), 4u);
  EXPECT_THAT(rest(from_start), ElementsAre(7, 8, 9));
  EXPECT_EQ(from_start.missed(), 7u);
  auto from_newest = r.reader(read_from::newest);
  EXPECT_THAT(rest(from_newest), ElementsAre(9));
}

// Every capacity up to some, every length of history, every position.
TEST_F(RingTest, TellsExactlyWhatWasMissed) {
  for (size_t capacity = 1; capacity <= 20; ++capacity) {
    SCOPED_TRACE(capacity);
    const std::string name = "r" + std::to_string(capacity);
    ring<int> r(mem_, name, capacity);
    std::vector<ring<int>::reader_handle> readers;
    for (int i = 0; i < 60; ++i) {
      readers.push_back(r.reader());
      ASSERT_TRUE(r.push(i));
    }
    for (size_t i = 0; i < readers.size(); ++i) {
      const auto all = rest(readers[i]);
      const size_t left = std::min(capacity, 60 - i);
      ASSERT_EQ(all.size(), left);
      for (size_t k = 0; k < left; ++k) ASSERT_EQ(all[k], static_cast<int>(60 - left + k));
      ASSERT_EQ(readers[i].missed(), 60 - i - left);
      ASSERT_EQ(readers[i].position(), 60u);
    }
  }
}

TEST_F(RingTest, Batches) {
  ring<int> r(mem_, "r", 100);
  std::vector<int> in(250);
  std::iota(in.begin(), in.end(), 0);
  auto reader = r.reader();
  std::vector<int> out(300);
  EXPECT_EQ(reader.try_read_n(out).why, outcome::empty);
  EXPECT_TRUE(r.push_n({in.data(), 70}));
  batch_outcome got = reader.read_n({out.data(), 50});
  EXPECT_EQ(got.count, 50u);
  got = reader.read_n(out);
  EXPECT_EQ(got.count, 20u);
  EXPECT_EQ(out[19], 69);
  EXPECT_TRUE(r.push_n(in));
  got = reader.read_n(out);
  EXPECT_EQ(got.count, 100u);
  EXPECT_EQ(out[0], 150);
  EXPECT_EQ(reader.missed(), 150u);
  EXPECT_TRUE(r.push_n({}));
  EXPECT_EQ(reader.read_n_for(out, 1ms).why, outcome::timed_out);
  EXPECT_TRUE(reader.read_n({}));
}

TEST_F(RingTest, AReaderMayGoBack) {
  ring<int> r(mem_, "r", 4);
  for (int i = 0; i < 6; ++i) EXPECT_TRUE(r.push(i));
  auto reader = r.reader();
  int x;
  EXPECT_EQ(reader.try_read(x), outcome::empty);
  EXPECT_EQ(reader.read_for(x, 1ms), outcome::timed_out);
  reader.seek(3);
  EXPECT_THAT(rest(reader), ElementsAre(3, 4, 5));
  reader.seek(0);
  EXPECT_THAT(rest(reader), ElementsAre(2, 3, 4, 5));
  EXPECT_EQ(reader.missed(), 2u);
  reader.seek(1'000);
  EXPECT_EQ(reader.position(), 6u);
}

TEST_F(RingTest, ElementsOfAnySizeAndAlignment) {
  ring<char> bytes(mem_, "bytes", 10);
  EXPECT_TRUE(bytes.push('x'));
  EXPECT_EQ(bytes.newest(), 'x');
  ring<wide> wides(mem_, "wides", 10);
  for (int i = 0; i < 13; ++i) EXPECT_TRUE(wides.push({"wide"}));
  EXPECT_STREQ(wides.newest()->text, "wide");
  ring<std::array<char, 4096>> pages(mem_, "pages", 5);
  EXPECT_TRUE(pages.push({"page"}));
  EXPECT_STREQ(pages.newest()->data(), "page");
}

// Several writers, readers in other processes: nothing torn, each writer's elements in order, and the count of what was missed
// right to the last one.
TEST_F(RingTest, ReadersOfOtherProcessesKeepCount) {
  ring<sample> r(mem_, "r", 64);
  constexpr uint64_t kEach = 20'000;
  std::vector<harness::process> readers;
  harness::shared_state<harness::tally> ready;
  for (int i = 0; i < 2; ++i) {
    readers.emplace_back([&]() -> int {
      auto reader = r.reader(read_from::oldest);
      ready->add();
      uint64_t next[2] = {};
      uint64_t read = 0;
      std::vector<sample> some(10);
      while (read + reader.missed() < 2 * kEach) {
        const batch_outcome got = reader.read_n(some);
        if (!got) return 1;
        for (size_t k = 0; k < got.count; ++k) {
          const uint64_t writer = some[k].words[0] >> 32, id = some[k].words[0] & 0xffff'ffff;
          if (!some[k].whole() || writer > 1 || id < next[writer]) return 2;
          next[writer] = id + 1;
        }
        read += got.count;
      }
      return reader.position() == 2 * kEach && next[0] + next[1] > 0 ? 0 : 3;
    });
  }
  ASSERT_TRUE(ready->wait_for_at_least(2));
  std::vector<harness::process> writers;
  for (uint64_t w = 0; w < 2; ++w) {
    writers.emplace_back([&, w]() -> int {
      for (uint64_t i = 0; i < kEach; ++i) {
        if (!r.push(sample::of(w << 32 | i))) return 1;
      }
      return 0;
    });
  }
  for (harness::process& p : writers) EXPECT_EQ(p.wait(), harness::exited(0));
  for (harness::process& p : readers) EXPECT_EQ(p.wait(), harness::exited(0));
}

TEST_F(RingTest, APushWakesWhoWaits) {
  ring<int> r(mem_, "r", 4);
  auto reader = r.reader();
  harness::shared_state<harness::tally> woken;
  const auto waits = [&]() -> int {
    int x = 0;
    const bool right = reader.read(x) && x == 5;
    woken->add();
    // Stays until both are: the end of one would wake the other.
    return right && woken->wait_for_at_least(2) ? 0 : 1;
  };
  harness::process one(waits), other(waits);
  for (harness::process* p : {&one, &other}) ASSERT_TRUE(harness::wait_until_asleep(p->pid()));
  EXPECT_TRUE(r.push(5));
  EXPECT_EQ(one.wait(), harness::exited(0));
  EXPECT_EQ(other.wait(), harness::exited(0));
}

TEST_F(RingTest, WhatItIsNotIsRefusedAndNamed) {
  ring<int> r(mem_, "r", 4);
  const auto other = ring<int>::open_or_create(mem_, "r", 5);
  EXPECT_TRUE(absl::IsFailedPrecondition(other.status()));
  EXPECT_THAT(other.status().message(), HasSubstr("capacity 4, asked for 5"));
  EXPECT_TRUE(absl::IsFailedPrecondition(ring<float>::open(mem_, "r").status()));
  EXPECT_TRUE(absl::IsNotFound(ring<int>::open(mem_, "s").status()));
  EXPECT_TRUE(absl::IsAlreadyExists(ring<int>::create(mem_, "r", 4).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(ring<int>::create(mem_, "s", 0).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(ring<int>::create(mem_, "s", ~size_t{0}).status()));
  EXPECT_TRUE(absl::IsResourceExhausted(ring<int>::create(mem_, "s", 1 << 30).status()));
  EXPECT_THROW(ring<int>(mem_, "s"), error);
}

TEST_F(RingTest, StaysWhileSomebodyHoldsIt) {
  ring<int> r(mem_, "r", 4);
  EXPECT_TRUE(r.push(1));
  EXPECT_TRUE(remove(mem_, "r").ok());
  EXPECT_EQ(r.newest(), 1);
  EXPECT_EQ(ring<int>(mem_, "r", 8).newest(), std::nullopt);
}

}  // namespace
}  // namespace zeroipc
