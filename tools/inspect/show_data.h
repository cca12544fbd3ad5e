// The figures of structures other than queues, read out of their headers whatever their elements are, without joining
// the segment.
#ifndef ZEROIPC_TOOLS_INSPECT_SHOW_DATA_H_
#define ZEROIPC_TOOLS_INSPECT_SHOW_DATA_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "zeroipc/name_table/name_table.h"
#include "zeroipc/segment/segment.h"

namespace zeroipc::tools {

// Who reads a stream, and how far he has come.
struct reader_summary {
  std::string name;  // empty: he passes by
  uint64_t position = 0;
  uint64_t behind = 0;
  std::string owner;  // "slot 2", or "nobody"
};

struct data_summary {
  std::string line;  // for a table: "3 of 64 in use"
  std::vector<std::pair<std::string_view, uint64_t>> figures;
  std::vector<reader_summary> readers = {};
};

// Whether there is a summary for that kind.
bool has_data_summary(kind what);
// DataLoss if what stands there cannot be a structure of its kind.
absl::StatusOr<data_summary> look_at_data(const memory& mem, const structure_info& info);

}  // namespace zeroipc::tools

#endif  // ZEROIPC_TOOLS_INSPECT_SHOW_DATA_H_
