#include "testing/harness/unique_segment.h"

#include <dirent.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"

extern char** environ;

namespace zeroipc::harness {
namespace {

constexpr char kDirectory[] = "/dev/shm/";
constexpr char kPrefix[] = "zeroipc-test-";
constexpr char kLockSuffix[] = ".lock";

std::vector<std::string> entries_with(const std::string& prefix) {
  std::vector<std::string> found;
  DIR* directory = ::opendir(kDirectory);
  if (directory == nullptr) return found;
  while (const dirent* entry = ::readdir(directory)) {
    if (absl::StartsWith(entry->d_name, prefix)) found.emplace_back(entry->d_name);
  }
  ::closedir(directory);
  return found;
}

// This test run's token, "zeroipc-test-<16 hex digits>", and the lock that says the run is not over. The lock's file is
// locked before it has a name, so that nobody takes it for an orphan; it stays open, and locked, in forked children.
class test_run {
 public:
  static const std::string& token() {
    static const test_run& run = *new test_run;
    return run.token_;
  }

 private:
  test_run() {
    sweep_segments_of_the_dead();
    uint64_t id = 0;
    if (::getrandom(&id, sizeof id, 0) != sizeof id) std::abort();
    token_ = absl::StrFormat("%s%016x", kPrefix, id);
    const int lock = ::open(kDirectory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (lock < 0 || ::flock(lock, LOCK_EX) != 0) std::abort();
    const std::string named = absl::StrCat(kDirectory, token_, kLockSuffix);
    const std::string nameless = absl::StrCat("/proc/self/fd/", lock);
    if (::linkat(AT_FDCWD, nameless.c_str(), AT_FDCWD, named.c_str(), AT_SYMLINK_FOLLOW) != 0)
      std::abort();
    start_reaper();
  }

  // A shell that reads from a pipe which nobody writes to: the read ends when the last process of the test does.
  void start_reaper() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return;
    const std::string script = absl::StrCat("read -r _; exec rm -f ", kDirectory, token_, "-* ",
                                            kDirectory, token_, kLockSuffix);
    std::string shell = "sh", option = "-c", text = script;
    char* const arguments[] = {shell.data(), option.data(), text.data(), nullptr};
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    ::posix_spawn_file_actions_init(&files);
    ::posix_spawn_file_actions_adddup2(&files, ends[0], 0);
    // A test runner waits until nobody holds the test's output open.
    ::posix_spawn_file_actions_addopen(&files, 1, "/dev/null", O_WRONLY, 0);
    ::posix_spawn_file_actions_addopen(&files, 2, "/dev/null", O_WRONLY, 0);
    ::posix_spawn_file_actions_addclosefrom_np(&files, 3);
    ::posix_spawnattr_init(&attributes);
    // Out of reach of a signal to the test's process group.
    ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
    pid_t reaper;
    ::posix_spawn(&reaper, "/bin/sh", &files, &attributes, arguments, environ);
    ::posix_spawnattr_destroy(&attributes);
    ::posix_spawn_file_actions_destroy(&files);
    ::close(ends[0]);  // the other end stays open for as long as the process lives
  }

  std::string token_;
};

std::string next_base_name() {
  static std::atomic<uint32_t> count{0};
  // The pid keeps children that draw names of their own apart from their parent.
  return absl::StrCat(test_run::token(), "-", ::getpid(), "-", count.fetch_add(1));
}

}  // namespace

int sweep_segments_of_the_dead() {
  int removed = 0;
  for (const std::string& lock_name : entries_with(kPrefix)) {
    if (!absl::EndsWith(lock_name, kLockSuffix)) continue;
    const std::string path = absl::StrCat(kDirectory, lock_name);
    const int lock = ::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (lock < 0) continue;
    if (::flock(lock, LOCK_EX | LOCK_NB) == 0) {
      const std::string token(absl::StripSuffix(lock_name, kLockSuffix));
      for (const std::string& segment : entries_with(token + "-")) {
        removed += ::unlink(absl::StrCat(kDirectory, segment).c_str()) == 0;
      }
      ::unlink(path.c_str());
    }
    ::close(lock);
  }
  return removed;
}

unique_segment::unique_segment(std::string name, std::string path)
    : name_(std::move(name)), path_(std::move(path)), creator_(::getpid()) {}

unique_segment::unique_segment() : creator_(::getpid()) {
  const std::string base = next_base_name();
  name_ = absl::StrCat("/", base);
  path_ = absl::StrCat(kDirectory, base);
}

unique_segment unique_segment::in_file() {
  const char* directory = std::getenv("TEST_TMPDIR");
  const std::string path =
      absl::StrCat(directory != nullptr ? directory : "/tmp", "/", next_base_name(), ".segment");
  return unique_segment(path, path);
}

unique_segment::unique_segment(unique_segment&& other) noexcept
    : name_(std::move(other.name_)),
      path_(std::exchange(other.path_, {})),
      creator_(other.creator_) {}

unique_segment::~unique_segment() {
  if (!path_.empty() && creator_ == ::getpid()) ::unlink(path_.c_str());
}

bool unique_segment::exists() const { return ::access(path_.c_str(), F_OK) == 0; }

}  // namespace zeroipc::harness
