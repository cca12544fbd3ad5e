#include "tools/demo/follower.h"

#include <limits.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cstdio>

namespace zeroipc::demo {
namespace {

pid_t coordinator = 0;
char segment_file[PATH_MAX];

// The coordinator's death comes as SIGTERM. Its segment has lost its only owner then, so the workers remove the name, each
// of them, whoever is first. A SIGTERM of anybody else's is just an end.
void on_sigterm(int) {
  if (::getppid() != coordinator) ::unlink(segment_file);
  ::_exit(128 + SIGTERM);
}

}  // namespace

void follow_the_coordinator(pid_t pid, const std::string& segment) {
  coordinator = pid;
  std::snprintf(segment_file, sizeof segment_file, "/dev/shm%s", segment.c_str());
  struct sigaction action {};
  action.sa_handler = on_sigterm;
  ::sigemptyset(&action.sa_mask);
  ::sigaction(SIGTERM, &action, nullptr);
  // Ctrl-C reaches everybody in the terminal's foreground; what to do about it is the coordinator's decision.
  ::signal(SIGINT, SIG_IGN);
  ::signal(SIGHUP, SIG_IGN);
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != coordinator) on_sigterm(SIGTERM);  // it was gone before that took effect
}

}  // namespace zeroipc::demo
