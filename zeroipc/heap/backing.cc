#include "zeroipc/heap/backing.h"

#include <fcntl.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace zeroipc::internal {
namespace {

// tmpfs backs a range as a whole or not at all, and a signal in between undoes the work: not too
// much at once.
constexpr uint64_t kPiece = 16 * 1024 * 1024;

int fallocate_retrying(int fd, int mode, uint64_t begin, uint64_t bytes) {
  while (::fallocate(fd, mode, static_cast<off_t>(begin), static_cast<off_t>(bytes)) != 0) {
    if (errno != EINTR) return errno;
  }
  return 0;
}

}  // namespace

bool reserves(const attachment& segment) {
  return (reinterpret_cast<const segment_header*>(segment.base)->flags & kReserve) != 0;
}

absl::Status back(const attachment& segment, uint64_t begin, uint64_t end, std::string_view what) {
  if (!reserves(segment) || begin >= end) return absl::OkStatus();
  begin = begin / kPage * kPage;
  end = std::min((end + kPage - 1) / kPage * kPage, segment.geometry.size);
  for (uint64_t at = begin; at < end; at += kPiece) {
    const int error = fallocate_retrying(segment.fd, 0, at, std::min(kPiece, end - at));
    if (error == 0) continue;
    if (error == EOPNOTSUPP || error == ENOSYS || error == EINVAL) return absl::OkStatus();
    struct statvfs fs {};
    const bool known = ::fstatvfs(segment.fd, &fs) == 0;
    return absl::ResourceExhaustedError(absl::StrCat(
        "segment ", segment.name, ": no pages for ", what, ": ", end - begin, " bytes needed, ",
        known ? absl::StrCat(uint64_t{fs.f_bavail} * fs.f_frsize) : "an unknown number of",
        " free on its file system (", std::strerror(error), ")"));
  }
  return absl::OkStatus();
}

bool punch(const attachment& segment, uint64_t begin, uint64_t end) {
  const uint64_t first = (begin + kPage - 1) / kPage * kPage;
  const uint64_t last = end / kPage * kPage;
  if (first >= last) return false;
  if (fallocate_retrying(segment.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, first,
                         last - first) != 0) {
    return false;
  }
  std::memset(segment.base + begin, 0, first - begin);
  std::memset(segment.base + last, 0, end - last);
  return true;
}

}  // namespace zeroipc::internal
