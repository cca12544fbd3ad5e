#include <exception>
#include <string>

#include "CLI/CLI.hpp"
#include "tools/cli/command.h"
#include "tools/demo/demo.h"
#include "tools/inspect/inspect.h"
#include "tools/lines/lines.h"

namespace zeroipc::tools {
namespace {

int run(int argc, char** argv) {
  CLI::App app(
      "Shared memory between processes that may die: look at it, pipe through it, try it out.\n"
      "\n"
      "A SEGMENT is a name such as /logs (in /dev/shm), or a path with a directory, such as "
      "./logs.segment.",
      "zeroipc");
  app.require_subcommand(1);
  app.footer(std::string("\n") + kExitCodesHelp + "\n`zeroipc COMMAND --help` has examples.\n");
  add_demo(app);
  add_ls(app);
  add_show(app);
  add_rm(app);
  add_send(app);
  add_receive(app);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? kOk : kUsage;
  } catch (const std::exception& e) {
    return fail("", e.what(), kFailed, false);
  }
  return result_of_command();
}

}  // namespace
}  // namespace zeroipc::tools

int main(int argc, char** argv) { return zeroipc::tools::run(argc, argv); }
