#include <sys/stat.h>

#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tools/cli/command.h"
#include "tools/cli/text.h"
#include "tools/inspect/inspect.h"
#include "tools/inspect/segment_view.h"

namespace zeroipc::tools {
namespace {

struct ls_options {
  std::vector<std::string> names;
  bool all = false;
  bool json = false;
};

nlohmann::json to_json(const segment_view& v) {
  nlohmann::json j = {{"name", v.name},
                      {"standing", standing_name(v.is)},
                      {"bytes", v.file_bytes},
                      {"resident_bytes", v.resident_bytes}};
  if (v.is != standing::usable) {
    j["why"] = v.why.message();
    return j;
  }
  j["version"] = v.version;
  j["created"] = utc_time(v.created_ns);
  j["heap"] = {{"bytes", v.heap.total}, {"used", v.heap.used}};
  j["names"] = v.names;
  j["live"] = v.live();
  j["dead"] = v.dead();
  return j;
}

// The status without the "segment /x: " that the table's first column says already.
std::string reason(const segment_view& v) {
  std::string_view text = v.why.message();
  const std::string prefix = absl::StrCat("segment ", v.name, ": ");
  if (text.substr(0, prefix.size()) == prefix) text.remove_prefix(prefix.size());
  return printable(text);
}

int run_ls(const ls_options& options) {
  const bool asked_for = !options.names.empty();
  std::vector<segment_view> views;
  int result = kOk;
  int foreign = 0;
  for (const std::string& name : asked_for ? options.names : shared_memory_names()) {
    segment_view view = look_at(name);
    if (view.is == standing::missing) {
      // A name that vanished since the directory was read is no error.
      if (asked_for) result = fail("ls", view.why, false);
      continue;
    }
    if (asked_for && view.is != standing::usable && result == kOk) {
      result = view.is == standing::unreadable ? kDenied : kIncompatible;
    }
    if (view.is == standing::foreign && !asked_for && !options.all) {
      ++foreign;
      continue;
    }
    views.push_back(std::move(view));
  }
  if (options.json) {
    nlohmann::json all = nlohmann::json::array();
    for (const segment_view& v : views) all.push_back(to_json(v));
    print_json({{"segments", all}, {"other_files", foreign}});
    return result;
  }
  text_table table({{"NAME"},
                    {"SIZE", true},
                    {"RESIDENT", true},
                    {"IN USE", true},
                    {"NAMES", true},
                    {"LIVE", true},
                    {"DEAD", true},
                    {"VERSION", true},
                    {"NOTE"}});
  for (const segment_view& v : views) {
    std::vector<std::string> row = {printable(v.name), human_bytes(v.file_bytes),
                                    human_bytes(v.resident_bytes)};
    if (v.is == standing::usable) {
      row.insert(row.end(), {human_bytes(v.heap.used), with_commas(v.names), absl::StrCat(v.live()),
                             absl::StrCat(v.dead()), absl::StrCat(v.version), ""});
    } else {
      row.insert(row.end(),
                 {"-", "-", "-", "-", "-", absl::StrCat(standing_name(v.is), ": ", reason(v))});
    }
    table.add(std::move(row));
  }
  if (!table.empty()) std::cout << table;
  if (table.empty() && !asked_for) std::cout << "no segments in /dev/shm\n";
  if (foreign != 0) {
    std::cout << "(" << foreign << (foreign == 1 ? " file" : " files")
              << " of other programs in /dev/shm; --all shows them)\n";
  }
  return result;
}

}  // namespace

void add_ls(CLI::App& app) {
  auto options = std::make_shared<ls_options>();
  CLI::App* command =
      add_command(app, "ls", "List segments: size, use, live and dead participants.",
                  "  zeroipc ls\n"
                  "  zeroipc ls /logs /var/lib/app/events.segment\n"
                  "  zeroipc ls --json | jq '.segments[] | select(.live == 0) | .name'\n"
                  "\n"
                  "SIZE is the length of the segment's file, RESIDENT what the machine holds of it "
                  "now, IN USE what\n"
                  "structures have been given. DEAD participants were killed and their places have "
                  "not been reused.\n"
                  "Looking joins nothing and wakes nobody.\n",
                  [options] { return run_ls(*options); });
  command->add_option("SEGMENT", options->names,
                      "Names in /dev/shm or paths of files; all of /dev/shm if there is none.");
  command->add_flag("-a,--all", options->all, "Show files of other programs in /dev/shm, too.");
  command->add_flag("--json", options->json, "Print JSON.");
}

}  // namespace zeroipc::tools
