// Property: a process killed at any instruction of a change leaves the old entry or the new one, whole, all others as they were,
// and a map that goes on; and so does the next one, killed at any instruction of its own.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>

#include "testing/kill_sweep/blocked_kill.h"
#include "testing/kill_sweep/structure_sweep.h"
#include "zeroipc/map/map.h"

namespace zeroipc {

// Three hashes for all keys below a thousand, so that they meet in each other's buckets.
struct crowded {
  uint32_t n;
};
template <>
struct key_traits<crowded> {
  static uint64_t hash(const crowded& k) { return hash_words(k.n < 1000 ? k.n % 3 : k.n); }
  static bool equal(const crowded& a, const crowded& b) { return a.n == b.n; }
};

namespace {

using testing::moment;

struct value {
  uint64_t id, check;
  static value of(uint64_t id) { return {id, ~id}; }
  bool whole() const { return check == ~id; }
};
using map_type = map<crowded, value>;

constexpr uint32_t kKeys = 12;
constexpr size_t kCapacity = 20;

struct rig {
  rig() {
    for (uint32_t k = 0; k < kKeys; ++k) EXPECT_TRUE(m.insert({k}, value::of(k)));
  }
  memory mem = testing::small_memory();
  map_type m{mem, "m", kCapacity};
};

std::map<uint32_t, uint64_t> contents(const map_type& m) {
  std::map<uint32_t, uint64_t> found;
  m.for_each([&](const crowded& k, const value& v) {
    EXPECT_TRUE(v.whole());
    EXPECT_TRUE(found.emplace(k.n, v.id).second) << "a key is there twice";
  });
  for (const auto& [k, id] : found) {
    const auto got = m.get({k});
    EXPECT_TRUE(got && got->id == id) << "what is there is not found";
  }
  return found;
}

TEST(MapSweep, AnyInstructionMayBeTheLast) {
  std::map<uint32_t, uint64_t> before;
  for (uint32_t k = 0; k < kKeys; ++k) before[k] = k;
  // What each operation leaves.
  std::map<std::string, std::map<uint32_t, uint64_t>> after;
  testing::structure_sweep<rig> sweep("map");
  const auto add = [&](const std::string& name,
                       const std::function<void(std::map<uint32_t, uint64_t>&)>& effect,
                       std::function<void(rig&)> run) {
    after[name] = before;
    effect(after[name]);
    sweep.operation(name, std::move(run));
  };
  add(
      "insert", [](auto& m) { m[50] = 50; }, [](rig& r) { r.m.insert({50}, value::of(50)); });
  add(
      "insert, the only one of its home", [](auto& m) { m[1001] = 50; },
      [](rig& r) { r.m.insert({1001}, value::of(50)); });
  add(
      "insert, there already", [](auto&) {}, [](rig& r) { r.m.insert({5}, value::of(50)); });
  add(
      "insert_or_assign", [](auto& m) { m[5] = 55; },
      [](rig& r) { r.m.insert_or_assign({5}, value::of(55)); });
  add(
      "assign", [](auto& m) { m[0] = 7; }, [](rig& r) { r.m.assign({0}, value::of(7)); });
  add(
      "update", [](auto& m) { m[11] = 12; },
      [](rig& r) { r.m.update({11}, [](value& v) { v = value::of(12); }); });
  add(
      "erase", [](auto& m) { m.erase(4); }, [](rig& r) { r.m.erase({4}); });
  add(
      "erase, missing", [](auto&) {}, [](rig& r) { r.m.erase({44}); });
  const auto recoverer = [](auto does) {
    return [does](const memory& copy) {
      return [m = map_type(copy, "m"), does]() mutable { does(m); };
    };
  };
  // In the same stripe, and in each state of its own.
  sweep.recoverer(recoverer([](map_type& m) { m.insert_or_assign({5}, value::of(500)); }));
  sweep.recoverer(recoverer([](map_type& m) { m.erase({4}); }));
  std::string last_operation;
  bool changed = false;
  sweep.run([&](const memory& copy, const std::string& operation, const moment& at) {
    if (operation != last_operation) changed = false;
    last_operation = operation;
    map_type m(copy, "m");
    std::map<uint32_t, uint64_t> found = contents(m);
    if (at.second < 0) {
      EXPECT_TRUE(found == before || found == after[operation]);
      if (changed) {
        EXPECT_EQ(found, after[operation]) << "what has happened is undone by dying later";
      }
      changed = found != before;
      if (at.returned) {
        EXPECT_EQ(found, after[operation]);
      }
    } else {
      // The recoverer's change may be there as well.
      for (uint32_t k = 0; k < kKeys; ++k) {
        if (k == 4 || k == 5) continue;
        const auto id = found.contains(k) ? found[k] : ~uint64_t{0};
        const auto& done = after[operation];
        EXPECT_TRUE(id == before[k] || (done.contains(k) && id == done.at(k))) << k;
      }
    }
    // It has all its room, for every stripe's writers. The next one sets the count right.
    for (uint32_t k = 0; k < kKeys; ++k) {
      EXPECT_TRUE(m.insert_or_assign({k}, value::of(1000 + k)));
      found[k] = 1000 + k;
    }
    m.update({1001}, [](value&) {});
    EXPECT_EQ(contents(m), found);
    EXPECT_EQ(m.size(), found.size());
    for (uint32_t k = 100; m.size() < kCapacity; ++k) EXPECT_TRUE(m.insert({k}, value::of(k)));
    EXPECT_TRUE(m.clear());
    EXPECT_TRUE(m.empty() && contents(m).empty());
  });
}

TEST(MapSweep, WhoWaitsBesideOneThatDiesIsServed) {
  constexpr std::chrono::hours kLong(1);
  testing::blocked_kill<rig> kills("map");
  const auto assign = [](rig& r) { EXPECT_TRUE(r.m.insert_or_assign({0}, value::of(7))); };
  kills.operation(
      "wait_for_change",
      {.wait = [](rig& r) { EXPECT_NE(r.m.wait_for_change({0}, 1), 1u); }, .serve = assign});
  kills.operation("wait_for_change_for",
                  {.wait = [](rig& r) { EXPECT_NE(r.m.wait_for_change_for({0}, 1, kLong), 1u); },
                   .serve = assign});
  kills.run();
}

}  // namespace
}  // namespace zeroipc
