// Which senders a queue has, kept by the kernel: so that the last one to end knows that it is the last, and one that is
// killed is off the roll at once.
//
// Each sender holds a shared lock on one byte of the segment's file, far beyond its end (an open-file-description lock, as
// for liveness). Whoever can turn its own into an exclusive one is alone. Joining and leaving happen behind a door, a byte
// that one process at a time holds, since two that leave at once would each find the other's lock:
//
//   A: leaves (door held)          B: leaves (waits for the door)
//   exclusive? no, B is there
//   drops its lock, opens the door
//                                  exclusive? yes: B is the last, and closes the queue
#ifndef ZEROIPC_TOOLS_LINES_ROLL_H_
#define ZEROIPC_TOOLS_LINES_ROLL_H_

#include <cstdint>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "zeroipc/segment/segment.h"

namespace zeroipc::tools {

class roll {
 public:
  static absl::StatusOr<roll> of(const memory& mem);
  ~roll();
  roll(roll&& other) noexcept;
  roll& operator=(roll&&) = delete;

  // Calls `prepare` behind the door, and on OK puts this process on the roll of the queue at the offset it gives.
  absl::Status join(absl::FunctionRef<absl::StatusOr<uint64_t>()> prepare);
  // Takes it off, behind the door; calls `as_last` if nobody else is left.
  void leave(absl::FunctionRef<void()> as_last);

 private:
  explicit roll(int fd) : fd_(fd) {}
  int fd_;
  uint64_t byte_ = 0;
};

}  // namespace zeroipc::tools

#endif  // ZEROIPC_TOOLS_LINES_ROLL_H_
