#include "zeroipc/name_table/remove_held.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "testing/harness/harness.h"
#include "zeroipc/heap/heap.h"
#include "zeroipc/name_table/audit.h"

namespace zeroipc::internal {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class RemoveHeldTest : public ::testing::Test {
 protected:
  structure make(const char* text) {
    auto made = create_structure(mem_, "x", {.what = kind::raw}, 100, 64,
                                 [&](void* p) { std::strcpy(static_cast<char*>(p), text); });
    EXPECT_TRUE(made.ok()) << made.status();
    return *std::move(made);
  }
  structure open() {
    auto opened = open_structure(mem_, "x", {.what = kind::raw});
    EXPECT_TRUE(opened.ok()) << opened.status();
    return *std::move(opened);
  }
  static std::string text(const structure& s) { return static_cast<const char*>(s.data()); }

  const harness::unique_segment name_;
  memory mem_ = *memory::create(name_.name(), 1 << 20, {.max_names = 8});
};

TEST_F(RemoveHeldTest, TakesTheNameAwayAndLeavesTheMemoryToItsHolders) {
  const heap_stats before = stats(mem_);
  {
    const structure first = make("first"), same = open();
    EXPECT_TRUE(remove_held(first).ok());
    EXPECT_TRUE(absl::IsNotFound(find(mem_, "x").status()));
    EXPECT_EQ(text(same), "first");
    const absl::Status again = remove_held(same);
    EXPECT_TRUE(absl::IsNotFound(again));
    EXPECT_THAT(again.message(), AllOf(HasSubstr(name_.name()), HasSubstr("'x'")));
  }
  EXPECT_EQ(stats(mem_).used, before.used);
  const auto report = audit(mem_);
  ASSERT_TRUE(report.ok() && report->status.ok());
}

TEST_F(RemoveHeldTest, TheNameOfAnotherStays) {
  const structure first = make("first");
  EXPECT_TRUE(remove(mem_, "x").ok());
  const structure second = make("second");
  EXPECT_TRUE(absl::IsNotFound(remove_held(first)));
  EXPECT_EQ(text(open()), "second");
  EXPECT_TRUE(remove_held(second).ok());
}

TEST_F(RemoveHeldTest, AnotherProcessMayDoIt) {
  const structure mine = make("mine");
  harness::process other([&] { EXPECT_TRUE(remove_held(open()).ok()); });
  EXPECT_EQ(other.wait(), harness::exited(0));
  EXPECT_TRUE(absl::IsNotFound(find(mem_, "x").status()));
  EXPECT_EQ(text(mine), "mine");
}

TEST_F(RemoveHeldTest, NotWithoutASlot) {
  memory mem = *memory::create_anonymous(1 << 20, {.max_participants = 1});
  auto held = create_structure(mem, "x", {.what = kind::raw}, 100, 64, [](void*) {});
  ASSERT_TRUE(held.ok());
  harness::process child([&] { EXPECT_FALSE(remove_held(*held).ok()); });
  EXPECT_EQ(child.wait(), harness::exited(0));
  EXPECT_TRUE(find(mem, "x").ok());
}

}  // namespace
}  // namespace zeroipc::internal
