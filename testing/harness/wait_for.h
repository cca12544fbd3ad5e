// Waiting in tests: for progress, with a bound that is only ever reached by a defect.
//
// Where there is an event (a gate, a process's end), wait for it. eventually() is for what has none.
#ifndef ZEROIPC_TESTING_HARNESS_WAIT_FOR_H_
#define ZEROIPC_TESTING_HARNESS_WAIT_FOR_H_

#include <sys/types.h>

#include <chrono>
#include <functional>

namespace zeroipc::harness {

// How long a test waits for what ought to happen at once before it calls it a hang. Generous: a sanitizer on a busy
// machine is no defect. Well under a small test's five minutes, so that the test can still say what it waited for.
inline constexpr std::chrono::seconds kPatience{60};

// True as soon as `holds` answers true, false if it has not within `bound`.
[[nodiscard]] bool eventually(std::chrono::nanoseconds bound, const std::function<bool()>& holds);
[[nodiscard]] inline bool eventually(const std::function<bool()>& holds) {
  return eventually(kPatience, holds);
}

// True once the thread is asleep in a futex system call: what "it waits, and does not spin" looks like from outside. A
// process's pid is its main thread's id; other threads are named by their gettid().
[[nodiscard]] bool wait_until_asleep(pid_t thread, std::chrono::nanoseconds bound = kPatience);

// Whether it is, now.
bool is_asleep(pid_t thread);

// The state letter in /proc/<pid>/stat: R, S, D, T (stopped), Z (zombie); 0 if there is no such thread.
char state_of(pid_t thread);

}  // namespace zeroipc::harness

#endif  // ZEROIPC_TESTING_HARNESS_WAIT_FOR_H_
