#include "zeroipc/map/map.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/harness/harness.h"

namespace zeroipc {

struct point {
  double x;
  int y;
};
// Keys whose hash is not worth the name: all are in one place.
struct alike {
  uint32_t n;
};
// In namespace zeroipc: specializations.
template <>
struct key_traits<point> {
  static uint64_t hash(const point& p) {
    return hash_words(static_cast<uint64_t>(p.x * 1000), p.y);
  }
  static bool equal(const point& a, const point& b) { return a.x == b.x && a.y == b.y; }
};
template <>
struct key_traits<alike> {
  static uint64_t hash(const alike&) { return 42; }
  static bool equal(const alike& a, const alike& b) { return a.n == b.n; }
};

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
    return std::all_of(words.begin(), words.end(), [&](uint64_t w) { return w == words[0]; });
  }
};

class MapTest : public ::testing::Test {
 protected:
  const harness::unique_segment name_;
  memory mem_{name_.name(), 64 << 20};
};

TEST_F(MapTest, PutsFindsAndErases) {
  map<int, long> m(mem_, "m", 100);
  EXPECT_EQ(m.capacity(), 100u);
  EXPECT_TRUE(m.empty());
  EXPECT_EQ(m.get(1), std::nullopt);
  EXPECT_EQ(m.insert(1, 10), outcome::ok);
  EXPECT_EQ(m.insert(1, 11), outcome::exists);
  EXPECT_EQ(m.get(1), 10);
  EXPECT_EQ(m.assign(1, 12), outcome::ok);
  EXPECT_EQ(m.assign(2, 20), outcome::missing);
  EXPECT_EQ(m.insert_or_assign(2, 21), outcome::ok);
  EXPECT_EQ(m.insert_or_assign(2, 22), outcome::ok);
  long value = 0;
  EXPECT_EQ(m.get(2, value), outcome::ok);
  EXPECT_EQ(value, 22);
  EXPECT_EQ(m.get(3, value), outcome::missing);
  EXPECT_TRUE(m.contains(1) && m.contains(2) && !m.contains(3));
  EXPECT_EQ(m.size(), 2u);
  EXPECT_EQ(m.erase(1), outcome::ok);
  EXPECT_EQ(m.erase(1), outcome::missing);
  EXPECT_FALSE(m.contains(1));
  EXPECT_TRUE(m.clear());
  EXPECT_TRUE(m.empty() && !m.contains(2));
}

TEST_F(MapTest, ChangesAreAtomic) {
  map<int, int> m(mem_, "m", 10);
  EXPECT_EQ(m.update(1, [](int& x) { ++x; }), outcome::missing);
  m.insert(1, 5);
  EXPECT_EQ(m.update(1, [](int& x) { x *= 2; }), outcome::ok);
  int expected = 3;
  EXPECT_EQ(m.compare_and_set(1, expected, 4), outcome::unequal);
  EXPECT_EQ(expected, 10);
  EXPECT_EQ(m.compare_and_set(1, expected, 4), outcome::ok);
  EXPECT_EQ(m.get(1), 4);
  EXPECT_EQ(m.compare_and_set(2, expected, 4), outcome::missing);
}

TEST_F(MapTest, HoldsWhatItWasMadeForAndSaysWhenItIsFull) {
  for (const size_t capacity : {1, 2, 7, 30, 1000, 50'000}) {
    const std::string name = "m" + std::to_string(capacity);
    map<uint64_t, uint64_t> m(mem_, name, capacity);
    for (uint64_t k = 0; k < capacity; ++k) ASSERT_EQ(m.insert(k, ~k), outcome::ok) << k;
    uint64_t more = capacity;
    while (m.insert(more, ~more)) ASSERT_LT(++more, 3 * capacity + 20);
    EXPECT_EQ(m.insert(more, 0), outcome::full);
    EXPECT_EQ(m.assign(0, 1), outcome::ok) << "a change needs no room";
    for (uint64_t k = 1; k < more; ++k) ASSERT_EQ(m.get(k), ~k);
    EXPECT_EQ(m.size(), more);
    EXPECT_EQ(m.erase(0), outcome::ok);
    EXPECT_EQ(m.insert(0, 5), outcome::ok) << "what was erased leaves its room";
    ASSERT_TRUE(remove(mem_, name).ok());
  }
}

TEST_F(MapTest, KeysOfOneHashAreFullEarly) {
  map<alike, uint32_t> m(mem_, "m", 10'000);
  uint32_t n = 0;
  while (m.insert({n}, n)) ++n;
  EXPECT_EQ(n, 112u);
  for (uint32_t i = 0; i < n; ++i) ASSERT_EQ(m.get({i}), i);
  for (uint32_t i = 0; i < n; i += 2) ASSERT_TRUE(m.erase({i}));
  for (uint32_t i = 0; i < n; ++i) ASSERT_EQ(m.contains({i}), i % 2 == 1);
}

// What a std::map does with the same.
TEST_F(MapTest, AgreesWithAModel) {
  std::mt19937_64 random(5);
  map<uint32_t, block<3>> m(mem_, "m", 300);
  std::map<uint32_t, uint64_t> model;
  for (int i = 0; i < 100'000; ++i) {
    const auto k = static_cast<uint32_t>(random() % 400);
    const uint64_t x = random();
    const auto there = model.find(k);
    switch (random() % 5) {
      case 0:
        if (model.size() < 300 || there != model.end()) {
          ASSERT_EQ(m.insert(k, block<3>::of(x)),
                    there == model.end() ? outcome::ok : outcome::exists);
          model.emplace(k, x);
        }
        break;
      case 1:
        if (model.size() < 300 || there != model.end()) {
          ASSERT_TRUE(m.insert_or_assign(k, block<3>::of(x)));
          model[k] = x;
        }
        break;
      case 2:
        ASSERT_EQ(m.erase(k), there != model.end() ? outcome::ok : outcome::missing);
        model.erase(k);
        break;
      case 3:
        ASSERT_EQ(static_cast<bool>(m.update(k, [&](block<3>& b) { b = block<3>::of(x); })),
                  there != model.end());
        if (there != model.end()) there->second = x;
        break;
      default:
        const auto got = m.get(k);
        ASSERT_EQ(got.has_value(), there != model.end());
        if (got) {
          ASSERT_TRUE(got->whole());
          ASSERT_EQ(got->words[0], there->second);
        }
    }
    if (i % 1000 == 0) {
      ASSERT_EQ(m.size(), model.size());
      std::map<uint32_t, uint64_t> met;
      EXPECT_TRUE(m.for_each([&](uint32_t key, const block<3>& b) {
        EXPECT_TRUE(met.emplace(key, b.words[0]).second) << "met twice";
      }));
      ASSERT_EQ(met, model);
    }
  }
}

TEST_F(MapTest, KeysAndValuesOfAnyKind) {
  map<fixed_string<13>, char> text(mem_, "text", 10);
  EXPECT_TRUE(text.insert("one", '1'));
  EXPECT_EQ(text.get("one"), '1');
  EXPECT_EQ(text.get("other"), std::nullopt);
  map<point, std::array<char, 4096>> pages(mem_, "pages", 10);
  EXPECT_TRUE(pages.insert({1.5, 2}, {"page"}));
  EXPECT_STREQ(pages.get({1.5, 2})->data(), "page");
  EXPECT_FALSE(pages.contains({1.5, 3}));
  struct alignas(64) wide {
    char text[65];
  };
  map<char, wide> wides(mem_, "wides", 10);
  EXPECT_TRUE(wides.insert('w', {"wide"}));
  EXPECT_STREQ(wides.get('w')->text, "wide");
}

// As patterns.md has it.
struct ServiceInfo {
  fixed_string<32> name;
  uint16_t port;
};
class ServiceRegistry {
  memory mem;
  map<uint32_t, ServiceInfo> services;
  map<uint32_t, ServiceInfo*>
      responses;  // named there, and never filled: a pointer cannot be shared

 public:
  explicit ServiceRegistry(const std::string& name)
      : mem(name, 10 * 1024 * 1024),
        services(mem, "registry", 100),
        responses(mem, "responses", 100) {}

  void register_service(uint32_t id, const ServiceInfo& info) { services.insert(id, info); }

  std::optional<ServiceInfo> lookup(uint32_t id) { return services.get(id); }
};
TEST_F(MapTest, IsARegistryOfServices) {
  const harness::unique_segment segment;
  ServiceRegistry registry(segment.name());
  registry.register_service(7, {"quotes", 80});
  EXPECT_EQ(registry.lookup(7)->name, "quotes");
  EXPECT_FALSE(registry.lookup(8));
}

TEST_F(MapTest, VersionsGrowAndWakeWhoWaits) {
  map<int, int> m(mem_, "m", 10);
  EXPECT_EQ(m.version(1), 0u);
  EXPECT_EQ(m.wait_for_change_for(1, 0, 1ms), 0u);
  harness::shared_state<std::atomic<int>> seen_so_far;
  harness::process waits([&]() -> int {
    uint64_t seen = m.wait_for_change(1, 0);
    EXPECT_EQ(m.get(1), 5);
    ++*seen_so_far;
    seen = m.wait_for_change(1, seen);
    EXPECT_EQ(m.get(1), 6);
    ++*seen_so_far;
    EXPECT_EQ(m.wait_for_change(1, seen), 0u) << "gone";
    return 0;
  });
  ASSERT_TRUE(harness::wait_until_asleep(waits.pid()));
  m.insert(1, 5);
  const uint64_t first = m.version(1);
  ASSERT_TRUE(harness::eventually([&] { return *seen_so_far == 1; }));
  m.assign(1, 6);
  EXPECT_GT(m.version(1), first);
  int value;
  uint64_t version = 0;
  EXPECT_TRUE(m.get(1, value, &version));
  EXPECT_EQ(version, m.version(1));
  ASSERT_TRUE(harness::eventually([&] { return *seen_so_far == 2; }));
  m.erase(1);
  EXPECT_EQ(waits.wait(), harness::exited(0));
}

// Keys come and go, one is always there, and what is read is whole: in threads of several processes.
TEST_F(MapTest, ReadersMeetWholeEntriesAndMissNone) {
  constexpr int kKeys = 40, kRounds = 20'000;
  map<uint32_t, block<4>> m(mem_, "m", 2 * kKeys);
  map<uint32_t, uint64_t> counters(mem_, "counters", kKeys);
  m.insert(1'000'000, block<4>::of(7));
  for (uint32_t k = 0; k < kKeys; ++k) counters.insert(k, 0);
  harness::shared_state<std::atomic<bool>> over;
  std::vector<harness::process> writers, readers;
  for (uint64_t p = 0; p < 2; ++p) {
    writers.emplace_back([&, p]() -> int {
      const auto write = [&](uint64_t seed) {
        std::mt19937_64 random(seed);
        for (int i = 0; i < kRounds; ++i) {
          const auto k = static_cast<uint32_t>(random() % kKeys);
          if (random() % 2 != 0) {
            m.insert_or_assign(k, block<4>::of(random()));
          } else {
            m.erase(k);
          }
          if (!counters.update(k, [](uint64_t& n) { ++n; })) std::abort();
        }
      };
      std::thread other(write, 2 * p);
      write(2 * p + 1);
      other.join();
      return 0;
    });
    readers.emplace_back([&]() -> int {
      std::mt19937_64 random(99);
      while (!*over) {
        const auto always = m.get(1'000'000);
        if (!always || always->words[3] != 7) {
          ADD_FAILURE() << "an entry that nobody touches is missing";
          return 1;
        }
        block<4> b;
        if (m.get(static_cast<uint32_t>(random() % kKeys), b) && !b.whole()) {
          ADD_FAILURE() << "torn";
          return 1;
        }
      }
      return 0;
    });
  }
  for (harness::process& p : writers) EXPECT_EQ(p.wait(), harness::exited(0));
  *over = true;
  for (harness::process& p : readers) EXPECT_EQ(p.wait(), harness::exited(0));
  uint64_t sum = 0;
  counters.for_each([&](uint32_t, uint64_t n) { sum += n; });
  EXPECT_EQ(sum, 4u * kRounds);
  uint64_t met = 0;
  m.for_each([&](uint32_t, const block<4>&) { ++met; });
  EXPECT_EQ(met, m.size());
}

TEST_F(MapTest, AStoppedWriterHoldsUpNoReader) {
  map<int, block<512>> m(mem_, "m", 10);
  m.insert(1, block<512>::of(1));
  harness::process writes([&]() -> int {
    for (uint64_t i = 1;; ++i) m.assign(1, block<512>::of(i));
  });
  for (int i = 0; i < 50; ++i) {
    const uint64_t before = m.version(1);
    ASSERT_TRUE(harness::eventually([&] { return m.version(1) > before + 10; }));
    writes.stop();
    const auto got = m.get(1);
    ASSERT_TRUE(got && got->whole());
    writes.cont();
  }
  writes.kill();
  writes.wait();
  EXPECT_TRUE(m.assign(1, block<512>::of(0)));
}

TEST_F(MapTest, WhatItIsNotIsRefusedAndNamed) {
  map<int, float> m(mem_, "m", 4);
  const auto other = map<int, float>::open_or_create(mem_, "m", 5);
  EXPECT_TRUE(absl::IsFailedPrecondition(other.status()));
  EXPECT_THAT(other.status().message(), HasSubstr("capacity 4, asked for 5"));
  const auto values = map<int, int>::open(mem_, "m");
  EXPECT_TRUE(absl::IsFailedPrecondition(values.status()));
  EXPECT_THAT(values.status().message(), HasSubstr("map_entry<int, float>"));
  EXPECT_THAT(values.status().message(), HasSubstr("map_entry<int, int>"));
  EXPECT_TRUE(absl::IsNotFound((map<int, float>::open(mem_, "t").status())));
  EXPECT_TRUE(absl::IsAlreadyExists((map<int, float>::create(mem_, "m", 4).status())));
  EXPECT_TRUE(absl::IsInvalidArgument((map<int, float>::create(mem_, "t", 0).status())));
  EXPECT_TRUE(absl::IsResourceExhausted((map<int, float>::create(mem_, "t", 1 << 30).status())));
  EXPECT_THROW((map<int, float>(mem_, "t")), error);
  ASSERT_TRUE(remove(mem_, "m").ok());
  EXPECT_TRUE(m.insert(1, 2)) << "held, though its name is gone";
}

}  // namespace
}  // namespace zeroipc
