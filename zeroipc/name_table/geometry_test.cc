// Structures are laid out once, and whoever opens one computes again what it must find.
#include "zeroipc/name_table/geometry.h"

#include <cstring>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/harness/harness.h"

namespace zeroipc::internal {
namespace {

using ::testing::HasSubstr;

constexpr uint64_t kHeader = 200;

class GeometryTest : public ::testing::Test {
 protected:
  absl::StatusOr<opened_structure> Make(open_mode mode, const layout_request& request,
                                        uint64_t stride = 24, uint64_t align = 8) {
    return open_laid_out(
        mem_, "s", mode, structure_type::of<int>(kind::stack, 3), request,
        [&](geometry_builder& g) {
          if (g.extra() == 0) g.set_extra(5);
          g.header(kHeader);
          g.part(g.capacity(), stride, align);
          g.part(g.extra(), 16, 8);
        },
        [](void* memory, const structure_geometry& g) {
          *item_of(memory, g, 0, 0) = std::byte{42};
        });
  }
  void Fails(const absl::StatusOr<opened_structure>& got, absl::StatusCode code,
             std::initializer_list<std::string> parts) {
    ASSERT_EQ(got.status().code(), code) << got.status();
    for (const std::string& part : parts) EXPECT_THAT(got.status().message(), HasSubstr(part));
  }

  const harness::unique_segment name_;
  memory mem_{name_.name(), 1 << 20};
};

TEST_F(GeometryTest, PartsFollowEachOtherAligned) {
  auto s = Make(open_mode::create, {.capacity = 10, .max_capacity = 100}, 24, 512);
  ASSERT_TRUE(s.ok()) << s.status();
  const structure_geometry& g = s->geometry;
  EXPECT_EQ(g.offsets[0], 512u);
  EXPECT_EQ(g.offsets[1], 768u);
  EXPECT_EQ(g.bytes, 768u + 5 * 16);
  EXPECT_EQ(g.extra, 5u);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(item_of(s->held.data(), g, 0, 0)) % 512, 0u);
  EXPECT_EQ(*item_of(s->held.data(), g, 0, 0), std::byte{42}) << "initialised";
  EXPECT_EQ(item_of(s->held.data(), g, 1, 2) - item_of(s->held.data(), g, 1, 0), 32);
}

TEST_F(GeometryTest, EachWayToOpen) {
  Fails(Make(open_mode::open, {}), absl::StatusCode::kNotFound, {"'s'"});
  const layout_request ten = {.capacity = 10, .max_capacity = 100, .extra_name = "seats"};
  auto first = Make(open_mode::open_or_create, ten);
  ASSERT_TRUE(first.ok());
  Fails(Make(open_mode::create, ten), absl::StatusCode::kAlreadyExists, {});
  EXPECT_EQ(Make(open_mode::open_or_create, ten)->geometry, first->geometry);
  EXPECT_EQ(Make(open_mode::open, {.max_capacity = 100})->geometry, first->geometry);

  layout_request other = ten;
  other.capacity = 11;
  Fails(Make(open_mode::open_or_create, other), absl::StatusCode::kFailedPrecondition,
        {"stack \"s\"", "capacity 10", "asked for 11"});
  other = ten;
  other.extra = 6;
  Fails(Make(open_mode::open_or_create, other), absl::StatusCode::kFailedPrecondition,
        {"seats 5", "asked for 6"});
}

TEST_F(GeometryTest, WhatCannotBeIsRefusedAndNamed) {
  Fails(Make(open_mode::create, {.capacity = 0, .max_capacity = 100}),
        absl::StatusCode::kInvalidArgument, {"capacity is 0", "1 to 100"});
  Fails(Make(open_mode::create, {.capacity = 101, .max_capacity = 100}),
        absl::StatusCode::kInvalidArgument, {"capacity is 101"});
  const uint64_t huge = ~uint64_t{0};
  Fails(Make(open_mode::create, {.capacity = 1'000'000, .max_capacity = huge}),
        absl::StatusCode::kResourceExhausted, {"capacity of 1000000", "24000"});
  Fails(Make(open_mode::create, {.capacity = huge / 12, .max_capacity = huge}),
        absl::StatusCode::kResourceExhausted, {"more than 2^64"});
  Fails(Make(open_mode::create, {.capacity = 1, .max_capacity = huge, .extra = huge}),
        absl::StatusCode::kResourceExhausted, {"more than 2^64"});
}

// Each byte of the block, changed by somebody, is noticed.
TEST_F(GeometryTest, ACorruptBlockIsNamed) {
  auto s = Make(open_mode::create, {.capacity = 10, .max_capacity = 100});
  ASSERT_TRUE(s.ok());
  auto* bytes = static_cast<unsigned char*>(s->held.data());
  for (size_t i = 0; i < sizeof(structure_geometry); ++i) {
    bytes[i] ^= 0x40;
    Fails(Make(open_mode::open, {.max_capacity = 100}), absl::StatusCode::kDataLoss,
          {"corrupt", "expected"});
    bytes[i] ^= 0x40;
  }
  EXPECT_TRUE(Make(open_mode::open, {.max_capacity = 100}).ok());
}

TEST_F(GeometryTest, OneOfAnotherShapeIsNamed) {
  auto s = Make(open_mode::create, {.capacity = 10, .max_capacity = 100});
  ASSERT_TRUE(s.ok());
  Fails(Make(open_mode::open, {.max_capacity = 100}, 32), absl::StatusCode::kDataLoss,
        {"stride 0 is 24, expected 32"});
}

}  // namespace
}  // namespace zeroipc::internal
