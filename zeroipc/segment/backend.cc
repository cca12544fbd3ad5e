#include "zeroipc/segment/backend.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace zeroipc::internal {
namespace {

constexpr std::string_view kShmDirectory = "/dev/shm/";

std::string own_fd_path(int fd) { return absl::StrCat("/proc/self/fd/", fd); }

}  // namespace

unique_fd& unique_fd::operator=(unique_fd&& other) noexcept {
  if (this != &other) {
    if (fd_ >= 0) ::close(fd_);
    fd_ = other.release();
  }
  return *this;
}

unique_fd::~unique_fd() {
  if (fd_ >= 0) ::close(fd_);
}

absl::Status errno_status(int error, std::string_view name, std::string_view doing) {
  return absl::ErrnoToStatus(error, absl::StrCat("segment ", name, ": ", doing));
}

absl::StatusOr<std::string> backing_path(std::string_view name) {
  const auto refuse = [&](std::string_view why) {
    return absl::InvalidArgumentError(absl::StrCat("segment name \"", name, "\" ", why));
  };
  if (name.empty() || name == "/" || name == "." || name == "..") return refuse("is not a name");
  if (name.find('\0') != name.npos) return refuse("contains a zero byte");
  if (name.find('/', 1) != name.npos) {
    if (name.size() >= PATH_MAX) return refuse("is too long for a path");
    if (name.back() == '/') return refuse("names a directory");
    return std::string(name);
  }
  const std::string_view base = name.front() == '/' ? name.substr(1) : name;
  if (base == "." || base == "..") return refuse("is not a name");
  if (base.size() > NAME_MAX) return refuse(absl::StrCat("is longer than ", NAME_MAX, " bytes"));
  return absl::StrCat(kShmDirectory, base);
}

absl::StatusOr<unique_fd> open_backing(std::string_view name, bool read_only) {
  absl::StatusOr<std::string> path = backing_path(name);
  if (!path.ok()) return path.status();
  // O_NONBLOCK: opening a FIFO of that name must not hang.
  const int flags = (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
  int fd;
  do {
    fd = ::open(path->c_str(), flags);
  } while (fd < 0 && errno == EINTR);
  if (fd < 0) {
    const int error = errno;
    if (error == ENOENT) {
      return absl::NotFoundError(absl::StrCat("segment ", name, ": there is none (no ", *path, ")"));
    }
    if (error == EISDIR || error == ELOOP || error == ENXIO) {
      return absl::FailedPreconditionError(
          absl::StrCat("segment ", name, ": ", *path, " is not a regular file"));
    }
    return errno_status(error, name,
                        absl::StrCat("cannot open ", *path, read_only ? " for reading" : ""));
  }
  unique_fd owned(fd);
  struct stat st;
  if (::fstat(fd, &st) != 0) return errno_status(errno, name, "cannot stat it");
  if (!S_ISREG(st.st_mode)) {
    return absl::FailedPreconditionError(
        absl::StrCat("segment ", name, ": ", *path, " is not a regular file"));
  }
  return owned;
}

absl::StatusOr<nameless_file> make_nameless(std::string_view name, const std::string& path,
                                            uint64_t size, mode_t mode) {
  nameless_file file;
  const size_t slash = path.rfind('/');
  const std::string directory = slash == 0 ? "/" : path.substr(0, slash);
  int fd = ::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, mode);
  if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL)) {
    // A file system without nameless files: a passing name that nobody opens, unlinked by publish_backing(). A creator that
    // dies before that leaves this one file, which holds no data.
    static std::atomic<uint32_t> counter{0};
    file.temporary = absl::StrCat(path, ".new-", ::getpid(), "-", counter.fetch_add(1));
    fd = ::open(file.temporary.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, mode);
  }
  if (fd < 0) return errno_status(errno, name, absl::StrCat("cannot create a file in ", directory));
  file.fd = unique_fd(fd);
  // The umask must not narrow, nor widen, what the options say.
  if (::fchmod(fd, mode) != 0) return errno_status(errno, name, "cannot set its mode");
  if (::ftruncate(fd, static_cast<off_t>(size)) != 0) {
    return errno_status(errno, name, absl::StrCat("cannot make it ", size, " bytes long"));
  }
  return file;
}

absl::Status publish_backing(std::string_view name, const std::string& path, nameless_file& file) {
  const std::string source =
      file.temporary.empty() ? own_fd_path(file.fd.get()) : file.temporary;
  const int linked =
      ::linkat(AT_FDCWD, source.c_str(), AT_FDCWD, path.c_str(), AT_SYMLINK_FOLLOW);
  const int error = errno;
  if (!file.temporary.empty()) ::unlink(file.temporary.c_str());
  if (linked == 0) return absl::OkStatus();
  if (error == EEXIST) {
    return absl::AlreadyExistsError(absl::StrCat("segment ", name, ": there is one already"));
  }
  return errno_status(error, name, absl::StrCat("cannot name it ", path));
}

absl::StatusOr<unique_fd> make_memfd(std::string_view name, uint64_t size) {
  unique_fd fd(::memfd_create(std::string(name).c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd) return errno_status(errno, name, "cannot create a memfd");
  if (::ftruncate(fd.get(), static_cast<off_t>(size)) != 0) {
    return errno_status(errno, name, absl::StrCat("cannot make it ", size, " bytes long"));
  }
  // Nobody can cut it short under the others.
  if (::fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
    return errno_status(errno, name, "cannot seal it");
  }
  return fd;
}

absl::Status unlink_backing(std::string_view name) {
  absl::StatusOr<std::string> path = backing_path(name);
  if (!path.ok()) return path.status();
  if (::unlink(path->c_str()) == 0) return absl::OkStatus();
  if (errno == ENOENT) {
    return absl::NotFoundError(absl::StrCat("segment ", name, ": there is none (no ", *path, ")"));
  }
  return errno_status(errno, name, absl::StrCat("cannot remove ", *path));
}

}  // namespace zeroipc::internal
