// Every C++ block of the pages for users stands in a file of this folder, line for line, and is compiled and run there.
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "gtest/gtest.h"

namespace {

std::vector<std::string> lines_of(const std::string& path) {
  std::ifstream file(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

// Indentation aside, since a page shows the inside of a function.
std::string_view text_of(std::string_view line) {
  const size_t begin = line.find_first_not_of(' ');
  return begin == line.npos ? std::string_view() : line.substr(begin);
}

bool has_block(const std::vector<std::string>& file, const std::vector<std::string>& block) {
  for (size_t i = 0; i + block.size() <= file.size(); ++i) {
    size_t n = 0;
    while (n < block.size() && text_of(file[i + n]) == text_of(block[n])) ++n;
    if (n == block.size()) return true;
  }
  return false;
}

class Page : public testing::TestWithParam<const char*> {};

TEST_P(Page, ShowsOnlyCodeThatIsCompiledAndRun) {
  const std::vector<std::string> page = lines_of(GetParam());
  ASSERT_FALSE(page.empty()) << GetParam() << " is not among the test's data";
  std::vector<std::vector<std::string>> sources;
  for (const auto& entry : std::filesystem::directory_iterator("docs/examples")) {
    if (entry.path().extension() == ".cc") sources.push_back(lines_of(entry.path()));
  }
  ASSERT_FALSE(sources.empty());

  int blocks = 0;
  for (size_t i = 0; i < page.size(); ++i) {
    if (page[i] != "```cpp") continue;
    const size_t first = i + 1;
    std::vector<std::string> block;
    while (++i < page.size() && page[i] != "```") block.push_back(page[i]);
    ++blocks;
    bool found = false;
    for (const auto& source : sources) found = found || has_block(source, block);
    EXPECT_TRUE(found)
        << GetParam() << ":" << first
        << ": this block is in no file of docs/examples. Change it there, and here alike.";
  }
  EXPECT_GT(blocks, 0);
}

INSTANTIATE_TEST_SUITE_P(ForUsers, Page,
                         testing::Values("README.md", "docs/getting-started.md",
                                         "docs/structures/segment.md"),
                         [](const auto& info) {
                           std::string name;
                           for (const char c : std::string_view(info.param)) {
                             if (std::isalnum(static_cast<unsigned char>(c))) name += c;
                           }
                           return name;
                         });

}  // namespace
