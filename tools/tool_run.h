// The `zeroipc` command as a process of a test: what it printed, how it ended, and its signals.
#ifndef ZEROIPC_TOOLS_TOOL_RUN_H_
#define ZEROIPC_TOOLS_TOOL_RUN_H_

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "nlohmann/json.hpp"
#include "testing/harness/harness.h"

namespace zeroipc::tools {

struct tool_io {
  std::string input = {};  // standard input, unless there is a descriptor for it
  int input_fd = -1;       // closed on our side by whoever opened it
  int output_fd = -1;      // standard output; without one it is collected
  bool as_nobody =
      false;  // drop root first; the exit code is kCannotDrop where that is not possible
};

class tool_run {
 public:
  static constexpr int kCannotDrop = 77;

  explicit tool_run(std::vector<std::string> arguments, const tool_io& io = {});
  ~tool_run();
  tool_run(tool_run&&) noexcept;
  tool_run& operator=(tool_run&&) = delete;

  // The exit code; -signal if a signal ended it.
  int wait();
  harness::process& process() { return *process_; }
  // What it has printed so far.
  std::string out() const;
  std::string err() const;
  // Standard output as JSON; a test failure and null if it is not.
  nlohmann::json json() const;

 private:
  int out_ = -1;
  int err_ = -1;
  std::optional<harness::process> process_;
};

// Runs it to its end.
struct tool_result {
  int code = 0;
  std::string out;
  std::string err;
};
tool_result run_tool(std::vector<std::string> arguments, const tool_io& io = {});

// The direct children of a process.
std::vector<pid_t> children_of(pid_t pid);

}  // namespace zeroipc::tools

#endif  // ZEROIPC_TOOLS_TOOL_RUN_H_
