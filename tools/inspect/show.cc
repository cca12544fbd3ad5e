#include <algorithm>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tools/cli/command.h"
#include "tools/cli/text.h"
#include "tools/inspect/inspect.h"
#include "tools/inspect/segment_view.h"
#include "tools/inspect/show_data.h"
#include "tools/inspect/show_queue.h"
#include "zeroipc/name_table/audit.h"
#include "zeroipc/name_table/name_table.h"
#include "zeroipc/segment/layout.h"

namespace zeroipc::tools {
namespace {

struct show_options {
  std::string segment;
  std::string name;
  bool audit = false;
  bool json = false;
};

nlohmann::json to_json(const queue_stats& s) {
  return {
      {"capacity", s.capacity},     {"depth", s.depth},           {"pushed", s.pushed},
      {"popped", s.popped},         {"refused", s.refused},       {"waits", s.waits},
      {"leased", s.leased},         {"max_leases", s.max_leases}, {"redelivered", s.redelivered},
      {"recoveries", s.recoveries}, {"tombstones", s.tombstones}, {"closed", s.closed}};
}

nlohmann::json to_json(const memory& mem, const structure_info& info) {
  nlohmann::json j = {{"name", info.name},
                      {"kind", kind_name(info.what)},
                      {"type", info.type_name},
                      {"element_size", info.element_size},
                      {"element_align", info.element_align},
                      {"offset", info.offset},
                      {"bytes", info.bytes},
                      {"holders", info.holders},
                      {"removed", info.removed},
                      {"creator_pid", info.creator_pid},
                      {"created", utc_time(info.created_ns)}};
  if (has_data_summary(info.what)) {
    const absl::StatusOr<data_summary> s = look_at_data(mem, info);
    if (!s.ok()) {
      j["damaged"] = s.status().message();
      return j;
    }
    nlohmann::json figures = nlohmann::json::object();
    for (const auto& [name, value] : s->figures) figures[std::string(name)] = value;
    for (const reader_summary& r : s->readers) {
      figures["subscribers"].push_back(
          {{"name", r.name}, {"position", r.position}, {"behind", r.behind}, {"owner", r.owner}});
    }
    j[std::string(kind_name(info.what))] = figures;
    return j;
  }
  if (info.what != kind::queue) return j;
  j["policy"] = policy_name(info.variant);
  const absl::StatusOr<queue_stats> s = look_at_queue(mem, info);
  if (s.ok()) {
    j["queue"] = to_json(*s);
  } else {
    j["damaged"] = s.status().message();
  }
  return j;
}

nlohmann::json to_json(const segment_view& v, const std::vector<structure_info>& structures) {
  const internal::segment_geometry& g = v.mapped->attachment()->geometry;
  nlohmann::json participants = nlohmann::json::array();
  for (const internal::participant_info& p : v.participants) {
    participants.push_back({{"slot", p.slot},
                            {"generation", p.generation},
                            {"pid", p.pid},
                            {"name", p.name},
                            {"alive", p.alive},
                            {"since", utc_time(p.attached_ns)}});
  }
  nlohmann::json names = nlohmann::json::array();
  for (const structure_info& info : structures) names.push_back(to_json(*v.mapped, info));
  return {
      {"name", v.name},
      {"id", absl::StrFormat("%016x", v.id)},
      {"version", v.version},
      {"bytes", v.file_bytes},
      {"resident_bytes", v.resident_bytes},
      {"created", utc_time(v.created_ns)},
      {"mode", absl::StrFormat("%04o", v.mode)},
      {"owner", v.owner},
      {"remove_with_last", (v.flags & internal::kRemoveWithLast) != 0},
      {"reserve", (v.flags & internal::kReserve) != 0},
      {"fences", v.fences == fence_mode::asymmetric ? "asymmetric" : "symmetric"},
      {"deaths", v.deaths},
      {"limits",
       {{"participants", g.max_participants}, {"threads", g.max_threads}, {"names", g.max_names}}},
      {"heap",
       {{"bytes", v.heap.total},
        {"used", v.heap.used},
        {"free", v.heap.free},
        {"largest", v.heap.largest},
        {"used_blocks", v.heap.used_blocks},
        {"free_blocks", v.heap.free_blocks}}},
      {"participants", participants},
      {"structures", names}};
}

std::string type_of(const structure_info& info) {
  std::string text = absl::StrCat(kind_name(info.what), "<", printable(info.type_name), ">");
  if (info.what == kind::queue) absl::StrAppend(&text, " ", policy_name(info.variant));
  return text;
}

std::string queue_line(const memory& mem, const structure_info& info) {
  const absl::StatusOr<queue_stats> s = look_at_queue(mem, info);
  if (!s.ok()) return printable(s.status().message());
  std::string text =
      absl::StrCat(with_commas(s->depth), " of ", with_commas(s->capacity), " queued");
  if (s->leased != 0) absl::StrAppend(&text, ", ", s->leased, " leased");
  if (s->closed) absl::StrAppend(&text, ", closed");
  return text;
}

std::string note_on(const memory& mem, const structure_info& info) {
  if (info.what == kind::queue) return queue_line(mem, info);
  if (!has_data_summary(info.what)) return "";
  const absl::StatusOr<data_summary> s = look_at_data(mem, info);
  return s.ok() ? s->line : printable(s.status().message());
}

void print_header(const segment_view& v) {
  const internal::segment_geometry& g = v.mapped->attachment()->geometry;
  std::cout << printable(v.name) << ": ZeroIPC segment, format " << v.version << "\n"
            << "  size          " << human_bytes(v.file_bytes) << ", "
            << human_bytes(v.resident_bytes) << " resident\n"
            << "  created       " << local_time(v.created_ns) << ", id "
            << absl::StrFormat("%016x", v.id) << "\n"
            << "  access        mode " << absl::StrFormat("%04o", v.mode) << ", owner " << v.owner
            << "\n"
            << "  heap          " << human_bytes(v.heap.used) << " of " << human_bytes(v.heap.total)
            << " in use by " << with_commas(v.heap.used_blocks)
            << (v.heap.used_blocks == 1 ? " block" : " blocks")
            << "; the largest structure that fits has " << human_bytes(v.heap.largest) << "\n"
            << "  names         " << with_commas(v.names) << " of " << with_commas(g.max_names)
            << "\n"
            << "  participants  " << v.live() << " live, " << v.dead() << " dead, of "
            << g.max_participants << "; " << v.deaths << (v.deaths == 1 ? " death" : " deaths")
            << " noticed since creation\n";
  if ((v.flags & internal::kRemoveWithLast) != 0) {
    std::cout << "  lifetime      removed when its last participant leaves\n";
  }
}

void print_participants(const segment_view& v) {
  text_table table(
      {{"PID", true}, {"NAME"}, {"STATE"}, {"SINCE"}, {"SLOT", true}, {"GENERATION", true}});
  for (const internal::participant_info& p : v.participants) {
    table.add({absl::StrCat(p.pid), printable(p.name), p.alive ? "live" : "dead",
               local_time(p.attached_ns), absl::StrCat(p.slot), absl::StrCat(p.generation)});
  }
  if (!table.empty()) std::cout << "\n" << table;
}

void print_structures(const memory& mem, const std::vector<structure_info>& structures) {
  text_table table(
      {{"NAME"}, {"TYPE"}, {"BYTES", true}, {"HOLDERS", true}, {"CREATOR", true}, {"NOTE"}});
  for (const structure_info& info : structures) {
    std::string note = note_on(mem, info);
    if (info.removed)
      note = absl::StrCat("name removed, kept by its holders", note.empty() ? "" : "; ", note);
    table.add({printable(info.name), type_of(info), with_commas(info.bytes),
               absl::StrCat(info.holders), absl::StrCat(info.creator_pid), note});
  }
  if (!table.empty()) std::cout << "\n" << table;
}

void print_data(const memory& mem, const structure_info& info) {
  const absl::StatusOr<data_summary> s = look_at_data(mem, info);
  if (!s.ok()) {
    std::cout << "  DAMAGED       " << printable(s.status().message()) << "\n";
    return;
  }
  std::cout << "  contents      " << s->line << "\n";
  for (const auto& [name, value] : s->figures) {
    std::cout << "  " << absl::StrFormat("%-14s", name) << with_commas(value) << "\n";
  }
  for (const reader_summary& r : s->readers) {
    std::cout << "  subscriber    " << (r.name.empty() ? "passing" : printable(r.name)) << " at "
              << with_commas(r.position) << ", " << with_commas(r.behind) << " behind, of "
              << r.owner << "\n";
  }
}

void print_one(const memory& mem, const structure_info& info) {
  std::cout << printable(info.name) << " in " << printable(mem.name()) << ": " << type_of(info)
            << "\n"
            << "  elements      " << info.element_size << " bytes, aligned to "
            << info.element_align << "\n"
            << "  memory        " << with_commas(info.bytes) << " bytes at offset " << info.offset
            << "\n"
            << "  created       " << local_time(info.created_ns) << " by pid " << info.creator_pid
            << "\n"
            << "  holders       " << info.holders << " live\n";
  if (has_data_summary(info.what)) return print_data(mem, info);
  if (info.what != kind::queue) return;
  const absl::StatusOr<queue_stats> found = look_at_queue(mem, info);
  if (!found.ok()) {
    std::cout << "  DAMAGED       " << printable(found.status().message()) << "\n";
    return;
  }
  const queue_stats& s = *found;
  std::cout << "  items         " << with_commas(s.depth) << " of " << with_commas(s.capacity)
            << " queued" << (s.closed ? ", closed" : "") << "\n"
            << "  leases        " << s.leased << " of " << s.max_leases << " out\n"
            << "  pushed        " << with_commas(s.pushed) << "\n"
            << "  popped        " << with_commas(s.popped) << "\n"
            << "  redelivered   " << with_commas(s.redelivered)
            << " after deaths or when put back\n"
            << "  refused       " << with_commas(s.refused) << " pushes while full\n"
            << "  waits         " << with_commas(s.waits) << " operations slept\n"
            << "  recoveries    " << with_commas(s.recoveries) << " passes, "
            << with_commas(s.tombstones) << " pushes given up half-way\n";
}

// Joins the segment for a moment: looking at every block takes the control lock.
absl::StatusOr<audit_report> run_audit(const std::string& segment) {
  absl::StatusOr<memory> mem = memory::open(segment);
  if (!mem.ok()) return mem.status();
  return audit(*mem);
}

int print_audit(const show_options& o, nlohmann::json* json) {
  const absl::StatusOr<audit_report> report = run_audit(o.segment);
  if (!report.ok()) return fail("show", report.status(), o.json);
  if (json != nullptr) {
    (*json)["audit"] = {{"ok", report->status.ok()}, {"message", report->status.message()}};
  } else if (report->status.ok()) {
    std::cout << "\naudit: every byte and every name is accounted for\n";
  } else {
    std::cout << "\naudit: " << printable(report->status.message()) << "\n";
  }
  return report->status.ok() ? kOk : kIncompatible;
}

int run_show(const show_options& o) {
  const segment_view view = look_at(o.segment);
  if (view.is != standing::usable) return fail("show", view.why, o.json);
  if (!o.name.empty()) {
    const absl::StatusOr<structure_info> info = find(*view.mapped, o.name);
    if (!info.ok()) return fail("show", info.status(), o.json);
    if (o.json) {
      print_json(to_json(*view.mapped, *info));
    } else {
      print_one(*view.mapped, *info);
    }
    return kOk;
  }
  std::vector<structure_info> structures = list(*view.mapped, /*removed=*/true);
  std::ranges::sort(structures, {}, &structure_info::name);
  int result = kOk;
  if (o.json) {
    nlohmann::json j = to_json(view, structures);
    if (o.audit) result = print_audit(o, &j);
    if (!o.audit || j.contains("audit")) print_json(j);
    return result;
  }
  print_header(view);
  print_participants(view);
  print_structures(*view.mapped, structures);
  return o.audit ? print_audit(o, nullptr) : result;
}

}  // namespace

void add_show(CLI::App& app) {
  auto options = std::make_shared<show_options>();
  CLI::App* command = add_command(
      app, "show", "Show what is in a segment, or one structure in it.",
      "  zeroipc show /logs               # its header, who is attached, what is in it\n"
      "  zeroipc show /logs lines         # one queue: items, leases, redeliveries, waits\n"
      "  zeroipc show --audit /logs       # and check every block and every name\n"
      "  zeroipc show --json /logs | jq '.structures[].queue.depth'\n"
      "\n"
      "Looking joins nothing and wakes nobody, except with --audit, which joins for a moment, "
      "settles what dead\n"
      "processes left half-done, and exits with 4 if something is not accounted for.\n",
      [options] { return run_show(*options); });
  command->add_option("SEGMENT", options->segment, "A name in /dev/shm or the path of a file.")
      ->required();
  command->add_option("NAME", options->name, "A structure in it.");
  command->add_flag("--audit", options->audit,
                    "Check that every byte and every name is accounted for.");
  command->add_flag("--json", options->json, "Print JSON.");
}

}  // namespace zeroipc::tools
