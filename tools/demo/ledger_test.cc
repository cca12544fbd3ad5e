#include "tools/demo/ledger.h"

#include <string>

#include "gtest/gtest.h"

namespace zeroipc::demo {
namespace {

report words(uint64_t attempt, uint32_t file,
             std::initializer_list<std::pair<const char*, uint64_t>> entries) {
  report r{};
  r.kind = report_kind::words;
  r.attempt = attempt;
  r.file = file;
  r.pass = 1;
  for (const auto& [word, count] : entries) EXPECT_TRUE(r.add(word, count));
  return r;
}

report done(uint64_t attempt, uint32_t file,
            std::initializer_list<std::pair<const char*, uint64_t>> entries, uint32_t pass = 1) {
  report r{};
  r.kind = report_kind::done;
  r.attempt = attempt;
  r.file = file;
  r.pass = pass;
  for (const auto& [word, count] : entries) {
    r.result.sum.words += count;
    r.result.sum.digest += digest_of(word, count);
  }
  r.result.sum.bytes = 10;
  return r;
}

using entry = ledger::entry;

TEST(Report, HoldsWordsUntilItIsFullAndGivesThemBack) {
  report r{};
  uint64_t n = 0;
  while (r.add("word" + std::to_string(n), n)) ++n;
  EXPECT_GT(n, 100u);
  uint64_t read = 0;
  EXPECT_TRUE(r.each([&](std::string_view word, uint64_t count) {
    EXPECT_EQ(word, "word" + std::to_string(read));
    EXPECT_EQ(count, read++);
  }));
  EXPECT_EQ(read, n);
}

TEST(Report, RefusesTextThatAddDoesNotWrite) {
  report r = words(1, 0, {{"word", 3}});
  r.used -= 1;
  EXPECT_FALSE(r.each([](std::string_view, uint64_t) {}));
  r.used = 100'000;
  EXPECT_FALSE(r.each([](std::string_view, uint64_t) {}));
}

TEST(Ledger, TakesAFileOverOnlyWhenItsAttemptIsDone) {
  ledger books(2);
  EXPECT_EQ(books.book(words(1, 0, {{"a", 2}})), entry::collected);
  EXPECT_EQ(books.book(words(1, 0, {{"b", 1}})), entry::collected);
  EXPECT_TRUE(books.words().empty());
  EXPECT_EQ(books.book(done(1, 0, {{"a", 2}, {"b", 1}})), entry::taken);
  EXPECT_EQ(books.words(), (word_map{{"a", 2}, {"b", 1}}));
  EXPECT_FALSE(books.pass_complete());
  EXPECT_EQ(books.book(done(2, 1, {})), entry::taken);
  EXPECT_TRUE(books.pass_complete());
}

// worker A                          worker B
// words, then killed
//                                   leases the same file; words, done       taken
TEST(Ledger, WhatAKilledWorkerToldHalfIsGivenUp) {
  ledger books(1);
  books.book(words(1, 0, {{"a", 2}}));
  books.book(words(2, 0, {{"a", 2}, {"b", 1}}));
  EXPECT_EQ(books.book(done(2, 0, {{"a", 2}, {"b", 1}})), entry::taken);
  EXPECT_EQ(books.words(), (word_map{{"a", 2}, {"b", 1}}));
  EXPECT_EQ(books.abandoned(), 1u);
  EXPECT_EQ(books.duplicates(), 0u);
}

// words, done, killed before ack    leases the same file; words, done       dropped
TEST(Ledger, ASecondCountOfAFileIsDropped) {
  ledger books(1);
  books.book(words(1, 0, {{"a", 2}}));
  EXPECT_EQ(books.book(done(1, 0, {{"a", 2}})), entry::taken);
  books.book(words(2, 0, {{"a", 2}}));
  EXPECT_EQ(books.book(done(2, 0, {{"a", 2}})), entry::duplicate);
  EXPECT_EQ(books.words(), (word_map{{"a", 2}}));
  EXPECT_EQ(books.duplicates(), 1u);
}

TEST(Ledger, AnAttemptWhoseWordsDoNotAddUpIsRefused) {
  ledger books(1);
  books.book(words(1, 0, {{"a", 2}}));
  EXPECT_EQ(books.book(done(1, 0, {{"a", 2}, {"b", 1}})), entry::malformed);
  EXPECT_FALSE(books.pass_complete());
}

TEST(Ledger, ALaterPassMustComeToTheSameResult) {
  ledger books(1);
  books.book(words(1, 0, {{"a", 2}}));
  books.book(done(1, 0, {{"a", 2}}));
  books.start_pass(2);
  EXPECT_FALSE(books.pass_complete());
  report again = words(2, 0, {{"a", 2}});
  again.pass = 2;
  books.book(again);
  EXPECT_EQ(books.book(done(2, 0, {{"a", 2}}, 2)), entry::taken);
  EXPECT_EQ(books.words(), (word_map{{"a", 2}})) << "counted once, however often";
  EXPECT_TRUE(books.contradictions().empty());
  books.start_pass(3);
  EXPECT_EQ(books.book(done(3, 0, {}, 3)), entry::taken);
  EXPECT_EQ(books.contradictions().size(), 1u);
}

TEST(Ledger, ReportsOnFilesOrPassesThatAreNotThereAreRefused) {
  ledger books(1);
  EXPECT_EQ(books.book(done(1, 1, {})), entry::malformed);
  EXPECT_EQ(books.book(done(1, 0, {}, 2)), entry::malformed);
  EXPECT_EQ(books.book(report{}), entry::malformed);
}

}  // namespace
}  // namespace zeroipc::demo
