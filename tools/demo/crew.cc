#include "tools/demo/crew.h"

#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/str_cat.h"

extern char** environ;

namespace zeroipc::demo {
namespace {

// Deaths that nobody ordered, before the demo gives up. More than anybody kills by hand to see what happens.
constexpr int kMostUnordered = 200;

std::string end_of(int status) {
  return WIFSIGNALED(status) ? absl::StrCat("killed by signal ", WTERMSIG(status), " (",
                                            ::strsignal(WTERMSIG(status)), ")")
                             : absl::StrCat("exited with ", WEXITSTATUS(status));
}

}  // namespace

absl::Status crew::start() {
  for (size_t i = 0; i < seats_.size(); ++i) {
    if (absl::Status s = spawn(i); !s.ok()) return s;
  }
  return absl::OkStatus();
}

absl::Status crew::spawn(size_t seat) {
  const auto number = static_cast<uint32_t>(seat_of_process_.size());
  std::vector<std::string> words = arguments_;
  words.push_back(absl::StrCat(number));
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  pid_t pid;
  const int error = ::posix_spawn(&pid, "/proc/self/exe", nullptr, nullptr, argv.data(), environ);
  if (error != 0) return absl::ErrnoToStatus(error, "cannot start a worker");
  seat_of_process_.push_back(seat);
  crew::seat& s = seats_[seat];
  s.pid = pid;
  s.process = number;
  s.ready = false;
  ++s.processes;
  return absl::OkStatus();
}

absl::Status crew::kill_and_replace(size_t i) {
  seat& s = seats_[i];
  ::kill(s.pid, SIGKILL);
  int status = 0;
  while (::waitpid(s.pid, &status, 0) < 0 && errno == EINTR) {
  }
  ++killed_;
  ++s.killed;
  return spawn(i);
}

absl::Status crew::look_after(bool finishing) {
  for (size_t i = 0; i < seats_.size(); ++i) {
    seat& s = seats_[i];
    int status = 0;
    if (s.pid < 0 || ::waitpid(s.pid, &status, WNOHANG) != s.pid) continue;
    s.pid = -1;
    s.ready = false;
    const bool clean = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (finishing && clean) continue;
    ++died_;
    if (died_ > kMostUnordered || !WIFSIGNALED(status)) {
      return absl::InternalError(absl::StrCat("a worker ended by itself: ", end_of(status)));
    }
    // Also while finishing: what it held under a lease is still to be done by somebody.
    if (absl::Status replaced = spawn(i); !replaced.ok()) return replaced;
  }
  return absl::OkStatus();
}

void crew::kill_all() {
  for (seat& s : seats_) {
    if (s.pid > 0) ::kill(s.pid, SIGKILL);
  }
  for (seat& s : seats_) {
    if (s.pid <= 0) continue;
    while (::waitpid(s.pid, nullptr, 0) < 0 && errno == EINTR) {
    }
    s.pid = -1;
  }
}

crew::seat* crew::seat_of(uint32_t process) {
  return process < seat_of_process_.size() ? &seats_[seat_of_process_[process]] : nullptr;
}

std::optional<size_t> crew::seat_of_pid(pid_t pid) const {
  for (size_t i = 0; i < seats_.size(); ++i) {
    if (seats_[i].pid == pid) return i;
  }
  return std::nullopt;
}

std::vector<size_t> crew::ready_seats() const {
  std::vector<size_t> ready;
  for (size_t i = 0; i < seats_.size(); ++i) {
    if (seats_[i].pid > 0 && seats_[i].ready) ready.push_back(i);
  }
  return ready;
}

int crew::running() const {
  return static_cast<int>(std::ranges::count_if(seats_, [](const seat& s) { return s.pid > 0; }));
}

}  // namespace zeroipc::demo
