// Ctrl-C, `kill` and a lost terminal, as the subcommands see them.
//
// A signal is remembered, and the work in hand is finished first. While the process only waits for others (an
// `idle_section`), there is nothing to finish and the signal ends it at once: whatever it was about to be handed comes
// back by itself, as after any death. So nobody needs to wake up now and then to look whether a signal has come.
#ifndef ZEROIPC_TOOLS_CLI_INTERRUPT_H_
#define ZEROIPC_TOOLS_CLI_INTERRUPT_H_

namespace zeroipc::tools {

// SIGINT, SIGTERM and SIGHUP are remembered from now on.
void catch_interrupts();

// The signal that came first, or 0. Exit with 128 + that.
int interrupted();

class idle_section {
 public:
  idle_section();
  ~idle_section();
  idle_section(const idle_section&) = delete;
  idle_section& operator=(const idle_section&) = delete;
};

}  // namespace zeroipc::tools

#endif  // ZEROIPC_TOOLS_CLI_INTERRUPT_H_
