#include "zeroipc/base/error.h"

#include <cstdio>
#include <cstdlib>
#include <string>

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

}  // namespace internal
}  // namespace zeroipc
