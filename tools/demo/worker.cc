#include "tools/demo/worker.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "absl/status/statusor.h"
#include "tools/demo/follower.h"
#include "tools/demo/job.h"
#include "zeroipc/segment/segment.h"

namespace zeroipc::demo {
namespace {

class reporter {
 public:
  reporter(result_queue& results, uint32_t process) : results_(results) {
    report_.process = process;
  }

  bool ready() {
    report_.kind = report_kind::ready;
    return static_cast<bool>(results_.push(report_));
  }

  // Reports one file, counted under `deliveries`. False if the coordinator has closed the queue.
  bool tell(const job& j, uint32_t deliveries, const file_result& result, const word_map& words) {
    report_.attempt = uint64_t{report_.process} << 32 | ++attempts_;
    report_.file = j.file;
    report_.pass = j.pass;
    report_.deliveries = deliveries;
    report_.kind = report_kind::words;
    report_.used = 0;
    for (const auto& [word, count] : words) {
      if (report_.add(word, count)) continue;
      if (!flush()) return false;
      report_.add(word, count);
    }
    if (report_.used != 0 && !flush()) return false;
    report_.kind = report_kind::done;
    report_.result = result;
    return static_cast<bool>(results_.push(report_));
  }

 private:
  bool flush() {
    const bool pushed = static_cast<bool>(results_.push(report_));
    report_.used = 0;
    return pushed;
  }

  result_queue& results_;
  report report_{};
  uint32_t attempts_ = 0;
};

int fail(const worker_options& o, std::string_view message) {
  std::fprintf(stderr, "zeroipc demo: worker %u: %.*s\n", o.process,
               static_cast<int>(message.size()), message.data());
  return 1;
}

}  // namespace

int run_worker(const worker_options& o) {
  follow_the_coordinator(o.coordinator, o.segment);
  const int root = ::open(o.root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (root < 0) return fail(o, std::strerror(errno));
  absl::StatusOr<memory> mem = memory::open(o.segment);
  if (!mem.ok()) return fail(o, mem.status().message());
  absl::StatusOr<file_queue> files = file_queue::open(*mem, kFilesQueue);
  if (!files.ok()) return fail(o, files.status().message());
  absl::StatusOr<result_queue> results = result_queue::open(*mem, kResultsQueue);
  if (!results.ok()) return fail(o, results.status().message());

  reporter reports(*results, o.process);
  word_counter counter;
  if (!reports.ready()) return 0;
  // A lease, and not a pop: if this process dies with it, the file goes to another.
  while (auto leased = files->lease()) {
    const job& shared = leased.value();
    job mine{shared.file, shared.pass, shared.path};
    const std::string path = mine.path.str();
    const file_result result = count_file(root, path.c_str(), counter, [] { return true; });
    if (!reports.tell(mine, leased.deliveries(), result, counter.words())) break;
    // Killed before this line, the file is counted twice and the second count is dropped.
    leased.ack();
  }
  ::close(root);
  return 0;
}

}  // namespace zeroipc::demo
