// Mapping and joining an open segment file: what every way of opening a segment ends in.
#ifndef ZEROIPC_SEGMENT_ATTACH_H_
#define ZEROIPC_SEGMENT_ATTACH_H_

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "zeroipc/segment/backend.h"
#include "zeroipc/segment/segment.h"

namespace zeroipc::internal {

struct attach_request {
  std::string_view name;  // as the caller wrote it, for messages
  std::string path;       // absolute; empty for a memfd
  bool read_only = false;
  bool fresh =
      false;  // just laid out, and nobody else has seen it: it has no name yet, and none is missing
};

// Maps and joins an open file. In one process there is one attachment per file and access, shared by all who ask while it
// lives. Different files are attached in parallel.
absl::StatusOr<std::shared_ptr<attachment>> attach_fd(unique_fd fd, const attach_request& request);

// A file descriptor with an open file description of its own, of the file that `fd` stands for; -1 and errno, ENOENT where
// /proc is not mounted.
int reopen_fd(int fd);

}  // namespace zeroipc::internal

#endif  // ZEROIPC_SEGMENT_ATTACH_H_
