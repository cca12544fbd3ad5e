// What the demo counts, in one process: the words of one file.
//
// A word is a run of letters, digits, '_' and bytes beyond ASCII; ASCII capitals count as small letters. A word of more
// than 64 bytes goes by its first 40 and a hash of all. Every regular file is counted, binary ones too.
//
// Both sides of the proof use this, the workers and the plain count, so that they can only differ in what becomes of the
// results on their way.
#ifndef ZEROIPC_TOOLS_DEMO_WORD_COUNT_H_
#define ZEROIPC_TOOLS_DEMO_WORD_COUNT_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"

namespace zeroipc::demo {

inline constexpr size_t kMaxWordBytes = 64;

using word_map = absl::flat_hash_map<std::string, uint64_t>;

// Sums, so that those of files add up to those of the tree.
struct totals {
  uint64_t words = 0;
  uint64_t lines = 0;
  uint64_t bytes = 0;
  uint64_t digest = 0;  // of the words with their counts, whatever their order

  totals& operator+=(const totals& other);
  friend bool operator==(const totals&, const totals&) = default;
};

// A file's identity and time of change: two counts are comparable if both saw the same.
struct file_stamp {
  uint64_t inode = 0;
  uint64_t bytes = 0;
  int64_t modified_ns = 0;
  int64_t changed_ns = 0;
  friend bool operator==(const file_stamp&, const file_stamp&) = default;
};

struct file_result {
  int32_t error = 0;       // errno; nothing was counted then
  uint32_t unsettled = 0;  // 1 if the file changed while it was read
  file_stamp stamp;
  totals sum;
  friend bool operator==(const file_result&, const file_result&) = default;
};

class word_counter {
 public:
  void feed(std::string_view bytes);
  void finish();
  const word_map& words() const { return words_; }
  totals sum() const;
  void clear();

 private:
  void end_word();

  word_map words_;
  totals sum_;
  std::string word_;        // the word so far, at most kMaxWordBytes of it
  uint64_t long_hash_ = 0;  // of a longer one
  bool long_ = false;
};

// Counts one file into `counter`, which it clears first. `go_on` is asked now and then; on false the result is ECANCELED.
file_result count_file(int directory, const char* path, word_counter& counter,
                       absl::FunctionRef<bool()> go_on);

uint64_t digest_of(std::string_view word, uint64_t count);

}  // namespace zeroipc::demo

#endif  // ZEROIPC_TOOLS_DEMO_WORD_COUNT_H_
