// What the coordinator and the workers of the demo tell each other, as it stands in shared memory.
//
//   files    queue<job, spmc>       coordinator -> workers, under a lease: a killed worker's file goes to another
//   results  queue<report, mpsc>    workers -> coordinator
//
// A worker may die at any point, also between its last report and its ack: then the file is counted again. So every
// report carries its attempt, a number that no other attempt has. The coordinator collects the words of an attempt and
// takes them over when the attempt's `done` arrives, from the first attempt at a file that gets that far; what others
// report on it is dropped. A queue keeps one producer's items in order, so `done` comes after all its words.
#ifndef ZEROIPC_TOOLS_DEMO_JOB_H_
#define ZEROIPC_TOOLS_DEMO_JOB_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "tools/demo/word_count.h"
#include "zeroipc/base/fixed_string.h"
#include "zeroipc/queue/queue.h"

namespace zeroipc::demo {

inline constexpr size_t kMaxPathBytes = 4086;
inline constexpr char kFilesQueue[] = "files";
inline constexpr char kResultsQueue[] = "results";

struct job {
  uint32_t file = 0;
  uint32_t pass = 0;
  fixed_string<kMaxPathBytes> path;  // relative to the root
};
static_assert(sizeof(job) == 4096);

enum class report_kind : uint32_t { ready = 1, words = 2, done = 3 };

struct report {
  static constexpr size_t kTextBytes = 3960;

  report_kind kind{};
  uint32_t process = 0;  // the worker's number, which no replacement shares
  uint64_t attempt = 0;  // process:32 | its own count:32
  uint32_t file = 0;
  uint32_t pass = 0;
  uint32_t deliveries = 0;
  uint32_t used = 0;      // bytes of text
  file_result result;     // in `done`
  char text[kTextBytes];  // in `words`: {count:64, length:8, bytes}...

  // False if it does not fit any more.
  bool add(std::string_view word, uint64_t count);
  // Calls f(word, count) for each; false if the text is not what add() writes.
  bool each(absl::FunctionRef<void(std::string_view, uint64_t)> f) const;
};
static_assert(sizeof(report) <= 4096);
static_assert(report::kTextBytes >= 9 + kMaxWordBytes);

using file_queue = queue<job, spmc>;
using result_queue = queue<report, mpsc>;

}  // namespace zeroipc::demo

#endif  // ZEROIPC_TOOLS_DEMO_JOB_H_
