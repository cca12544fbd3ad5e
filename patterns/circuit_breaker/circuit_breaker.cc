#include "patterns/circuit_breaker/circuit_breaker.h"

#include <algorithm>
#include <array>

#include "absl/strings/str_cat.h"
#include "patterns/base/counters.h"
#include "patterns/base/process_id.h"
#include "patterns/base/remove_names.h"
#include "zeroipc/base/deadline.h"
#include "zeroipc/cell/cell.h"
#include "zeroipc/participant/participant.h"

namespace zeroipc::patterns {

using internal::BreakerChange;
using internal::BreakerEvent;
using internal::BreakerState;

namespace {

std::string state_name(std::string_view name) { return absl::StrCat(name, "/state"); }
std::string counters_name(std::string_view name) { return absl::StrCat(name, "/counters"); }

}  // namespace

namespace internal {

// What all handles and permits of a process share.
class Breaker {
 public:
  Breaker(const memory& mem, std::string_view name, const CircuitBreakerOptions& options,
          cell<BreakerState> state, Counters<BreakerEvent> counters)
      : mem_(mem),
        name_(name),
        options_(options),
        state_(std::move(state)),
        counters_(std::move(counters)) {}

  BreakerState now() const {
    BreakerState s{};
    state_.load(s);
    return s;
  }
  int64_t clock() const { return options_.clock(); }
  const std::string& name() const { return name_; }

  // Whether it may be called: nothing is held against it, or it is time for a probe, whose number is left in `probe`.
  bool enter(uint64_t& probe) {
    if (lets_all_through(now()) || try_probe(probe)) return true;
    counters_.add(BreakerEvent::kRefused);
    return false;
  }
  bool settle(bool success, uint64_t probe, int64_t began_ns);
  outcome wait_until_closed(std::chrono::nanoseconds timeout);
  void trip();
  void reset();
  CircuitBreakerStats stats() const;
  std::string describe(const CircuitBreakerStats& s) const;
  absl::Status remove() const;

 private:
  bool try_probe(uint64_t& probe);

  memory mem_;
  std::string name_;
  CircuitBreakerOptions options_;
  cell<BreakerState> state_;
  Counters<BreakerEvent> counters_;
};

bool Breaker::try_probe(uint64_t& probe) {
  const auto dead = [&](ProcessId who) { return is_dead(mem_, who); };
  const ProcessId self = this_process(mem_);
  BreakerChange change;
  // Most who come while it is open change nothing, and need not exclude each other to find out.
  const BreakerState before = now();
  BreakerState after = before;
  take_probe(after, options_, clock(), self, dead, change);
  if (after == before && !lets_all_through(after)) return false;

  bool may = false;
  const outcome r = state_.update([&](BreakerState& s) {
    change = {};
    probe = 0;
    may = lets_all_through(s);
    if (may) return;
    may = take_probe(s, options_, clock(), self, dead, change);
    if (may) probe = s.probe;
  });
  if (!r) return false;
  if (probe != 0) counters_.add(BreakerEvent::kProbes);
  if (change.lost_probe) counters_.add(BreakerEvent::kLostProbes);
  if (change.opened) counters_.add(BreakerEvent::kOpened);
  return may;
}

bool Breaker::settle(bool success, uint64_t probe, int64_t began_ns) {
  const int64_t now_ns = clock();
  const bool slow =
      success && options_.slow_call.count() > 0 && now_ns - began_ns >= options_.slow_call.count();
  success = success && !slow;
  BreakerChange change;
  if (!success || probe != 0 || !is_unmoved_by_success(now(), options_)) {
    const outcome r = state_.update([&](BreakerState& s) {
      change = {};
      internal::settle(s, options_, now_ns, success, probe, change);
    });
    if (!r) return false;
  }
  if (change.opened) counters_.add(BreakerEvent::kOpened);
  if (!change.counted) return false;
  counters_.add(success ? BreakerEvent::kSucceeded : BreakerEvent::kFailed);
  if (slow) counters_.add(BreakerEvent::kSlow);
  return true;
}

outcome Breaker::wait_until_closed(std::chrono::nanoseconds timeout) {
  const deadline until = deadline::after(timeout);
  for (;;) {
    const uint64_t version = state_.version();
    if (lets_all_through(now())) return outcome::ok;
    if (until.passed()) return outcome::timed_out;
    state_.wait_for_change_for(version, std::chrono::nanoseconds(until.ns() - deadline::now_ns()));
  }
}

void Breaker::trip() {
  state_.update([&](BreakerState& s) { open(s, options_, clock()); });
  counters_.add(BreakerEvent::kOpened);
}

void Breaker::reset() {
  state_.update([](BreakerState& s) { forgive(s); });
}

CircuitBreakerStats Breaker::stats() const {
  const BreakerState s = now();
  CircuitBreakerStats stats;
  stats.state = s.state;
  stats.succeeded = counters_.get(BreakerEvent::kSucceeded);
  stats.failed = counters_.get(BreakerEvent::kFailed);
  stats.slow = counters_.get(BreakerEvent::kSlow);
  stats.refused = counters_.get(BreakerEvent::kRefused);
  stats.probes = counters_.get(BreakerEvent::kProbes);
  stats.lost_probes = counters_.get(BreakerEvent::kLostProbes);
  stats.opened = counters_.get(BreakerEvent::kOpened);
  if (s.state == CircuitState::kOpen) {
    stats.until_probe = std::chrono::nanoseconds(std::max<int64_t>(0, s.open_until_ns - clock()));
  }
  return stats;
}

std::string Breaker::describe(const CircuitBreakerStats& s) const {
  std::string text =
      absl::StrCat("segment ", mem_.name(), ": circuit breaker '", name_, "': ", name_of(s.state));
  if (s.state == CircuitState::kOpen) {
    absl::StrAppend(&text, ", for ", (s.until_probe.count() + 999'999) / 1'000'000, " ms yet");
  }
  return text;
}

absl::Status Breaker::remove() const {
  return remove_names(mem_, std::array{state_name(name_), counters_name(name_)});
}

}  // namespace internal

CircuitBreaker::Permit::Permit() : forks_(zeroipc::internal::fork_generation()) {}
CircuitBreaker::Permit::Permit(Permit&& other) noexcept = default;
CircuitBreaker::Permit& CircuitBreaker::Permit::operator=(Permit&& other) noexcept {
  if (this != &other) {
    end(false);
    breaker_ = std::move(other.breaker_);
    probe_ = other.probe_;
    began_ns_ = other.began_ns_;
    forks_ = other.forks_;
  }
  return *this;
}
CircuitBreaker::Permit::~Permit() { end(false); }

bool CircuitBreaker::Permit::end(bool success) {
  const std::shared_ptr<internal::Breaker> breaker = std::exchange(breaker_, nullptr);
  // A child's copy of its parent's permit says nothing.
  if (breaker == nullptr || forks_ != zeroipc::internal::fork_generation()) return false;
  return breaker->settle(success, probe_, began_ns_);
}

absl::StatusOr<CircuitBreaker> CircuitBreaker::open_or_create(
    const memory& mem, std::string_view name, const CircuitBreakerOptions& options) {
  if (absl::Status s = options.check(); !s.ok()) return s;
  auto state = cell<BreakerState>::open_or_create(mem, state_name(name));
  if (!state.ok()) return state.status();
  auto counters = Counters<BreakerEvent>::open_or_create(mem, counters_name(name));
  if (!counters.ok()) return counters.status();
  return CircuitBreaker(std::make_shared<internal::Breaker>(mem, name, options, *std::move(state),
                                                            *std::move(counters)));
}

CircuitBreaker::Permit CircuitBreaker::try_enter() const {
  Permit permit;
  if (breaker_->enter(permit.probe_)) {
    permit.breaker_ = breaker_;
    permit.began_ns_ = breaker_->clock();
  }
  return permit;
}

CircuitState CircuitBreaker::state() const { return breaker_->now().state; }
const std::string& CircuitBreaker::name() const { return breaker_->name(); }
outcome CircuitBreaker::wait_until_closed(std::chrono::nanoseconds timeout) {
  return breaker_->wait_until_closed(timeout);
}
void CircuitBreaker::trip() { breaker_->trip(); }
void CircuitBreaker::reset() { breaker_->reset(); }
CircuitBreakerStats CircuitBreaker::stats() const { return breaker_->stats(); }
absl::Status CircuitBreaker::remove() const { return breaker_->remove(); }

Health CircuitBreaker::health() const {
  const CircuitBreakerStats s = stats();
  if (s.state == CircuitState::kClosed) return {};
  return {false, breaker_->describe(s)};
}

absl::Status CircuitBreaker::refusal() const {
  return absl::UnavailableError(breaker_->describe(stats()));
}

}  // namespace zeroipc::patterns
