// A point on the monotonic clock at which waiting ends, or never.
//
// Every operation that waits takes one internally, so that the time already spent is never counted twice and a
// duration too large to add saturates to "never".
#ifndef ZEROIPC_BASE_DEADLINE_H_
#define ZEROIPC_BASE_DEADLINE_H_

#include <time.h>

#include <chrono>
#include <cstdint>
#include <limits>

namespace zeroipc {

class deadline {
 public:
  static constexpr deadline never() { return deadline(kNever); }
  static constexpr deadline at_once() { return deadline(0); }

  template <typename Rep, typename Period>
  static deadline after(std::chrono::duration<Rep, Period> timeout) {
    using seconds = std::chrono::duration<double>;
    if (timeout <= timeout.zero()) return at_once();
    if (std::chrono::duration_cast<seconds>(timeout).count() > 3e9) return never();
    const auto ns = std::chrono::ceil<std::chrono::nanoseconds>(timeout).count();
    const int64_t now = now_ns();
    return ns > kNever - 1 - now ? never() : deadline(now + ns);
  }

  // What another clock calls `when`, by what it says now: it being set later on changes nothing.
  template <typename Clock, typename Duration>
  static deadline at(std::chrono::time_point<Clock, Duration> when) {
    return after(when - Clock::now());
  }

  // CLOCK_MONOTONIC in nanoseconds; comparable between the processes of one machine.
  static int64_t now_ns() {
    timespec now;
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
  }

  constexpr bool is_never() const { return ns_ == kNever; }
  constexpr bool is_at_once() const { return ns_ == 0; }
  bool passed() const { return is_at_once() || (!is_never() && now_ns() >= ns_); }
  constexpr int64_t ns() const { return ns_; }
  timespec as_timespec() const {
    return {static_cast<time_t>(ns_ / 1'000'000'000), static_cast<long>(ns_ % 1'000'000'000)};
  }
  friend constexpr bool operator<(deadline a, deadline b) { return a.ns_ < b.ns_; }

 private:
  static constexpr int64_t kNever = std::numeric_limits<int64_t>::max();
  constexpr explicit deadline(int64_t ns) : ns_(ns) {}
  int64_t ns_;
};

}  // namespace zeroipc

#endif  // ZEROIPC_BASE_DEADLINE_H_
