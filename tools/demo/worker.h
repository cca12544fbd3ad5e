// One worker process of the demo: leases a file, counts it, reports, acks, until the queue is closed and drained.
#ifndef ZEROIPC_TOOLS_DEMO_WORKER_H_
#define ZEROIPC_TOOLS_DEMO_WORKER_H_

#include <sys/types.h>

#include <cstdint>
#include <string>

namespace zeroipc::demo {

struct worker_options {
  std::string segment;
  std::string root;
  pid_t coordinator = 0;
  uint32_t process = 0;
};

// Returns the exit code.
int run_worker(const worker_options& options);

}  // namespace zeroipc::demo

#endif  // ZEROIPC_TOOLS_DEMO_WORKER_H_
