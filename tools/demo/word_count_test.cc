#include "tools/demo/word_count.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <string>

#include "gtest/gtest.h"

namespace zeroipc::demo {
namespace {

word_counter counted(std::initializer_list<std::string_view> chunks) {
  word_counter counter;
  for (std::string_view chunk : chunks) counter.feed(chunk);
  counter.finish();
  return counter;
}

std::string temporary(const char* name) {
  return std::string(std::getenv("TEST_TMPDIR")) + "/" + name;
}

TEST(WordCounter, WordsAreRunsOfLettersDigitsUnderscoresAndBytesBeyondAscii) {
  const word_counter c = counted({"The the_2 THE,caf\xc3\xa9-the\n\n  x"});
  EXPECT_EQ(c.words(), (word_map{{"the", 3}, {"the_2", 1}, {"caf\xc3\xa9", 1}, {"x", 1}}));
  EXPECT_EQ(c.sum().words, 6u);
  EXPECT_EQ(c.sum().lines, 2u);
  EXPECT_EQ(c.sum().bytes, 28u);
}

TEST(WordCounter, WhereTheChunksEndMakesNoDifference) {
  const std::string text =
      "alpha beta " + std::string(200, 'q') + " alpha\n" + std::string(65, 'q') + " beta";
  const word_counter whole = counted({text});
  for (size_t cut = 0; cut <= text.size(); ++cut) {
    const word_counter split =
        counted({std::string_view(text).substr(0, cut), std::string_view(text).substr(cut)});
    ASSERT_EQ(split.words(), whole.words()) << "cut at " << cut;
    ASSERT_EQ(split.sum(), whole.sum()) << "cut at " << cut;
  }
}

TEST(WordCounter, LongWordsStayApartAndShort) {
  const std::string stem(kMaxWordBytes, 'a');
  const word_counter c = counted(
      {stem, " ", stem + "x", " ", stem + "y", " ", stem + "x", " ", std::string(1 << 20, 'b')});
  EXPECT_EQ(c.words().size(), 4u);
  for (const auto& [word, count] : c.words()) EXPECT_LE(word.size(), kMaxWordBytes);
  EXPECT_EQ(c.words().at(stem), 1u);
  EXPECT_EQ(c.sum().words, 5u);
}

TEST(WordCounter, TheDigestDependsOnTheWordsAndNotOnTheirOrder) {
  EXPECT_EQ(counted({"a b a"}).sum().digest, counted({"a a b"}).sum().digest);
  EXPECT_NE(counted({"a b a"}).sum().digest, counted({"a b b"}).sum().digest);
}

TEST(CountFile, SaysWhyAFileCouldNotBeCounted) {
  word_counter counter;
  const auto yes = [] { return true; };
  EXPECT_EQ(count_file(AT_FDCWD, "/does/not/exist", counter, yes).error, ENOENT);
  EXPECT_EQ(count_file(AT_FDCWD, "/dev", counter, yes).error, ENOTSUP);
  const std::string link = temporary("link");
  ASSERT_EQ(::symlink("/etc/passwd", link.c_str()), 0);
  EXPECT_EQ(count_file(AT_FDCWD, link.c_str(), counter, yes).error, ELOOP);
}

TEST(CountFile, StampsDifferOnceTheFileDoes) {
  const std::string path = temporary("file");
  std::ofstream(path) << "one two\n";
  word_counter counter;
  const auto yes = [] { return true; };
  const file_result before = count_file(AT_FDCWD, path.c_str(), counter, yes);
  EXPECT_EQ(before.error, 0);
  EXPECT_EQ(before.unsettled, 0u);
  EXPECT_EQ(before.sum.words, 2u);
  EXPECT_EQ(count_file(AT_FDCWD, path.c_str(), counter, yes), before);
  std::ofstream(path, std::ios::app) << "three\n";
  EXPECT_NE(count_file(AT_FDCWD, path.c_str(), counter, yes).stamp, before.stamp);
  EXPECT_EQ(count_file(AT_FDCWD, path.c_str(), counter, [] { return false; }).error, ECANCELED);
}

}  // namespace
}  // namespace zeroipc::demo
