#include "tools/demo/demo.h"

#include <iostream>
#include <memory>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "tools/cli/command.h"
#include "tools/cli/interrupt.h"
#include "tools/cli/text.h"
#include "tools/demo/coordinator.h"
#include "tools/demo/files.h"
#include "tools/demo/own_segment.h"
#include "tools/demo/proof.h"
#include "tools/demo/scene.h"
#include "tools/demo/summary.h"
#include "tools/demo/telemetry/telemetry.h"
#include "tools/demo/worker.h"

namespace zeroipc::tools {
namespace {

struct demo_options {
  std::string path;
  demo::coordinator_options run;
  std::optional<uint64_t> seed;
  bool json = false;
  bool list = false;
};

int run_demo(demo_options options) {
  catch_interrupts();
  options.run.seed = demo::seed_or_random(options.seed);
  const std::string path =
      options.path.empty() ? demo::default_path() : demo::resolve(options.path);
  const absl::StatusOr<demo::file_list> files = demo::list_files(path);
  if (!files.ok()) return fail("demo", files.status(), options.json);
  if (!options.json) {
    std::cout << "counting the words of " << with_commas(files->paths.size()) << " files ("
              << human_bytes(files->bytes) << ") below " << printable(files->root) << " with "
              << options.run.workers << " processes, " << options.run.kills
              << " of which will be killed\n\n"
              << std::flush;
  }
  demo::sweep_segments_of_the_dead();
  demo::progress line(options.json);
  demo::coordinator run(options.run, *files, line);
  if (absl::Status status = run.run(); !status.ok())
    return demo::report_failure(status, options.json);
  const std::optional<demo::plain_count> plain = demo::count_plainly(*files, [&](size_t i) {
    line.tell_plain(i, files->paths.size());
    return interrupted() == 0;
  });
  line.end();
  if (!plain) return demo::report_failure(absl::CancelledError("interrupted"), options.json);
  const demo::verdict proof = demo::compare(*files, run.books(), *plain);
  const demo::account account{options.run, *files, run, *plain, proof};
  if (options.json) {
    print_json(demo::summary_json(account));
  } else {
    demo::print_summary(std::cout, account);
    std::cout << std::flush;
  }
  return proof.exact ? kOk : kFailed;
}

int list_scenes() {
  std::cout
      << "zeroipc demo             the words of real files, counted by processes that get killed\n"
         "zeroipc demo telemetry   this machine, watched through a pipeline whose processes get "
         "killed\n";
  return kOk;
}

// What the demo starts its workers with; not for users.
void add_worker(CLI::App& app) {
  auto options = std::make_shared<demo::worker_options>();
  CLI::App* worker =
      add_command(app, "demo-worker", "", "", [options] { return demo::run_worker(*options); });
  worker->group("");
  worker->add_option("SEGMENT", options->segment)->required();
  worker->add_option("ROOT", options->root)->required();
  worker->add_option("COORDINATOR", options->coordinator)->required();
  worker->add_option("PROCESS", options->process)->required();
}

}  // namespace

void add_demo(CLI::App& app) {
  auto options = std::make_shared<demo_options>();
  CLI::App* command = add_command(
      app, "demo",
      "Count the words of real files with processes that get killed, and prove the count.",
      "  zeroipc demo                                   # the source tree, or the directory you "
      "are in\n"
      "  zeroipc demo /usr/share/doc --workers 8 --kill 100\n"
      "  zeroipc demo --kill 20 --json | jq .exact\n"
      "  zeroipc demo --list                            # what else there is to see\n"
      "\n"
      "A coordinator hands file names out through a queue in shared memory. Worker processes lease "
      "a file, count\n"
      "it, and return the result through another queue. Some of them are killed (SIGKILL) at "
      "random moments and\n"
      "replaced; what they held comes back by itself. You may kill more of them by hand, and watch "
      "them with\n"
      "`zeroipc ls` meanwhile. If there is too little to count for so many deaths, it is counted "
      "several times.\n"
      "\n"
      "At the end the result is compared, word for word, with a plain count in one process. The "
      "exit code is 0\n"
      "only if they agree. Files that change during the run are named and left out. Regular files "
      "are counted,\n"
      "symbolic links and .git are not. Ctrl-C leaves no process and no segment behind.\n",
      [options, &app] {
        // This is also called after one of its own commands.
        if (!app.get_subcommand("demo")->get_subcommands().empty()) return result_of_command();
        return options->list ? list_scenes() : run_demo(*options);
      });
  command->add_option("PATH", options->path,
                      "A directory or a file; the source tree under `bazel run`, else here.");
  command->add_option("-w,--workers", options->run.workers, "Worker processes at a time.")
      ->capture_default_str()
      ->check(CLI::Range(1, 500));
  command->add_option("-k,--kill", options->run.kills, "How many of them to kill.")
      ->capture_default_str()
      ->check(CLI::Range(0, 100000));
  command->add_option("--seed", options->seed,
                      "Of the moments and victims; drawn at random without.");
  command->add_flag("--json", options->json, "Print the account as JSON, and no progress.");
  command->add_flag("--list", options->list, "Print what else there is to see.");
  add_worker(app);
  add_telemetry(*command, app);
}

}  // namespace zeroipc::tools
