// The algorithm of zeroipc::event: a word that is set or not, and who sleeps until it is.
//
//   +------------------------------------------------+ 0
//   | structure_geometry       extra: the reset mode |
//   +------------------------------------------------+ 128
//   | set            1: it is set                    |
//   | changed        who waits for that              |
//   | waits, sets                                    |
//   +------------------------------------------------+ 256
//
//   manual   set(): set = 1, wakes all      wait(): set is 1                 reset(): set = 0
//   auto     set(): set = 1, wakes one      wait(): CAS 1 -> 0               reset(): set = 0
//
// Nothing is claimed, so nothing has to come back. A waiter that is woken and dies before its CAS leaves the event set, and the
// death epoch wakes the others, who look again. Setting what is set already does nothing more.
#ifndef ZEROIPC_EVENT_CORE_H_
#define ZEROIPC_EVENT_CORE_H_

#include <climits>
#include <cstddef>
#include <cstdint>

#include "zeroipc/base/atomics.h"
#include "zeroipc/base/deadline.h"
#include "zeroipc/base/outcome.h"
#include "zeroipc/name_table/geometry.h"
#include "zeroipc/wait/wait.h"

namespace zeroipc {

// Whether an event stays set until somebody resets it, or lets one waiter through.
enum class event_reset : uint8_t { manual = 1, automatic = 2 };

struct event_stats {
  bool set = false;    // a snapshot
  uint64_t sets = 0;   // set() that found it not set
  uint64_t waits = 0;  // waits that found it not set
};

namespace internal {

template <typename P>
struct event_header {
  template <typename T>
  using atomic = typename P::template atomic<T>;

  structure_geometry geometry;

  alignas(kApart) atomic<uint32_t> set;
  event_word<P> changed;
  atomic<uint64_t> sets;
  atomic<uint64_t> waits;
};
static_assert(offsetof(event_header<hardware>, set) == 128);

template <typename P, typename Env>
class event_core {
 public:
  void bind(Env& env, event_header<P>& header, event_reset mode) {
    env_ = &env;
    header_ = &header;
    mode_ = mode;
  }

  void set() {
    // Release: what was done before is seen by those whom it lets through.
    if (header_->set.exchange(1, std::memory_order_acq_rel) != 0) return;
    count(header_->sets);
    header_->changed.notify(*env_, mode_ == event_reset::manual ? INT_MAX : 1);
  }
  // Whether it was set.
  bool reset() { return header_->set.exchange(0, std::memory_order_acq_rel) != 0; }
  bool is_set() const { return header_->set.load(std::memory_order_acquire) != 0; }

  // `ok`, `timed_out`, or `empty` if it is not set and that was to be at once.
  outcome wait(deadline until) {
    if (passes()) return outcome::ok;
    if (until.is_at_once()) return outcome::empty;
    count(header_->waits);
    return wait_until<P>(*env_, header_->changed, until, [&] { return passes(); })
               ? outcome::ok
               : outcome::timed_out;
  }

  event_reset mode() const { return mode_; }
  event_stats stats() const {
    // Relaxed: figures for people.
    return {is_set(), header_->sets.load(std::memory_order_relaxed),
            header_->waits.load(std::memory_order_relaxed)};
  }

 private:
  bool passes() {
    if (mode_ == event_reset::manual) return is_set();
    uint32_t seen = header_->set.load(std::memory_order_relaxed);
    // Acquire: pairs with the release in set().
    return seen != 0 && header_->set.compare_exchange_strong(seen, 0, std::memory_order_acq_rel,
                                                             std::memory_order_relaxed);
  }
  static void count(typename P::template atomic<uint64_t>& counter) {
    counter.fetch_add(1, std::memory_order_relaxed);  // relaxed: a figure for people
  }

  Env* env_ = nullptr;
  event_header<P>* header_ = nullptr;
  event_reset mode_ = event_reset::manual;
};

}  // namespace internal
}  // namespace zeroipc

#endif  // ZEROIPC_EVENT_CORE_H_
