// The algorithm of zeroipc::latch: each arrival that it waits for is a word.
//
//   +------------------------------------------------+ 0
//   | structure_geometry       capacity: arrivals    |
//   +------------------------------------------------+ 128
//   | settled        all words before it are settled |
//   | opened         who waits for the last          |
//   | forfeited                                      |
//   +------------------------------------------------+ offsets[0]
//   | arrival[capacity]                              |
//   +------------------------------------------------+
//
//   state        owner        left by
//   open         nobody       promise(): CAS open -> tag;  count_down(): CAS open -> arrived
//   promised     tag          arrive(): CAS tag -> arrived;  its process's death: CAS dead tag -> forfeited, by whoever meets it
//   arrived, forfeited        never
//
// It is open when every word is arrived or forfeited. `settled` saves looking at them all: it only moves over settled words,
// which never change again, so it is right whoever dies. Whoever settles a word moves it on as far as it goes, and wakes the
// waiters if that is the end. Of two who settle the last two words at once, one at least sees both (sequentially consistent:
// each writes its word and then reads the other's). If that one dies, the death epoch wakes the waiters, and they look.
#ifndef ZEROIPC_LATCH_CORE_H_
#define ZEROIPC_LATCH_CORE_H_

#include <atomic>
#include <climits>
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

struct latch_stats {
  uint64_t expected = 0;
  uint64_t settled = 0;    // a snapshot; arrived or forfeited
  uint64_t promised = 0;   // by whoever has not arrived yet
  uint64_t forfeited = 0;  // promised by processes that died first
};

namespace internal {

inline constexpr uint64_t kMaxArrivals = uint64_t{1} << 20;

template <typename P>
struct latch_header {
  template <typename T>
  using atomic = typename P::template atomic<T>;

  structure_geometry geometry;

  alignas(kApart) atomic<uint64_t> settled;
  atomic<uint64_t> forfeited;
  event_word<P> opened;
};
static_assert(offsetof(latch_header<hardware>, settled) == 128);

// What is in an arrival's word but an owner tag: no tags, for their generations start at 1.
inline constexpr uint32_t kArrived = 1, kForfeited = 2;
constexpr bool is_settled_arrival(uint32_t word) { return word == kArrived || word == kForfeited; }

template <typename P, typename Env>
class latch_core {
 public:
  using arrival_word = typename P::template atomic<uint32_t>;

  void bind(Env& env, latch_header<P>& header, arrival_word* arrivals, uint64_t n) {
    env_ = &env;
    header_ = &header;
    arrivals_ = arrivals;
    n_ = n;
  }

  // One arrival that nobody has promised. `full`: there is none left.
  outcome count_down() {
    uint64_t index;
    if (!take_open(kArrived, index)) return outcome::full;
    settle();
    return outcome::ok;
  }

  // Takes one upon this process. `full`: there is none left; `exhausted`: this process could not join the segment.
  outcome promise(uint64_t& index) {
    const owner_tag self = env_->self();
    if (!self) return outcome::exhausted;
    return take_open(self.bits(), index) ? outcome::ok : outcome::full;
  }
  // `gone`: it is not this process's (any more).
  outcome arrive(uint64_t index) {
    const owner_tag self = env_->tag();
    if (!self || index >= n_) return outcome::gone;
    uint32_t seen = self.bits();
    // Sequentially consistent, with the loads in advance(): see above. Release: what was done before is seen by the waiters.
    if (!arrivals_[index].compare_exchange_strong(seen, kArrived, std::memory_order_seq_cst,
                                                  std::memory_order_seq_cst))
      return outcome::gone;
    settle();
    return outcome::ok;
  }
  // Takes the promise back.
  void withdraw(uint64_t index) {
    uint32_t seen = env_->tag().bits();
    if (seen != 0 && index < n_) {
      // Relaxed: nothing was done that who takes it next would have to see.
      arrivals_[index].compare_exchange_strong(seen, kOpen, std::memory_order_relaxed,
                                               std::memory_order_relaxed);
    }
  }

  // `ok`; `empty`: not open now, which was to be at once; `timed_out`.
  outcome wait(deadline until) {
    death_watch<Env> deaths(*env_);
    if (wait_until<P>(*env_, header_->opened, until, [&] { return advance(deaths); })) {
      return outcome::ok;
    }
    return until.is_at_once() ? outcome::empty : outcome::timed_out;
  }

  uint64_t expected() const { return n_; }
  latch_stats stats() const {
    // Relaxed: figures for people.
    latch_stats s = {n_, 0, 0, header_->forfeited.load(std::memory_order_relaxed)};
    for (uint64_t i = 0; i < n_; ++i) {
      const uint32_t word = arrivals_[i].load(std::memory_order_relaxed);
      s.settled += is_settled(word);
      s.promised += word != kOpen && !is_settled(word);
    }
    return s;
  }

 private:
  static constexpr uint32_t kOpen = 0;
  static constexpr bool is_settled(uint32_t word) { return is_settled_arrival(word); }

  bool take_open(uint32_t as, uint64_t& index) {
    // Words before `settled` are not open; behind it, the last one taken is a good place to begin.
    const uint64_t least = header_->settled.load(std::memory_order_relaxed);
    const uint64_t hint = hint_.load(std::memory_order_relaxed);
    uint64_t at = hint > least && hint < n_ ? hint : least < n_ ? least : 0;
    for (uint64_t i = 0; i < n_; ++i, at = at + 1 == n_ ? 0 : at + 1) {
      uint32_t seen = arrivals_[at].load(std::memory_order_relaxed);
      // Sequentially consistent: as in arrive().
      if (seen == kOpen && arrivals_[at].compare_exchange_strong(
                               seen, as, std::memory_order_seq_cst, std::memory_order_seq_cst)) {
        hint_.store(at, std::memory_order_relaxed);  // a hint of this handle's
        index = at;
        return true;
      }
    }
    return false;
  }

  void settle() {
    death_watch<Env> deaths(*env_);
    if (advance(deaths)) header_->opened.notify(*env_, INT_MAX);
  }

  // Whether all are settled, as far as this thread can see and bring it about.
  bool advance(death_watch<Env>& deaths) {
    // Acquire: pairs with the release below, and so with the arrivals that were passed over.
    const uint64_t from = header_->settled.load(std::memory_order_acquire);
    uint64_t at = from;
    for (; at < n_; ++at) {
      uint32_t seen = arrivals_[at].load();
      if (is_settled(seen)) continue;
      if (seen == kOpen || !deaths.dead(owner_tag::from_bits(seen))) break;
      if (arrivals_[at].compare_exchange_strong(seen, kForfeited, std::memory_order_seq_cst,
                                                std::memory_order_seq_cst)) {
        header_->forfeited.fetch_add(1, std::memory_order_relaxed);  // relaxed: a figure for people
      } else if (!is_settled(seen)) {
        break;
      }
    }
    uint64_t seen = from;
    while (seen < at && !header_->settled.compare_exchange_weak(seen, at, std::memory_order_acq_rel,
                                                                std::memory_order_relaxed)) {
    }
    return at >= n_;
  }

  Env* env_ = nullptr;
  latch_header<P>* header_ = nullptr;
  arrival_word* arrivals_ = nullptr;
  uint64_t n_ = 0;
  std::atomic<uint64_t> hint_{0};  // where a word was taken last
};

}  // namespace internal
}  // namespace zeroipc

#endif  // ZEROIPC_LATCH_CORE_H_
