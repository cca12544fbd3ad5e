// Property: a process killed at any instruction of a change leaves the key there or not, and all others as they were; and so does
// the next one, killed at any instruction of its own.
#include <gtest/gtest.h>

#include <cstdint>
#include <string>

#include "testing/kill_sweep/structure_sweep.h"
#include "zeroipc/set/set.h"

namespace zeroipc {
namespace {

using testing::moment;

constexpr uint64_t kKeys = 5;

struct rig {
  rig() {
    for (uint64_t k = 0; k < kKeys; ++k) EXPECT_TRUE(s.insert(k));
  }
  memory mem = testing::small_memory();
  set<uint64_t> s{mem, "s", 8};
};

TEST(SetSweep, AnyInstructionMayBeTheLast) {
  testing::structure_sweep<rig> sweep("set");
  sweep.operation("insert", [](rig& r) { r.s.insert(100); });
  sweep.operation("insert, there already", [](rig& r) { r.s.insert(1); });
  sweep.operation("erase", [](rig& r) { r.s.erase(1); });
  sweep.recoverer([](const memory& copy) {
    return [s = set<uint64_t>(copy, "s")]() mutable {
      s.erase(1);
      s.insert(1);
    };
  });
  sweep.run([](const memory& copy, const std::string& operation, const moment& at) {
    set<uint64_t> s(copy, "s");
    for (uint64_t k = 0; k < kKeys; ++k) EXPECT_TRUE(s.contains(k) || k == 1);
    if (operation != "erase" && at.second < 0) {
      EXPECT_TRUE(s.contains(1));
    }
    if (at.returned && at.second < 0) {
      EXPECT_EQ(s.contains(1), operation != "erase");
      EXPECT_EQ(s.contains(100), operation == "insert");
    }
    uint64_t met = 0;
    s.for_each([&](uint64_t k) { met += s.contains(k); });
    EXPECT_EQ(met, kKeys - !s.contains(1) + s.contains(100));
    EXPECT_TRUE(s.clear());
    for (uint64_t k = 0; k < 8; ++k) EXPECT_TRUE(s.insert(k));
    EXPECT_EQ(s.size(), 8u);
  });
}

}  // namespace
}  // namespace zeroipc
