#include "zeroipc/base/error.h"

#include <cstdio>
#include <cstdlib>
#include <string>

#include "absl/strings/str_cat.h"

namespace zeroipc {

error::error(absl::Status status)
    : std::runtime_error(std::string(status.message())), status_(std::move(status)) {}

namespace internal {

void raise(absl::Status status) {
#if defined(__cpp_exceptions)
  throw error(std::move(status));
#else
  std::fprintf(stderr, "zeroipc: %s\n", status.ToString().c_str());
  std::abort();
#endif
}

absl::Status not_joined(std::string_view kind, std::string_view name) {
  return absl::ResourceExhaustedError(
      absl::StrCat(kind, " \"", name,
                   "\": this process, a forked child, could not join the segment, and so cannot "
                   "own anything in it"));
}

}  // namespace internal
}  // namespace zeroipc
