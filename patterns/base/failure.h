// An error that lies in shared memory: a status with as much of its message as there is room for.
#ifndef ZEROIPC_PATTERNS_BASE_FAILURE_H_
#define ZEROIPC_PATTERNS_BASE_FAILURE_H_

#include <cstdint>

#include "absl/status/status.h"
#include "zeroipc/base/fixed_string.h"

namespace zeroipc::patterns {

struct Failure {
  int32_t code = 0;  // an absl::StatusCode; 0: none
  fixed_string<100> message;

  Failure() = default;
  explicit Failure(const absl::Status& why)
      : code(static_cast<int32_t>(why.code())), message(why.message()) {}

  explicit operator bool() const { return code != 0; }
  absl::Status status() const {
    return absl::Status(static_cast<absl::StatusCode>(code), message.view());
  }
};

}  // namespace zeroipc::patterns

#endif  // ZEROIPC_PATTERNS_BASE_FAILURE_H_
