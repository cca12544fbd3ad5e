// A forked process of a test: what it found, whether it failed, and how it ended.
//
//   process p([&] { EXPECT_TRUE(q.push(1)); });
//   EXPECT_EQ(p.wait(), exited(0));
//
// The body runs in the child and returns nothing or an exit code. A GoogleTest failure in the child fails the parent's
// test, with its text, when the parent learns of the child's end; an exit code of 0 becomes kFailedExpectation then. An
// exception that leaves the body is such a failure too. The child ends by _exit: no destructor of the parent's objects
// runs twice.
//
// A child dies with its parent, whatever ended that one. One still running when its `process` goes out of scope is killed.
//
// Thread safety: a `process` belongs to one thread at a time. Different ones are independent.
#ifndef ZEROIPC_TESTING_HARNESS_PROCESS_H_
#define ZEROIPC_TESTING_HARNESS_PROCESS_H_

#include <signal.h>
#include <sys/types.h>

#include <chrono>
#include <cstring>
#include <functional>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "testing/harness/wait_for.h"

namespace zeroipc::harness {

struct exit_state {
  enum class kind { running, exited, signalled };
  kind how = kind::running;
  int value = 0;  // the exit code, or the signal

  friend bool operator==(const exit_state&, const exit_state&) = default;
  friend std::ostream& operator<<(std::ostream& os, const exit_state& state);
};

inline exit_state exited(int code) { return {exit_state::kind::exited, code}; }
inline exit_state killed_by(int signal) { return {exit_state::kind::signalled, signal}; }
inline exit_state still_running() { return {}; }

class process {
 public:
  static constexpr int kFailedExpectation = 99;

  template <typename Body>
  requires std::is_invocable_v<Body&>
  explicit process(Body&& body) {
    if constexpr (std::is_void_v<std::invoke_result_t<Body&>>) {
      start([&body] {
        body();
        return 0;
      });
    } else {
      start([&body] { return static_cast<int>(body()); });
    }
  }
  ~process();
  process(process&& other) noexcept;
  process& operator=(process&& other) noexcept;

  pid_t pid() const { return pid_; }

  void kill(int signal = SIGKILL);
  // Returns once it has stopped.
  void stop();
  void cont();

  // Waits until it has ended. Reports a test failure, and kills it, if it has not within kPatience.
  exit_state wait();
  // The same with a bound of the caller's and no failure: still_running() when that is reached.
  exit_state wait_for(std::chrono::nanoseconds bound);
  exit_state poll() { return wait_for(std::chrono::nanoseconds{0}); }

  // In the child: hands bytes to the parent. What was reported before a SIGKILL arrives.
  static void report(std::string_view bytes);
  template <typename T>
  requires(std::is_trivially_copyable_v<T> &&
           !std::is_convertible_v<T, std::string_view>) static void report(const T& value) {
    report(std::string_view(reinterpret_cast<const char*>(&value), sizeof value));
  }
  // In the parent, at any time: all that was reported so far.
  std::string reported() const;
  template <typename T>
  std::vector<T> reported_as() const {
    const std::string bytes = reported();
    std::vector<T> values(bytes.size() / sizeof(T));
    if (!values.empty()) std::memcpy(values.data(), bytes.data(), values.size() * sizeof(T));
    return values;
  }

 private:
  void start(const std::function<int()>& body);
  void learn_end(int status);
  void end_and_forget();

  pid_t pid_ = -1;
  int pidfd_ = -1;
  int reported_ = -1;  // memfds: written by the child, and still there when it is not
  int failures_ = -1;
  std::optional<exit_state> ended_;
};

}  // namespace zeroipc::harness

#endif  // ZEROIPC_TESTING_HARNESS_PROCESS_H_
