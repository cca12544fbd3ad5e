// 100,000 names in one segment of 1 GiB: all there, each found, and found as fast as among a
// hundred.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "zeroipc/heap/heap.h"
#include "zeroipc/name_table/audit.h"
#include "zeroipc/name_table/lookup.h"
#include "zeroipc/name_table/name_table.h"

namespace zeroipc::internal {
namespace {

constexpr int kNames = 100'000;
const structure_type kRaw = {.what = kind::raw};

std::string name(int i) { return "service/structure-" + std::to_string(i); }

TEST(ManyNamesTest, AHundredThousandNamesComeAndGo) {
  memory mem = *memory::create_anonymous(size_t{1} << 30);
  EXPECT_LT(mem.resident_bytes(), size_t{1} << 20);
  const name_view view(*mem.attachment());
  const auto steps_per_find = [&](int names) {
    // Flatness without a clock: how many entries a lookup looks at.
    long steps = 0;
    for (int i = 0; i < names; ++i) {
      const name_key key(name(i));
      uint64_t next = view.bucket(view.bucket_of(key.hash)).load() & 0xffff'ffffu;
      while (next != 0) {
        ++steps;
        const name_entry& e = view.entry(static_cast<uint32_t>(next - 1));
        if (e.hash.load() == key.hash) break;
        next = e.next.load();
      }
    }
    return static_cast<double>(steps) / names;
  };
  double at_100 = 0;
  for (int i = 0; i < kNames; ++i) {
    ASSERT_TRUE(
        create_structure(mem, name(i), kRaw, 64, 64, [&](void* p) { *static_cast<int*>(p) = i; })
            .ok())
        << i;
    if (i == 99) at_100 = steps_per_find(100);
  }
  EXPECT_LT(at_100, 1.1);
  EXPECT_LT(steps_per_find(kNames), 1.6);
  for (int i = 0; i < kNames; ++i) {
    const located found = view.find(name_key(name(i)));
    ASSERT_EQ(found.result, lookup_result::found) << i;
    ASSERT_EQ(*reinterpret_cast<int*>(mem.attachment()->base + found.offset), i);
  }
  EXPECT_EQ(view.find(name_key(name(kNames))).result, lookup_result::missing);
  EXPECT_EQ(list(mem).size(), size_t{kNames});
  absl::StatusOr<audit_report> full = audit(mem);
  ASSERT_TRUE(full.ok() && full->status.ok()) << full->status;
  EXPECT_EQ(full->names, uint64_t{kNames});

  std::vector<int> order(kNames);
  for (int i = 0; i < kNames; ++i) order[i] = i;
  std::shuffle(order.begin(), order.end(), std::mt19937(5));
  for (const int i : order) ASSERT_TRUE(remove(mem, name(i)).ok()) << i;
  absl::StatusOr<audit_report> empty = audit(mem);
  ASSERT_TRUE(empty.ok() && empty->status.ok()) << empty->status;
  EXPECT_EQ(empty->names, 0u);
  EXPECT_EQ(empty->free_entries, uint64_t{kNames});
  EXPECT_EQ(empty->heap.used, 0u);
  EXPECT_EQ(empty->heap.largest, empty->heap.total - 64);
}

}  // namespace
}  // namespace zeroipc::internal
