// A run of the telemetry: takes readings, has them processed by the stages' processes, kills those, and compares what comes out with what
// one process makes of the same readings.
#ifndef ZEROIPC_TOOLS_DEMO_TELEMETRY_RUN_H_
#define ZEROIPC_TOOLS_DEMO_TELEMETRY_RUN_H_

#include <sys/types.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "tools/demo/crew.h"
#include "tools/demo/own_segment.h"
#include "tools/demo/progress.h"
#include "tools/demo/telemetry/stages.h"

namespace zeroipc::demo {

struct telemetry_options {
  std::chrono::nanoseconds time = std::chrono::seconds(5);
  std::chrono::nanoseconds interval = std::chrono::milliseconds(10);
  int kills = 20;
  double limit = 0.8;  // of processors or memory, above which there is an alert
  uint64_t seed = 0;
  std::string proc = "/proc";

  size_t readings() const { return static_cast<size_t>(std::max<int64_t>(1, time / interval)); }
};

struct telemetry_figures {
  double seconds = 0;
  // From the last reading of a window until its summary was here.
  std::vector<int64_t> latencies_ns;
};

struct telemetry_verdict {
  uint64_t readings = 0, validated = 0, summaries = 0, alerts = 0;
  // What differs from the work of one process: one line each, a few at most.
  std::vector<std::string> differences;
  bool exact() const { return differences.empty(); }
};

class telemetry_run {
 public:
  static constexpr size_t kStandBys = 2;  // processes for each stage, one of which works

  telemetry_run(const telemetry_options& options, progress& line);
  ~telemetry_run();

  // Cancelled if a signal came; the processes and the segment are gone when this object is.
  absl::Status run();

  const telemetry_options& options() const { return options_; }
  const crew& processes(stage s) const { return *crews_[static_cast<size_t>(s)]; }
  int killed() const;
  int died() const;
  const telemetry_figures& figures() const { return figures_; }
  // REQUIRES: run() was OK.
  const telemetry_verdict& verdict() const { return verdict_; }
  const std::vector<summary>& alerts() const { return alerts_; }

 private:
  struct streams;

  absl::Status open();
  absl::Status take_readings();
  absl::Status drain();
  // Until then, if nothing comes.
  void watch(std::chrono::nanoseconds most);
  absl::Status kill_if_due();
  absl::Status look_after();
  void compare();
  void tell();

  const telemetry_options options_;
  progress& progress_;
  std::mt19937_64 random_;
  own_segment segment_;
  std::unique_ptr<streams> streams_;
  std::array<std::unique_ptr<crew>, std::size(kStages)> crews_;
  std::vector<int64_t> kills_due_ns_;  // falling
  int64_t started_ns_ = 0;
  uint64_t taken_ = 0;
  summary newest_;
  uint64_t seen_ = 0;  // summaries
  telemetry_figures figures_;
  telemetry_verdict verdict_;
  std::vector<summary> alerts_;
};

// What such a run starts its processes with.
struct stage_process_options {
  std::string segment;
  std::string stage;
  double limit = 0;
  pid_t coordinator = 0;
  uint32_t process = 0;
};

// Returns the exit code, if ever.
int run_stage_process(const stage_process_options& options);

}  // namespace zeroipc::demo

#endif  // ZEROIPC_TOOLS_DEMO_TELEMETRY_RUN_H_
