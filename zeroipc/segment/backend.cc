#include "zeroipc/segment/backend.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace zeroipc::internal {
namespace {

constexpr std::string_view kShmDirectory = "/dev/shm/";

std::string own_fd_path(int fd) { return absl::StrCat("/proc/self/fd/", fd); }

std::string owner_and_mode(const struct stat& st) {
  return absl::StrFormat(
      "it belongs to user %d and group %d with mode %04o, this process runs as user %d", st.st_uid,
      st.st_gid, st.st_mode & 07777, ::geteuid());
}

bool in_group(gid_t group) {
  if (group == ::getegid()) return true;
  std::vector<gid_t> groups(static_cast<size_t>(std::max(::getgroups(0, nullptr), 0)));
  const int n = ::getgroups(static_cast<int>(groups.size()), groups.data());
  return n > 0 && std::find(groups.begin(), groups.begin() + n, group) != groups.begin() + n;
}

// Growing a file beyond the process's limit would end the process by SIGXFSZ.
absl::Status make_long(int fd, uint64_t size, std::string_view name) {
  struct rlimit limit;
  if (::getrlimit(RLIMIT_FSIZE, &limit) == 0 && size > limit.rlim_cur) {
    return absl::ResourceExhaustedError(
        absl::StrCat("segment ", name, ": cannot make it ", size,
                     " bytes long: this process may create files of at most ", limit.rlim_cur,
                     " bytes (ulimit -f)"));
  }
  int failed;
  do {
    failed = ::ftruncate(fd, static_cast<off_t>(size));
  } while (failed != 0 && errno == EINTR);
  if (failed == 0) return absl::OkStatus();
  return errno_status(errno, name, absl::StrCat("cannot make it ", size, " bytes long"));
}

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

std::string absolute_path(const std::string& path) {
  if (path.front() == '/') return path;
  char buffer[PATH_MAX];
  // Without a current directory the path still works as it is.
  return ::getcwd(buffer, sizeof buffer) != nullptr ? absl::StrCat(buffer, "/", path) : path;
}

absl::StatusOr<unique_fd> open_backing(std::string_view name, bool read_only) {
  absl::StatusOr<std::string> path = backing_path(name);
  if (!path.ok()) return path.status();
  // O_NONBLOCK: opening a FIFO of that name must not hang.
  const int flags =
      (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
  int fd;
  do {
    fd = ::open(path->c_str(), flags);
  } while (fd < 0 && errno == EINTR);
  if (fd < 0) {
    const int error = errno;
    if (error == ENOENT) {
      return absl::NotFoundError(
          absl::StrCat("segment ", name, ": there is none (no ", *path, ")"));
    }
    if (error == EISDIR || error == ELOOP || error == ENXIO) {
      return absl::FailedPreconditionError(
          absl::StrCat("segment ", name, ": ", *path, " is not a regular file"));
    }
    std::string doing = absl::StrCat("cannot open ", *path, read_only ? " for reading" : "");
    struct stat st;
    if ((error == EACCES || error == EPERM || error == EROFS) && ::lstat(path->c_str(), &st) == 0) {
      absl::StrAppend(&doing, " (", owner_and_mode(st), ")");
    }
    return errno_status(error, name, doing);
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

absl::Status check_trusted(int fd, std::string_view name, mode_t mode) {
  struct stat st;
  if (::fstat(fd, &st) != 0) return errno_status(errno, name, "cannot stat it");
  const bool everyone = (mode & S_IWOTH) != 0;
  const bool group = everyone || ((mode & S_IWGRP) != 0 && in_group(st.st_gid));
  if ((st.st_mode & S_IWOTH) != 0 && !everyone) {
    return absl::PermissionDeniedError(
        absl::StrCat("segment ", name, ": everyone may write to it (", owner_and_mode(st),
                     "); say memory_options::mode = 0666 to use it all the same"));
  }
  if (st.st_uid != ::geteuid() && st.st_uid != 0 && !group) {
    return absl::PermissionDeniedError(
        absl::StrCat("segment ", name, ": somebody else's: ", owner_and_mode(st),
                     "; say memory_options::mode = 0660 to share with this process's groups, 0666 "
                     "with everyone"));
  }
  return absl::OkStatus();
}

absl::StatusOr<nameless_file> make_nameless(std::string_view name, const std::string& path,
                                            uint64_t size, mode_t mode) {
  nameless_file file;
  const size_t slash = path.rfind('/');
  const std::string directory = slash == 0 ? "/" : path.substr(0, slash);
  const auto open_retrying = [mode](const std::string& what, int flags) {
    int fd;
    do {
      fd = ::open(what.c_str(), flags | O_RDWR | O_CLOEXEC, mode);
    } while (fd < 0 && errno == EINTR);
    return fd;
  };
  int fd = open_retrying(directory, O_TMPFILE);
  if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL)) {
    // A file system without nameless files: a passing name that nobody opens. A creator that dies before it is renamed
    // leaves this one file.
    static std::atomic<uint32_t> counter{0};
    file.temporary = absl::StrCat(path, ".new-", ::getpid(), "-", counter.fetch_add(1));
    fd = open_retrying(file.temporary, O_CREAT | O_EXCL);
  }
  if (fd < 0) return errno_status(errno, name, absl::StrCat("cannot create a file in ", directory));
  file.fd = unique_fd(fd);
  absl::Status status = make_long(fd, size, name);
  // The umask must not narrow, nor widen, what the options say.
  if (status.ok() && ::fchmod(fd, mode) != 0)
    status = errno_status(errno, name, "cannot set its mode");
  if (status.ok()) return file;
  if (!file.temporary.empty()) ::unlink(file.temporary.c_str());
  return status;
}

absl::Status publish_backing(std::string_view name, const std::string& path, int fd,
                             const std::string& temporary) {
  int failed;
  if (!temporary.empty()) {
    failed = ::renameat2(AT_FDCWD, temporary.c_str(), AT_FDCWD, path.c_str(), RENAME_NOREPLACE);
    if (failed != 0 && errno == EINVAL) {
      // A file system that cannot rename without replacing. Two steps: the same file has two names in between.
      failed = ::link(temporary.c_str(), path.c_str());
      const int error = errno;
      ::unlink(temporary.c_str());
      errno = error;
    }
  } else {
    failed = ::linkat(AT_FDCWD, own_fd_path(fd).c_str(), AT_FDCWD, path.c_str(), AT_SYMLINK_FOLLOW);
  }
  if (failed == 0) return absl::OkStatus();
  if (errno == EEXIST) {
    return absl::AlreadyExistsError(absl::StrCat("segment ", name, ": there is one already"));
  }
  return errno_status(errno, name, absl::StrCat("cannot name it ", path));
}

absl::StatusOr<unique_fd> make_memfd(std::string_view name, uint64_t size) {
  unique_fd fd(::memfd_create(std::string(name).c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd) return errno_status(errno, name, "cannot create a memfd");
  absl::Status status = make_long(fd.get(), size, name);
  if (!status.ok()) return status;
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
