// What stands in an entry, in private memory, and in words for people.
#ifndef ZEROIPC_NAME_TABLE_DESCRIBE_H_
#define ZEROIPC_NAME_TABLE_DESCRIBE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "zeroipc/name_table/lookup.h"
#include "zeroipc/name_table/name_table.h"

namespace zeroipc::internal {

// An entry's fields, copied. Torn if the entry was freed meanwhile: compare `state` with the
// entry's afterwards.
struct entry_copy {
  explicit entry_copy(const name_entry& entry);
  bool still(const name_entry& entry) const {
    return entry.state.load(std::memory_order_relaxed) == state;
  }
  // Whether the memory it names lies within the heap.
  bool in_bounds(const segment_geometry& g) const {
    return offset >= g.heap_offset && offset < g.size && offset % kCacheLine == 0 &&
           info.bytes <= g.size - offset;
  }

  uint64_t state;
  uint64_t offset;
  uint64_t fingerprint;
  std::string variant_name;
  structure_info info;  // without holders
};

// "queue<Task> (mpmc, elements of 48 bytes aligned to 8)".
std::string describe(kind what, std::string_view type_name, std::string_view variant_name,
                     uint8_t variant, uint32_t size, uint32_t align);

// FailedPrecondition naming both sides, if `type` cannot be used with what the entry holds.
absl::Status check_type(const attachment& segment, std::string_view name, const entry_copy& found,
                        const structure_type& wanted);

absl::Status check_name(const attachment& segment, std::string_view name);

// How many live processes hold entry `index`; made once for many entries.
class holder_counter {
 public:
  explicit holder_counter(const attachment& segment);
  uint32_t count(uint32_t index) const;

 private:
  const attachment& segment_;
  std::vector<uint32_t> slots_;  // of live participants
};

}  // namespace zeroipc::internal

#endif  // ZEROIPC_NAME_TABLE_DESCRIBE_H_
