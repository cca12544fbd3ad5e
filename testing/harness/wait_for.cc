#include "testing/harness/wait_for.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace zeroipc::harness {
namespace {

// Empty if the thread is gone, which it may be between opening and reading.
std::string read_proc(pid_t thread, const char* file) {
  const int fd = ::open(absl::StrCat("/proc/", thread, "/", file).c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return {};
  char buffer[1024];
  const ssize_t n = ::read(fd, buffer, sizeof buffer);
  ::close(fd);
  return n > 0 ? std::string(buffer, static_cast<size_t>(n)) : std::string();
}

// futex_waitv, which older headers do not know. The same number on every architecture.
constexpr int kFutexWaitv = 449;

bool in_futex(pid_t thread) {
  const std::string call = read_proc(thread, "syscall");
  int number = 0;
  // Unreadable where ptrace is forbidden; the state letter has to do there.
  if (!absl::SimpleAtoi(call.substr(0, call.find(' ')), &number))
    return call.rfind("running", 0) != 0;
  return number == SYS_futex || number == kFutexWaitv;
}

}  // namespace

bool eventually(std::chrono::nanoseconds bound, const std::function<bool()>& holds) {
  const auto end = std::chrono::steady_clock::now() + bound;
  for (long pause_ns = 10'000;; pause_ns = std::min(pause_ns * 2, 5'000'000L)) {
    if (holds()) return true;
    if (std::chrono::steady_clock::now() >= end) return holds();
    const timespec pause{0, pause_ns};
    ::nanosleep(&pause, nullptr);
  }
}

char state_of(pid_t thread) {
  const std::string stat = read_proc(thread, "stat");
  // The name before it is in parentheses and may hold any character.
  const size_t name_end = stat.rfind(')');
  return name_end == stat.npos || name_end + 2 >= stat.size() ? '\0' : stat[name_end + 2];
}

bool is_asleep(pid_t thread) { return state_of(thread) == 'S' && in_futex(thread); }

bool wait_until_asleep(pid_t thread, std::chrono::nanoseconds bound) {
  return eventually(bound, [&] { return is_asleep(thread); });
}

}  // namespace zeroipc::harness
