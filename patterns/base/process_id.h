// Who a process of a segment is, in four bytes that can lie in shared memory, and whether it still lives.
#ifndef ZEROIPC_PATTERNS_BASE_PROCESS_ID_H_
#define ZEROIPC_PATTERNS_BASE_PROCESS_ID_H_

#include <cstdint>

#include "zeroipc/segment/segment.h"

namespace zeroipc::patterns {

// Right across the reuse of PIDs, and in any PID namespace; all zero bytes: nobody.
struct ProcessId {
  uint32_t bits = 0;

  explicit operator bool() const { return bits != 0; }
  friend bool operator==(ProcessId, ProcessId) = default;
};

// This one; nobody in a forked child that could not join the segment.
ProcessId this_process(const memory& mem);
// Whether it has ended or left the segment. Nobody is dead.
bool is_dead(const memory& mem, ProcessId who);

}  // namespace zeroipc::patterns

#endif  // ZEROIPC_PATTERNS_BASE_PROCESS_ID_H_
