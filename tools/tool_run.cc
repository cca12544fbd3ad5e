#include "tools/tool_run.h"

#include <fcntl.h>
#include <grp.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace zeroipc::tools {
namespace {

int memory_file(const std::string& contents) {
  const int fd = ::memfd_create("tool_io", MFD_CLOEXEC);
  if (fd < 0 ||
      ::write(fd, contents.data(), contents.size()) != static_cast<ssize_t>(contents.size()))
    std::abort();
  ::lseek(fd, 0, SEEK_SET);
  return fd;
}

std::string contents_of(int fd) {
  struct stat st;
  if (::fstat(fd, &st) != 0) return {};
  std::string bytes(static_cast<size_t>(st.st_size), '\0');
  const ssize_t n = ::pread(fd, bytes.data(), bytes.size(), 0);
  bytes.resize(n > 0 ? static_cast<size_t>(n) : 0);
  return bytes;
}

bool drop_root() {
  return ::geteuid() == 0 && ::setgroups(0, nullptr) == 0 &&
         ::setresgid(65534, 65534, 65534) == 0 && ::setresuid(65534, 65534, 65534) == 0;
}

}  // namespace

tool_run::tool_run(std::vector<std::string> arguments, const tool_io& io)
    : out_(memory_file("")), err_(memory_file("")) {
  const char* program = std::getenv("ZEROIPC");
  if (program == nullptr) std::abort();  // the BUILD file sets it
  arguments.insert(arguments.begin(), program);
  const int in = io.input_fd >= 0 ? ::dup(io.input_fd) : memory_file(io.input);
  process_.emplace([&]() -> int {
    // The executable may lie where nobody else may look.
    const int executable = ::open(program, O_RDONLY | O_CLOEXEC);
    ::dup2(in, STDIN_FILENO);
    ::dup2(io.output_fd >= 0 ? io.output_fd : out_, STDOUT_FILENO);
    ::dup2(err_, STDERR_FILENO);
    if (io.as_nobody && !drop_root()) return kCannotDrop;
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    // Pipes of the test stay with the test: a reader waits until nobody else could write.
    ::fexecve(executable, argv.data(), environ);
    return 126;
  });
  ::close(in);
}

tool_run::tool_run(tool_run&& other) noexcept
    : out_(std::exchange(other.out_, -1)),
      err_(std::exchange(other.err_, -1)),
      process_(std::move(other.process_)) {
  other.process_.reset();
}

tool_run::~tool_run() {
  if (out_ >= 0) ::close(out_);
  if (err_ >= 0) ::close(err_);
}

int tool_run::wait() {
  const harness::exit_state end = process_->wait();
  return end.how == harness::exit_state::kind::exited ? end.value : -end.value;
}

std::string tool_run::out() const { return contents_of(out_); }
std::string tool_run::err() const { return contents_of(err_); }

nlohmann::json tool_run::json() const {
  nlohmann::json value = nlohmann::json::parse(out(), nullptr, /*allow_exceptions=*/false);
  if (value.is_discarded()) {
    ADD_FAILURE() << "not JSON: " << out() << "\nstderr: " << err();
    return nullptr;
  }
  return value;
}

tool_result run_tool(std::vector<std::string> arguments, const tool_io& io) {
  tool_run run(std::move(arguments), io);
  const int code = run.wait();
  return {code, run.out(), run.err()};
}

std::vector<pid_t> children_of(pid_t pid) {
  std::ifstream in(absl::StrCat("/proc/", pid, "/task/", pid, "/children"));
  std::vector<pid_t> children;
  for (pid_t child; in >> child;) children.push_back(child);
  return children;
}

}  // namespace zeroipc::tools
