// `zeroipc demo telemetry`.
#ifndef ZEROIPC_TOOLS_DEMO_TELEMETRY_TELEMETRY_H_
#define ZEROIPC_TOOLS_DEMO_TELEMETRY_TELEMETRY_H_

#include "CLI/CLI.hpp"

namespace zeroipc::tools {

// To the commands of `demo`; and what it starts its processes with to those of `app`.
void add_telemetry(CLI::App& demo, CLI::App& app);

}  // namespace zeroipc::tools

#endif  // ZEROIPC_TOOLS_DEMO_TELEMETRY_TELEMETRY_H_
