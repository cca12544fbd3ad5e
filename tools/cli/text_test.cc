#include "tools/cli/text.h"

#include <sstream>

#include "gtest/gtest.h"

namespace zeroipc::tools {
namespace {

TEST(Text, BytesAreRoundedToOneDigitAndNeverReach1024) {
  EXPECT_EQ(human_bytes(0), "0 B");
  EXPECT_EQ(human_bytes(1023), "1023 B");
  EXPECT_EQ(human_bytes(1536), "1.5 KiB");
  EXPECT_EQ(human_bytes((1 << 20) - 1), "1.0 MiB");
  EXPECT_EQ(human_bytes(uint64_t{5} << 40), "5.0 TiB");
}

TEST(Text, SizesAreReadAsPeopleWriteThem) {
  EXPECT_EQ(parse_bytes("4096"), 4096u);
  EXPECT_EQ(parse_bytes("64M"), uint64_t{64} << 20);
  EXPECT_EQ(parse_bytes("64 MiB"), uint64_t{64} << 20);
  EXPECT_EQ(parse_bytes("1.5k"), 1536u);
  EXPECT_EQ(parse_bytes("2gb"), uint64_t{2} << 30);
  for (const char* wrong : {"", "M", "12X", "1.2.3", "-1", "0.3", "1e9999", "99999999999T"}) {
    EXPECT_EQ(parse_bytes(wrong), std::nullopt) << wrong;
  }
}

TEST(Text, NumbersAreGroupedInThrees) {
  EXPECT_EQ(with_commas(0), "0");
  EXPECT_EQ(with_commas(999), "999");
  EXPECT_EQ(with_commas(1000), "1,000");
  EXPECT_EQ(with_commas(18446744073709551615u), "18,446,744,073,709,551,615");
}

TEST(Text, WhatATerminalWouldObeyIsEscaped) {
  EXPECT_EQ(printable("plain \xc3\xa9\xe2\x82\xac"), "plain \xc3\xa9\xe2\x82\xac");
  EXPECT_EQ(printable("\x1b[31m\n"), "\\x1b[31m\\x0a");
  EXPECT_EQ(printable("\xc2\x9b"
                      "31m"),
            "\\xc2\\x9b31m");
  EXPECT_EQ(printable("\xff\xe2\x82"), "\\xff\\xe2\\x82");
}

TEST(Text, TablesAlignByCharactersAndNotByBytes) {
  text_table table({{"NAME"}, {"SIZE", true}, {"NOTE"}});
  table.add({"\xc3\xa9t\xc3\xa9", "5", "x"});
  table.add({"longer", "12345", ""});
  std::ostringstream out;
  out << table;
  EXPECT_EQ(out.str(),
            "NAME     SIZE  NOTE\n"
            "\xc3\xa9t\xc3\xa9         5  x\n"
            "longer  12345  \n");
}

}  // namespace
}  // namespace zeroipc::tools
