// A file system so small that a test can fill it.
#ifndef ZEROIPC_TESTING_HARNESS_SMALL_FILE_SYSTEM_H_
#define ZEROIPC_TESTING_HARNESS_SMALL_FILE_SYSTEM_H_

#include <cstddef>
#include <string>

namespace zeroipc::harness {

// Mounts one of `bytes` on `directory`, which exists, for this process and those it forks from now on; there is no way back, so
// it is for a child. False where that is not permitted.
[[nodiscard]] bool mount_small_file_system(const std::string& directory, size_t bytes);

}  // namespace zeroipc::harness

#endif  // ZEROIPC_TESTING_HARNESS_SMALL_FILE_SYSTEM_H_
