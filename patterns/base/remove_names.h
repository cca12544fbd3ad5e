// Taking away the names of a pattern's structures, all of them.
#ifndef ZEROIPC_PATTERNS_BASE_REMOVE_NAMES_H_
#define ZEROIPC_PATTERNS_BASE_REMOVE_NAMES_H_

#include <span>
#include <string>

#include "absl/status/status.h"
#include "zeroipc/segment/segment.h"

namespace zeroipc::patterns {

// In that order: first what is opened first, so that nobody finds a half of it. One that is not there is no error, for another may be at it,
// or have died at it. The first error that is one.
absl::Status remove_names(const memory& mem, std::span<const std::string> names);

}  // namespace zeroipc::patterns

#endif  // ZEROIPC_PATTERNS_BASE_REMOVE_NAMES_H_
