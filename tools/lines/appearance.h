// Waiting for a segment, and a queue in it, that another process has yet to make.
#ifndef ZEROIPC_TOOLS_LINES_APPEARANCE_H_
#define ZEROIPC_TOOLS_LINES_APPEARANCE_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "zeroipc/name_table/name_table.h"
#include "zeroipc/segment/segment.h"

namespace zeroipc::tools {

struct appeared {
  memory mem;
  structure_info queue;
};

// DeadlineExceeded, saying what is missing, if it has not appeared by then. What is there and cannot be used is an error at
// once. Says on stderr what it waits for when that takes longer than a second, if that is a terminal.
absl::StatusOr<appeared> wait_for_queue(const std::string& segment, const std::string& name,
                                        absl::Time until);

}  // namespace zeroipc::tools

#endif  // ZEROIPC_TOOLS_LINES_APPEARANCE_H_
