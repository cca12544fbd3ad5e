// The algorithm of zeroipc::stack: an array and a count, under a robust lock.
//
//   +------------------------------------------------+ 0
//   | structure_geometry                             |
//   +------------------------------------------------+ 128
//   | lock, count, closing, not_empty, not_full      |   one line: an operation fetches it once
//   | figures                                        |
//   +------------------------------------------------+ offsets[0]
//   | element[capacity]    bottom first              |
//   +------------------------------------------------+
//
// operation    under the lock                               killed before `count` changes    after
// push         element[count] = value;  count += 1          as if never called               done
// push_n       the elements;            count += n          the same                         done
// pop          value = element[count-1]; count -= 1         as if never called               done: gone with its process
// pop_n        the elements;            count -= n          the same                         the same
// close        closing = 1 (no lock)                        as if never called               done
//
// The store to `count` is the linearisation point, and all there is to say: what lies at or above it is nothing. So there is
// nothing to repair, a batch is one step, and an element is never seen twice, whatever came and went in between: the ABA
// problem of linked stacks does not arise.
//
// Why not lock-free: Treiber's stack (1986) is, with a counter beside its head. But a popper that dies after its CAS
// leaves a node that nobody owns and nothing names, and finding such nodes means walking a list that others change. What the
// lock costs is the progress of others while its holder is *stopped*; a dead one's is taken over at once.
#ifndef ZEROIPC_STACK_CORE_H_
#define ZEROIPC_STACK_CORE_H_

#include <algorithm>
#include <climits>
#include <cstddef>
#include <cstdint>

#include "zeroipc/base/atomics.h"
#include "zeroipc/base/deadline.h"
#include "zeroipc/base/outcome.h"
#include "zeroipc/name_table/geometry.h"
#include "zeroipc/wait/robust_hold.h"
#include "zeroipc/wait/wait.h"

namespace zeroipc {

struct stack_stats {
  uint64_t capacity = 0;
  uint64_t depth = 0;
  uint64_t pushed = 0;  // since creation
  uint64_t popped = 0;
  uint64_t refused = 0;     // pushes answered `full`
  uint64_t waits = 0;       // operations that had to wait for room or for an element
  uint64_t recoveries = 0;  // holders of the lock that died inside
  bool closed = false;
};

namespace internal {

template <typename P>
struct stack_header {
  template <typename T>
  using atomic = typename P::template atomic<T>;

  structure_geometry geometry;

  alignas(kApart) robust_lock<P> lock;
  atomic<uint64_t> count;
  // Of all elements that were pushed; written with `count`, and only a figure: popped = pushed - count.
  atomic<uint64_t> pushed;
  event_word<P> not_empty;
  event_word<P> not_full;
  atomic<uint32_t> closing;
  // Counted on slow paths only.
  alignas(kCacheLine) atomic<uint64_t> refused;
  atomic<uint64_t> waits;
  atomic<uint64_t> recoveries;
};
static_assert(offsetof(stack_header<hardware>, lock) == 128);
static_assert(sizeof(stack_header<hardware>) == 256);

inline constexpr uint64_t kMaxStackCapacity = uint64_t{1} << 31;

template <typename P, typename Env, typename T>
class stack_core {
 public:
  void bind(Env& env, stack_header<P>& header, std::byte* elements, uint64_t capacity) {
    env_ = &env;
    header_ = &header;
    elements_ = elements;
    capacity_ = capacity;
  }

  uint64_t capacity() const { return capacity_; }
  uint64_t depth() const {
    return std::min(header_->count.load(std::memory_order_acquire), capacity_);
  }
  bool closed() const { return header_->closing.load(std::memory_order_acquire) != 0; }
  void close() {
    header_->closing.store(1, std::memory_order_release);
    header_->not_empty.notify(*env_, INT_MAX);
    header_->not_full.notify(*env_, INT_MAX);
  }

  // All n, in order, waiting for room; `done` says how many are in.
  outcome push_n(const T* values, uint64_t n, uint64_t& done, deadline until) {
    done = 0;
    return settle(header_->not_full, until, [&] { return push_some(values, n, done, until); });
  }
  // At least one, up to n, the newest first.
  outcome pop_n(T* values, uint64_t n, uint64_t& done, deadline until) {
    done = 0;
    if (n == 0) return outcome::ok;
    return settle(header_->not_empty, until, [&] { return pop_some(values, n, done, until); });
  }
  // The newest, which stays.
  outcome top(T& value, deadline until) {
    robust_hold<P, Env> hold(*env_, header_->lock, until);
    if (!hold) return hold.why();
    inherit(hold);
    const uint64_t count = header_->count.load(std::memory_order_relaxed);
    if (count == 0) return outcome::empty;
    if (count > capacity_) return outcome::corrupt;
    P::copy_out(&value, element(count - 1), sizeof(T));
    return outcome::ok;
  }

  stack_stats stats() const {
    // Relaxed: figures for people.
    const auto read = [](const auto& a) { return a.load(std::memory_order_relaxed); };
    stack_stats s;
    s.capacity = capacity_;
    s.depth = depth();
    s.pushed = std::max(read(header_->pushed), s.depth);
    s.popped = s.pushed - s.depth;
    s.refused = read(header_->refused);
    s.waits = read(header_->waits);
    s.recoveries = read(header_->recoveries);
    s.closed = closed();
    return s;
  }

 private:
  using hold_type = robust_hold<P, Env>;

  std::byte* element(uint64_t i) const { return elements_ + i * sizeof(T); }

  // Waits while `attempt` answers full or empty; what it answers in the end, or `timed_out`.
  template <typename Attempt>
  outcome settle(event_word<P>& event, deadline until, Attempt&& attempt) {
    outcome r = attempt();
    if (!blocked(r)) return r;
    if (until.is_at_once()) {
      if (r == outcome::full) count(header_->refused);
      return r;
    }
    count(header_->waits);
    const bool settled = wait_until<P>(*env_, event, until, [&] {
      r = attempt();
      return !blocked(r);
    });
    return settled ? r : outcome(outcome::timed_out);
  }
  static bool blocked(outcome r) { return r == outcome::full || r == outcome::empty; }

  outcome push_some(const T* values, uint64_t n, uint64_t& done, deadline until) {
    uint64_t room;
    {
      hold_type hold(*env_, header_->lock, until);
      if (!hold) return hold.why();
      inherit(hold);
      // Relaxed, here and below: these words change under the lock only. `closing` does not, but who finds the stack closed
      // and empty does so under the lock, and is followed here by acquire of that lock.
      if (header_->closing.load(std::memory_order_relaxed) != 0) return outcome::closed;
      const uint64_t count = header_->count.load(std::memory_order_relaxed);
      if (count > capacity_) return outcome::corrupt;
      room = std::min(capacity_ - count, n - done);
      for (uint64_t i = 0; i < room; ++i) {
        P::copy_in(element(count + i), values + done + i, sizeof(T));
      }
      header_->pushed.store(header_->pushed.load(std::memory_order_relaxed) + room,
                            std::memory_order_relaxed);
      // Release: for depth(), which reads it without the lock.
      header_->count.store(count + room, std::memory_order_release);
    }
    done += room;
    if (room != 0)
      header_->not_empty.notify(*env_, room > INT_MAX ? INT_MAX : static_cast<int>(room));
    return done == n ? outcome::ok : outcome::full;
  }

  outcome pop_some(T* values, uint64_t n, uint64_t& done, deadline until) {
    uint64_t taken;
    {
      hold_type hold(*env_, header_->lock, until);
      if (!hold) return hold.why();
      inherit(hold);
      const uint64_t count = header_->count.load(std::memory_order_relaxed);
      if (count > capacity_) return outcome::corrupt;
      if (count == 0) {
        return header_->closing.load(std::memory_order_acquire) != 0 ? outcome::closed
                                                                     : outcome::empty;
      }
      taken = std::min(count, n);
      for (uint64_t i = 0; i < taken; ++i) {
        P::copy_out(values + i, element(count - 1 - i), sizeof(T));
      }
      header_->count.store(count - taken, std::memory_order_release);
    }
    done = taken;
    header_->not_full.notify(*env_, taken > INT_MAX ? INT_MAX : static_cast<int>(taken));
    return outcome::ok;
  }

  void inherit(const hold_type& hold) {
    if (hold.inherited()) [[unlikely]]
      count(header_->recoveries);
  }
  static void count(typename P::template atomic<uint64_t>& counter) {
    counter.fetch_add(1, std::memory_order_relaxed);  // relaxed: a figure for people
  }

  Env* env_ = nullptr;
  stack_header<P>* header_ = nullptr;
  std::byte* elements_ = nullptr;
  uint64_t capacity_ = 0;
};

}  // namespace internal
}  // namespace zeroipc

#endif  // ZEROIPC_STACK_CORE_H_
