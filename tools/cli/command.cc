#include "tools/cli/command.h"

#include <cstdio>
#include <iostream>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace zeroipc::tools {
namespace {

int command_result = kOk;

const char* name_of(exit_code code) {
  switch (code) {
    case kOk:
      return "ok";
    case kFailed:
      return "failed";
    case kUsage:
      return "usage";
    case kNotFound:
      return "not_found";
    case kIncompatible:
      return "incompatible";
    case kDenied:
      return "permission_denied";
    case kNoRoom:
      return "no_room";
    case kInUse:
      return "in_use";
    case kTimedOut:
      return "timed_out";
    case kLineTooLong:
      return "line_too_long";
    case kSignal:
      return "signal";
  }
  return "failed";
}

}  // namespace

const char kExitCodesHelp[] =
    "Exit codes:\n"
    "  0    done\n"
    "  1    failed (demo: the counts differ)\n"
    "  2    the command line makes no sense\n"
    "  3    no such segment or name\n"
    "  4    not a ZeroIPC segment, damaged, of another version, or a name of another kind or type\n"
    "  5    permission denied\n"
    "  6    no room: memory, names, participants\n"
    "  7    in use by live processes (rm without --force)\n"
    "  8    --wait ran out\n"
    "  9    a line is longer than the queue's elements (send)\n"
    "  128+n  ended by signal n: 130 Ctrl-C, 141 the reader of the output has gone\n";

exit_code exit_code_of(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return kOk;
    case absl::StatusCode::kInvalidArgument:
      return kUsage;
    case absl::StatusCode::kNotFound:
      return kNotFound;
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kDataLoss:
      return kIncompatible;
    case absl::StatusCode::kPermissionDenied:
      return kDenied;
    case absl::StatusCode::kResourceExhausted:
      return kNoRoom;
    case absl::StatusCode::kDeadlineExceeded:
      return kTimedOut;
    default:
      return kFailed;
  }
}

int fail(std::string_view command, const absl::Status& status, bool json) {
  return fail(command, status.message(), exit_code_of(status), json);
}

int fail(std::string_view command, std::string_view message, exit_code code, bool json) {
  std::cout.flush();
  std::fprintf(stderr, "zeroipc %.*s: %.*s\n", static_cast<int>(command.size()), command.data(),
               static_cast<int>(message.size()), message.data());
  if (json) {
    print_json(
        {{"error", {{"code", name_of(code)}, {"exit_code", int{code}}, {"message", message}}}});
  }
  return code;
}

void print_json(const nlohmann::json& value) {
  std::cout << value.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << std::endl;
}

CLI::App* add_command(CLI::App& app, const std::string& name, const std::string& description,
                      const std::string& examples, std::function<int()> run) {
  CLI::App* command = app.add_subcommand(name, description);
  if (!examples.empty()) command->footer("\nExamples:\n" + examples);
  command->callback([run = std::move(run)] { command_result = run(); });
  return command;
}

int result_of_command() { return command_result; }

bool parse_duration(const std::string& text, absl::Duration& out) {
  double seconds = 0;
  if (absl::SimpleAtod(text, &seconds)) {
    out = absl::Seconds(seconds);
  } else if (!absl::ParseDuration(text, &out)) {
    return false;
  }
  return out >= absl::ZeroDuration();
}

}  // namespace zeroipc::tools
