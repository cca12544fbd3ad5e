// The exception that constructors throw, and the one place that throws it.
//
// Everything that can fail outside the data plane has a factory returning absl::Status or absl::StatusOr; the throwing
// constructors are a convenience over the factories. In a program built with -fno-exceptions the same constructors end
// the process with the message instead.
#ifndef ZEROIPC_BASE_ERROR_H_
#define ZEROIPC_BASE_ERROR_H_

#include <stdexcept>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace zeroipc {

class error : public std::runtime_error {
 public:
  explicit error(absl::Status status);
  const absl::Status& status() const { return status_; }

 private:
  absl::Status status_;
};

namespace internal {

// Throws zeroipc::error; where this library itself was built with -fno-exceptions, prints the message and aborts. Not
// inline, so that translation units built either way agree on it.
[[noreturn]] void raise(absl::Status status);

// Why a forked child that could not join the segment cannot have what it asked for.
absl::Status not_joined(std::string_view kind, std::string_view name);

inline void raise_if_error(absl::Status status) {
  if (!status.ok()) raise(std::move(status));
}

template <typename T>
T value_or_raise(absl::StatusOr<T> value) {
  if (!value.ok()) raise(std::move(value).status());
  return *std::move(value);
}

}  // namespace internal
}  // namespace zeroipc

#endif  // ZEROIPC_BASE_ERROR_H_
