#include "zeroipc/base/asymmetric_fence.h"

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace zeroipc::internal {
namespace {

long membarrier(int command) { return ::syscall(SYS_membarrier, command, 0, 0); }

}  // namespace

fence_mode supported_fence_mode() {
  static const fence_mode mode = [] {
    const long commands = membarrier(MEMBARRIER_CMD_QUERY);
    const bool expedited = commands > 0 && (commands & MEMBARRIER_CMD_GLOBAL_EXPEDITED) != 0;
    return expedited ? fence_mode::asymmetric : fence_mode::symmetric;
  }();
  return mode;
}

bool register_for_fences(fence_mode mode) {
  return mode == fence_mode::symmetric || membarrier(MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED) == 0;
}

void heavy_fence(fence_mode mode) {
  std::atomic_thread_fence(std::memory_order_seq_cst);
  // Cannot fail after a successful registration.
  if (mode == fence_mode::asymmetric) membarrier(MEMBARRIER_CMD_GLOBAL_EXPEDITED);
}

}  // namespace zeroipc::internal
