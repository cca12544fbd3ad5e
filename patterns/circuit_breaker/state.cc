#include "patterns/circuit_breaker/state.h"

#include <algorithm>
#include <cstddef>

#include "absl/strings/str_cat.h"

namespace zeroipc::patterns {

const char* name_of(CircuitState s) {
  switch (s) {
    case CircuitState::kClosed:
      return "closed";
    case CircuitState::kOpen:
      return "open";
    case CircuitState::kHalfOpen:
      break;
  }
  return "half-open";
}

absl::Status CircuitBreakerOptions::check() const {
  const auto wrong = [](auto... text) { return absl::InvalidArgumentError(absl::StrCat(text...)); };
  if (failure_threshold == 0 && failure_rate == 0) {
    return wrong(
        "a circuit breaker opens by failure_threshold, by failure_rate, or by both; found: "
        "neither");
  }
  if (failure_rate < 0 || failure_rate > 1) {
    return wrong("failure_rate is a part of the calls, 0 to 1; found: ", failure_rate);
  }
  if (window.count() < static_cast<int64_t>(internal::BreakerState::kBuckets)) {
    return wrong("window is at least 8 ns; found: ", window.count(), " ns");
  }
  if (open_for.count() <= 0 || open_for_most < open_for || !(growth >= 1)) {
    return wrong(
        "open_for is more than nothing and at most open_for_most, growth at least 1; found: ",
        open_for.count(), " ns, ", open_for_most.count(), " ns, ", growth);
  }
  if (success_threshold == 0) return wrong("success_threshold is at least 1; found: 0");
  if (probe_timeout.count() <= 0)
    return wrong("probe_timeout is more than nothing; found: ", probe_timeout.count(), " ns");
  return absl::OkStatus();
}

namespace internal {
namespace {

int64_t bucket_ns(const CircuitBreakerOptions& o) {
  return o.window.count() / static_cast<int64_t>(BreakerState::kBuckets);
}

void note(BreakerState& s, const CircuitBreakerOptions& o, int64_t now, bool success) {
  if (o.failure_rate == 0) return;
  const int64_t number = now / bucket_ns(o);
  BreakerState::Bucket& b = s.buckets[static_cast<size_t>(number) % BreakerState::kBuckets];
  if (b.number != number) b = {number, 0, 0};
  ++b.calls;
  if (!success) ++b.failures;
}

bool is_too_much(const BreakerState& s, const CircuitBreakerOptions& o, int64_t now) {
  if (o.failure_threshold != 0 && s.failures >= o.failure_threshold) return true;
  if (o.failure_rate == 0) return false;
  const BreakerState::Bucket all = recent(s, o, now);
  return all.calls >= o.least_calls && all.failures > 0 &&
         all.failures >= o.failure_rate * all.calls;
}

}  // namespace

BreakerState::Bucket recent(const BreakerState& s, const CircuitBreakerOptions& o, int64_t now) {
  BreakerState::Bucket sum = {now / bucket_ns(o), 0, 0};
  for (const BreakerState::Bucket& b : s.buckets) {
    if (b.number <= sum.number - static_cast<int64_t>(BreakerState::kBuckets) ||
        b.number > sum.number)
      continue;
    sum.calls += b.calls;
    sum.failures += b.failures;
  }
  return sum;
}

bool is_unmoved_by_success(const BreakerState& s, const CircuitBreakerOptions& o) {
  return s.state == CircuitState::kClosed && s.failures == 0 && o.failure_rate == 0;
}

void open(BreakerState& s, const CircuitBreakerOptions& o, int64_t now) {
  const bool again = s.state == CircuitState::kHalfOpen;
  const double longer = again ? static_cast<double>(s.open_for_ns) * o.growth
                              : static_cast<double>(o.open_for.count());
  s.open_for_ns =
      static_cast<int64_t>(std::min(longer, static_cast<double>(o.open_for_most.count())));
  s.open_until_ns = now + s.open_for_ns;
  s.state = CircuitState::kOpen;
  s.successes = 0;
  s.prober = {};
}

void forgive(BreakerState& s) {
  // The numbers of probes go on, so that none of before is taken for one of later.
  const uint64_t last = s.probe;
  s = {};
  s.probe = last;
}

bool take_probe(BreakerState& s, const CircuitBreakerOptions& o, int64_t now, ProcessId who,
                absl::FunctionRef<bool(ProcessId)> is_dead, BreakerChange& change) {
  if (!who) return false;
  if (s.state == CircuitState::kOpen) {
    if (now < s.open_until_ns && s.open_until_ns - now <= o.open_for_most.count()) return false;
    s.state = CircuitState::kHalfOpen;
    s.successes = 0;
    s.prober = {};
  }
  if (s.state != CircuitState::kHalfOpen) return false;
  if (s.prober) {
    if (!is_dead(s.prober) && now - s.probe_began_ns < o.probe_timeout.count()) return false;
    // What was called may have killed or held up its caller: that is a failure, too.
    change.lost_probe = true;
    change.opened = true;
    open(s, o, now);
    return false;
  }
  s.prober = who;
  s.probe_began_ns = now;
  ++s.probe;
  return true;
}

void settle(BreakerState& s, const CircuitBreakerOptions& o, int64_t now, bool success,
            uint64_t probe, BreakerChange& change) {
  if (probe != 0) {
    if (s.state != CircuitState::kHalfOpen || s.probe != probe || !s.prober) {
      change.counted = false;
      return;
    }
    s.prober = {};
    if (!success) {
      change.opened = true;
      open(s, o, now);
    } else if (++s.successes >= o.success_threshold) {
      forgive(s);
    }
    return;
  }
  // Of a call that was begun while it was closed, it is late where it is not any more.
  if (s.state != CircuitState::kClosed) return;
  s.failures = success ? 0 : s.failures + 1;
  note(s, o, now, success);
  if (!success && is_too_much(s, o, now)) {
    change.opened = true;
    open(s, o, now);
  }
}

}  // namespace internal
}  // namespace zeroipc::patterns
