// The segment of one run of a demo: under a name that no other run has, and gone when the run is over.
#ifndef ZEROIPC_TOOLS_DEMO_OWN_SEGMENT_H_
#define ZEROIPC_TOOLS_DEMO_OWN_SEGMENT_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "zeroipc/segment/segment.h"

namespace zeroipc::demo {

// Removes what earlier runs left that were killed with all their processes.
void sweep_segments_of_the_dead();

class own_segment {
 public:
  own_segment();
  // Removes it.
  ~own_segment();
  own_segment(const own_segment&) = delete;
  own_segment& operator=(const own_segment&) = delete;

  const std::string& name() const { return name_; }
  absl::Status create(size_t bytes, const memory_options& options);
  // REQUIRES: it was created.
  const memory& mem() const { return *memory_; }
  absl::Status remove();

 private:
  std::string name_;
  std::optional<memory> memory_;
};

}  // namespace zeroipc::demo

#endif  // ZEROIPC_TOOLS_DEMO_OWN_SEGMENT_H_
