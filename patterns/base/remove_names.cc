#include "patterns/base/remove_names.h"

#include "zeroipc/name_table/name_table.h"

namespace zeroipc::patterns {

absl::Status remove_names(const memory& mem, std::span<const std::string> names) {
  absl::Status first;
  for (const std::string& name : names) {
    const absl::Status s = zeroipc::remove(mem, name);
    if (!s.ok() && !absl::IsNotFound(s) && first.ok()) first = s;
  }
  return first;
}

}  // namespace zeroipc::patterns
