// One process's way into the control plane of a segment: the lock, and the repair of what a dead
// owner left.
//
// Blocking, and meant to be: creating, removing and freeing are rare. The data plane never comes
// here. A live process that is stopped while it holds the lock holds up the others (nothing is
// taken from the living); they give up after `control_patience()` with Unavailable, which names the
// holder.
//
// Crash safety: the lock is inherited from the dead (wait/robust_lock.h), and whoever enters
// settles the journal first.
#ifndef ZEROIPC_HEAP_CONTROL_PLANE_H_
#define ZEROIPC_HEAP_CONTROL_PLANE_H_

#include <atomic>
#include <cstdint>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "zeroipc/heap/control_block.h"
#include "zeroipc/segment/segment.h"

namespace zeroipc::internal {

// How long entering waits for a live holder, in nanoseconds. Process-wide.
std::atomic<int64_t>& control_patience();

inline control_block& control_of(const attachment& segment) {
  return *reinterpret_cast<control_block*>(segment.base + segment.geometry.control_offset);
}

// The control lock, held. Not reentrant: a second one in the same thread (from an initializer, say)
// is refused with FailedPrecondition instead of blocking for ever.
class control_session {
 public:
  // PermissionDenied on a read-only segment; Unavailable; FailedPrecondition; DataLoss if the
  // journal is corrupt.
  static absl::StatusOr<control_session> enter(const attachment& segment);
  ~control_session();
  control_session(control_session&& other) noexcept
      : segment_(std::exchange(other.segment_, nullptr)) {}
  control_session& operator=(control_session&&) = delete;

  const attachment& segment() const { return *segment_; }
  participant& env() const { return *segment_->self; }
  control_block& block() const { return control_of(*segment_); }

 private:
  explicit control_session(const attachment& segment) : segment_(&segment) {}
  const attachment* segment_;
};

}  // namespace zeroipc::internal

#endif  // ZEROIPC_HEAP_CONTROL_PLANE_H_
