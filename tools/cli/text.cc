#include "tools/cli/text.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"

namespace zeroipc::tools {
namespace {

constexpr std::array<std::string_view, 5> kUnits = {"B", "KiB", "MiB", "GiB", "TiB"};

// Bytes of the well-formed UTF-8 sequence that `text` starts with; 0 if there is none.
size_t utf8_length(std::string_view text) {
  const auto at = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const size_t n = at(0) < 0x80   ? 1
                   : at(0) < 0xc2 ? 0
                   : at(0) < 0xe0 ? 2
                   : at(0) < 0xf0 ? 3
                   : at(0) < 0xf5 ? 4
                                  : 0;
  if (n > text.size()) return 0;
  for (size_t i = 1; i < n; ++i) {
    if ((at(i) & 0xc0) != 0x80) return 0;
  }
  // 0xc2 0x80 to 0xc2 0x9f are control characters that terminals obey.
  return n == 2 && at(0) == 0xc2 && at(1) < 0xa0 ? 0 : n;
}

// Columns that the text takes on a terminal, near enough: one per character.
size_t width(std::string_view text) {
  return static_cast<size_t>(
      std::ranges::count_if(text, [](char c) { return (c & 0xc0) != 0x80; }));
}

}  // namespace

std::string human_bytes(uint64_t bytes) {
  size_t unit = 0;
  auto value = static_cast<double>(bytes);
  // 1023.95 would be printed as 1024.0.
  while (value >= 1023.95 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  return unit == 0 ? absl::StrCat(bytes, " B") : absl::StrFormat("%.1f %s", value, kUnits[unit]);
}

std::optional<uint64_t> parse_bytes(std::string_view text) {
  const size_t digits = std::min(text.find_first_not_of("0123456789."), text.size());
  double number = 0;
  if (digits == 0 || !absl::SimpleAtod(text.substr(0, digits), &number)) return std::nullopt;
  std::string suffix = absl::AsciiStrToUpper(absl::StripAsciiWhitespace(text.substr(digits)));
  if (suffix.ends_with("IB")) {
    suffix.resize(suffix.size() - 2);
  } else if (suffix.ends_with("B")) {
    suffix.resize(suffix.size() - 1);
  }
  constexpr std::string_view kPrefixes = "KMGT";
  if (suffix.size() > 1) return std::nullopt;
  if (suffix.size() == 1) {
    const size_t power = kPrefixes.find(suffix[0]);
    if (power == kPrefixes.npos) return std::nullopt;
    number = std::ldexp(number, 10 * static_cast<int>(power + 1));
  }
  if (number > 1e18 || number != std::floor(number)) return std::nullopt;
  return static_cast<uint64_t>(number);
}

std::string with_commas(uint64_t n) {
  std::string digits = absl::StrCat(n);
  for (size_t at = digits.size(); at > 3;) {
    at -= 3;
    digits.insert(at, 1, ',');
  }
  return digits;
}

std::string local_time(int64_t ns) {
  return absl::FormatTime("%Y-%m-%d %H:%M:%S", absl::FromUnixNanos(ns), absl::LocalTimeZone());
}

std::string utc_time(int64_t ns) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E6SZ", absl::FromUnixNanos(ns), absl::UTCTimeZone());
}

std::string printable(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const size_t n = utf8_length(text);
    const auto c = static_cast<unsigned char>(text[0]);
    if (n == 0 || c < 0x20 || c == 0x7f) {
      absl::StrAppendFormat(&out, "\\x%02x", c);
      text.remove_prefix(1);
    } else {
      out.append(text.substr(0, n));
      text.remove_prefix(n);
    }
  }
  return out;
}

std::ostream& operator<<(std::ostream& os, const text_table& table) {
  const size_t n = table.columns_.size();
  std::vector<size_t> widths(n);
  for (size_t i = 0; i < n; ++i) {
    widths[i] = width(table.columns_[i].title);
    for (const auto& row : table.rows_) widths[i] = std::max(widths[i], width(row[i]));
  }
  const auto put = [&](size_t i, std::string_view cell) {
    const std::string padding(widths[i] - width(cell), ' ');
    const bool last = i + 1 == n;
    if (table.columns_[i].right) {
      os << padding << cell;
    } else {
      os << cell << (last ? "" : padding);
    }
    os << (last ? "\n" : "  ");
  };
  for (size_t i = 0; i < n; ++i) put(i, table.columns_[i].title);
  for (const auto& row : table.rows_) {
    for (size_t i = 0; i < n; ++i) put(i, row[i]);
  }
  return os;
}

}  // namespace zeroipc::tools
