// Is every byte and every name accounted for?
//
// Stops the control plane, settles what dead processes left, frees what only they held, and then
// walks everything: each block of the heap is free and in its list, or belongs to exactly one
// entry; each entry is in the one place that its state calls for. Used by tests and by `zeroipc
// show`. O(blocks + names), bounded whatever the segment holds.
#ifndef ZEROIPC_NAME_TABLE_AUDIT_H_
#define ZEROIPC_NAME_TABLE_AUDIT_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "zeroipc/heap/heap.h"
#include "zeroipc/segment/segment.h"

namespace zeroipc {

struct audit_report {
  absl::Status status;   // DataLoss with the first inconsistency, or OK
  uint64_t names = 0;    // that can be found
  uint64_t removed = 0;  // without a name, kept by live holders
  uint64_t free_entries = 0;
  uint64_t max_names = 0;
  heap_stats heap;
};

// An error if there was no looking: PermissionDenied (read-only), Unavailable.
absl::StatusOr<audit_report> audit(const memory& mem);

}  // namespace zeroipc

#endif  // ZEROIPC_NAME_TABLE_AUDIT_H_
