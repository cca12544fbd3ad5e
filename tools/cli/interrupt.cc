#include "tools/cli/interrupt.h"

#include <signal.h>
#include <unistd.h>

#include <atomic>

namespace zeroipc::tools {
namespace {

std::atomic<int> first_signal{0};
std::atomic<bool> idle{false};

void on_signal(int signal) {
  int none = 0;
  first_signal.compare_exchange_strong(none, signal);
  // Seq_cst, here and in idle_section: either this sees `idle`, or the section's constructor sees the signal.
  if (idle.load()) ::_exit(128 + signal);
}

}  // namespace

void catch_interrupts() {
  struct sigaction action {};
  action.sa_handler = on_signal;
  ::sigemptyset(&action.sa_mask);
  // No SA_RESTART: a read from a terminal or pipe ends with EINTR.
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction before {};
    ::sigaction(signal, nullptr, &before);
    // nohup and background jobs of plain shells ask for a signal to be ignored, and mean it.
    if (before.sa_handler != SIG_IGN) ::sigaction(signal, &action, nullptr);
  }
}

int interrupted() { return first_signal.load(); }

idle_section::idle_section() {
  idle.store(true);
  if (const int signal = first_signal.load()) ::_exit(128 + signal);
}

idle_section::~idle_section() { idle.store(false); }

}  // namespace zeroipc::tools
