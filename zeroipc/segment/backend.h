// Where a segment's bytes come from: a name in /dev/shm, a file, or a memfd.
//
// A new segment is laid out in a file that has no name yet and is then given its name by one system call, which fails if
// the name exists. So there is no state between "no segment" and "a whole segment", and nothing to clean up after a
// creator that died.
#ifndef ZEROIPC_SEGMENT_BACKEND_H_
#define ZEROIPC_SEGMENT_BACKEND_H_

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace zeroipc::internal {

// A file descriptor that closes itself.
class unique_fd {
 public:
  unique_fd() = default;
  explicit unique_fd(int fd) : fd_(fd) {}
  unique_fd(unique_fd&& other) noexcept : fd_(other.release()) {}
  unique_fd& operator=(unique_fd&& other) noexcept;
  ~unique_fd();
  int get() const { return fd_; }
  int release() {
    const int fd = fd_;
    fd_ = -1;
    return fd;
  }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

// The file a segment name stands for: "/app" and "app" are in /dev/shm, a name with a directory is a path as it is.
// InvalidArgument for a name that cannot be one.
absl::StatusOr<std::string> backing_path(std::string_view name);

// The same from the root directory on, so that a later chdir(2) does not change what it stands for.
std::string absolute_path(const std::string& path);

// NotFound, PermissionDenied, FailedPrecondition (not a regular file).
absl::StatusOr<unique_fd> open_backing(std::string_view name, bool read_only);

// PermissionDenied unless whoever could have written to the file is somebody who would be let in by `mode`: this user and
// root by 0600, the group's members by 0660, everyone by 0666.
absl::Status check_trusted(int fd, std::string_view name, mode_t mode);

// A nameless file of `size` bytes beside `path`; publish_backing() names it. ResourceExhausted if there is no room for it.
struct nameless_file {
  unique_fd fd;
  std::string temporary;  // its passing name, where the file system has no nameless files
};
absl::StatusOr<nameless_file> make_nameless(std::string_view name, const std::string& path,
                                            uint64_t size, mode_t mode);
// AlreadyExists if the name was taken in the meantime. `fd` is the nameless file's.
absl::Status publish_backing(std::string_view name, const std::string& path, int fd,
                             const std::string& temporary);

absl::StatusOr<unique_fd> make_memfd(std::string_view name, uint64_t size);

absl::Status unlink_backing(std::string_view name);

// An absl::Status for errno `error`, saying what was being done to which segment.
absl::Status errno_status(int error, std::string_view name, std::string_view doing);

}  // namespace zeroipc::internal

#endif  // ZEROIPC_SEGMENT_BACKEND_H_
