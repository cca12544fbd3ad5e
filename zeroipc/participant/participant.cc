#include "zeroipc/participant/participant.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "zeroipc/participant/fork.h"
#include "zeroipc/participant/watcher.h"
#include "zeroipc/wait/futex.h"

namespace zeroipc::internal {
namespace {

// About as long as a wake-up across cores takes; no use where the other side cannot run at the same time.
constexpr int kSpins = 400;

}  // namespace

participant::participant(void* base, const segment_geometry& geometry, std::string segment_name,
                         std::function<int()> reopen)
    : base_(static_cast<std::byte*>(base)),
      header_(static_cast<segment_header*>(base)),
      slots_(reinterpret_cast<participant_slot*>(base_ + geometry.participants_offset)),
      threads_(reinterpret_cast<thread_record<hardware>*>(base_ + geometry.threads_offset)),
      geometry_(geometry),
      segment_name_(std::move(segment_name)),
      reopen_(std::move(reopen)),
      fences_(header_->fences),
      spins_(::sysconf(_SC_NPROCESSORS_ONLN) > 1 ? kSpins : 0) {}

absl::StatusOr<std::unique_ptr<participant>> participant::attach(void* base,
                                                                 const segment_geometry& geometry,
                                                                 std::string segment_name,
                                                                 std::function<int()> reopen) {
  std::unique_ptr<participant> p(
      new participant(base, geometry, std::move(segment_name), std::move(reopen)));
  // Known to the fork handlers before there is a token that a child could inherit; they wait for the mutex.
  process_participants::instance().add(p.get());
  std::lock_guard lock(p->mutex_);
  absl::StatusOr<membership> taken = p->take_slot(::getpid());
  if (!taken.ok()) return taken.status();
  p->adopt(*taken);
  p->member_ = true;
  absl::Status watched = p->start_watcher();
  if (!watched.ok()) return watched;
  return p;
}

participant::~participant() {
  {
    // A fork waits until all is given back, and then finds nothing to inherit.
    std::lock_guard lock(mutex_);
    member_ = false;
    if (tag()) leave();
    if (lock_fd_ >= 0) ::close(lock_fd_);
    lock_fd_ = -1;
  }
  process_participants::instance().remove(this);
}

absl::Status participant::start_watcher() {
  if (watcher_ != nullptr) return absl::OkStatus();
  absl::StatusOr<std::unique_ptr<watcher>> started = watcher::start(*this);
  if (!started.ok()) return started.status();
  watcher_ = *std::move(started);
  announce_membership();
  // Release: whoever claims something on the strength of this has a pulse that the others know of.
  watched_.store(true, std::memory_order_release);
  return absl::OkStatus();
}

// Without a watcher the process works all the same; its death is then noticed when its slot is needed or looked at.
void participant::ensure_watched() {
  std::lock_guard lock(mutex_);
  if (tag()) start_watcher().IgnoreError();
}

bool participant::sleep(std::atomic<uint32_t>& word, uint32_t key, uint32_t epoch, deadline until) {
  const sleep_word one{this, &word, key, epoch};
  return sleep_any({&one, 1}, until);
}

bool participant::sleep_any(std::span<const sleep_word> words, deadline until) {
  static_assert(kMostAwaited == kMaxFutexWords);
  std::array<futex_wait_entry, kMaxFutexWords> entries;
  size_t n = 0;
  const auto add = [&](const std::atomic<uint32_t>* word, uint32_t expected) {
    if (n < entries.size()) entries[n++] = {word, expected};
  };
  for (const sleep_word& w : words) {
    if (w.word != nullptr) add(w.word, w.key);
  }
  const size_t without_epochs = n;
  const participant* last = nullptr;
  for (const sleep_word& w : words) {
    if (w.env == last) continue;
    last = w.env;
    // A sleeper relies on its own watcher: it may be the only other process there is.
    if (!w.env->watched_.load(std::memory_order_acquire)) [[unlikely]]
      w.env->ensure_watched();
    const std::atomic<uint32_t>* const epoch = &w.env->header_->death_epoch;
    const auto* const known = entries.data() + without_epochs;
    if (std::none_of(known, static_cast<const futex_wait_entry*>(entries.data()) + n,
                     [&](const futex_wait_entry& e) { return e.word == epoch; })) {
      add(epoch, w.epoch);
    }
  }
  return futex_wait_any({entries.data(), n}, until);
}

int participant::wake(std::atomic<uint32_t>& word, int n) { return futex_wake(word, n); }

// Both marks come from shared memory and bound loops.
uint32_t participant::slots_in_use() const {
  return std::min(header_->participants_high_water.load(std::memory_order_acquire),
                  geometry_.max_participants);
}

uint32_t participant::threads_in_use() const {
  return std::min(header_->threads_high_water.load(std::memory_order_acquire),
                  geometry_.max_threads);
}

std::atomic<uint64_t>* participant::hold_row(uint32_t slot) const {
  return reinterpret_cast<std::atomic<uint64_t>*>(base_ + geometry_.holds_offset +
                                                  slot * geometry_.hold_row_bytes());
}

void participant::add_hold(uint32_t index) {
  if (index >= geometry_.max_names) return;
  std::lock_guard lock(mutex_);
  if (holds_.size() <= index) holds_.resize(index + 1);
  if (holds_[index]++ != 0 || !tag()) return;
  std::atomic<uint32_t>& words = slots_[tag().slot()].hold_words;
  // Before the bit, so that the slot's next tenant clears it. seq_cst: ordered, as the bit is, before the caller's look at
  // whether the structure is still there; pairs with anyone_holds().
  if (words.load(std::memory_order_relaxed) < index / 64 + 1) {
    words.store(index / 64 + 1, std::memory_order_seq_cst);
  }
  hold_row(tag().slot())[index / 64].fetch_or(uint64_t{1} << (index % 64),
                                              std::memory_order_seq_cst);
}

bool participant::drop_hold(uint32_t index) {
  std::lock_guard lock(mutex_);
  if (index >= holds_.size() || holds_[index] == 0 || --holds_[index] != 0) return false;
  if (tag()) {
    hold_row(tag().slot())[index / 64].fetch_and(~(uint64_t{1} << (index % 64)),
                                                 std::memory_order_seq_cst);
  }
  return true;
}

bool participant::anyone_holds(uint32_t index) const {
  if (index >= geometry_.max_names) return false;
  const uint32_t n = slots_in_use();
  for (uint32_t i = 0; i < n; ++i) {
    const participant_slot& slot = slots_[i];
    const uint32_t state = slot.state.load(std::memory_order_acquire);
    if (!participant_slot::is_attached(state)) continue;
    if (slot.hold_words.load(std::memory_order_seq_cst) <= index / 64) continue;
    const uint64_t word = hold_row(i)[index / 64].load(std::memory_order_seq_cst);
    if ((word >> (index % 64) & 1) == 0) continue;
    if (!is_dead(owner_tag(i, participant_slot::generation_of(state)))) return true;
  }
  return false;
}

std::vector<participant_info> participant::list() const {
  std::vector<participant_info> all;
  const uint32_t n = slots_in_use();
  for (uint32_t i = 0; i < n; ++i) {
    const participant_slot& slot = slots_[i];
    const uint32_t state = slot.state.load(std::memory_order_acquire);
    if (participant_slot::state_of(state) == slot_state::free) continue;
    participant_info info;
    info.slot = i;
    info.generation = participant_slot::generation_of(state);
    info.pid = slot.pid.load(std::memory_order_relaxed);
    info.self = tag() && i == tag().slot();
    info.alive = info.self || !is_dead(owner_tag(i, info.generation));
    info.attached_ns = slot.attached_ns.load(std::memory_order_relaxed);
    info.name = slot.read_name();
    // A slot that changed hands while it was read is the next call's business.
    if (participant_slot::generation_of(slot.state.load(std::memory_order_acquire)) ==
        info.generation) {
      all.push_back(std::move(info));
    }
  }
  return all;
}

bool participant::alone() const {
  const uint32_t n = slots_in_use();
  for (uint32_t i = 0; i < n; ++i) {
    if (tag() && i == tag().slot()) continue;
    if (participant_slot::is_attached(slots_[i].state.load(std::memory_order_acquire)) &&
        token_held(i))
      return false;
  }
  return true;
}

}  // namespace zeroipc::internal
