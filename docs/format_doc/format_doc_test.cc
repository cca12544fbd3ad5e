#include <fstream>
#include <sstream>

#include "docs/format_doc/format.h"
#include "gtest/gtest.h"

namespace zeroipc::format_doc {
namespace {

TEST(FormatPage, InTheRepositoryIsTheOneThatTheStructsSay) {
  std::ifstream file("docs/format.md");
  ASSERT_TRUE(file) << "docs/format.md is not among the test's data";
  std::stringstream committed;
  committed << file.rdbuf();
  EXPECT_EQ(committed.str(), format_page())
      << "The layout changed and docs/format.md did not. If the change is meant: does "
         "kFormatVersion have to go up? "
         "Then run: ./bazelw run //docs/format_doc > docs/format.md";
}

}  // namespace
}  // namespace zeroipc::format_doc
