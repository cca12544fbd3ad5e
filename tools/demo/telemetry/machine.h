// What this machine is doing, as its /proc tells it.
#ifndef ZEROIPC_TOOLS_DEMO_TELEMETRY_MACHINE_H_
#define ZEROIPC_TOOLS_DEMO_TELEMETRY_MACHINE_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace zeroipc::demo {

// Counters since the machine was started, but for memory.
struct reading {
  uint64_t number = 0;                              // counted from 0 by who reads
  int64_t at_ns = 0;                                // monotonic clock
  uint64_t cpu_busy = 0, cpu_total = 0;             // ticks of all processors
  uint64_t memory_total = 0, memory_available = 0;  // bytes
  uint64_t disk_bytes = 0;                          // read and written, of all disks
  uint64_t network_bytes = 0;                       // both ways, without the loopback

  friend bool operator==(const reading&, const reading&) = default;
};

// Without number and time. A kernel that tells nothing of disks or networks has moved no bytes. Errors: NotFound, DataLoss (not
// in the form that the kernel documents); they name the file.
absl::StatusOr<reading> read_machine(const std::string& proc);

// The parts of it, from a file's text; false if it is not in that form.
bool read_cpu(std::string_view stat, reading& into);
bool read_memory(std::string_view meminfo, reading& into);
void read_disks(std::string_view diskstats, reading& into);
void read_network(std::string_view dev, reading& into);

}  // namespace zeroipc::demo

#endif  // ZEROIPC_TOOLS_DEMO_TELEMETRY_MACHINE_H_
