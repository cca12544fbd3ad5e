#include "zeroipc/base/error.h"

#include <cstdio>
#include <cstdlib>
#include <string>

namespace zeroipc {

error::error(absl::Status status)
    : std::runtime_error(std::string(status.message())), status_(std::move(status)) {}

namespace internal {

void die(const absl::Status& status) {
  std::fprintf(stderr, "zeroipc: %s\n", status.ToString().c_str());
  std::abort();
}

}  // namespace internal
}  // namespace zeroipc
