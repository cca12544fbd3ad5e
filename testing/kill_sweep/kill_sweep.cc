#include "testing/kill_sweep/kill_sweep.h"

#include <elf.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <new>
#include <optional>
#include <vector>

namespace zeroipc::testing {
namespace {

// Eight words at once, whatever their alignment. These two run after each single instruction of a victim, and the library's
// own memcmp and memcpy are watched by ThreadSanitizer, for which a victim's writes would be races.
using words [[gnu::vector_size(64), gnu::aligned(1), gnu::may_alias]] = uint64_t;

[[gnu::no_sanitize("thread"), gnu::no_sanitize("address")]] bool same(const std::byte* a,
                                                                      const std::byte* b,
                                                                      size_t n) {
  size_t i = 0;
  for (; i + 256 <= n; i += 256) {
    const auto* x = reinterpret_cast<const words*>(a + i);
    const auto* y = reinterpret_cast<const words*>(b + i);
    const words differ = (x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2]) | (x[3] ^ y[3]);
    uint64_t any = 0;
    for (int w = 0; w < 8; ++w) any |= differ[w];
    if (any != 0) return false;
  }
  for (; i < n; ++i) {
    if (a[i] != b[i]) return false;
  }
  return true;
}

[[gnu::no_sanitize("thread"), gnu::no_sanitize("address")]] void copy(std::byte* to,
                                                                      const std::byte* from,
                                                                      size_t n) {
  size_t i = 0;
  for (; i + sizeof(words) <= n; i += sizeof(words)) {
    *reinterpret_cast<words*>(to + i) = *reinterpret_cast<const words*>(from + i);
  }
  for (; i < n; ++i) to[i] = from[i];
}

// The calling thread runs on one CPU only, until this goes out of scope.
class pinned {
 public:
  explicit pinned(int cpu) {
    known_ = ::sched_getaffinity(0, sizeof before_, &before_) == 0;
    cpu_set_t only;
    CPU_ZERO(&only);
    CPU_SET(cpu, &only);
    if (known_) ::sched_setaffinity(0, sizeof only, &only);
  }
  ~pinned() {
    if (known_) ::sched_setaffinity(0, sizeof before_, &before_);
  }
  pinned(const pinned&) = delete;
  pinned& operator=(const pinned&) = delete;

 private:
  cpu_set_t before_;
  bool known_ = false;
};

// A child that is stopped before its first instruction of the operation. Killed and reaped when
// this goes out of scope. It and its tracer take turns, and share the CPU on which the child was
// born: to wake each other on another takes up to five times as long.
class traced_child {
 public:
  traced_child(const std::function<void()>& operation, const std::function<void()>& prepare) {
    void* page =
        ::mmap(nullptr, sizeof(told), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) return;
    told_ = new (page) told;
    pid_ = ::fork();
    if (pid_ == 0) {
      prepare();
      told_->cpu = ::sched_getcpu();
      const pinned here(told_->cpu);
      if (::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) ::_exit(2);
      ::raise(SIGSTOP);
      operation();
      told_->returned = true;
      ::_exit(0);
    }
    stopped_ = pid_ > 0 && wait_for_stop(SIGSTOP);
    if (stopped_) beside_it_.emplace(told_->cpu);
  }
  ~traced_child() {
    if (pid_ > 0 && !reaped_) {
      ::kill(pid_, SIGKILL);
      int status;
      while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
      }
    }
    if (told_ != nullptr) ::munmap(told_, sizeof(told));
  }
  traced_child(const traced_child&) = delete;
  traced_child& operator=(const traced_child&) = delete;

  bool stopped() const { return stopped_; }
  bool returned() const { return told_->returned; }

  // Whether the next step is a system call.
  bool at_system_call() const {
    user_regs_struct registers;
    iovec buffer{&registers, sizeof registers};
    if (::ptrace(PTRACE_GETREGSET, pid_, NT_PRSTATUS, &buffer) != 0) return true;
#if defined(__x86_64__)
    constexpr long kMask = 0xffff, kSyscall = 0x050f;
    const auto pc = registers.rip;
#elif defined(__aarch64__)
    constexpr long kMask = 0xffff'ffff, kSyscall = 0xd400'0001;
    const auto pc = registers.pc;
#endif
    return (::ptrace(PTRACE_PEEKTEXT, pid_, pc, nullptr) & kMask) == kSyscall;
  }
  // False if the child did something else than take a step.
  bool step() {
    long signal = 0;
    for (;;) {
      if (::ptrace(PTRACE_SINGLESTEP, pid_, nullptr, signal) != 0) return false;
      if (wait_for_stop(SIGTRAP)) return true;
      // The end of a child of its own is no step, and nothing to stop for.
      if (reaped_ || last_signal_ != SIGCHLD) return false;
      signal = SIGCHLD;
    }
  }

 private:
  // By the child.
  struct told {
    std::atomic<bool> returned = false;
    std::atomic<int> cpu = 0;
  };

  bool wait_for_stop(int signal) {
    int status;
    while (::waitpid(pid_, &status, 0) < 0) {
      if (errno != EINTR) return false;
    }
    if (WIFEXITED(status) || WIFSIGNALED(status)) reaped_ = true;
    last_signal_ = WIFSTOPPED(status) ? WSTOPSIG(status) : 0;
    return last_signal_ == signal;
  }

  told* told_ = nullptr;
  std::optional<pinned> beside_it_;
  pid_t pid_ = -1;
  bool stopped_ = false;
  bool reaped_ = false;
  int last_signal_ = 0;
};

}  // namespace

std::vector<std::byte> snapshot(std::span<const std::byte> memory) {
  std::vector<std::byte> bytes(memory.size());
  copy(bytes.data(), memory.data(), memory.size());
  return bytes;
}

sweep_result step_through(std::span<const std::byte> watched,
                          const std::function<void()>& operation,
                          const std::function<void(long step, bool returned)>& judge,
                          const std::function<void()>& prepare) {
  sweep_result result;
  traced_child child(operation, prepare);
  if (!child.stopped()) {
    result.broken = true;
    return result;
  }
  bool returned = false;
  judge(0, false);
  // After the judge, which may have changed it itself, by forking say: that is no state of the operation's.
  std::vector<std::byte> last = snapshot(watched);
  result.states = 1;
  while (!returned) {
    if (!child.step()) {
      result.broken = true;
      break;
    }
    ++result.steps;
    returned = child.returned();
    if (!returned && same(watched.data(), last.data(), last.size())) continue;
    ++result.states;
    judge(result.steps, returned);
    copy(last.data(), watched.data(), last.size());
  }
  return result;
}

sweep_result interleave(const std::function<void()>& operation,
                        const std::function<void(long step)>& between,
                        const std::function<void()>& prepare) {
  sweep_result result;
  traced_child child(operation, prepare);
  result.broken = !child.stopped();
  while (!result.broken && !child.returned()) {
    between(result.steps);
    result.broken = !child.step();
    ++result.steps;
  }
  return result;
}

turning_points find_turning_points(std::span<const std::byte> watched,
                                   const std::function<void()>& operation,
                                   const std::function<void()>& prepare) {
  turning_points points;
  traced_child child(operation, prepare);
  points.broken = !child.stopped();
  std::vector<std::byte> last = snapshot(watched);
  while (!points.broken && !child.returned()) {
    const bool calls = child.at_system_call();
    points.broken = !child.step();
    ++points.steps;
    const bool changed = !same(watched.data(), last.data(), last.size());
    if (changed) copy(last.data(), watched.data(), last.size());
    if (!calls && !changed) continue;
    for (const long k : {points.steps - 1, points.steps}) {
      if (points.at.empty() || points.at.back() < k) points.at.push_back(k);
    }
  }
  return points;
}

kill_result kill_after(long k, const std::function<void()>& operation,
                       const std::function<void()>& prepare) {
  kill_result result;
  traced_child child(operation, prepare);
  result.broken = !child.stopped();
  for (long i = 0; i < k && !result.broken && !result.returned; ++i) {
    result.broken = !child.step();
    result.returned = !result.broken && child.returned();
  }
  return result;
}

}  // namespace zeroipc::testing
