// `zeroipc demo`.
#ifndef ZEROIPC_TOOLS_DEMO_DEMO_H_
#define ZEROIPC_TOOLS_DEMO_DEMO_H_

#include "CLI/CLI.hpp"

namespace zeroipc::tools {

void add_demo(CLI::App& app);

}  // namespace zeroipc::tools

#endif  // ZEROIPC_TOOLS_DEMO_DEMO_H_
