#include "testing/harness/process.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <mutex>
#include <system_error>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace zeroipc::harness {
namespace {

int this_process_reports = -1;

void append(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno != EINTR) return;
    if (n > 0) bytes.remove_prefix(static_cast<size_t>(n));
  }
}

std::string read_all(int fd) {
  struct stat st;
  if (fd < 0 || ::fstat(fd, &st) != 0) return {};
  std::string bytes(static_cast<size_t>(st.st_size), '\0');
  const ssize_t n = ::pread(fd, bytes.data(), bytes.size(), 0);
  bytes.resize(n > 0 ? static_cast<size_t>(n) : 0);
  return bytes;
}

int make_log(const char* name) {
  const int fd = ::memfd_create(name, MFD_CLOEXEC);
  if (fd >= 0) ::fcntl(fd, F_SETFL, O_APPEND);
  return fd;
}

// Hands the child's failures to the parent as text, in place of printing them beside the parent's own.
class failure_log : public ::testing::EmptyTestEventListener {
 public:
  explicit failure_log(int fd) : fd_(fd) {}
  bool any() const { return any_; }

 private:
  void OnTestPartResult(const ::testing::TestPartResult& result) override {
    if (!result.failed()) return;
    any_ = true;
    append(fd_,
           absl::StrCat("  ", result.file_name() != nullptr ? result.file_name() : "unknown file",
                        ":", result.line_number(), "\n", result.message(), "\n"));
  }
  int fd_;
  bool any_ = false;
};

// A pipe that nobody writes to. Its reading end makes the kernel kill a child as soon as the last writing end is closed,
// which only the parent has. PR_SET_PDEATHSIG would do so when the *thread* that forked ends.
struct lifeline {
  int reader = -1;
  int writer = -1;
  pid_t owner = -1;
};
lifeline line;
std::mutex line_mutex;

void ensure_lifeline() {
  std::lock_guard lock(line_mutex);
  if (line.owner == ::getpid()) return;
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) std::abort();
  line = {ends[0], ends[1], ::getpid()};
}

void die_with_parent(pid_t parent) {
  ::close(line.writer);
  // Its own open file description: the signal's settings belong to that, and each child has its own. Kept over exec, so that
  // a program the child becomes dies with the parent too.
  const int mine =
      ::open(absl::StrCat("/proc/self/fd/", line.reader).c_str(), O_RDONLY | O_NONBLOCK);
  if (mine < 0 || ::fcntl(mine, F_SETSIG, SIGKILL) != 0 ||
      ::fcntl(mine, F_SETOWN, ::getpid()) != 0 ||
      ::fcntl(mine, F_SETFL, O_ASYNC | O_NONBLOCK) != 0) {
    ::_exit(126);
  }
  ::close(line.reader);
  line = {};
  if (::getppid() != parent) ::_exit(126);  // it went before the line was set up
}

int run_child(const std::function<int()>& body, int failures) {
  auto& listeners = ::testing::UnitTest::GetInstance()->listeners();
  delete listeners.Release(listeners.default_result_printer());
  auto* log = new failure_log(failures);
  listeners.Append(log);
  int code = 0;
  try {
    code = body();
  } catch (const std::exception& e) {
    ADD_FAILURE() << "exception in a forked process: " << e.what();
  } catch (...) {
    ADD_FAILURE() << "exception of unknown type in a forked process";
  }
  return log->any() && code == 0 ? process::kFailedExpectation : code;
}

#if defined(__SANITIZE_ADDRESS__)
// A thread that is in AddressSanitizer's heap leaves it locked in the child for ever; the C library's own is prepared for a fork. So
// the others are given some time to fall asleep: those that a test waits with do, and those that it hammers with do not allocate.
void let_other_threads_sleep() {
  static_cast<void>(eventually(std::chrono::milliseconds(200), [] {
    std::error_code ignored;
    for (const auto& task : std::filesystem::directory_iterator("/proc/self/task", ignored)) {
      pid_t thread = 0;
      if (!absl::SimpleAtoi(task.path().filename().string(), &thread)) continue;
      if (thread != ::gettid() && !is_asleep(thread)) return false;
    }
    return true;
  }));
}
#else
void let_other_threads_sleep() {}
#endif

}  // namespace

std::ostream& operator<<(std::ostream& os, const exit_state& state) {
  switch (state.how) {
    case exit_state::kind::running:
      return os << "still running";
    case exit_state::kind::exited:
      return os << "exited with " << state.value;
    case exit_state::kind::signalled:
      return os << "killed by signal " << state.value << " (" << ::strsignal(state.value) << ")";
  }
  return os;
}

void process::start(const std::function<int()>& body) {
  let_other_threads_sleep();
  ensure_lifeline();
  reported_ = make_log("reported");
  failures_ = make_log("failures");
  // What is buffered now would be written twice.
  std::fflush(nullptr);
  const pid_t parent = ::getpid();
  pid_ = ::fork();
  if (pid_ < 0 || reported_ < 0 || failures_ < 0) {
    std::perror("cannot fork a process for the test");
    std::abort();
  }
  if (pid_ == 0) {
    die_with_parent(parent);
    this_process_reports = reported_;
    const int code = run_child(body, failures_);
    std::fflush(nullptr);
    ::_exit(code);
  }
  pidfd_ = static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0));
  if (pidfd_ < 0) std::abort();
}

process::process(process&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      pidfd_(std::exchange(other.pidfd_, -1)),
      reported_(std::exchange(other.reported_, -1)),
      failures_(std::exchange(other.failures_, -1)),
      ended_(std::exchange(other.ended_, std::nullopt)) {}

process& process::operator=(process&& other) noexcept {
  if (this != &other) {
    end_and_forget();
    new (this) process(std::move(other));
  }
  return *this;
}

process::~process() { end_and_forget(); }

void process::end_and_forget() {
  if (pid_ < 0) return;
  if (poll() == still_running()) {
    kill(SIGKILL);
    wait();
  }
  for (const int fd : {pidfd_, reported_, failures_}) ::close(fd);
  pid_ = -1;
}

void process::kill(int signal) {
  // Not reaped yet, so the pid is still its own.
  if (!ended_) ::kill(pid_, signal);
}

void process::stop() {
  if (ended_) return;
  kill(SIGSTOP);
  siginfo_t info{};
  // Without reaping: it may also have ended.
  while (::waitid(P_PID, static_cast<id_t>(pid_), &info, WSTOPPED | WEXITED | WNOWAIT) != 0 &&
         errno == EINTR) {
  }
}

void process::cont() { kill(SIGCONT); }

exit_state process::wait() {
  const exit_state state = wait_for(kPatience);
  if (state != still_running()) return state;
  ADD_FAILURE() << "process " << pid_ << " has not ended within "
                << std::chrono::duration<double>(kPatience).count() << " s; state "
                << state_of(pid_);
  kill(SIGKILL);
  return wait_for(kPatience);
}

exit_state process::wait_for(std::chrono::nanoseconds bound) {
  if (ended_) return *ended_;
  const auto end = std::chrono::steady_clock::now() + bound;
  for (;;) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
    pollfd entry{pidfd_, POLLIN, 0};
    const int timeout = static_cast<int>(std::clamp<int64_t>(left.count(), 0, 1'000'000));
    const int ready = ::poll(&entry, 1, timeout);
    if (ready > 0) break;
    if (ready == 0 && std::chrono::steady_clock::now() >= end) return still_running();
  }
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  learn_end(status);
  return *ended_;
}

void process::learn_end(int status) {
  ended_ = WIFSIGNALED(status) ? killed_by(WTERMSIG(status)) : exited(WEXITSTATUS(status));
  const std::string failures = read_all(failures_);
  if (!failures.empty()) ADD_FAILURE() << "in the forked process " << pid_ << ":\n" << failures;
}

void process::report(std::string_view bytes) { append(this_process_reports, bytes); }

std::string process::reported() const { return read_all(reported_); }

}  // namespace zeroipc::harness
