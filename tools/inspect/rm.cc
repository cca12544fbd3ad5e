#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "tools/cli/command.h"
#include "tools/cli/text.h"
#include "tools/inspect/inspect.h"
#include "tools/inspect/segment_view.h"
#include "zeroipc/name_table/name_table.h"

namespace zeroipc::tools {
namespace {

struct rm_options {
  std::string segment;
  std::vector<std::string> names;
  bool force = false;
  bool json = false;
};

int done(const rm_options& o, const nlohmann::json& removed) {
  if (o.json) print_json({{"removed", removed}});
  return kOk;
}

int remove_segment(const rm_options& o) {
  {
    const segment_view view = look_at(o.segment);
    switch (view.is) {
      case standing::usable:
        break;
      case standing::unusable:
        // Ours once, and of no use to anybody: --force may take it.
        if (o.force) break;
        return fail("rm", absl::StrCat(view.why.message(), "; --force removes it all the same"),
                    kIncompatible, o.json);
      default:
        return fail("rm", view.why, o.json);
    }
    if (view.live() != 0 && !o.force) {
      return fail("rm",
                  absl::StrCat("segment ", o.segment, ": in use by ", view.who_is_attached(),
                               "; --force removes the name all the same, and they keep the memory"),
                  kInUse, o.json);
    }
  }
  const absl::Status unlinked = memory::unlink(o.segment);
  return unlinked.ok() ? done(o, {o.segment}) : fail("rm", unlinked, o.json);
}

int remove_names(const rm_options& o) {
  absl::StatusOr<memory> mem = memory::open(o.segment);
  if (!mem.ok()) return fail("rm", mem.status(), o.json);
  // All or none: nothing is removed before all have been looked at.
  for (const std::string& name : o.names) {
    const absl::StatusOr<structure_info> info = find(*mem, name);
    if (!info.ok()) return fail("rm", info.status(), o.json);
    if (info->holders != 0 && !o.force) {
      return fail(
          "rm",
          absl::StrCat("segment ", o.segment, ": '", printable(name), "' is held by ",
                       info->holders, info->holders == 1 ? " live process" : " live processes",
                       " (`zeroipc show ", o.segment,
                       "` says who is attached); --force removes the "
                       "name all the same, and its memory when they let go"),
          kInUse, o.json);
    }
  }
  for (const std::string& name : o.names) {
    if (absl::Status removed = remove(*mem, name); !removed.ok())
      return fail("rm", removed, o.json);
  }
  return done(o, o.names);
}

}  // namespace

void add_rm(CLI::App& app) {
  auto options = std::make_shared<rm_options>();
  CLI::App* command = add_command(
      app, "rm", "Remove a segment, or names in it.",
      "  zeroipc rm /logs           # the segment with all that is in it\n"
      "  zeroipc rm /logs lines     # one queue\n"
      "  zeroipc rm --force /logs   # although processes are attached; they keep the memory until "
      "they end\n"
      "\n"
      "Asks nothing. Refuses what live processes use (exit code 7, and says who they are), and any "
      "file that\n"
      "is not a ZeroIPC segment (exit code 4).\n",
      [options] {
        return options->names.empty() ? remove_segment(*options) : remove_names(*options);
      });
  command->add_option("SEGMENT", options->segment, "A name in /dev/shm or the path of a file.")
      ->required();
  command->add_option("NAME", options->names,
                      "Structures in it; without any, the whole segment goes.");
  command->add_flag(
      "-f,--force", options->force,
      "Remove what live processes use, and segments that are damaged or of another version.");
  command->add_flag("--json", options->json, "Print JSON.");
}

}  // namespace zeroipc::tools
