// Taking a slot, leaving it, passing one on to a forked child, and telling who has none any more.
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "zeroipc/participant/fork.h"
#include "zeroipc/participant/participant.h"
#include "zeroipc/participant/watcher.h"
#include "zeroipc/wait/futex.h"

namespace zeroipc::internal {
namespace {

struct flock token_byte(uint32_t slot, short type) {
  struct flock lock {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = static_cast<off_t>(kLivenessOffset + slot);
  lock.l_len = 1;
  return lock;
}

bool held_by_another(int fd, uint32_t slot) {
  // Asks with a read lock, so that only the holder's write lock conflicts.
  struct flock lock = token_byte(slot, F_RDLCK);
  // On an error nothing is known, and the live must not be taken for dead.
  return ::fcntl(fd, F_OFD_GETLK, &lock) != 0 || lock.l_type != F_UNLCK;
}

std::string read_file(const char* path) {
  char buffer[1024];
  const int fd = ::open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return {};
  const ssize_t n = ::read(fd, buffer, sizeof buffer);
  ::close(fd);
  return n > 0 ? std::string(buffer, static_cast<size_t>(n)) : std::string();
}

uint64_t own_start_time() {
  const std::string stat = read_file("/proc/self/stat");
  const size_t after_name = stat.rfind(')');
  if (after_name == stat.npos) return 0;
  size_t at = after_name;
  for (int field = 2; field < 22 && at != stat.npos; ++field) at = stat.find(' ', at + 1);
  return at == stat.npos ? 0 : std::strtoull(stat.c_str() + at, nullptr, 10);
}

std::string own_name() {
  std::string name = read_file("/proc/self/comm");
  if (name.empty()) name = program_invocation_short_name;
  return name.substr(0, name.find('\n'));
}

int64_t wall_clock_ns() {
  timespec now;
  ::clock_gettime(CLOCK_REALTIME, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

}  // namespace

// Whether the slot is ours now. Whoever's it was is announced as dead while its token is still free: were the byte locked
// by us first, a waiter would read "attached, and the token is held" and sleep on the word that has just been moved.
absl::StatusOr<bool> participant::try_take(int fd, uint32_t i) {
  for (;;) {
    const uint32_t before = slots_[i].state.load(std::memory_order_acquire);
    if (participant_slot::is_unannounced(before)) {
      if (held_by_another(fd, i)) return false;
      announce_death(i, before);
    }
    struct flock lock = token_byte(i, F_WRLCK);
    if (::fcntl(fd, F_OFD_SETLK, &lock) != 0) {
      if (errno == EAGAIN || errno == EACCES) return false;
      return absl::ErrnoToStatus(errno, absl::StrCat("segment ", segment_name_,
                                                     ": its file system gives no liveness lock"));
    }
    if (!participant_slot::is_unannounced(slots_[i].state.load(std::memory_order_acquire)))
      return true;
    // Somebody has joined and died in between, and our lock made it look alive to those who have just been told.
    lock = token_byte(i, F_UNLCK);
    ::fcntl(fd, F_OFD_SETLK, &lock);
    tell_sleepers();
  }
}

// Taking the byte's lock claims the slot, and the kernel gives it back with the process: killed at any point here, the
// slot is either untouched or left `attached` by a tag whose token is free, which is what dead looks like.
absl::StatusOr<participant::membership> participant::take_slot(int32_t pid) {
  if (!register_for_fences(fences_)) {
    return absl::FailedPreconditionError(absl::StrCat(
        "segment ", segment_name_,
        ": it relies on membarrier(2), which this process may not call (a seccomp filter?); "
        "create the segment with memory_options::symmetric_fences"));
  }
  membership m;
  m.fd = reopen_();
  if (m.fd < 0) {
    return absl::ErrnoToStatus(
        errno, absl::StrCat("segment ", segment_name_,
                            ": cannot open its file a second time, for the liveness lock",
                            errno == ENOENT ? " (is /proc mounted?)" : ""));
  }
  const auto fail = [&](absl::Status status) {
    ::close(m.fd);
    return status;
  };
  const uint32_t n = geometry_.max_participants;
  uint32_t slot = n;
  // First the slots that look free, which costs one system call; then those of the unnoticed dead.
  for (int pass = 0; pass < 2 && slot == n; ++pass) {
    for (uint32_t i = 0; i < n && slot == n; ++i) {
      // One without a pulse may have died unwatched, so that nobody will ever announce it.
      if (pass == 0 &&
          participant_slot::is_unannounced(slots_[i].state.load(std::memory_order_relaxed)) &&
          slots_[i].pulse.load(std::memory_order_relaxed) != 0) {
        continue;
      }
      const absl::StatusOr<bool> taken = try_take(m.fd, i);
      if (!taken.ok()) return fail(taken.status());
      if (*taken) slot = i;
    }
  }
  if (slot == n) {
    return fail(absl::ResourceExhaustedError(
        absl::StrCat("segment ", segment_name_, ": all ", n,
                     " participant slots are held by live processes; "
                     "memory_options::max_participants sets their number")));
  }

  participant_slot& mine = slots_[slot];
  const uint32_t before = mine.state.load(std::memory_order_acquire);
  uint32_t generation = (participant_slot::generation_of(before) + 1) % owner_tag::kGenerations;
  if (generation == 0) generation = 1;
  m.tag = owner_tag(slot, generation);

  const uint64_t row_words = geometry_.hold_row_bytes() / 8;
  const uint64_t used =
      std::min<uint64_t>(mine.hold_words.load(std::memory_order_relaxed), row_words);
  for (uint64_t i = 0; i < used; ++i) hold_row(slot)[i].store(0, std::memory_order_relaxed);
  mine.hold_words.store(0, std::memory_order_relaxed);
  mine.pulse.store(0, std::memory_order_relaxed);
  mine.pid.store(pid, std::memory_order_relaxed);
  mine.start_time.store(pid != 0 ? own_start_time() : 0, std::memory_order_relaxed);
  mine.attached_ns.store(wall_clock_ns(), std::memory_order_relaxed);
  mine.write_name(own_name());

  // The holds that a forked child inherits. The parent has them too until the fork is over.
  const auto held = static_cast<uint64_t>(
      std::find_if(holds_.rbegin(), holds_.rend(), [](uint32_t n) { return n != 0; }).base() -
      holds_.begin());
  if (held != 0) {
    if ((header_->flags & kReserve) != 0) {
      const auto begin =
          static_cast<off_t>(geometry_.holds_offset + slot * geometry_.hold_row_bytes());
      int failed;
      do {
        failed = ::posix_fallocate(m.fd, begin, static_cast<off_t>((held + 63) / 64 * 8));
      } while (failed == EINTR);
      if (failed == ENOSPC) {
        return fail(absl::ResourceExhaustedError(
            absl::StrCat("segment ", segment_name_, ": no pages for the holds of a forked child")));
      }
    }
    mine.hold_words.store(static_cast<uint32_t>((held + 63) / 64), std::memory_order_relaxed);
    for (uint64_t i = 0; i < held; ++i) {
      if (holds_[i] == 0) continue;
      hold_row(slot)[i / 64].fetch_or(uint64_t{1} << (i % 64), std::memory_order_seq_cst);
    }
  }

  uint32_t high = header_->participants_high_water.load(std::memory_order_relaxed);
  while (high < slot + 1 && !header_->participants_high_water.compare_exchange_weak(
                                high, slot + 1, std::memory_order_acq_rel)) {
  }
  // Release: whoever sees the new generation sees the slot's fields and its hold row.
  mine.state.store(participant_slot::pack(generation, slot_state::attached),
                   std::memory_order_release);
  return m;
}

void participant::adopt(membership m) {
  lock_fd_ = m.fd;
  tag_.store(m.tag.bits(), std::memory_order_relaxed);
  key_.store(process_participants::next_key(), std::memory_order_relaxed);
}

// Leaving is to what a process still held what dying is: its tag is dead, and whoever waits for it is told.
void participant::leave() {
  const owner_tag self = tag();
  participant_slot& slot = slots_[self.slot()];
  const uint32_t n = threads_in_use();
  for (uint32_t i = 0; i < n; ++i) {
    thread_record<hardware>& record = threads_[i];
    if (record.owner.load(std::memory_order_relaxed) != self.bits()) continue;
    record.ready.store(0, std::memory_order_release);
    record.owner.store(0, std::memory_order_release);
  }
  spare_records_.clear();
  // Killed from here on, with the watcher's pulse still beating: another watcher finds `leaving` and announces it.
  slot.state.store(participant_slot::pack(self.generation(), slot_state::leaving),
                   std::memory_order_release);
  tell_sleepers();
  watcher_.reset();
  watched_.store(false, std::memory_order_relaxed);
  slot.state.store(participant_slot::pack(self.generation(), slot_state::free),
                   std::memory_order_release);
  tag_.store(0, std::memory_order_relaxed);
  announce_membership();
}

void participant::before_fork() {
  mutex_.lock();
  if (!member_) return;
  // A child that gets no slot has no tag, and every operation of its handles answers `exhausted`.
  if (absl::StatusOr<membership> taken = take_slot(0); taken.ok()) child_ = *taken;
}

void participant::after_fork_in_parent() {
  if (child_.fd >= 0) {
    // The lock goes with its last file descriptor: it is the child's alone now.
    ::close(child_.fd);
    participant_slot& slot = slots_[child_.tag.slot()];
    uint32_t state = participant_slot::pack(child_.tag.generation(), slot_state::attached);
    if (slot.pid.load(std::memory_order_relaxed) == 0 && !token_held(child_.tag.slot())) {
      // There is no child, or it was killed before it could have claimed anything.
      slot.state.compare_exchange_strong(
          state, participant_slot::pack(child_.tag.generation(), slot_state::free),
          std::memory_order_acq_rel);
    }
    child_ = membership();
  }
  mutex_.unlock();
}

void participant::after_fork_in_child() {
  // The parent's lock belongs to the open file, not to the process: keeping it open would keep a dead parent alive.
  if (lock_fd_ >= 0) ::close(lock_fd_);
  spare_records_.clear();
  if (watcher_ != nullptr) {
    watcher_->abandon();
    watcher_.reset();
  }
  // The watcher starts with the child's first operation: most children only exec.
  watched_.store(false, std::memory_order_relaxed);
  if (child_.tag) {
    slots_[child_.tag.slot()].pid.store(::getpid(), std::memory_order_relaxed);
    slots_[child_.tag.slot()].start_time.store(own_start_time(), std::memory_order_relaxed);
  }
  register_for_fences(fences_);  // cannot fail where it succeeded for the parent
  adopt(child_);
  child_ = membership();
  mutex_.unlock();
}

bool participant::token_held(uint32_t slot) const { return held_by_another(lock_fd_, slot); }

bool participant::is_dead(owner_tag who) const {
  if (who == tag() && who) return false;
  if (who.slot() >= geometry_.max_participants) return true;
  const participant_slot& slot = slots_[who.slot()];
  const uint32_t attached = participant_slot::pack(who.generation(), slot_state::attached);
  if (slot.state.load(std::memory_order_acquire) != attached) return true;
  // A tag whose slot this process has taken over since fails the comparison above, so the kernel is never asked about a
  // lock of our own, which it would not report.
  if (!token_held(who.slot())) return true;
  // The lock may be the next tenant's by now.
  return slot.state.load(std::memory_order_acquire) != attached;
}

// Sleepers are told before the slot says so: an announcer killed in between leaves the slot as it was, and the next watcher
// announces again. Whoever looks after the epoch has moved finds the token free, and so the tag dead, until the slot says it.
void participant::announce_death(uint32_t slot, uint32_t state_word) {
  tell_sleepers();
  const uint32_t dead =
      participant_slot::pack(participant_slot::generation_of(state_word), slot_state::dead);
  if (slots_[slot].state.compare_exchange_strong(state_word, dead, std::memory_order_acq_rel)) {
    header_->deaths.fetch_add(1, std::memory_order_relaxed);
    // Once more: whoever looked in between may have found the token in the hands of a newcomer and the dead alive.
    tell_sleepers();
  }
}

void participant::tell_sleepers() {
  header_->death_epoch.fetch_add(1, std::memory_order_acq_rel);
  futex_wake(header_->death_epoch, INT_MAX);
}

void participant::announce_membership() {
  header_->membership_epoch.fetch_add(1, std::memory_order_acq_rel);
  futex_wake(header_->membership_epoch, INT_MAX);
}

int participant::notice_deaths() {
  int noticed = 0;
  const uint32_t n = slots_in_use();
  for (uint32_t i = 0; i < n; ++i) {
    const uint32_t state = slots_[i].state.load(std::memory_order_acquire);
    if (!participant_slot::is_unannounced(state) || (tag() && i == tag().slot()) || token_held(i))
      continue;
    announce_death(i, state);
    ++noticed;
  }
  return noticed;
}

}  // namespace zeroipc::internal
