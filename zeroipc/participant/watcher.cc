#include "zeroipc/participant/watcher.h"

#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "zeroipc/wait/futex.h"

namespace zeroipc::internal {
namespace {

constexpr size_t kMaxWatched = 120;
constexpr size_t kStackBytes = 256 * 1024;
constexpr auto kFirstPause = std::chrono::microseconds(20);
constexpr auto kLongestPause = std::chrono::milliseconds(5);
// A hint that no death has followed for this long was written by somebody else than the kernel.
constexpr int64_t kStaleHintNs = 10'000'000'000;
constexpr auto kStaleHintPause = std::chrono::seconds(1);

}  // namespace

absl::StatusOr<std::unique_ptr<watcher>> watcher::start(participant& self) {
  std::unique_ptr<watcher> w(new watcher(self));
  // The thread takes no signals: they are the program's.
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_attr_t attributes;
  ::pthread_attr_init(&attributes);
  ::pthread_attr_setstacksize(&attributes, kStackBytes);
  const int failure = ::pthread_create(&w->thread_, &attributes, entry, w.get());
  ::pthread_attr_destroy(&attributes);
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (failure != 0) {
    return absl::ResourceExhaustedError(absl::StrCat("segment ", self.segment_name(),
                                                     ": cannot start the watcher thread: ",
                                                     std::strerror(failure)));
  }
  w->running_ = true;
  w->beating_.wait(0, std::memory_order_acquire);
  return w;
}

watcher::~watcher() {
  if (!running_) return;
  stop_.store(1, std::memory_order_release);
  ::syscall(SYS_futex, &stop_, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, INT_MAX, nullptr, nullptr, 0);
  ::pthread_join(thread_, nullptr);
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
  pulse.store(static_cast<uint32_t>(::syscall(SYS_gettid)), std::memory_order_release);
  ::syscall(SYS_set_robust_list, &robust_head_, sizeof robust_head_);
}

void watcher::disown_pulse() {
  robust_head_.list.next = &robust_head_.list;  // an empty list: leaving is not dying
  self_.slots_[self_.tag().slot()].pulse.store(0, std::memory_order_release);
}

void watcher::run() {
  own_pulse();
  beating_.store(1, std::memory_order_release);
  beating_.notify_one();
  const uint32_t own = self_.tag().slot();
  auto pause = std::chrono::microseconds(kFirstPause);
  int64_t hinted_since = 0;
  while (stop_.load(std::memory_order_acquire) == 0) {
    futex_wait_entry words[kMaxFutexWords];
    size_t n = 0;
    // Read before the slots are looked at, so that whoever joins after is not missed.
    std::atomic<uint32_t>& membership = self_.header_->membership_epoch;
    words[n++] = {&membership, membership.load(std::memory_order_acquire)};
    words[n++] = {&stop_, 0, true};

    bool hinted = false;
    const uint32_t slots = self_.slots_in_use();
    for (uint32_t k = 1; k < slots && n < kMaxWatched + 2; ++k) {
      const uint32_t i = (own + k) % slots;
      participant_slot& slot = self_.slots_[i];
      const uint32_t state = slot.state.load(std::memory_order_acquire);
      uint32_t pulse = slot.pulse.load(std::memory_order_acquire);
      if (participant_slot::state_of(state) != slot_state::attached || pulse == 0) continue;
      if ((pulse & FUTEX_OWNER_DIED) == 0 && (pulse & FUTEX_WAITERS) == 0 &&
          slot.pulse.compare_exchange_strong(pulse, pulse | FUTEX_WAITERS,
                                             std::memory_order_acq_rel)) {
        pulse |= FUTEX_WAITERS;
      }
      if ((pulse & FUTEX_OWNER_DIED) != 0) {
        if (self_.token_held(i)) {
          hinted = true;
        } else {
          self_.announce_death(i, state);
        }
      } else {
        // Without WAITERS (the exchange failed: the word moved) this wait returns at once.
        words[n++] = {&slot.pulse, pulse | FUTEX_WAITERS};
      }
    }
    if (!hinted) {
      pause = kFirstPause;
      hinted_since = 0;
      futex_wait_any({words, n}, deadline::never());
      continue;
    }
    const int64_t now = deadline::now_ns();
    if (hinted_since == 0) hinted_since = now;
    const bool stale = now - hinted_since > kStaleHintNs;
    futex_wait_any({words, n}, stale ? deadline::after(kStaleHintPause) : deadline::after(pause));
    pause = std::min<std::chrono::microseconds>(pause * 2, kLongestPause);
  }
  disown_pulse();
}

}  // namespace zeroipc::internal
