// Numbers, times and tables as people read them.
#ifndef ZEROIPC_TOOLS_CLI_TEXT_H_
#define ZEROIPC_TOOLS_CLI_TEXT_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

namespace zeroipc::tools {

// 1536 -> "1.5 KiB"; exact below 1 KiB.
std::string human_bytes(uint64_t bytes);
// "64M", "64MiB", "1.5G", "4096" -> bytes. Powers of 1024. nullopt if it is not a size.
std::optional<uint64_t> parse_bytes(std::string_view text);
// 1234567 -> "1,234,567"
std::string with_commas(uint64_t n);
// Nanoseconds of CLOCK_REALTIME -> "2026-11-22 21:34:01", local time.
std::string local_time(int64_t ns);
// The same moment for programs: RFC 3339, UTC.
std::string utc_time(int64_t ns);

// Text from a segment or a file name, safe to print on one line of a terminal: control characters and broken UTF-8 become
// \xNN.
std::string printable(std::string_view text);

// Columns that are as wide as their widest cell, two spaces apart.
class text_table {
 public:
  struct column {
    std::string title;
    bool right = false;  // numbers
  };
  explicit text_table(std::vector<column> columns) : columns_(std::move(columns)) {}
  void add(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  bool empty() const { return rows_.empty(); }
  friend std::ostream& operator<<(std::ostream& os, const text_table& table);

 private:
  std::vector<column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace zeroipc::tools

#endif  // ZEROIPC_TOOLS_CLI_TEXT_H_
