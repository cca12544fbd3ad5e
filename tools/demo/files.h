// The files below a path, found once: what the demo counts.
#ifndef ZEROIPC_TOOLS_DEMO_FILES_H_
#define ZEROIPC_TOOLS_DEMO_FILES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace zeroipc::demo {

struct file_list {
  std::string root;                   // absolute
  std::vector<std::string> paths;     // relative to the root, sorted
  uint64_t bytes = 0;                 // of all, when they were listed
  std::vector<std::string> unlisted;  // directories that could not be read, with the reason
};

// All regular files below `path`, or itself if it is one. Symbolic links are not followed (`path` itself may be one), and
// .git is left out. NotFound, PermissionDenied; FailedPrecondition if it is neither a directory nor a regular file.
absl::StatusOr<file_list> list_files(const std::string& path);

// Where the demo was run: under `bazel run` the source tree, else the working directory.
std::string default_path();
// What the user meant by a relative path: under `bazel run` the working directory is not theirs.
std::string resolve(const std::string& path);

}  // namespace zeroipc::demo

#endif  // ZEROIPC_TOOLS_DEMO_FILES_H_
