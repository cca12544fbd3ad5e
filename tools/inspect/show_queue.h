// A queue's figures, read out of its header whatever its elements are, without joining the segment.
#ifndef ZEROIPC_TOOLS_INSPECT_SHOW_QUEUE_H_
#define ZEROIPC_TOOLS_INSPECT_SHOW_QUEUE_H_

#include <string_view>

#include "absl/status/statusor.h"
#include "zeroipc/name_table/name_table.h"
#include "zeroipc/queue/queue.h"

namespace zeroipc::tools {

// Of a queue, or a buffered channel, which is one. DataLoss if what stands there cannot be that. `depth` leaves items out that were put back into the ring, and counts
// tombstones: telling them apart takes a walk over the slots.
absl::StatusOr<queue_stats> look_at_queue(const memory& mem, const structure_info& info);

std::string_view policy_name(uint8_t variant);

}  // namespace zeroipc::tools

#endif  // ZEROIPC_TOOLS_INSPECT_SHOW_QUEUE_H_
