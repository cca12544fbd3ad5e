// Killing a process at every instruction of an operation, and asking the survivors.
//
// The operation runs in a forked child that is single-stepped (PTRACE_SINGLESTEP; 25 to 45 thousand
// steps a second). A system call is one step: "killed while blocked" needs a test of its own.
// x86-64 and AArch64; works in Bazel's sandbox and under the sanitizers, where an operation merely
// has more instructions.
//
//   step_through   O(steps). Steps one child to the end and calls `judge` with the child stopped
//                  whenever the watched memory has changed: each such moment is a distinct crash
//                  state. The judge copies the memory and asks a survivor of the copy. Valid where
//                  what the kernel keeps (file locks) can be left out of the copy, and
//                  means "dead" there.
//   kill_after     O(k). Really kills a child after k steps, with SIGKILL; for live survivors, and where the
//                  kernel holds state. find_turning_points() tells which k there are to try.
//
// How many steps an operation takes varies a little from run to run under ThreadSanitizer, so there
// `k` says only about where.
//
// The child ends with _exit when the operation returns; whatever it left in shared memory stays.
#ifndef TESTING_KILL_SWEEP_KILL_SWEEP_H_
#define TESTING_KILL_SWEEP_KILL_SWEEP_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace zeroipc::testing {

// The bytes as they are now, read behind ThreadSanitizer's back: the child that writes them stands
// still, and a thread of this process that writes a word meanwhile makes one more state, not a
// wrong one.
std::vector<std::byte> snapshot(std::span<const std::byte> memory);

struct sweep_result {
  long steps = 0;       // instructions until the operation returned
  long states = 0;      // distinct states of the watched memory, the first and the last included
  bool broken = false;  // the child crashed or could not be traced; `steps` tells where
};

// `judge(step, returned)`: `returned` is set once the operation has returned to its caller, so that
// its effect counts as acknowledged. `prepare`, here and below, runs in the child before it is traced.
sweep_result step_through(
    std::span<const std::byte> watched, const std::function<void()>& operation,
    const std::function<void(long step, bool returned)>& judge,
    const std::function<void()>& prepare = [] {});

// Steps one child to the end and calls `between(step)` before each of its steps: whatever that does
// happens between two instructions of the operation. For races whose window no stress test hits.
sweep_result interleave(
    const std::function<void()>& operation, const std::function<void(long step)>& between,
    const std::function<void()>& prepare = [] {});

// The steps after which a kill can make a difference to others: those that change the watched memory, or are a system
// call, and the one before each. Between two of them only memory of the process's own changes, which dies with it.
struct turning_points {
  std::vector<long> at;  // ascending; for kill_after()
  long steps = 0;
  bool broken = false;
};
turning_points find_turning_points(
    std::span<const std::byte> watched, const std::function<void()>& operation,
    const std::function<void()>& prepare = [] {});

struct kill_result {
  bool returned = false;  // the operation had returned before the k-th step
  bool broken = false;
};

kill_result kill_after(
    long k, const std::function<void()>& operation, const std::function<void()>& prepare = [] {});

}  // namespace zeroipc::testing

#endif  // TESTING_KILL_SWEEP_KILL_SWEEP_H_
