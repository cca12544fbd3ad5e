// Supervisor: keeps processes running: one that dies is started again.
//
//   patterns::Supervisor all;
//   all.add("storage", [] { Actor<Put, Store>(memory("/app"), "storage", 100).run(on_put); });
//   all.add("network", [] { ... });
//   absl::Status why = all.run();            // until each has ended by itself, or stop()
//
// A child is a fork of this process that runs the function and ends: with 0 when that returns. A child that ends in any other way, by a
// signal, a code, an exception, is started again, after a pause that doubles; one that ended with 0 is not. When more than
// options.most_restarts were needed within options.within, all are ended, and run() says which one it was: something is wrong that
// starting again does not cure. Children are killed when the supervisor dies.
//
// When to use it: where nothing else (systemd, a container's runtime) does that. When not: in a process with threads of its own that allocate or
// hold locks, for children are forked from it; start it first.
//
// Thread safety: add() and run() by one thread, stop() by any thread or signal handler. Nothing is polled: it sleeps until a child ends, or
// stop(). Source: supervisors of Erlang/OTP, strategy one_for_one.
#ifndef ZEROIPC_PATTERNS_ACTOR_SUPERVISOR_H_
#define ZEROIPC_PATTERNS_ACTOR_SUPERVISOR_H_

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace zeroipc::patterns {

struct SupervisorOptions {
  uint32_t most_restarts = 10;
  std::chrono::milliseconds within{10'000};
  std::chrono::milliseconds first_pause{1};
  std::chrono::milliseconds most_pause{1'000};
  // How long children that are told to end (SIGTERM) may take; then they are killed.
  std::chrono::milliseconds patience{5'000};
};

class Supervisor {
 public:
  // Throws zeroipc::error (no descriptors left).
  explicit Supervisor(const SupervisorOptions& options = {});
  ~Supervisor();
  Supervisor(const Supervisor&) = delete;
  Supervisor& operator=(const Supervisor&) = delete;

  // Before run().
  void add(std::string_view name, std::function<void()> body);
  // Starts all, and keeps them running. OK: all have ended with 0, or stop(); Aborted: too many restarts; Internal: no process could be started.
  absl::Status run();
  // Ends all children, and run().
  void stop();

  uint64_t restarts() const { return restarts_; }

 private:
  using time_point = std::chrono::steady_clock::time_point;
  struct Child {
    std::string name;
    std::function<void()> body;
    pid_t pid = -1;
    int pidfd = -1;
    time_point start_at{};  // when it is not running, and is to be
    bool done = false;
    std::chrono::milliseconds pause{};
  };

  absl::Status start(Child& c);
  // False if the limit is reached.
  bool restart_later(Child& c);
  absl::Status start_those_due();
  // Until a child ends, one is due, or stop(): true for that.
  bool sleep(time_point until, bool even_if_stopped);
  // Those that have ended. Aborted, as above.
  absl::Status collect(bool restart);
  void end_all();
  time_point next_start() const;
  bool all_done() const;

  SupervisorOptions options_;
  std::vector<Child> children_;
  std::deque<time_point> recent_;
  uint64_t restarts_ = 0;
  int stop_fd_ = -1;
};

}  // namespace zeroipc::patterns

#endif  // ZEROIPC_PATTERNS_ACTOR_SUPERVISOR_H_
