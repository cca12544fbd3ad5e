// Who has a computation for a lazy value: a seat each, with the owner's tag. It says who is there, and nothing else hangs on it.
//
//   state    owner       left by                                    if the owner dies there
//   free     nobody      enlist(): CAS 0 -> tag                     -
//   taken    tag         leave(): CAS tag -> 0                      enlist(): CAS dead tag -> tag; living(): CAS dead tag -> 0
#ifndef ZEROIPC_LAZY_SEATS_H_
#define ZEROIPC_LAZY_SEATS_H_

#include <cstdint>

#include "zeroipc/lazy/layout.h"
#include "zeroipc/participant/owner_tag.h"

namespace zeroipc::internal {

// Relaxed, all of it: each seat is a word by itself.
template <typename P, typename Env>
class lazy_seats {
 public:
  void bind(Env& env, lazy_header<P>& header) {
    env_ = &env;
    seats_ = header.providers;
  }

  // False if all are taken by the living, or if the caller is nobody.
  bool enlist(uint32_t& seat) {
    const owner_tag self = env_->self();
    if (!self) return false;
    for (seat = 0; seat < kLazyProviders; ++seat) {
      uint32_t seen = seats_[seat].load(std::memory_order_relaxed);
      if (seen != 0 && !env_->is_dead(owner_tag::from_bits(seen))) continue;
      if (change(seat, seen, self)) return true;
    }
    return false;
  }
  // REQUIRES: enlist() gave it.
  void leave(uint32_t seat) { change(seat, env_->tag().bits(), owner_tag()); }

  // How many are taken by the living; frees those of the dead.
  uint32_t living() const {
    uint32_t n = 0;
    for (uint32_t seat = 0; seat < kLazyProviders; ++seat) {
      const uint32_t seen = seats_[seat].load(std::memory_order_relaxed);
      if (seen == 0) continue;
      if (env_->is_dead(owner_tag::from_bits(seen))) {
        change(seat, seen, owner_tag());
      } else {
        ++n;
      }
    }
    return n;
  }

 private:
  bool change(uint32_t seat, uint32_t from, owner_tag to) const {
    return seats_[seat].compare_exchange_strong(from, to.bits(), std::memory_order_relaxed,
                                                std::memory_order_relaxed);
  }

  Env* env_ = nullptr;
  typename P::template atomic<uint32_t>* seats_ = nullptr;
};

}  // namespace zeroipc::internal

#endif  // ZEROIPC_LAZY_SEATS_H_
