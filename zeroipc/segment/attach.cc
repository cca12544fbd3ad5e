#include "zeroipc/segment/attach.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace zeroipc::internal {
namespace {

// What this process has attached, is attaching, and the doors it stands in. An attachment may be gone while its entry is
// still there. Held over fork; what other threads had under way does not exist in the child.
struct attachment_registry {
  struct file_key {
    dev_t device;
    ino_t inode;
    bool read_only;
    friend auto operator<=>(const file_key&, const file_key&) = default;
  };
  // Closed while one thread attaches; the others who want the same file wait for it without the mutex.
  using gate = std::atomic<uint32_t>;
  struct entry {
    std::weak_ptr<attachment> attached;
    std::shared_ptr<gate> attaching;
  };

  std::mutex mutex;
  std::map<file_key, entry> files;
  std::vector<int> doors;

  static attachment_registry& instance() {
    static attachment_registry& r = *new attachment_registry;
    return r;
  }

  static void before_fork() { instance().mutex.lock(); }
  static void after_fork_in_parent() { instance().mutex.unlock(); }
  static void after_fork_in_child() {
    attachment_registry& self = instance();
    for (const int fd : self.doors) ::close(fd);
    self.doors.clear();
    std::erase_if(self.files, [](const auto& e) { return e.second.attaching != nullptr; });
    self.mutex.unlock();
  }

 private:
  attachment_registry() {
    ::pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
  }
};

// What whoever joins or leaves a segment with `remove_with_last` holds meanwhile, so that the name is not removed between
// a joiner's open and its joining. Its file descriptor is its own, so that threads and forked processes exclude each
// other, and is closed in a forked child, which would otherwise keep the door shut.
class door {
 public:
  explicit door(int fd) {
    attachment_registry& r = attachment_registry::instance();
    {
      std::lock_guard lock(r.mutex);
      fd_ = reopen_fd(fd);
      if (fd_ < 0) return;
      r.doors.push_back(fd_);
    }
    struct flock lock {};
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    lock.l_start = static_cast<off_t>(kDoorOffset);
    lock.l_len = 1;
    while (::fcntl(fd_, F_OFD_SETLKW, &lock) != 0 && errno == EINTR) {
    }
  }
  ~door() {
    if (fd_ < 0) return;
    attachment_registry& r = attachment_registry::instance();
    std::lock_guard lock(r.mutex);
    std::erase(r.doors, fd_);
    ::close(fd_);
  }
  door(const door&) = delete;
  door& operator=(const door&) = delete;

 private:
  int fd_ = -1;
};

bool is_file(const std::string& path, const struct stat& file) {
  struct stat named;
  return !path.empty() && ::stat(path.c_str(), &named) == 0 && named.st_dev == file.st_dev &&
         named.st_ino == file.st_ino;
}

absl::Status join(attachment& a, bool fresh) {
  const auto join_now = [&]() -> absl::Status {
    auto joined =
        participant::attach(a.base, a.geometry, a.name, [fd = a.fd] { return reopen_fd(fd); });
    if (!joined.ok()) return joined.status();
    a.self = *std::move(joined);
    return absl::OkStatus();
  };
  if (!a.remove_with_last || fresh) return join_now();
  door held(a.fd);
  // While the door was closed the last participant may have left and taken the name along.
  struct stat st;
  if (::fstat(a.fd, &st) == 0 && st.st_nlink == 0) {
    return absl::NotFoundError(
        absl::StrCat("segment ", a.name, ": its last participant just left"));
  }
  return join_now();
}

absl::StatusOr<std::shared_ptr<attachment>> map_and_join(unique_fd fd, const struct stat& st,
                                                         const attach_request& request) {
  const std::string_view name = request.name;
  const auto size = static_cast<uint64_t>(st.st_size);
  if (size < kPage) {
    return absl::FailedPreconditionError(absl::StrFormat(
        "segment %s: %d bytes long, too short for a ZeroIPC segment (its header takes %d)", name,
        size, kPage));
  }
  // The header is read by a system call first: a file that is cut short meanwhile is an error, not a SIGBUS.
  const auto header = std::make_unique<segment_header>();
  errno = 0;
  if (::pread(fd.get(), header.get(), sizeof *header, 0) != ssize_t{sizeof *header}) {
    return errno_status(errno != 0 ? errno : EIO, name, "cannot read its header");
  }
  absl::Status status = check_header(*header, size, name);
  if (!status.ok()) return status;

  auto result = std::make_shared<attachment>();
  result->name = std::string(name);
  result->path = request.path;
  result->geometry = header->geometry;
  result->read_only = request.read_only;
  result->remove_with_last = (header->flags & kRemoveWithLast) != 0;
  void* base = ::mmap(nullptr, size, PROT_READ | (request.read_only ? 0 : PROT_WRITE), MAP_SHARED,
                      fd.get(), 0);
  if (base == MAP_FAILED) {
    return errno_status(errno, name, absl::StrCat("cannot map its ", size, " bytes"));
  }
  result->base = static_cast<std::byte*>(base);
  result->fd = fd.release();
  result->device = st.st_dev;
  result->inode = st.st_ino;
  if (!request.read_only) status = join(*result, request.fresh);
  if (!status.ok()) return status;
  return result;
}

}  // namespace

int reopen_fd(int fd) {
  const std::string self = absl::StrCat("/proc/self/fd/", fd);
  int own;
  do {
    own = ::open(self.c_str(), O_RDWR | O_CLOEXEC | O_NOCTTY);
  } while (own < 0 && errno == EINTR);
  return own;
}

absl::StatusOr<std::shared_ptr<attachment>> attach_fd(unique_fd fd, const attach_request& request) {
  struct stat st;
  if (::fstat(fd.get(), &st) != 0) return errno_status(errno, request.name, "cannot stat it");
  attachment_registry& r = attachment_registry::instance();
  const attachment_registry::file_key key{st.st_dev, st.st_ino, request.read_only};
  const auto mine = std::make_shared<attachment_registry::gate>(0);
  for (;;) {
    std::shared_ptr<attachment_registry::gate> theirs;
    {
      std::lock_guard lock(r.mutex);
      attachment_registry::entry& e = r.files[key];
      if (std::shared_ptr<attachment> existing = e.attached.lock()) return existing;
      if (e.attaching == nullptr) {
        e.attaching = mine;
        break;
      }
      theirs = e.attaching;
    }
    theirs->wait(0, std::memory_order_acquire);
  }
  auto result = map_and_join(std::move(fd), st, request);
  {
    std::lock_guard lock(r.mutex);
    attachment_registry::entry& e = r.files[key];
    e.attaching = nullptr;
    if (result.ok()) e.attached = *result;
    std::erase_if(r.files, [](const auto& file) {
      return file.second.attaching == nullptr && file.second.attached.expired();
    });
  }
  mine->store(1, std::memory_order_release);
  mine->notify_all();
  return result;
}

attachment::~attachment() {
  if (self != nullptr && remove_with_last && self->tag()) {
    door held(fd);
    struct stat mine;
    // Only if the name still stands for this very file.
    if (self->alone() && ::fstat(fd, &mine) == 0 && is_file(path, mine)) ::unlink(path.c_str());
    self.reset();
  }
  self.reset();
  if (base != nullptr) ::munmap(base, geometry.size);
  if (fd >= 0) ::close(fd);
}

}  // namespace zeroipc::internal
