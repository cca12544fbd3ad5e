// `zeroipc ls`, `zeroipc show` and `zeroipc rm`.
#ifndef ZEROIPC_TOOLS_INSPECT_INSPECT_H_
#define ZEROIPC_TOOLS_INSPECT_INSPECT_H_

#include "CLI/CLI.hpp"

namespace zeroipc::tools {

void add_ls(CLI::App& app);
void add_show(CLI::App& app);
void add_rm(CLI::App& app);

}  // namespace zeroipc::tools

#endif  // ZEROIPC_TOOLS_INSPECT_INSPECT_H_
