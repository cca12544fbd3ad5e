#include "tools/demo/ledger.h"

#include <utility>

namespace zeroipc::demo {

ledger::entry ledger::book(const report& r) {
  if (r.file >= results_.size() || r.pass == 0 || r.pass > pass_) return entry::malformed;
  if (r.kind == report_kind::words) {
    // An attempt that lost already: no need to keep what it says.
    if (pass_of_[r.file] >= r.pass) return entry::collected;
    attempt& a = open_[r.attempt];
    a.file = r.file;
    const bool well_formed = r.each([&](std::string_view word, uint64_t count) {
      a.words.emplace_back(std::string(word), count);
    });
    return well_formed ? entry::collected : entry::malformed;
  }
  if (r.kind != report_kind::done) return entry::malformed;
  attempt a;
  if (auto it = open_.find(r.attempt); it != open_.end()) {
    a = std::move(it->second);
    open_.erase(it);
  }
  if (pass_of_[r.file] >= r.pass) {
    ++duplicates_;
    return entry::duplicate;
  }
  return take(r, std::move(a)) ? entry::taken : entry::malformed;
}

bool ledger::take(const report& r, attempt&& a) {
  // The words must be all of the words: their digest says so.
  totals collected = r.result.sum;
  collected.words = collected.digest = 0;
  for (const auto& [word, count] : a.words) {
    collected.words += count;
    collected.digest += digest_of(word, count);
  }
  if (collected != r.result.sum) return false;
  // Other attempts at the file are of no use any more.
  abandoned_ +=
      absl::erase_if(open_, [&](const auto& entry) { return entry.second.file == r.file; });
  pass_of_[r.file] = r.pass;
  ++taken_;
  taken_bytes_ += r.result.sum.bytes;
  if (r.pass == 1) {
    results_[r.file] = r.result;
    for (auto& [word, count] : a.words) words_[std::move(word)] += count;
  } else {
    const file_result& first = results_[r.file];
    const bool same_file = first.error == r.result.error && first.stamp == r.result.stamp &&
                           first.unsettled == 0 && r.result.unsettled == 0;
    if (same_file && first != r.result) contradictions_.push_back(r.file);
  }
  return true;
}

}  // namespace zeroipc::demo
