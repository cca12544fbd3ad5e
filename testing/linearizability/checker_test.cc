// The checker accepts what some order explains, and nothing else.
#include "testing/linearizability/checker.h"

#include <gtest/gtest.h>

#include <vector>

#include "testing/linearizability/queue_model.h"

namespace zeroipc::linearizability {
namespace {

using kind = queue_operation::kind;
using result = queue_operation::result;
using ops = std::vector<recorded<queue_operation>>;

recorded<queue_operation> op(uint64_t began, uint64_t ended, kind what, result how,
                             uint64_t id = 0) {
  return {{what, how, id}, static_cast<int>(id), began, ended, ended};
}
// Cut off by a death that was known at `settled`.
recorded<queue_operation> cut(uint64_t began, uint64_t settled, kind what, uint64_t id = 0) {
  return {{what, result::none, id}, static_cast<int>(id), began, kNever, settled};
}
finding find(ops operations, uint64_t capacity = 2, uint64_t budget = 100'000) {
  excuse(operations);
  return checker<queue_operation, queue_model>(operations, queue_model(capacity), text_of)
      .check(budget)
      .what;
}
constexpr finding kGood = finding::linearizable;
constexpr finding kBad = finding::violation;

TEST(Checker, OneAfterTheOther) {
  EXPECT_EQ(find({}), kGood);
  EXPECT_EQ(find({op(1, 2, kind::push, result::ok, 7), op(3, 4, kind::pop, result::ok, 7)}), kGood);
  EXPECT_EQ(find({op(1, 2, kind::pop, result::ok, 7), op(3, 4, kind::push, result::ok, 7)}), kBad)
      << "before it came";
  EXPECT_EQ(find({op(1, 2, kind::pop, result::ok, 9)}), kBad) << "from nowhere";
  EXPECT_EQ(find({op(1, 2, kind::push, result::ok, 7), op(3, 4, kind::pop, result::empty)}), kBad)
      << "lost";
  EXPECT_EQ(find({op(1, 2, kind::push, result::ok, 7), op(3, 4, kind::pop, result::ok, 7),
                  op(5, 6, kind::pop, result::ok, 7)}),
            kBad)
      << "doubled";
  EXPECT_EQ(find({op(1, 2, kind::push, result::ok, 7), op(3, 4, kind::push, result::ok, 8),
                  op(5, 6, kind::pop, result::ok, 8)}),
            kBad)
      << "out of order";
  EXPECT_EQ(find({op(1, 2, kind::push, result::full, 7)}), kBad) << "room for two";
  EXPECT_EQ(find({op(1, 2, kind::push, result::ok, 7), op(3, 4, kind::push, result::ok, 8),
                  op(5, 6, kind::push, result::full, 9)}),
            kGood);
}

TEST(Checker, OverlappingOnesMayGoEitherWay) {
  EXPECT_EQ(find({op(1, 10, kind::push, result::ok, 7), op(2, 9, kind::push, result::ok, 8),
                  op(11, 12, kind::pop, result::ok, 8), op(13, 14, kind::pop, result::ok, 7)}),
            kGood);
  EXPECT_EQ(find({op(1, 4, kind::push, result::ok, 7), op(2, 3, kind::pop, result::empty)}), kGood);
  // But nothing comes before what had ended before it began.
  EXPECT_EQ(find({op(1, 3, kind::push, result::ok, 7), op(4, 10, kind::push, result::ok, 8),
                  op(5, 9, kind::pop, result::ok, 8), op(11, 12, kind::pop, result::ok, 7)}),
            kBad);
}

TEST(Checker, WhatWasCutOffHasHappenedOrNot) {
  EXPECT_EQ(find({cut(1, 2, kind::push, 7), op(3, 4, kind::pop, result::ok, 7)}), kGood);
  EXPECT_EQ(find({cut(1, 2, kind::push, 7), op(3, 4, kind::pop, result::empty)}), kGood);
  EXPECT_EQ(find({cut(1, 2, kind::push, 7), op(3, 4, kind::pop, result::ok, 7),
                  op(5, 6, kind::pop, result::ok, 7)}),
            kBad)
      << "it has happened twice";
  EXPECT_EQ(find({op(1, 2, kind::push, result::ok, 7), cut(3, 4, kind::pop),
                  op(5, 6, kind::pop, result::empty)}),
            kGood)
      << "taken along";
  EXPECT_EQ(find({op(1, 2, kind::push, result::ok, 7), op(3, 4, kind::push, result::ok, 8),
                  cut(5, 6, kind::pop), op(7, 8, kind::pop, result::ok, 8),
                  op(9, 10, kind::pop, result::ok, 7)}),
            kGood)
      << "redelivered out of order";
  EXPECT_EQ(find({op(1, 2, kind::push, result::ok, 7), op(3, 4, kind::push, result::ok, 8),
                  cut(5, 6, kind::lease), op(7, 8, kind::pop, result::ok, 8),
                  op(9, 10, kind::pop, result::empty)}),
            kBad)
      << "a lease that was cut off loses nothing";
}

TEST(Checker, LeasesAndClosing) {
  const auto lease = op(3, 4, kind::lease, result::ok, 7);
  const auto push = op(1, 2, kind::push, result::ok, 7);
  EXPECT_EQ(
      find({push, lease, op(5, 6, kind::ack, result::ok, 7), op(7, 8, kind::pop, result::empty)}),
      kGood);
  EXPECT_EQ(
      find({push, lease, op(5, 6, kind::ack, result::ok, 7), op(7, 8, kind::pop, result::ok, 7)}),
      kBad)
      << "acknowledged and delivered again";
  EXPECT_EQ(
      find({push, lease, op(5, 6, kind::nack, result::ok, 7), op(7, 8, kind::pop, result::ok, 7)}),
      kGood);
  EXPECT_EQ(find({push, lease, op(5, 6, kind::pop, result::ok, 7)}), kBad) << "its holder lives";
  EXPECT_EQ(find({push, lease, cut(5, 6, kind::expire, 7), op(7, 8, kind::pop, result::ok, 7)}),
            kGood);
  EXPECT_EQ(find({op(1, 2, kind::close, result::ok), op(3, 4, kind::push, result::closed, 7)}),
            kGood);
  EXPECT_EQ(find({op(1, 2, kind::close, result::ok), op(3, 4, kind::push, result::ok, 7)}), kBad);
  EXPECT_EQ(find({push, op(3, 4, kind::close, result::ok), op(5, 6, kind::pop, result::closed)}),
            kBad)
      << "closed before it was drained";
  EXPECT_EQ(
      find({push, lease, op(5, 6, kind::close, result::ok), op(7, 8, kind::pop, result::closed)}),
      kBad)
      << "closed while a lease may come back";
}

TEST(Checker, SaysWhenItHasNotDecided) {
  ops many;
  for (uint64_t i = 0; i < 14; ++i)
    many.push_back(op(1 + i, 100 + i, kind::push, result::ok, i + 1));
  for (uint64_t i = 0; i < 14; ++i) {
    many.push_back(op(200 + 2 * i, 201 + 2 * i, kind::pop, result::ok, 14 - i));
  }
  many.push_back(op(300, 301, kind::pop, result::ok, 99));
  EXPECT_EQ(find(many, 20, 1000), finding::undecided);
}

TEST(Checker, AViolationSaysWhatIsImpossible) {
  ops operations = {op(1, 2, kind::push, result::ok, 7), op(3, 4, kind::pop, result::ok, 8)};
  const verdict v =
      checker<queue_operation, queue_model>(operations, queue_model(2), text_of).check();
  EXPECT_NE(v.text.find("pop 8: ok"), std::string::npos) << v.text;
  EXPECT_NE(v.text.find("items { 7 }"), std::string::npos) << v.text;
}

}  // namespace
}  // namespace zeroipc::linearizability
