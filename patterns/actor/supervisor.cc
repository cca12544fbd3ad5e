#include "patterns/actor/supervisor.h"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "zeroipc/background/callback.h"
#include "zeroipc/base/error.h"

namespace zeroipc::patterns {
namespace {

using clock = std::chrono::steady_clock;

absl::Status no_system(std::string_view what) {
  return absl::InternalError(absl::StrCat("supervisor: ", what, ": ", std::strerror(errno)));
}

}  // namespace

Supervisor::Supervisor(const SupervisorOptions& options)
    : options_(options), stop_fd_(::eventfd(0, EFD_CLOEXEC)) {
  if (stop_fd_ < 0) zeroipc::internal::raise(no_system("eventfd"));
}

Supervisor::~Supervisor() {
  end_all();
  ::close(stop_fd_);
}

void Supervisor::add(std::string_view name, std::function<void()> body) {
  Child& c = children_.emplace_back();
  c.name = std::string(name);
  c.body = std::move(body);
  c.pause = options_.first_pause;
}

void Supervisor::stop() {
  const uint64_t one = 1;
  // It cannot fail but by being full, and then it is told already.
  [[maybe_unused]] const ssize_t n = ::write(stop_fd_, &one, sizeof one);
}

absl::Status Supervisor::start(Child& c) {
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) return no_system("fork");
  if (pid == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(1);  // it had died before that
    ::_exit(zeroipc::internal::call_back(absl::StrCat("child '", c.name, "'"), c.body) ? 0 : 1);
  }
  c.pid = pid;
  c.pidfd = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
  if (c.pidfd < 0) return no_system("pidfd_open");
  return absl::OkStatus();
}

absl::Status Supervisor::start_those_due() {
  for (Child& c : children_) {
    if (c.done || c.pid >= 0 || c.start_at > clock::now()) continue;
    if (absl::Status s = start(c); !s.ok()) return s;
  }
  return absl::OkStatus();
}

bool Supervisor::restart_later(Child& c) {
  const auto now = clock::now();
  while (!recent_.empty() && recent_.front() + options_.within < now) recent_.pop_front();
  if (recent_.size() >= options_.most_restarts) return false;
  // One that has been well for a while begins anew.
  if (recent_.empty()) c.pause = options_.first_pause;
  recent_.push_back(now);
  ++restarts_;
  c.start_at = now + c.pause;
  c.pause = std::min(2 * c.pause, options_.most_pause);
  return true;
}

absl::Status Supervisor::collect(bool restart) {
  absl::Status failed;
  for (Child& c : children_) {
    int status = 0;
    if (c.pid < 0 || ::waitpid(c.pid, &status, WNOHANG) != c.pid) continue;
    ::close(c.pidfd);
    c.pid = c.pidfd = -1;
    c.done = !restart || (WIFEXITED(status) && WEXITSTATUS(status) == 0);
    if (c.done || restart_later(c)) continue;
    c.done = true;
    failed = absl::AbortedError(absl::StrCat(
        "supervisor: child '", c.name, "' ended (",
        WIFSIGNALED(status) ? absl::StrCat("signal ", WTERMSIG(status))
                            : absl::StrCat("code ", WEXITSTATUS(status)),
        ") after ", recent_.size(), " restarts within ", options_.within.count(), " ms"));
  }
  return failed;
}

Supervisor::time_point Supervisor::next_start() const {
  time_point next = time_point::max();
  for (const Child& c : children_) {
    if (!c.done && c.pid < 0) next = std::min(next, c.start_at);
  }
  return next;
}

bool Supervisor::all_done() const {
  return std::ranges::all_of(children_, [](const Child& c) { return c.done; });
}

bool Supervisor::sleep(time_point until, bool even_if_stopped) {
  std::vector<pollfd> on;
  for (const Child& c : children_) {
    if (c.pid >= 0) on.push_back({c.pidfd, POLLIN, 0});
  }
  if (!even_if_stopped) on.push_back({stop_fd_, POLLIN, 0});
  timespec wait{};
  if (until != time_point::max()) {
    const auto left =
        std::max(std::chrono::nanoseconds(0), std::chrono::nanoseconds(until - clock::now()));
    wait = {static_cast<time_t>(left.count() / 1'000'000'000),
            static_cast<long>(left.count() % 1'000'000'000)};
  }
  ::ppoll(on.data(), on.size(), until == time_point::max() ? nullptr : &wait, nullptr);
  return !even_if_stopped && (on.back().revents & POLLIN) != 0;
}

absl::Status Supervisor::run() {
  absl::Status why;
  while (why.ok() && !all_done()) {
    why = start_those_due();
    if (why.ok() && sleep(next_start(), false)) break;
    if (why.ok()) why = collect(true);
  }
  end_all();
  return why;
}

void Supervisor::end_all() {
  for (const Child& c : children_) {
    if (c.pid >= 0) ::kill(c.pid, SIGTERM);
  }
  const time_point until = clock::now() + options_.patience;
  const auto some_run = [&] {
    return std::ranges::any_of(children_, [](const Child& c) { return c.pid >= 0; });
  };
  for (bool killed = false; some_run();) {
    collect(false).IgnoreError();
    if (!some_run()) break;
    sleep(killed ? time_point::max() : until, true);
    if (killed || clock::now() < until) continue;
    for (const Child& c : children_) {
      if (c.pid >= 0) ::kill(c.pid, SIGKILL);
    }
    killed = true;
  }
}

}  // namespace zeroipc::patterns
