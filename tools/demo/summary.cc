#include "tools/demo/summary.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tools/cli/text.h"

namespace zeroipc::demo {
namespace {

using tools::human_bytes;
using tools::printable;
using tools::text_table;
using tools::with_commas;

constexpr size_t kTop = 10;
constexpr size_t kListed = 5;

std::vector<std::pair<std::string, uint64_t>> top_words(const word_map& words) {
  std::vector<std::pair<std::string, uint64_t>> top(words.begin(), words.end());
  const auto before = [](const auto& a, const auto& b) {
    return a.second != b.second ? a.second > b.second : a.first < b.first;
  };
  const size_t n = std::min(kTop, top.size());
  std::partial_sort(top.begin(), top.begin() + static_cast<std::ptrdiff_t>(n), top.end(), before);
  top.resize(n);
  return top;
}

double per_second(uint64_t n, double seconds) {
  return seconds > 0 ? static_cast<double>(n) / seconds : 0;
}

std::string rate(uint64_t bytes, double seconds) {
  return absl::StrCat(human_bytes(static_cast<uint64_t>(per_second(bytes, seconds))), "/s");
}

std::string plural(uint64_t n, std::string_view one, std::string_view many) {
  return absl::StrCat(with_commas(n), " ", n == 1 ? one : many);
}

void print_workers(std::ostream& os, const coordinator& run) {
  text_table table({{"worker"},
                    {"processes", true},
                    {"killed", true},
                    {"files", true},
                    {"words", true},
                    {"bytes", true}});
  size_t number = 0;
  for (const crew::seat& s : run.workers().seats()) {
    table.add({absl::StrCat(++number), absl::StrCat(s.processes), absl::StrCat(s.killed),
               with_commas(s.files), with_commas(s.words), with_commas(s.bytes)});
  }
  os << table;
}

void print_comparison(std::ostream& os, const account& a) {
  text_table table({{"counted by"},
                    {"files", true},
                    {"lines", true},
                    {"words", true},
                    {"distinct", true},
                    {"bytes", true},
                    {"seconds", true}});
  const auto row = [&](std::string who, const totals& t, const word_map& words, double seconds) {
    table.add({std::move(who), with_commas(a.proof.compared), with_commas(t.lines),
               with_commas(t.words), a.proof.words_compared ? with_commas(words.size()) : "-",
               with_commas(t.bytes), absl::StrFormat("%.2f", seconds)});
  };
  row(plural(static_cast<uint64_t>(a.options.workers), "worker", "workers"), a.proof.by_workers,
      a.run.books().words(), a.run.figures().seconds);
  row("one process", a.proof.plain, a.plain.words, a.plain.seconds);
  os << table;
}

void print_files(std::ostream& os, const file_list& files, const std::vector<uint32_t>& which,
                 std::string_view what, const std::vector<file_result>* errors) {
  if (which.empty()) return;
  os << plural(which.size(), "file", "files") << " " << what << ":\n";
  for (size_t i = 0; i < std::min(kListed, which.size()); ++i) {
    os << "  " << printable(files.paths[which[i]]);
    if (errors != nullptr) os << ": " << std::strerror((*errors)[which[i]].error);
    os << "\n";
  }
  if (which.size() > kListed) os << "  and " << which.size() - kListed << " more\n";
}

}  // namespace

void print_summary(std::ostream& os, const account& a) {
  const run_figures& f = a.run.figures();
  print_workers(os, a.run);
  os << "\n";
  print_comparison(os, a);
  os << "\n";
  const auto top = top_words(a.run.books().words());
  if (!top.empty()) {
    os << "most frequent:";
    for (const auto& [word, count] : top)
      os << " " << printable(word) << " " << with_commas(count)
         << (&word == &top.back().first ? "\n\n" : ",");
  }
  os << plural(static_cast<uint64_t>(a.run.workers().killed()), "worker", "workers") << " killed";
  if (a.run.workers().died() != 0) os << ", " << a.run.workers().died() << " died otherwise";
  os << "; " << plural(f.redelivered, "file", "files") << " redelivered, "
     << plural(a.run.books().abandoned(), "half-told count", "half-told counts") << " given up, "
     << plural(a.run.books().duplicates(), "second count", "second counts") << " dropped\n"
     << plural(f.files_counted, "count", "counts") << " in "
     << plural(a.run.books().pass(), "pass", "passes") << ": "
     << with_commas(static_cast<uint64_t>(per_second(f.files_counted, f.seconds))) << " files/s, "
     << rate(f.bytes_counted, f.seconds) << " (seed " << a.options.seed << ")\n";
  print_files(os, a.files, a.proof.unreadable, "could be read by neither side", &a.plain.results);
  print_files(os, a.files, a.proof.changed, "changed during the run and left out of the comparison",
              nullptr);
  for (const std::string& why : a.files.unlisted)
    os << "not looked into: " << printable(why) << "\n";
  os << "\n";
  if (a.proof.exact) {
    os << "EXACT: every one of " << plural(a.proof.compared, "file", "files")
       << " was counted once, " << (a.proof.words_compared ? "word for word" : "file for file")
       << ".\n";
  } else {
    os << "WRONG: the counts differ.\n";
    for (const std::string& d : a.proof.differences) os << "  " << printable(d) << "\n";
  }
}

nlohmann::json summary_json(const account& a) {
  const run_figures& f = a.run.figures();
  const auto sums = [&](const totals& t, const word_map& words, double seconds) {
    nlohmann::json j = {
        {"files", a.proof.compared}, {"lines", t.lines},
        {"words", t.words},          {"bytes", t.bytes},
        {"seconds", seconds},        {"digest", absl::StrFormat("%016x", t.digest)}};
    if (a.proof.words_compared) j["distinct_words"] = words.size();
    return j;
  };
  nlohmann::json workers = nlohmann::json::array();
  for (const crew::seat& s : a.run.workers().seats()) {
    workers.push_back({{"processes", s.processes},
                       {"killed", s.killed},
                       {"files", s.files},
                       {"words", s.words},
                       {"bytes", s.bytes}});
  }
  nlohmann::json top = nlohmann::json::array();
  for (const auto& [word, count] : top_words(a.run.books().words()))
    top.push_back({{"word", word}, {"count", count}});
  const auto names = [&](const std::vector<uint32_t>& which) {
    nlohmann::json paths = nlohmann::json::array();
    for (const uint32_t i : which) paths.push_back(a.files.paths[i]);
    return paths;
  };
  return {{"exact", a.proof.exact},
          {"path", a.files.root},
          {"files", a.files.paths.size()},
          {"seed", a.options.seed},
          {"killed", a.run.workers().killed()},
          {"died_otherwise", a.run.workers().died()},
          {"redelivered", f.redelivered},
          {"given_up", a.run.books().abandoned()},
          {"duplicates_dropped", a.run.books().duplicates()},
          {"passes", a.run.books().pass()},
          {"counts", f.files_counted},
          {"files_per_second", per_second(f.files_counted, f.seconds)},
          {"bytes_per_second", per_second(f.bytes_counted, f.seconds)},
          {"by_workers", sums(a.proof.by_workers, a.run.books().words(), f.seconds)},
          {"plain", sums(a.proof.plain, a.plain.words, a.plain.seconds)},
          {"workers", workers},
          {"top_words", top},
          {"unreadable", names(a.proof.unreadable)},
          {"changed", names(a.proof.changed)},
          {"unlisted", a.files.unlisted},
          {"differences", a.proof.differences}};
}

}  // namespace zeroipc::demo
