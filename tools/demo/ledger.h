// The coordinator's books: which files are counted, by which attempt, and what they add up to.
#ifndef ZEROIPC_TOOLS_DEMO_LEDGER_H_
#define ZEROIPC_TOOLS_DEMO_LEDGER_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "tools/demo/job.h"
#include "tools/demo/word_count.h"

namespace zeroipc::demo {

class ledger {
 public:
  explicit ledger(size_t files) : results_(files), pass_of_(files, 0) {}

  enum class entry : uint8_t { collected, taken, duplicate, malformed };
  // Books a `words` or `done` report.
  entry book(const report& r);

  // Passes are counted from 1. A file is counted once in each; the words of the first are kept, and later passes must
  // come to the same result.
  void start_pass(uint32_t pass) {
    pass_ = pass;
    taken_ = 0;
    taken_bytes_ = 0;
  }
  uint32_t pass() const { return pass_; }
  size_t taken() const { return taken_; }  // files in this pass
  uint64_t taken_bytes() const { return taken_bytes_; }
  bool pass_complete() const { return taken_ == results_.size(); }

  uint64_t duplicates() const { return duplicates_; }
  // Attempts that had reported words and never got to their end.
  uint64_t abandoned() const { return abandoned_; }
  // Files whose result changed from one pass to another although the file did not.
  const std::vector<uint32_t>& contradictions() const { return contradictions_; }

  const std::vector<file_result>& results() const { return results_; }
  const word_map& words() const { return words_; }

 private:
  struct attempt {
    uint32_t file = 0;
    std::vector<std::pair<std::string, uint64_t>> words;
  };
  bool take(const report& r, attempt&& a);

  std::vector<file_result> results_;
  std::vector<uint32_t> pass_of_;  // the last pass in which the file was taken
  absl::flat_hash_map<uint64_t, attempt> open_;
  word_map words_;
  uint32_t pass_ = 1;
  size_t taken_ = 0;
  uint64_t taken_bytes_ = 0;
  uint64_t duplicates_ = 0;
  uint64_t abandoned_ = 0;
  std::vector<uint32_t> contradictions_;
};

}  // namespace zeroipc::demo

#endif  // ZEROIPC_TOOLS_DEMO_LEDGER_H_
