#include "tools/demo/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tools/cli/text.h"
#include "zeroipc/base/deadline.h"

namespace zeroipc::demo {
namespace {

constexpr int64_t kTerminalEvery = 50'000'000;
constexpr int64_t kPlainEvery = 1'000'000'000;
constexpr size_t kBar = 20;

// The last column stays empty, for some terminals wrap when it is written to.
size_t terminal_width() {
  winsize size{};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 79;
  return size.ws_col - 1u;
}

}  // namespace

progress::progress(bool quiet)
    : quiet_(quiet), terminal_(::isatty(STDERR_FILENO) == 1), last_ns_(deadline::now_ns()) {}

std::string progress::bar(size_t done, size_t of) {
  const size_t filled = of == 0 ? kBar : std::min(kBar, done * kBar / of);
  return absl::StrCat("[", std::string(filled, '#'), std::string(kBar - filled, '.'), "] ");
}

std::string progress::describe(const state& s, bool with_bar) {
  const double seconds = static_cast<double>(std::max<int64_t>(s.elapsed_ns, 1)) / 1e9;
  std::string text = with_bar ? bar(s.files, s.files_of) : "";
  absl::StrAppend(&text, s.files, "/", s.files_of, " files");
  if (s.pass > 1) absl::StrAppend(&text, " (pass ", s.pass, ")");
  absl::StrAppendFormat(
      &text, ", %s/s, %d/%d killed",
      tools::human_bytes(static_cast<uint64_t>(static_cast<double>(s.bytes) / seconds)), s.killed,
      s.kills_of);
  if (s.died != 0) absl::StrAppend(&text, ", ", s.died, " died otherwise");
  absl::StrAppend(&text, ", ", s.redelivered, " redelivered");
  return text;
}

void progress::tell(const state& s) {
  if (due()) show(describe(s, terminal_));
}

void progress::tell(absl::FunctionRef<std::string(bool)> describe) {
  if (due()) show(describe(terminal_));
}

void progress::tell_plain(size_t files, size_t files_of) {
  if (due()) {
    show(absl::StrCat(terminal_ ? bar(files, files_of) : "",
                      "counting again in one process: ", files, "/", files_of, " files"));
  }
}

bool progress::due() {
  if (quiet_) return false;
  const int64_t now = deadline::now_ns();
  if (now - last_ns_ < (terminal_ ? kTerminalEvery : kPlainEvery)) return false;
  last_ns_ = now;
  return true;
}

void progress::show(const std::string& text) {
  if (terminal_) {
    std::fprintf(stderr, "\r%s\x1b[K", text.substr(0, terminal_width()).c_str());
  } else {
    std::fprintf(stderr, "%s\n", text.c_str());
  }
  shown_ = true;
}

void progress::end() {
  if (terminal_ && shown_) std::fprintf(stderr, "\r\x1b[K");
  shown_ = false;
}

}  // namespace zeroipc::demo
