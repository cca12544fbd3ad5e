#include "zeroipc/participant/watcher.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "zeroipc/wait/futex.h"

namespace zeroipc::internal {
namespace {

constexpr size_t kMaxWatched = 120;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr size_t kStackBytes = 2 * 1024 * 1024;
#else
constexpr size_t kStackBytes = 256 * 1024;
#endif
constexpr auto kFirstPause = std::chrono::microseconds(20);
constexpr std::chrono::microseconds kLongestPause = std::chrono::milliseconds(5);
// A hint that no death has followed for this long was written by somebody else than the kernel.
constexpr int64_t kStaleHintNs = 10'000'000'000;
constexpr std::chrono::microseconds kStaleHintPause = std::chrono::seconds(1);

}  // namespace

absl::StatusOr<std::unique_ptr<watcher>> watcher::start(participant& self) {
  std::unique_ptr<watcher> w(new watcher(self));
  if (const int failure = w->thread_.start(kStackBytes, entry, w.get()); failure != 0) {
    return absl::ResourceExhaustedError(
        absl::StrCat("segment ", self.segment_name(),
                     ": cannot start the watcher thread: ", std::strerror(failure)));
  }
  w->beating_.wait(0, std::memory_order_acquire);
  return w;
}

watcher::~watcher() {
  if (!thread_.started()) return;
  stop_.store(1, std::memory_order_release);
  ::syscall(SYS_futex, &stop_, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, INT_MAX, nullptr, nullptr, 0);
  thread_.join();
}

void* watcher::entry(void* self) {
  ::pthread_setname_np(::pthread_self(), "zeroipc-watch");
  static_cast<watcher*>(self)->run();
  return nullptr;
}

void watcher::own_pulse() {
  std::atomic<uint32_t>& pulse = self_.slots_[self_.tag().slot()].pulse;
  robust_head_.list.next = &robust_entry_;
  robust_entry_.next = &robust_head_.list;
  robust_head_.futex_offset =
      reinterpret_cast<intptr_t>(&pulse) - reinterpret_cast<intptr_t>(&robust_entry_);
  // The list first: once the word is set, the kernel will mark it.
  ::syscall(SYS_set_robust_list, &robust_head_, sizeof robust_head_);
  pulse.store(static_cast<uint32_t>(::syscall(SYS_gettid)), std::memory_order_release);
}

void watcher::disown_pulse() {
  // The kernel leaves a word alone that does not hold the thread's id: leaving is not dying.
  self_.slots_[self_.tag().slot()].pulse.store(0, std::memory_order_release);
  robust_head_.list.next = &robust_head_.list;
}

// Announces the dead, and collects the words to sleep on: the pulses of the next kMaxWatched slots. All slots are looked
// at, though, for the wake-up may stand for the death of one that a dead watcher was told of.
bool watcher::look(futex_wait_entry* words, size_t* n) {
  const size_t limit = *n + kMaxWatched;
  bool ending = false;
  const uint32_t own = self_.tag().slot();
  const uint32_t slots = self_.slots_in_use();
  for (uint32_t k = 1; k <= slots; ++k) {
    const uint32_t i = (own + k) % slots;
    if (i == own) continue;
    participant_slot& slot = self_.slots_[i];
    const uint32_t state = slot.state.load(std::memory_order_acquire);
    if (!participant_slot::is_unannounced(state)) continue;
    uint32_t pulse = slot.pulse.load(std::memory_order_acquire);
    if (pulse == 0) {
      // It has not done anything yet, so nobody waits for what it holds, and no hint of its death will come.
      if (!self_.token_held(i)) self_.announce_death(i, state);
      continue;
    }
    if ((pulse & FUTEX_OWNER_DIED) == 0) {
      if (*n == limit) continue;
      if ((pulse & FUTEX_WAITERS) != 0 ||
          slot.pulse.compare_exchange_strong(pulse, pulse | FUTEX_WAITERS,
                                             std::memory_order_acq_rel)) {
        words[(*n)++] = {&slot.pulse, pulse | FUTEX_WAITERS};
        continue;
      }
      // The exchange failed, and `pulse` is what it has become.
      if ((pulse & FUTEX_OWNER_DIED) == 0) {
        // Unless another watcher has just set WAITERS, sleeping on this returns at once, and we look again.
        words[(*n)++] = {&slot.pulse, pulse | FUTEX_WAITERS};
        continue;
      }
    }
    if (self_.token_held(i)) {
      ending = true;
      futex_wake(slot.pulse, 1);  // one more to see it through: we may be stopped before we do
    } else {
      self_.announce_death(i, state);
    }
  }
  return ending;
}

void watcher::run() {
  own_pulse();
  beating_.store(1, std::memory_order_release);
  beating_.notify_one();
  auto pause = std::chrono::microseconds(kFirstPause);
  int64_t hinted_since = 0;
  for (;;) {
    futex_wait_entry words[kMaxFutexWords];
    size_t n = 0;
    // Read before the slots are looked at, so that whoever joins after is not missed.
    std::atomic<uint32_t>& membership = self_.header_->membership_epoch;
    words[n++] = {&membership, membership.load(std::memory_order_acquire)};
    words[n++] = {&stop_, 0, true};
    const bool stopping = stop_.load(std::memory_order_acquire) != 0;
    const bool ending = look(words, &n);
    if (stopping) {
      // The wake-up for that one may have been ours alone, and we are not going to wait for its end.
      if (ending) self_.announce_membership();
      break;
    }
    if (!ending) {
      pause = kFirstPause;
      hinted_since = 0;
      futex_wait_any({words, n}, deadline::never());
      continue;
    }
    const int64_t now = deadline::now_ns();
    if (hinted_since == 0) hinted_since = now;
    const bool stale = now - hinted_since > kStaleHintNs;
    futex_wait_any({words, n}, deadline::after(stale ? kStaleHintPause : pause));
    pause = std::min<std::chrono::microseconds>(pause * 2, kLongestPause);
  }
  disown_pulse();
}

}  // namespace zeroipc::internal
