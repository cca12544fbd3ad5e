#include "patterns/base/roll.h"

#include <atomic>

#include "zeroipc/participant/participant.h"

namespace zeroipc::patterns {

Roll::Seat::Seat(const Roll& roll, size_t index, ProcessId who)
    : roll_(roll.seats_), index_(index), who_(who), forks_(zeroipc::internal::fork_generation()) {}

Roll::Seat& Roll::Seat::operator=(Seat&& other) noexcept {
  if (this != &other) {
    leave();
    roll_ = std::exchange(other.roll_, std::nullopt);
    index_ = other.index_;
    who_ = other.who_;
    forks_ = other.forks_;
  }
  return *this;
}

void Roll::Seat::leave() {
  if (!roll_) return;
  // A forked child has a copy of the seat, and is another process: what is its parent's stays. So does what others have found to be a dead one's.
  uint32_t mine = who_.bits;
  if (forks_ == zeroipc::internal::fork_generation())
    roll_->atomic(index_).compare_exchange_strong(mine, 0, std::memory_order_release);
  roll_.reset();
}

absl::StatusOr<Roll> Roll::open_or_create(const memory& mem, std::string_view name, size_t seats) {
  auto all = array<uint32_t>::open_or_create(mem, name, seats);
  if (!all.ok()) return all.status();
  return Roll(mem, *std::move(all));
}

Roll::Seat Roll::join() const {
  const ProcessId me = this_process(mem_);
  for (size_t i = 0; i < seats_.size(); ++i) {
    const std::atomic_ref<uint32_t> seat = seats_.atomic(i);
    uint32_t who = seat.load(std::memory_order_relaxed);
    if (who != 0 && !is_dead(mem_, {who})) continue;
    if (seat.compare_exchange_strong(who, me.bits, std::memory_order_acq_rel))
      return Seat(*this, i, me);
  }
  return Seat();
}

size_t Roll::living() const {
  size_t n = 0;
  for (size_t i = 0; i < seats_.size(); ++i) {
    const uint32_t who = seats_.atomic(i).load(std::memory_order_relaxed);
    n += who != 0 && !is_dead(mem_, {who});
  }
  return n;
}

}  // namespace zeroipc::patterns
