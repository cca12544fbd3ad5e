#include "testing/evidence/evidence.h"

#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace zeroipc::testing {
namespace {

// For text of our own: structures, figures and remarks.
std::string json_string(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

}  // namespace

std::string_view name_of(instrument which) {
  switch (which) {
    case instrument::kill_sweep:
      return "kill sweep";
    case instrument::double_kill:
      return "double kills";
    case instrument::blocked_kill:
      return "killed while blocked";
    case instrument::explorer:
      return "interleavings";
    case instrument::weak_memory:
      return "weak memory";
    case instrument::linearizability:
      return "linearizability";
    case instrument::fuzzer:
      return "fuzzer";
    case instrument::scribbler:
      return "scribbler";
    case instrument::chaos:
      return "chaos";
  }
  return "?";
}

evidence::evidence(std::string_view structure, instrument which)
    : structure_(structure), which_(which) {}

evidence::~evidence() {
  if (::testing::Test::HasFailure()) return;
  std::string line =
      absl::StrCat("{\"structure\": ", json_string(structure_),
                   ", \"instrument\": ", json_string(name_of(which_)),
                   ", \"target\": ", json_string(environment("TEST_TARGET")),
                   ", \"full\": ", full_run() ? "true" : "false", ", \"figures\": {");
  std::string_view separator;
  for (const auto& [name, value] : figures_) {
    absl::StrAppend(&line, separator, json_string(name), ": ", value);
    separator = ", ";
  }
  line += "}, \"unproven\": [";
  separator = "";
  for (const std::string& what : unproven_) {
    absl::StrAppend(&line, separator, json_string(what));
    separator = ", ";
  }
  line += "]}";
  std::printf("[ evidence ] %s\n", line.c_str());
  const std::string outputs = environment("TEST_UNDECLARED_OUTPUTS_DIR");
  if (!outputs.empty()) std::ofstream(outputs + "/evidence.jsonl", std::ios::app) << line << '\n';
}

evidence& evidence::figure(std::string_view name, uint64_t value) {
  figures_.emplace_back(name, value);
  return *this;
}

evidence& evidence::unproven(std::string_view what) {
  unproven_.emplace_back(what);
  return *this;
}

bool full_run() {
  static const bool full = environment("ZEROIPC_LAB") == "full";
  return full;
}

}  // namespace zeroipc::testing
