#include "testing/harness/small_file_system.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"

namespace zeroipc::harness {
namespace {

bool write_file(const char* path, const std::string& text) {
  const int fd = ::open(path, O_WRONLY | O_CLOEXEC);
  const bool ok =
      fd >= 0 && ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  if (fd >= 0) ::close(fd);
  return ok;
}

// A mount namespace of this process's own, in which it may mount.
bool may_mount() {
  const std::string uid = absl::StrCat(::getuid()), gid = absl::StrCat(::getgid());
  if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return ::unshare(CLONE_NEWNS) == 0;
  // Without these no file can be created: its owner would have no number outside.
  return write_file("/proc/self/uid_map", "0 " + uid + " 1") &&
         write_file("/proc/self/setgroups", "deny") &&
         write_file("/proc/self/gid_map", "0 " + gid + " 1");
}

}  // namespace

bool mount_small_file_system(const std::string& directory, size_t bytes) {
  return may_mount() &&
         ::mount("tmpfs", directory.c_str(), "tmpfs", 0, absl::StrCat("size=", bytes).c_str()) == 0;
}

}  // namespace zeroipc::harness
