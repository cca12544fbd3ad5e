// The state of a circuit breaker, and all that changes it: plain functions of a state and a time, each of which is one step.
#ifndef ZEROIPC_PATTERNS_CIRCUIT_BREAKER_STATE_H_
#define ZEROIPC_PATTERNS_CIRCUIT_BREAKER_STATE_H_

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "patterns/base/process_id.h"
#include "zeroipc/base/deadline.h"

namespace zeroipc::patterns {

enum class CircuitState : uint32_t { kClosed, kOpen, kHalfOpen };
const char* name_of(CircuitState s);

struct CircuitBreakerOptions {
  // Opens after so many failures without a success between them; 0: does not.
  uint32_t failure_threshold = 5;
  // Opens when this part of the calls of the last `window` failed, of which there were least_calls; 0: does not.
  double failure_rate = 0;
  std::chrono::nanoseconds window = std::chrono::seconds(10);
  uint32_t least_calls = 20;

  // A call that takes as long has failed; 0: takes what it takes.
  std::chrono::nanoseconds slow_call{};

  // How long it stays open; each time that a probe fails, longer by this factor.
  std::chrono::nanoseconds open_for = std::chrono::seconds(5);
  double growth = 1;
  std::chrono::nanoseconds open_for_most = std::chrono::minutes(1);
  // Probes that have to succeed, one after the other, until it closes.
  uint32_t success_threshold = 3;
  // Of a probe whose process lives and says nothing.
  std::chrono::nanoseconds probe_timeout = std::chrono::minutes(1);

  // The clock: nanoseconds that never go back, the same in all processes.
  int64_t (*clock)() = &deadline::now_ns;

  absl::Status check() const;
};

namespace internal {

enum class BreakerEvent {
  kSucceeded,
  kFailed,
  kSlow,
  kRefused,
  kProbes,
  kLostProbes,
  kOpened,
  kCount
};

// All zero bytes: closed, and nothing held against it.
struct BreakerState {
  static constexpr size_t kBuckets = 8;
  struct Bucket {
    int64_t number;  // of the eighth of a window since the clock's beginning
    uint32_t calls, failures;

    friend bool operator==(const Bucket&, const Bucket&) = default;
  };

  CircuitState state;
  uint32_t failures;   // since the last success
  uint32_t successes;  // of probes, since it is half-open
  ProcessId prober;    // nobody: there is no probe under way
  uint64_t probe;      // number of the last one
  int64_t probe_began_ns;
  int64_t open_until_ns;
  int64_t open_for_ns;  // the last time
  std::array<Bucket, kBuckets> buckets;

  friend bool operator==(const BreakerState&, const BreakerState&) = default;
};

// What a step did, for the counters.
struct BreakerChange {
  bool opened = false;
  bool lost_probe = false;
  bool counted = true;  // false: the verdict was of a probe that had been overtaken
};

// Whether a call may be made without further ado.
inline bool lets_all_through(const BreakerState& s) { return s.state == CircuitState::kClosed; }
// Whether a success leaves it as it is.
bool is_unmoved_by_success(const BreakerState& s, const CircuitBreakerOptions& o);

// Takes the probe for `who`, if it is time for one. True: it is his, under the number in s.probe.
bool take_probe(BreakerState& s, const CircuitBreakerOptions& o, int64_t now, ProcessId who,
                absl::FunctionRef<bool(ProcessId)> is_dead, BreakerChange& change);
// `probe`: its number; 0: of a call while it was closed.
void settle(BreakerState& s, const CircuitBreakerOptions& o, int64_t now, bool success,
            uint64_t probe, BreakerChange& change);
void open(BreakerState& s, const CircuitBreakerOptions& o, int64_t now);
// Closes it, with nothing held against it.
void forgive(BreakerState& s);
// Of the window that ends now.
BreakerState::Bucket recent(const BreakerState& s, const CircuitBreakerOptions& o, int64_t now);

}  // namespace internal
}  // namespace zeroipc::patterns

#endif  // ZEROIPC_PATTERNS_CIRCUIT_BREAKER_STATE_H_
