// A record of what the processes of a test did, and when: what the checker (checker.h) looks for an order of.
//
//   history<my_operation> h;                          // before the processes are forked
//   auto at = h.begin(process, my_operation{...});    // right before the call
//   h.end(at, my_operation{... with its result});     // right after it
//   h.buried(process)                                 // its death is known to everybody: nothing of it can happen any more
//
// Stamps are drawn from one counter in shared memory, sequentially consistent, before an operation is called and after it
// has returned: if one operation's end is stamped before another's beginning, it really ended before that began. The
// counter is one cache line that all share, so recording narrows some races and widens others.
//
// The record survives the death of any process: an operation whose end is missing is pending.
#ifndef ZEROIPC_TESTING_LINEARIZABILITY_HISTORY_H_
#define ZEROIPC_TESTING_LINEARIZABILITY_HISTORY_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <type_traits>
#include <vector>

#include "testing/harness/shared_state.h"

namespace zeroipc::linearizability {

inline constexpr uint64_t kNever = UINT64_MAX;

// One operation as it is checked.
template <typename Operation>
struct recorded {
  Operation what;
  int process = 0;
  uint64_t began = 0;
  uint64_t ended = kNever;  // kNever: pending, for its process died in it
  // From here on it has no effects under way; `ended`, or, for a pending one, when the death was known.
  uint64_t settled = kNever;

  bool pending() const { return ended == kNever; }
};

template <typename Operation, size_t kProcesses = 8, size_t kMost = 512>
class history {
  static_assert(std::is_trivially_copyable_v<Operation>);

 public:
  struct place {
    size_t process;
    uint32_t index;
  };

  place begin(size_t process, const Operation& what) {
    log& l = state_->logs[process];
    const uint32_t i = l.count.load(std::memory_order_relaxed);
    if (i == kMost) std::abort();  // REQUIRES: !full(process), asked now and then
    l.entries[i].what = what;
    l.entries[i].ended = kNever;
    l.entries[i].settled = kNever;
    l.entries[i].began = state_->clock.fetch_add(1);
    l.count.store(i + 1, std::memory_order_release);
    return {process, i};
  }
  void end(place at, const Operation& what) {
    entry& e = state_->logs[at.process].entries[at.index];
    e.what = what;
    e.ended = e.settled = state_->clock.fetch_add(1);
  }
  bool full(size_t process) const {
    return state_->logs[process].count.load(std::memory_order_relaxed) + 2 >= kMost;
  }
  void buried(size_t process) {
    const uint64_t now = state_->clock.fetch_add(1);
    log& l = state_->logs[process];
    const uint32_t n = l.count.load(std::memory_order_acquire);
    for (uint32_t i = 0; i < n; ++i) {
      if (l.entries[i].settled == kNever) l.entries[i].settled = now;
    }
  }
  // How far it has come: for whoever wants to kill in the middle.
  uint64_t stamps() const { return state_->clock.load(); }

  // All of it; call it when nobody adds to it any more.
  std::vector<recorded<Operation>> operations() const {
    std::vector<recorded<Operation>> all;
    for (size_t p = 0; p < kProcesses; ++p) {
      const log& l = state_->logs[p];
      const uint32_t n = l.count.load(std::memory_order_acquire);
      for (uint32_t i = 0; i < n; ++i) {
        const entry& e = l.entries[i];
        all.push_back({e.what, static_cast<int>(p), e.began, e.ended, e.settled});
      }
    }
    return all;
  }

 private:
  struct entry {
    Operation what;
    uint64_t began, ended, settled;
  };
  struct log {
    std::atomic<uint32_t> count{0};
    entry entries[kMost];
  };
  struct state {
    alignas(64) std::atomic<uint64_t> clock{1};
    log logs[kProcesses];
  };
  harness::shared_state<state> state_;
};

}  // namespace zeroipc::linearizability

#endif  // ZEROIPC_TESTING_LINEARIZABILITY_HISTORY_H_
