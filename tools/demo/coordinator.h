// The demo's main job: feeds the files to worker processes, kills some of them, and books what they report.
#ifndef ZEROIPC_TOOLS_DEMO_COORDINATOR_H_
#define ZEROIPC_TOOLS_DEMO_COORDINATOR_H_

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tools/demo/crew.h"
#include "tools/demo/files.h"
#include "tools/demo/kill_plan.h"
#include "tools/demo/ledger.h"
#include "tools/demo/own_segment.h"
#include "tools/demo/progress.h"

namespace zeroipc::demo {

struct coordinator_options {
  int workers = 4;
  int kills = 5;
  uint64_t seed = 0;
};

struct run_figures {
  double seconds = 0;
  uint64_t files_counted = 0;  // in all passes
  uint64_t bytes_counted = 0;
  uint64_t redelivered = 0;  // leases of the dead that went to another worker
};

class coordinator {
 public:
  coordinator(const coordinator_options& options, const file_list& files, progress& line);
  ~coordinator();

  // Cancelled if a signal came; the workers and the segment are gone when this returns.
  absl::Status run();

  const ledger& books() const { return ledger_; }
  const crew& workers() const { return *crew_; }
  const run_figures& figures() const { return figures_; }

 private:
  struct channels;

  absl::Status open_channels();
  absl::Status count_all();
  absl::Status finish();
  void feed();
  absl::Status book_reports(int64_t most_ns);
  absl::Status kill_if_due();
  void tell_progress();

  const coordinator_options options_;
  const file_list& files_;
  progress& progress_;
  own_segment segment_;
  std::unique_ptr<channels> channels_;
  std::unique_ptr<crew> crew_;
  ledger ledger_;
  kill_plan plan_;
  size_t fed_ = 0;  // files of this pass that were handed out
  int64_t started_ns_ = 0;
  run_figures figures_;
};

}  // namespace zeroipc::demo

#endif  // ZEROIPC_TOOLS_DEMO_COORDINATOR_H_
