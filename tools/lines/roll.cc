#include "tools/lines/roll.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"

namespace zeroipc::tools {
namespace {

// Beyond the bytes that zeroipc/segment uses for liveness. A queue's byte is this plus its offset, which is never 0.
constexpr uint64_t kDoor = uint64_t{1} << 61;

bool lock(int fd, uint64_t byte, short type, bool wait) {
  struct flock range {};
  range.l_type = type;
  range.l_whence = SEEK_SET;
  range.l_start = static_cast<off_t>(byte);
  range.l_len = 1;
  int result;
  do {
    result = ::fcntl(fd, wait ? F_OFD_SETLKW : F_OFD_SETLK, &range);
  } while (result != 0 && errno == EINTR);
  return result == 0;
}

class door {
 public:
  explicit door(int fd) : fd_(fd) { lock(fd_, kDoor, F_WRLCK, true); }
  ~door() { lock(fd_, kDoor, F_UNLCK, false); }
  door(const door&) = delete;
  door& operator=(const door&) = delete;

 private:
  int fd_;
};

}  // namespace

absl::StatusOr<roll> roll::of(const memory& mem) {
  // A descriptor of its own: locks belong to the open file.
  const int fd = ::open(absl::StrCat("/proc/self/fd/", mem.fd()).c_str(), O_RDWR | O_CLOEXEC);
  if (fd < 0) {
    return absl::ErrnoToStatus(
        errno, absl::StrCat("segment ", mem.name(), ": cannot open its file once more"));
  }
  return roll(fd);
}

roll::roll(roll&& other) noexcept : fd_(std::exchange(other.fd_, -1)), byte_(other.byte_) {}

roll::~roll() {
  if (fd_ >= 0) ::close(fd_);
}

absl::Status roll::join(absl::FunctionRef<absl::StatusOr<uint64_t>()> prepare) {
  const door held(fd_);
  const absl::StatusOr<uint64_t> offset = prepare();
  if (!offset.ok()) return offset.status();
  byte_ = kDoor + *offset;
  // Only a process at the door asks for an exclusive lock, and that is this one.
  if (!lock(fd_, byte_, F_RDLCK, false))
    return absl::ErrnoToStatus(errno, "cannot join the queue's senders");
  return absl::OkStatus();
}

void roll::leave(absl::FunctionRef<void()> as_last) {
  const door held(fd_);
  if (lock(fd_, byte_, F_WRLCK, false)) as_last();
  lock(fd_, byte_, F_UNLCK, false);
}

}  // namespace zeroipc::tools
