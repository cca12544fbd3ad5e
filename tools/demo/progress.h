// How far the demo is: one line that is rewritten on a terminal, and a plain line a second elsewhere.
#ifndef ZEROIPC_TOOLS_DEMO_PROGRESS_H_
#define ZEROIPC_TOOLS_DEMO_PROGRESS_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"

namespace zeroipc::demo {

class progress {
 public:
  struct state {
    uint32_t pass = 1;
    size_t files = 0;
    size_t files_of = 0;
    uint64_t bytes = 0;
    int killed = 0;
    int kills_of = 0;
    int died = 0;
    uint64_t redelivered = 0;
    int64_t elapsed_ns = 0;
  };

  // Writes to stderr; nothing at all if `quiet`.
  explicit progress(bool quiet);
  void tell(const state& s);
  // The same for the plain count.
  void tell_plain(size_t files, size_t files_of);
  // For what is done otherwise: calls describe(whether it is for a terminal) when it is time to say something.
  void tell(absl::FunctionRef<std::string(bool)> describe);
  // Clears the terminal's line.
  void end();

  static std::string describe(const state& s, bool bar);
  // "[####......] "
  static std::string bar(size_t done, size_t of);

 private:
  bool due();
  void show(const std::string& text);

  bool quiet_;
  bool terminal_;
  bool shown_ = false;
  int64_t last_ns_ = 0;
};

}  // namespace zeroipc::demo

#endif  // ZEROIPC_TOOLS_DEMO_PROGRESS_H_
