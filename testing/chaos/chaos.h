// Everything that happens to processes, at random: SIGKILL and a restart, SIGSTOP for a while, storms of signals that
// interrupt system calls, and a processor that is shared with programs that only burn it.
//
//   chaos c({.workers = 4, .seed = seed}, [&](int worker) { ...until told to stop... });
//   c.run_for(std::chrono::seconds(10));
//   stop();                       // the workload's own way of saying so
//   EXPECT_TRUE(c.finish());      // everyone who was left has ended with 0
//   ...exact accounts...
//
// What happens when is drawn from the seed, which the report names; what the workers are doing then is up to the machine. The
// accounts are the workload's: it notes in memory of the test's own what it is about to do and what was acknowledged.
//
// Full memory and low limits are the workload's too, for only it knows the right answer; low_limits() gives a worker of its
// own that lives with few descriptors and little memory.
#ifndef ZEROIPC_TESTING_CHAOS_CHAOS_H_
#define ZEROIPC_TESTING_CHAOS_CHAOS_H_

#include <signal.h>
#include <sys/resource.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "testing/harness/harness.h"

namespace zeroipc::chaos {

struct options {
  int workers = 4;
  uint64_t seed = 1;
  // How often each happens, in relation to the others.
  int kills = 6;
  int stops = 2;
  int interruptions = 2;
  // All workers on one processor, with two others that never sleep, for part of the time.
  bool starvation = true;
  std::chrono::microseconds least_pause{500};
  std::chrono::microseconds most_pause{6'000};
};

struct report {
  uint64_t seed = 0;
  uint64_t kills = 0;  // each with a restart
  uint64_t stops = 0;
  uint64_t interruptions = 0;  // signals that were sent; each interrupts whatever was going on
  uint64_t starved_ms = 0;
  std::string text() const;
};

class chaos {
 public:
  // Starts the workers; `body` gets its worker's number, which its replacements inherit.
  chaos(const options& how, std::function<void(int)> body);
  ~chaos();
  chaos(const chaos&) = delete;
  chaos& operator=(const chaos&) = delete;

  // Until the time is over, or nobody is left.
  void run_for(std::chrono::nanoseconds duration);
  // Wakes those who are stopped and lets everybody end. False, with a test failure, if one does not end, or not with 0.
  [[nodiscard]] bool finish();
  const report& so_far() const { return report_; }

 private:
  struct handler {
    handler();
    ~handler();
    struct sigaction before;
  };
  struct stopped {
    int worker;
    std::chrono::steady_clock::time_point until;
  };
  void interrupt(harness::process& p);
  void wake_up(bool all);
  void starve(bool on);

  options how_;
  std::mt19937_64 random_;
  handler handler_;
  harness::killer killer_;
  std::vector<stopped> stopped_;
  std::vector<std::unique_ptr<harness::process>> hogs_;
  std::chrono::steady_clock::time_point starved_since_;
  report report_;
};

// Lowers RLIMIT_NOFILE to `descriptors` beyond those that are open, and RLIMIT_AS to `bytes` beyond what is mapped; back when it
// goes out of scope. A sanitizer maps terabytes as it goes along, so there the second is left alone.
class low_limits {
 public:
  static constexpr uint64_t kNoLimit = ~uint64_t{0};

  explicit low_limits(int descriptors, uint64_t bytes = kNoLimit);
  ~low_limits();
  low_limits(const low_limits&) = delete;
  low_limits& operator=(const low_limits&) = delete;

 private:
  rlimit descriptors_before_{};
  rlimit bytes_before_{};
};

}  // namespace zeroipc::chaos

#endif  // ZEROIPC_TESTING_CHAOS_CHAOS_H_
