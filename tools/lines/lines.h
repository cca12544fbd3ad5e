// `zeroipc send` and `zeroipc receive`: shell commands joined by a queue.
#ifndef ZEROIPC_TOOLS_LINES_LINES_H_
#define ZEROIPC_TOOLS_LINES_LINES_H_

#include "CLI/CLI.hpp"

namespace zeroipc::tools {

void add_send(CLI::App& app);
void add_receive(CLI::App& app);

}  // namespace zeroipc::tools

#endif  // ZEROIPC_TOOLS_LINES_LINES_H_
