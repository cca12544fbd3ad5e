#include "tools/lines/appearance.h"

#include <poll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"

namespace zeroipc::tools {
namespace {

// How often a segment is looked into for a queue that is not there yet: making a name tells nobody. Senders make the
// queue right after the segment, so this wait is short or somebody else's segment.
constexpr absl::Duration kLook = absl::Milliseconds(5);
// And for a segment whose directory cannot be watched.
constexpr absl::Duration kLookWithoutWatch = absl::Milliseconds(50);

std::string directory_of(const std::string& segment) {
  const size_t slash = segment.find_last_of('/');
  if (slash == segment.npos || slash == 0) return "/dev/shm";
  return segment.substr(0, slash);
}

// Tells when something is made in a directory.
class directory_watch {
 public:
  explicit directory_watch(const std::string& directory)
      : fd_(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK)) {
    watching_ =
        fd_ >= 0 && ::inotify_add_watch(fd_, directory.c_str(), IN_CREATE | IN_MOVED_TO) >= 0;
  }
  ~directory_watch() {
    if (fd_ >= 0) ::close(fd_);
  }
  directory_watch(const directory_watch&) = delete;
  directory_watch& operator=(const directory_watch&) = delete;

  void wait(absl::Duration most) {
    if (!watching_) most = std::min(most, kLookWithoutWatch);
    pollfd entry{watching_ ? fd_ : -1, POLLIN, 0};
    const int64_t ms = absl::ToInt64Milliseconds(absl::Ceil(most, absl::Milliseconds(1)));
    if (::poll(&entry, 1, static_cast<int>(std::clamp<int64_t>(ms, 0, 3'600'000))) <= 0) return;
    alignas(inotify_event) char events[4096];
    while (::read(fd_, events, sizeof events) > 0) {
    }
  }

 private:
  int fd_;
  bool watching_;
};

bool still_named(const memory& mem) {
  struct stat st;
  return ::fstat(mem.fd(), &st) == 0 && st.st_nlink != 0;
}

// Says once, after a second, that there is something to wait for.
class notice {
 public:
  absl::Duration until_due() const {
    if (said_) return absl::InfiniteDuration();
    return std::max(absl::ZeroDuration(), begin_ + absl::Seconds(1) - absl::Now());
  }
  void say_if_due(const absl::Status& why) {
    if (said_ || until_due() > absl::ZeroDuration()) return;
    said_ = true;
    if (::isatty(STDERR_FILENO) == 1) {
      std::fprintf(stderr, "zeroipc receive: waiting: %s\n", std::string(why.message()).c_str());
    }
  }

 private:
  absl::Time begin_ = absl::Now();
  bool said_ = false;
};

}  // namespace

absl::StatusOr<appeared> wait_for_queue(const std::string& segment, const std::string& name,
                                        absl::Time until) {
  // Before the first look: what is made after it wakes us.
  directory_watch watch(directory_of(segment));
  notice waiting;
  for (;;) {
    absl::StatusOr<memory> mem = memory::open(segment);
    absl::Status missing = mem.status();
    if (mem.ok()) {
      absl::StatusOr<structure_info> queue = find(*mem, name);
      if (queue.ok()) return appeared{*std::move(mem), *std::move(queue)};
      missing = queue.status();
    }
    if (!absl::IsNotFound(missing)) return missing;
    if (absl::Now() >= until) {
      return absl::DeadlineExceededError(absl::StrCat(missing.message(), "; --wait ran out"));
    }
    waiting.say_if_due(missing);
    const absl::Duration most = std::min(until - absl::Now(), waiting.until_due());
    if (mem.ok() && still_named(*mem)) {
      absl::SleepFor(std::min(kLook, most));
    } else {
      mem = missing;  // lets go of it while waiting
      watch.wait(most);
    }
  }
}

}  // namespace zeroipc::tools
