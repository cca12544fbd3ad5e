#include "tools/demo/telemetry/machine.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace zeroipc::demo {
namespace {

constexpr uint64_t kSectorBytes = 512;  // in diskstats, whatever the disk's are

std::optional<std::string> text_of(const std::string& path) {
  std::ifstream in(path);
  if (!in) return std::nullopt;
  return std::string(std::istreambuf_iterator<char>(in), {});
}

std::vector<std::string_view> words_of(std::string_view line) {
  return absl::StrSplit(line, absl::ByAnyChar(" \t"), absl::SkipEmpty());
}

uint64_t number_in(std::string_view word) {
  uint64_t n = 0;
  return absl::SimpleAtoi(word, &n) ? n : 0;
}

}  // namespace

bool read_cpu(std::string_view stat, reading& into) {
  // user nice system idle iowait irq softirq steal; what guests used is in the first two.
  constexpr size_t kIdle = 3, kIoWait = 4, kCounted = 8;
  for (const std::string_view line : absl::StrSplit(stat, '\n')) {
    const std::vector<std::string_view> words = words_of(line);
    if (words.size() <= kIoWait + 1 || words[0] != "cpu") continue;
    into.cpu_total = into.cpu_busy = 0;
    for (size_t i = 0; i < std::min(kCounted, words.size() - 1); ++i) {
      const uint64_t ticks = number_in(words[i + 1]);
      into.cpu_total += ticks;
      if (i != kIdle && i != kIoWait) into.cpu_busy += ticks;
    }
    return true;
  }
  return false;
}

bool read_memory(std::string_view meminfo, reading& into) {
  bool total = false, available = false;
  for (const std::string_view line : absl::StrSplit(meminfo, '\n')) {
    const std::vector<std::string_view> words = words_of(line);
    if (words.size() < 2) continue;
    if (words[0] == "MemTotal:") {
      into.memory_total = number_in(words[1]) * 1024;
      total = true;
    } else if (words[0] == "MemAvailable:") {
      into.memory_available = number_in(words[1]) * 1024;
      available = true;
    }
  }
  return total && available;
}

void read_disks(std::string_view diskstats, reading& into) {
  std::vector<std::pair<std::string_view, uint64_t>> devices;
  for (const std::string_view line : absl::StrSplit(diskstats, '\n')) {
    // major minor name, reads merged sectors ms, writes merged sectors ms
    const std::vector<std::string_view> words = words_of(line);
    if (words.size() < 10 || absl::StartsWith(words[2], "loop") ||
        absl::StartsWith(words[2], "ram"))
      continue;
    devices.emplace_back(words[2], (number_in(words[5]) + number_in(words[9])) * kSectorBytes);
  }
  into.disk_bytes = 0;
  for (const auto& [name, bytes] : devices) {
    // sda1 is a part of sda, and has been counted there.
    const bool is_part = std::any_of(devices.begin(), devices.end(), [&, n = name](const auto& d) {
      return d.first.size() < n.size() && absl::StartsWith(n, d.first);
    });
    if (!is_part) into.disk_bytes += bytes;
  }
}

void read_network(std::string_view dev, reading& into) {
  into.network_bytes = 0;
  for (const std::string_view line : absl::StrSplit(dev, '\n')) {
    const std::vector<std::string_view> parts = absl::StrSplit(line, absl::MaxSplits(':', 1));
    if (parts.size() != 2) continue;
    const std::vector<std::string_view> name = words_of(parts[0]);
    // 8 numbers of what was received, then those of what was sent; bytes come first.
    const std::vector<std::string_view> words = words_of(parts[1]);
    if (name.size() != 1 || name[0] == "lo" || words.size() < 9) continue;
    into.network_bytes += number_in(words[0]) + number_in(words[8]);
  }
}

absl::StatusOr<reading> read_machine(const std::string& proc) {
  reading r;
  using reader = bool (*)(std::string_view, reading&);
  constexpr std::array<std::pair<const char*, reader>, 2> kNeeded = {
      {{"stat", read_cpu}, {"meminfo", read_memory}}};
  for (const auto& [file, read] : kNeeded) {
    const std::string path = absl::StrCat(proc, "/", file);
    const std::optional<std::string> text = text_of(path);
    if (!text) return absl::NotFoundError(absl::StrCat(path, ": cannot be read"));
    if (!read(*text, r)) return absl::DataLossError(absl::StrCat(path, ": not as Linux writes it"));
  }
  if (const auto text = text_of(proc + "/diskstats")) read_disks(*text, r);
  if (const auto text = text_of(proc + "/net/dev")) read_network(*text, r);
  return r;
}

}  // namespace zeroipc::demo
