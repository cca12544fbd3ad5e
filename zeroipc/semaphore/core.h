// The algorithm of zeroipc::semaphore: each permit is a word that holds its owner's tag.
//
//   +------------------------------------------------+ 0
//   | structure_geometry       capacity: permits     |
//   +------------------------------------------------+ 128
//   | released       who waits for a permit          |
//   | waits, recovered                               |
//   +------------------------------------------------+ offsets[0]
//   | permit[capacity]         owner tag; 0: free    |
//   +------------------------------------------------+
//
//   state       owner        left by
//   free        0            acquire(): CAS 0 -> tag, acquire (linearisation point)
//   held        tag          release(): CAS tag -> 0, release (linearisation point), then released.notify
//   orphaned    dead tag     acquire() of a survivor that finds none free: CAS dead tag -> own tag
//
// A count beside the words would be a second thing to change, and a death between the two would make or lose a permit. So there
// is none: what is available is what the words say.
//
// Killed before released.notify: those who sleep are woken by the death epoch, and look at every word again.
#ifndef ZEROIPC_SEMAPHORE_CORE_H_
#define ZEROIPC_SEMAPHORE_CORE_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "zeroipc/base/atomics.h"
#include "zeroipc/base/deadline.h"
#include "zeroipc/base/outcome.h"
#include "zeroipc/name_table/geometry.h"
#include "zeroipc/participant/owner_tag.h"
#include "zeroipc/wait/death_watch.h"
#include "zeroipc/wait/wait.h"

namespace zeroipc {

struct semaphore_stats {
  uint64_t permits = 0;
  uint64_t available = 0;  // a snapshot; those of the dead count when they are taken
  uint64_t waits = 0;      // acquisitions that found none free
  uint64_t recovered = 0;  // permits taken over from the dead
};

namespace internal {

inline constexpr uint64_t kMaxPermits = uint64_t{1} << 20;

template <typename P>
struct semaphore_header {
  template <typename T>
  using atomic = typename P::template atomic<T>;

  structure_geometry geometry;

  alignas(kApart) event_word<P> released;
  atomic<uint64_t> waits;
  atomic<uint64_t> recovered;
};
static_assert(offsetof(semaphore_header<hardware>, released) == 128);

template <typename P, typename Env>
class semaphore_core {
 public:
  using permit_word = typename P::template atomic<uint32_t>;

  void bind(Env& env, semaphore_header<P>& header, permit_word* permits, uint64_t n) {
    env_ = &env;
    header_ = &header;
    permits_ = permits;
    n_ = n;
  }

  // `ok`, with the permit's number; `empty`: none now, which was to be at once; `timed_out`; `exhausted`: this process could not
  // join the segment.
  outcome acquire(uint64_t& index, deadline until) {
    const owner_tag self = env_->self();
    if (!self) return outcome::exhausted;
    if (take_free(self, index)) return outcome::ok;
    death_watch<Env> deaths(*env_);
    const auto take = [&] { return take_free(self, index) || take_over(self, index, deaths); };
    if (until.is_at_once()) return take() ? outcome::ok : outcome::empty;
    count(header_->waits);
    return wait_until<P>(*env_, header_->released, until, take) ? outcome::ok : outcome::timed_out;
  }

  // That permit. `gone`, without effect: this process does not hold it.
  outcome release(uint64_t index) {
    const owner_tag self = env_->tag();
    if (!self || !give_back(self, index)) return outcome::gone;
    header_->released.notify(*env_, 1);
    return outcome::ok;
  }
  // Any that this process holds; `gone` if none.
  outcome release_any() {
    const owner_tag self = env_->tag();
    if (!self) return outcome::gone;
    uint64_t at = hint();
    for (uint64_t i = 0; i < n_; ++i, at = at == 0 ? n_ - 1 : at - 1) {
      // Relaxed: it is tried on what was read.
      if (permits_[at].load(std::memory_order_relaxed) == self.bits() && give_back(self, at)) {
        header_->released.notify(*env_, 1);
        return outcome::ok;
      }
    }
    return outcome::gone;
  }

  uint64_t permits() const { return n_; }
  semaphore_stats stats() const {
    // Relaxed: figures for people.
    semaphore_stats s = {n_, 0, header_->waits.load(std::memory_order_relaxed),
                         header_->recovered.load(std::memory_order_relaxed)};
    for (uint64_t i = 0; i < n_; ++i) {
      s.available += permits_[i].load(std::memory_order_relaxed) == 0;
    }
    return s;
  }

 private:
  bool take_free(owner_tag self, uint64_t& index) {
    uint64_t at = hint();
    for (uint64_t i = 0; i < n_; ++i, at = at + 1 == n_ ? 0 : at + 1) {
      uint32_t seen = permits_[at].load(std::memory_order_relaxed);
      // Acquire: pairs with the release in give_back().
      if (seen == 0 &&
          permits_[at].compare_exchange_strong(seen, self.bits(), std::memory_order_acquire,
                                               std::memory_order_relaxed)) {
        return took(at, index);
      }
    }
    return false;
  }
  bool take_over(owner_tag self, uint64_t& index, death_watch<Env>& deaths) {
    for (uint64_t at = 0; at < n_; ++at) {
      uint32_t seen = permits_[at].load(std::memory_order_relaxed);
      const owner_tag owner = owner_tag::from_bits(seen);
      if (!owner || owner == self || !deaths.dead(owner)) continue;
      // Acquire: is_dead() synchronises with everything the dead did.
      if (permits_[at].compare_exchange_strong(seen, self.bits(), std::memory_order_acquire,
                                               std::memory_order_relaxed)) {
        count(header_->recovered);
        return took(at, index);
      }
    }
    return false;
  }
  bool took(uint64_t at, uint64_t& index) {
    index = at;
    hint_.store(at, std::memory_order_relaxed);  // a hint of this handle's
    return true;
  }
  bool give_back(owner_tag self, uint64_t index) {
    if (index >= n_) return false;
    uint32_t seen = self.bits();
    return permits_[index].compare_exchange_strong(seen, 0, std::memory_order_release,
                                                   std::memory_order_relaxed);
  }
  uint64_t hint() const {
    const uint64_t at = hint_.load(std::memory_order_relaxed);
    return at < n_ ? at : 0;
  }
  static void count(typename P::template atomic<uint64_t>& counter) {
    counter.fetch_add(1, std::memory_order_relaxed);  // relaxed: a figure for people
  }

  Env* env_ = nullptr;
  semaphore_header<P>* header_ = nullptr;
  permit_word* permits_ = nullptr;
  uint64_t n_ = 0;
  std::atomic<uint64_t> hint_{0};  // where a permit was taken last
};

}  // namespace internal
}  // namespace zeroipc

#endif  // ZEROIPC_SEMAPHORE_CORE_H_
