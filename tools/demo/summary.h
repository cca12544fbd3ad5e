// What the demo says at its end: a table for people, or JSON.
#ifndef ZEROIPC_TOOLS_DEMO_SUMMARY_H_
#define ZEROIPC_TOOLS_DEMO_SUMMARY_H_

#include <ostream>

#include "nlohmann/json.hpp"
#include "tools/demo/coordinator.h"
#include "tools/demo/files.h"
#include "tools/demo/proof.h"

namespace zeroipc::demo {

struct account {
  const coordinator_options& options;
  const file_list& files;
  const coordinator& run;
  const plain_count& plain;
  const verdict& proof;
};

void print_summary(std::ostream& os, const account& a);
nlohmann::json summary_json(const account& a);

}  // namespace zeroipc::demo

#endif  // ZEROIPC_TOOLS_DEMO_SUMMARY_H_
