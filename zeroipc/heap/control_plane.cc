#include "zeroipc/heap/control_plane.h"

#include <chrono>

#include "absl/strings/str_cat.h"
#include "zeroipc/base/deadline.h"
#include "zeroipc/heap/journal.h"

namespace zeroipc::internal {
namespace {

constinit thread_local bool inside = false;

absl::Status held_too_long(const attachment& segment, owner_tag holder) {
  std::string who = absl::StrCat("participant ", holder.slot());
  for (const participant_info& p : segment.self->list()) {
    if (p.slot == holder.slot() && p.generation == holder.generation()) {
      absl::StrAppend(&who, ", process ", p.pid, " (", p.name, ")");
    }
  }
  return absl::UnavailableError(
      absl::StrCat("segment ", segment.name, ": the control lock has been held for ",
                   control_patience().load(std::memory_order_relaxed) / 1'000'000, " ms by ", who,
                   ", which is alive; is it stopped?"));
}

}  // namespace

std::atomic<int64_t>& control_patience() {
  static std::atomic<int64_t> ns{int64_t{60} * 1'000'000'000};
  return ns;
}

absl::StatusOr<control_session> control_session::enter(const attachment& segment) {
  if (segment.read_only || segment.self == nullptr) {
    return absl::PermissionDeniedError(
        absl::StrCat("segment ", segment.name,
                     " is mapped read-only: nothing can be created, opened "
                     "or removed through it"));
  }
  if (inside) {
    return absl::FailedPreconditionError(absl::StrCat(
        "segment ", segment.name,
        ": structures cannot be created or removed from within an initializer of another"));
  }
  control_block& block = control_of(segment);
  participant& env = *segment.self;
  if (block.lock.try_lock(env) == lock_result::busy) {
    const deadline until = deadline::after(
        std::chrono::nanoseconds(control_patience().load(std::memory_order_relaxed)));
    if (block.lock.lock(env, until) == lock_result::busy) {
      // Relaxed: for display.
      const uint32_t bits = block.lock.owner.load(std::memory_order_relaxed);
      return held_too_long(segment, owner_tag::from_bits(bits));
    }
  }
  inside = true;
  control_session session(segment);
  // Whatever the lock said about its last owner: the journal is the truth, and looking costs one
  // load.
  if (block.journal.state.load(std::memory_order_acquire) != 0) [[unlikely]] {
    const absl::Status recovered = recover_journal(segment.base, segment.geometry);
    if (!recovered.ok()) {
      return absl::DataLossError(absl::StrCat("segment ", segment.name, ": ", recovered.message()));
    }
  }
  return session;
}

control_session::~control_session() {
  if (segment_ == nullptr) return;
  inside = false;
  block().lock.unlock(env());
}

}  // namespace zeroipc::internal
