// What a file is to ZeroIPC, found out without joining it: nobody is woken, no slot is taken, no page of it comes into being
// that was not there, and a segment that its last participant removes is not removed by having been looked at.
#ifndef ZEROIPC_TOOLS_INSPECT_SEGMENT_VIEW_H_
#define ZEROIPC_TOOLS_INSPECT_SEGMENT_VIEW_H_

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "zeroipc/heap/heap.h"
#include "zeroipc/participant/participant.h"
#include "zeroipc/segment/segment.h"

namespace zeroipc::tools {

enum class standing {
  usable,
  foreign,     // no ZeroIPC segment
  unusable,    // one by its first bytes, but damaged, cut short or of another version
  unreadable,  // permissions
  missing,
};
std::string_view standing_name(standing s);

struct segment_view {
  std::string name;  // as `memory::open` takes it
  standing is = standing::missing;
  absl::Status why;  // not OK unless usable
  uint64_t file_bytes = 0;
  uint64_t resident_bytes = 0;
  mode_t mode = 0;
  uid_t owner = 0;

  // Only where `is` is usable.
  std::optional<memory> mapped;  // read-only
  uint32_t version = 0;
  uint32_t flags = 0;  // internal::segment_flag
  uint64_t id = 0;
  int64_t created_ns = 0;
  fence_mode fences = fence_mode::symmetric;
  uint32_t deaths = 0;  // noticed since creation
  std::vector<internal::participant_info> participants;
  heap_stats heap;
  uint64_t names = 0;

  // Live participants, as "pid 17 (worker), pid 18 (worker)".
  std::string who_is_attached() const;
  int live() const;
  int dead() const { return static_cast<int>(participants.size()) - live(); }
};

segment_view look_at(std::string_view name);

// The segment names of all regular files in /dev/shm, sorted.
std::vector<std::string> shared_memory_names();

}  // namespace zeroipc::tools

#endif  // ZEROIPC_TOOLS_INSPECT_SEGMENT_VIEW_H_
