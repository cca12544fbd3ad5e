// What every subcommand of `zeroipc` shares: exit codes, errors, and how it is put into the command line.
#ifndef ZEROIPC_TOOLS_CLI_COMMAND_H_
#define ZEROIPC_TOOLS_CLI_COMMAND_H_

#include <functional>
#include <string>
#include <string_view>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "nlohmann/json.hpp"

namespace zeroipc::tools {

// Documented in `zeroipc --help`; scripts rely on them.
enum exit_code : int {
  kOk = 0,
  kFailed = 1,
  kUsage = 2,
  kNotFound = 3,
  kIncompatible = 4,
  kDenied = 5,
  kNoRoom = 6,
  kInUse = 7,
  kTimedOut = 8,
  kLineTooLong = 9,
  kSignal = 128,  // plus the signal's number
};
extern const char kExitCodesHelp[];

exit_code exit_code_of(const absl::Status& status);

// Says on stderr, and with `json` also as {"error": ...} on stdout, what went wrong; returns the exit code for it.
int fail(std::string_view command, const absl::Status& status, bool json);
int fail(std::string_view command, std::string_view message, exit_code code, bool json);

// Prints it on stdout with an end of line. Text that is not UTF-8 is replaced, never thrown over.
void print_json(const nlohmann::json& value);

// Adds a subcommand. `run` is called after parsing and returns the exit code.
CLI::App* add_command(CLI::App& app, const std::string& name, const std::string& description,
                      const std::string& examples, std::function<int()> run);
// The exit code of the subcommand that was run.
int result_of_command();

// Checks "10s", "1m30s", "inf" or a bare number of seconds; for CLI::Option::transform-like use.
bool parse_duration(const std::string& text, absl::Duration& out);

}  // namespace zeroipc::tools

#endif  // ZEROIPC_TOOLS_CLI_COMMAND_H_
