// How a scene of the demo begins and ends, whatever it shows.
#ifndef ZEROIPC_TOOLS_DEMO_SCENE_H_
#define ZEROIPC_TOOLS_DEMO_SCENE_H_

#include <cstdint>
#include <optional>

#include "absl/status/status.h"

namespace zeroipc::demo {

uint64_t seed_or_random(std::optional<uint64_t> seed);

// Says why it did not come to its end; the exit code.
int report_failure(const absl::Status& status, bool json);

}  // namespace zeroipc::demo

#endif  // ZEROIPC_TOOLS_DEMO_SCENE_H_
