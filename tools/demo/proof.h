// The proof of the demo: the same count, plain, in one process, after the workers have gone.
#ifndef ZEROIPC_TOOLS_DEMO_PROOF_H_
#define ZEROIPC_TOOLS_DEMO_PROOF_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "tools/demo/files.h"
#include "tools/demo/ledger.h"
#include "tools/demo/word_count.h"

namespace zeroipc::demo {

struct plain_count {
  std::vector<file_result> results;
  word_map words;
  double seconds = 0;
};

// One file after the other, no queue, no other process. nullopt if `go_on` answered false.
std::optional<plain_count> count_plainly(const file_list& files,
                                         absl::FunctionRef<bool(size_t)> go_on);

struct verdict {
  bool exact = false;
  size_t compared = 0;
  totals by_workers;  // of the files compared
  totals plain;
  // Files that are not the same on both sides, because somebody wrote, removed or locked them during the run.
  std::vector<uint32_t> changed;
  // Files that neither side could read, for the same reason.
  std::vector<uint32_t> unreadable;
  // What differs although the files did not change: one line each, a few at most. Empty if exact.
  std::vector<std::string> differences;
  bool words_compared = false;  // word by word; with changed files, file by file by digest
};

verdict compare(const file_list& files, const ledger& books, const plain_count& plain);

}  // namespace zeroipc::demo

#endif  // ZEROIPC_TOOLS_DEMO_PROOF_H_
