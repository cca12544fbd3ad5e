#include "tools/lines/splitter.h"

#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace zeroipc::tools {
namespace {

struct result {
  std::vector<std::string> parcels;
  uint64_t lines = 0;
  bool too_long = false;
};

// Feeds `input` in pieces of at most `piece` bytes.
result split(const std::string& input, size_t piece, size_t most_bytes,
             uint32_t most_lines = UINT32_MAX, char delimiter = '\n') {
  splitter s(delimiter, most_bytes, most_lines);
  result r;
  size_t at = 0;
  for (bool more = true; more;) {
    size_t room;
    char* space = s.space(&room);
    EXPECT_GE(room, 1u);
    const size_t n = std::min({piece, room, input.size() - at});
    std::memcpy(space, input.data() + at, n);
    at += n;
    s.added(n);
    more = n != 0;
    if (!more) s.finish();
    while (auto cut = s.next()) {
      r.parcels.emplace_back(cut->text);
      r.lines += cut->lines;
    }
    if (s.too_long()) {
      r.too_long = true;
      return r;
    }
  }
  return r;
}

TEST(Splitter, PacksWholeLinesUpToTheParcelsSize) {
  EXPECT_EQ(split("a\nbb\nccc\nd\n", 100, 8).parcels,
            (std::vector<std::string>{"a\nbb\n", "ccc\nd\n"}));
}

TEST(Splitter, AParcelHoldsNoMoreLinesThanAskedFor) {
  EXPECT_EQ(split("a\nb\nc\n", 100, 100, 2).parcels, (std::vector<std::string>{"a\nb\n", "c\n"}));
  EXPECT_EQ(split("a\nb\n\n", 100, 100, 1).parcels, (std::vector<std::string>{"a\n", "b\n", "\n"}));
}

TEST(Splitter, TheLastLineGetsTheDelimiterItLacks) {
  EXPECT_EQ(split("a\nb", 100, 8).parcels, (std::vector<std::string>{"a\n", "b\n"}));
  EXPECT_EQ(split("a\nb\n", 100, 8).parcels, (std::vector<std::string>{"a\nb\n"}));
  EXPECT_TRUE(split("", 100, 8).parcels.empty());
}

TEST(Splitter, OtherDelimiters) {
  EXPECT_EQ(split(std::string("a\nb\0c\0", 6), 100, 4, UINT32_MAX, '\0').parcels,
            (std::vector<std::string>{std::string("a\nb\0", 4), std::string("c\0", 2)}));
}

TEST(Splitter, ALineThatFitsJustFitsAndOneByteMoreDoesNot) {
  EXPECT_FALSE(split(std::string(7, 'x') + "\n", 3, 8).too_long);
  EXPECT_TRUE(split(std::string(8, 'x') + "\n", 3, 8).too_long);
  EXPECT_FALSE(split(std::string(7, 'x'), 3, 8).too_long) << "without its delimiter";
  EXPECT_TRUE(split(std::string(8, 'x'), 3, 8).too_long);
}

TEST(Splitter, NothingIsLostOrReorderedHoweverItArrives) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 200; ++round) {
    std::string input;
    const size_t lines = random() % 50;
    for (size_t i = 0; i < lines; ++i)
      input += std::string(random() % 60, static_cast<char>('a' + i % 26)) + "\n";
    const result r =
        split(input, 1 + random() % 40, 64, round % 2 == 0 ? UINT32_MAX : 1 + random() % 5);
    std::string joined;
    for (const std::string& parcel : r.parcels) {
      ASSERT_LE(parcel.size(), 64u);
      ASSERT_EQ(parcel.back(), '\n');
      joined += parcel;
    }
    ASSERT_EQ(joined, input);
    ASSERT_EQ(r.lines, lines);
    ASSERT_FALSE(r.too_long);
  }
}

}  // namespace
}  // namespace zeroipc::tools
