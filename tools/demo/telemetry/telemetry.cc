#include "tools/demo/telemetry/telemetry.h"

#include <algorithm>
#include <chrono>
#include <iostream>
#include <memory>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "nlohmann/json.hpp"
#include "tools/cli/command.h"
#include "tools/cli/interrupt.h"
#include "tools/cli/text.h"
#include "tools/demo/own_segment.h"
#include "tools/demo/progress.h"
#include "tools/demo/scene.h"
#include "tools/demo/telemetry/run.h"

namespace zeroipc::tools {
namespace {

using demo::telemetry_run;

constexpr size_t kMostReadings = 200'000;
constexpr size_t kListed = 5;

struct telemetry_arguments {
  demo::telemetry_options run;
  std::string time = "5s", interval = "10ms";
  std::optional<uint64_t> seed;
  bool json = false;
};

struct latency {
  double median_ms = 0, most_ms = 0;
};
latency latency_of(const demo::telemetry_figures& f) {
  if (f.latencies_ns.empty()) return {};
  std::vector<int64_t> sorted = f.latencies_ns;
  std::ranges::sort(sorted);
  return {static_cast<double>(sorted[sorted.size() / 2]) / 1e6,
          static_cast<double>(sorted.back()) / 1e6};
}

int processes_of(const telemetry_run& run, demo::stage s) {
  int n = 0;
  for (const demo::crew::seat& seat : run.processes(s).seats()) n += seat.processes;
  return n;
}

void print_summary(std::ostream& os, const telemetry_run& run) {
  const demo::telemetry_verdict& v = run.verdict();
  text_table stages({{"stage"}, {"processes", true}, {"killed at work", true}});
  for (const demo::stage s : demo::kStages) {
    stages.add({std::string(name_of(s)), absl::StrCat(processes_of(run, s)),
                absl::StrCat(run.processes(s).killed())});
  }
  os << stages << "\n";
  text_table flow({{"stream"}, {"elements", true}});
  flow.add({"readings", with_commas(v.readings)});
  flow.add({"validated", with_commas(v.validated)});
  flow.add({absl::StrCat("summaries, of ", demo::kWindow, " each"), with_commas(v.summaries)});
  flow.add(
      {absl::StrFormat("alerts, from %g %% on", run.options().limit * 100), with_commas(v.alerts)});
  os << flow << "\n";
  for (size_t i = 0; i < std::min(kListed, run.alerts().size()); ++i) {
    const demo::summary& a = run.alerts()[i];
    os << absl::StrFormat("alert: readings %d to %d, cpu %.0f %%, memory %.0f %%\n", a.first,
                          a.last, a.cpu * 100, a.memory_most * 100);
  }
  if (run.alerts().size() > kListed) os << "and " << run.alerts().size() - kListed << " more\n";
  if (!run.alerts().empty()) os << "\n";
  const latency l = latency_of(run.figures());
  os << absl::StrFormat("%d processes killed", run.killed());
  if (run.died() != 0) os << ", " << run.died() << " died otherwise";
  os << absl::StrFormat(
      "; from a reading to its summary %.2f ms, at most %.1f ms: another process had to take over "
      "(seed "
      "%d)\n\n",
      l.median_ms, l.most_ms, run.options().seed);
  if (v.exact()) {
    os << "EXACT: no gap and nothing twice; every summary and alert is what one process makes of "
          "the same "
       << with_commas(v.readings) << " readings.\n";
  } else {
    os << "WRONG: this is not what one process makes of the same readings.\n";
    for (const std::string& d : v.differences) os << "  " << d << "\n";
  }
}

nlohmann::json summary_json(const telemetry_run& run) {
  const demo::telemetry_verdict& v = run.verdict();
  const latency l = latency_of(run.figures());
  nlohmann::json stages = nlohmann::json::array();
  for (const demo::stage s : demo::kStages) {
    stages.push_back({{"stage", name_of(s)},
                      {"processes", processes_of(run, s)},
                      {"killed", run.processes(s).killed()}});
  }
  return {{"exact", v.exact()},
          {"seed", run.options().seed},
          {"seconds", run.figures().seconds},
          {"killed", run.killed()},
          {"died_otherwise", run.died()},
          {"readings", v.readings},
          {"validated", v.validated},
          {"summaries", v.summaries},
          {"alerts", v.alerts},
          {"latency_ms", {{"median", l.median_ms}, {"most", l.most_ms}}},
          {"stages", stages},
          {"differences", v.differences}};
}

// nullopt if it is not a time of at least a microsecond.
std::optional<std::chrono::nanoseconds> time_of(const std::string& text) {
  absl::Duration d;
  if (!parse_duration(text, d) || d < absl::Microseconds(1) || d > absl::Hours(24 * 365)) {
    return std::nullopt;
  }
  return absl::ToChronoNanoseconds(d);
}

int run_telemetry(telemetry_arguments a) {
  const auto time = time_of(a.time), interval = time_of(a.interval);
  if (!time || !interval) {
    return fail(
        "demo telemetry",
        absl::StrCat("a time is needed, such as 10s or 5ms; found: ", time ? a.interval : a.time),
        kUsage, a.json);
  }
  a.run.time = *time;
  a.run.interval = *interval;
  if (a.run.readings() > kMostReadings) {
    return fail("demo telemetry",
                absl::StrCat("that would be ", with_commas(a.run.readings()), " readings; at most ",
                             with_commas(kMostReadings), " are kept for the proof"),
                kUsage, a.json);
  }
  catch_interrupts();
  a.run.seed = demo::seed_or_random(a.seed);
  if (!a.json) {
    std::cout << "watching this machine for " << a.time << ", a reading every " << a.interval
              << ", in three stages of " << telemetry_run::kStandBys << " processes each, "
              << a.run.kills << " of which will be killed at their work\n\n"
              << std::flush;
  }
  demo::sweep_segments_of_the_dead();
  demo::progress line(a.json);
  telemetry_run run(a.run, line);
  if (absl::Status s = run.run(); !s.ok()) return demo::report_failure(s, a.json);
  if (a.json) {
    print_json(summary_json(run));
  } else {
    print_summary(std::cout, run);
    std::cout << std::flush;
  }
  return run.verdict().exact() ? kOk : kFailed;
}

// Not for users.
void add_stage(CLI::App& app) {
  auto options = std::make_shared<demo::stage_process_options>();
  CLI::App* stage = add_command(app, "demo-stage", "", "",
                                [options] { return demo::run_stage_process(*options); });
  stage->group("");
  stage->add_option("SEGMENT", options->segment)->required();
  stage->add_option("STAGE", options->stage)->required();
  stage->add_option("LIMIT", options->limit)->required();
  stage->add_option("COORDINATOR", options->coordinator)->required();
  stage->add_option("PROCESS", options->process)->required();
}

}  // namespace

void add_telemetry(CLI::App& demo, CLI::App& app) {
  auto a = std::make_shared<telemetry_arguments>();
  CLI::App* command = add_command(demo, "telemetry",
                                  "Watch this machine through a pipeline of processes that get "
                                  "killed, and prove that nothing is missing.",
                                  "  zeroipc demo telemetry\n"
                                  "  zeroipc demo telemetry --time 1m --kill 500 --limit 0.5\n"
                                  "  zeroipc demo telemetry --json | jq .latency_ms\n"
                                  "\n"
                                  "Readings of processors, memory, disks and networks go through "
                                  "three stages: they are validated, put together\n"
                                  "in windows, and watched for alerts. Each stage is a derived "
                                  "stream with two processes, one of which works and\n"
                                  "the other stands by. Who works is killed (SIGKILL) at random "
                                  "moments; the other takes over at the exact\n"
                                  "element.\n"
                                  "\n"
                                  "At the end, all that came out is compared with what one process "
                                  "makes of the same readings. The exit code is 0\n"
                                  "only if it is the same.\n",
                                  [a] { return run_telemetry(*a); });
  command->add_option("-t,--time", a->time, "How long.")->capture_default_str();
  command->add_option("-i,--interval", a->interval, "From one reading to the next.")
      ->capture_default_str();
  command->add_option("-k,--kill", a->run.kills, "How many processes to kill.")
      ->capture_default_str()
      ->check(CLI::Range(0, 100000));
  command
      ->add_option("--limit", a->run.limit,
                   "Of processors or memory in use, from which on there is an alert; 0 to 1.")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 1.0));
  command->add_option("--proc", a->run.proc, "Where the machine is read.")->capture_default_str();
  command->add_option("--seed", a->seed, "Of the moments and victims; drawn at random without.");
  command->add_flag("--json", a->json, "Print the account as JSON, and no progress.");
  add_stage(app);
}

}  // namespace zeroipc::tools
