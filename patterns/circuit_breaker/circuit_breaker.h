// CircuitBreaker: stops calling what fails, in all processes at once, and finds out by one call at a time when it works again.
//
//   patterns::CircuitBreaker breaker(mem, "payments");
//   if (auto result = breaker.call([&] { return risky_operation(); })) {
//     process(*result);
//   } else {
//     use_fallback();                                    // it failed, or was not called at all
//   }
//
//   auto answer = breaker.call_status([&] { return charge(card); });   // absl::Status and StatusOr, without exceptions
//
//   if (auto permit = breaker.try_enter()) {            // or in pieces
//     send_request();
//     receive_answer() ? permit.succeeded() : permit.failed();
//   }
//
//   closed --failures reach the threshold--> open --after open_for--> half-open --probes succeed--> closed
//                                              ^--------a probe fails, or its process dies--------'
//
// A call fails if it throws, answers with a status that is not OK, takes slow_call or longer, or drops its permit without a verdict.
//
// When to use it: before anything that is shared, can be down, and is slow to say so. When not: for work that must be done in any case, retry
// with a producer-consumer; to limit how many are at it, Bulkhead.
//
// What is promised when a process is killed: the state is in shared memory, and changes in one step or not at all. A process that dies in a
// probe has failed it, for all others, as soon as its death is noticed by the next one who asks; one that is stopped in it, after
// probe_timeout. A verdict that comes after that counts for nothing. Calls that were under way count as if they had not been made.
//
// Overload: nothing waits; what may not be called is refused at once.
// Thread safety: handles are thread-safe, cheap to copy, and keep the segment mapped; a permit is for one thread.
// Progress: try_enter() is a load while it is closed; verdicts exclude each other for the length of a copy, and successes cost none
// while nothing fails, unless a failure rate is asked for. Memory: 1 KiB or so. Times are those of the monotonic clock, which starts again
// with the machine: on a segment in a file, a breaker that was open then may stay open for up to open_for_most.
// Source: Nygard, Release It!, 2007.
#ifndef ZEROIPC_PATTERNS_CIRCUIT_BREAKER_CIRCUIT_BREAKER_H_
#define ZEROIPC_PATTERNS_CIRCUIT_BREAKER_CIRCUIT_BREAKER_H_

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "patterns/base/health.h"
#include "patterns/circuit_breaker/state.h"
#include "zeroipc/background/callback.h"
#include "zeroipc/base/error.h"
#include "zeroipc/base/outcome.h"
#include "zeroipc/segment/segment.h"

namespace zeroipc::patterns {

namespace internal {
class Breaker;
}

struct CircuitBreakerStats {
  CircuitState state = CircuitState::kClosed;
  uint64_t succeeded = 0, failed = 0;  // calls
  uint64_t slow = 0;                   // of the failed ones, those that failed by their time alone
  uint64_t refused = 0;                // calls that were not made
  uint64_t probes = 0;                 // calls that were let through to find out
  uint64_t lost_probes = 0;            // of processes that died or were overtaken
  uint64_t opened = 0;                 // times
  std::chrono::nanoseconds until_probe{};  // how long it stays open yet; 0: not at all
};

class CircuitBreaker {
 public:
  // A call that may be made. Tests as false if it may not. Dropped without a verdict, it has failed.
  class Permit {
   public:
    Permit(Permit&& other) noexcept;
    Permit& operator=(Permit&& other) noexcept;
    ~Permit();

    explicit operator bool() const { return breaker_ != nullptr; }
    // Whether others are kept out until its verdict.
    bool is_probe() const { return probe_ != 0; }
    // The verdict. False if it came too late: another probe has overtaken this one, or a forked child has no say in it.
    bool succeeded() { return end(true); }
    bool failed() { return end(false); }

   private:
    friend class CircuitBreaker;
    Permit();
    bool end(bool success);

    std::shared_ptr<internal::Breaker> breaker_;
    uint64_t probe_ = 0;  // 0: it is none
    int64_t began_ns_ = 0;
    uint32_t forks_;
  };

  // Opens it, or creates it, closed. Throws zeroipc::error. All processes are to use the same options.
  explicit CircuitBreaker(const memory& mem, std::string_view name = "circuit_breaker",
                          const CircuitBreakerOptions& options = {})
      : CircuitBreaker(zeroipc::internal::value_or_raise(open_or_create(mem, name, options))) {}
  // Errors: InvalidArgument (options that make no sense), and those of opening a cell.
  static absl::StatusOr<CircuitBreaker> open_or_create(const memory& mem,
                                                       std::string_view name = "circuit_breaker",
                                                       const CircuitBreakerOptions& options = {});

  // The result of func(), or nothing: it may not be called now, or has thrown. Of a function that returns nothing: whether it was called,
  // and has not thrown.
  template <typename F>
  auto call(F&& func) {
    using Result = std::invoke_result_t<F&>;
    std::conditional_t<std::is_void_v<Result>, bool, std::optional<not_void<Result>>> result{};
    Permit permit = try_enter();
    if (!permit) return result;
    const auto thrown = zeroipc::internal::message_thrown_by([&] {
      if constexpr (std::is_void_v<Result>) {
        func();
        result = true;
      } else {
        result.emplace(func());
      }
    });
    thrown ? permit.failed() : permit.succeeded();
    return result;
  }
  // The same for a function that answers with an absl::Status or StatusOr: one that is not OK has failed. Unavailable: it may not be called.
  template <typename F>
  auto call_status(F&& func) -> std::invoke_result_t<F&> {
    Permit permit = try_enter();
    if (!permit) return refusal();
    auto result = func();
    result.ok() ? permit.succeeded() : permit.failed();
    return result;
  }
  Permit try_enter() const;

  CircuitState state() const;
  // Until it is closed. `timed_out`. Somebody has to make the calls that close it.
  template <typename Rep, typename Period>
  outcome wait_until_closed_for(std::chrono::duration<Rep, Period> timeout) {
    return wait_until_closed(std::chrono::ceil<std::chrono::nanoseconds>(timeout));
  }

  // By hand: open from now on, or closed, with nothing held against it.
  void trip();
  void reset();

  CircuitBreakerStats stats() const;
  // Not well: it is not closed; how long it stays so is said.
  Health health() const;
  // Takes its names away. Open handles go on as before.
  absl::Status remove() const;
  const std::string& name() const;

 private:
  template <typename R>
  using not_void = std::conditional_t<std::is_void_v<R>, char, R>;

  explicit CircuitBreaker(std::shared_ptr<internal::Breaker> breaker)
      : breaker_(std::move(breaker)) {}
  outcome wait_until_closed(std::chrono::nanoseconds timeout);
  absl::Status refusal() const;

  std::shared_ptr<internal::Breaker> breaker_;
};

}  // namespace zeroipc::patterns

#endif  // ZEROIPC_PATTERNS_CIRCUIT_BREAKER_CIRCUIT_BREAKER_H_
