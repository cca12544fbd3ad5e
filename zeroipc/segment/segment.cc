#include "zeroipc/segment/segment.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "zeroipc/base/error.h"
#include "zeroipc/segment/attach.h"
#include "zeroipc/segment/backend.h"

namespace zeroipc {
namespace internal {
namespace {

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

// Backs every page, and maps it here.
absl::Status populate(const attachment& a) {
  const auto refuse = [&](int error) {
    struct statvfs fs {};
    const uint64_t free = ::fstatvfs(a.fd, &fs) == 0 ? uint64_t{fs.f_bavail} * fs.f_frsize : 0;
    return absl::ResourceExhaustedError(
        absl::StrFormat("segment %s: cannot back all its %d bytes with memory now, %d are free on "
                        "its file system: %s",
                        a.name, a.geometry.size, free, std::strerror(error)));
  };
  int failed;
  do {
    failed = ::madvise(a.base, a.geometry.size, MADV_POPULATE_WRITE);
  } while (failed != 0 && (errno == EINTR || errno == EAGAIN));
  if (failed == 0) return absl::OkStatus();
  // EFAULT is what it answers where touching a page would be a SIGBUS.
  if (errno != EINVAL) return refuse(errno == EFAULT ? ENOSPC : errno);
  // Before Linux 5.14. The pages are had first, so that touching them cannot fail.
  do {
    failed = ::posix_fallocate(a.fd, 0, static_cast<off_t>(a.geometry.size));
  } while (failed == EINTR);
  if (failed != 0) return refuse(failed);
  for (uint64_t at = 0; at < a.geometry.size; at += kPage) {
    static_cast<void>(*reinterpret_cast<volatile std::byte*>(a.base + at));
  }
  return absl::OkStatus();
}

absl::Status prepare_pages(const memory_options& options, const attachment& a) {
  // Hints: a kernel or file system that cannot do it leaves pages as they are.
  if (options.huge_pages) ::madvise(a.base, a.geometry.size, MADV_HUGEPAGE);
  if (options.prefault) {
    absl::Status status = populate(a);
    if (!status.ok()) return status;
  }
  if (options.huge_pages) ::madvise(a.base, a.geometry.size, MADV_COLLAPSE);
  return absl::OkStatus();
}

// Writes the geometry into a file that nobody else knows yet.
absl::Status lay_out(int fd, std::string_view name, const segment_geometry& geometry,
                     const memory_options& options) {
  // The header, the tables of participants and threads, and the control block are written to without asking for memory
  // first, so they are backed now.
  const uint64_t bytes = geometry.control_offset + kControlBytes;
  int failed;
  do {
    failed = ::posix_fallocate(fd, 0, static_cast<off_t>(bytes));
  } while (failed == EINTR);
  if (failed != 0) {
    struct statvfs fs {};
    const uint64_t free = ::fstatvfs(fd, &fs) == 0 ? uint64_t{fs.f_bavail} * fs.f_frsize : 0;
    return absl::ResourceExhaustedError(absl::StrFormat(
        "segment %s: no room for its first %d bytes, %d are free on its file system: %s", name,
        bytes, free, std::strerror(failed)));
  }
  void* base = ::mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (base == MAP_FAILED) return errno_status(errno, name, "cannot map it");
  auto* header = static_cast<segment_header*>(base);
  std::memcpy(header->magic, kSegmentMagic, sizeof header->magic);
  header->version = kFormatVersion;
  header->fences = options.symmetric_fences ? fence_mode::symmetric : supported_fence_mode();
  if (::getrandom(&header->id, sizeof header->id, 0) != sizeof header->id) header->id = 0;
  timespec now;
  ::clock_gettime(CLOCK_REALTIME, &now);
  header->created_ns = int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
  header->geometry = geometry;
  header->flags =
      (options.remove_with_last ? kRemoveWithLast : 0u) | (options.reserve ? kReserve : 0u);
  header->checksum = header_checksum(*header);
  ::munmap(base, kPage);
  return absl::OkStatus();
}

absl::StatusOr<segment_geometry> geometry_for(std::string_view name, size_t size,
                                              const memory_options& options) {
  absl::StatusOr<segment_geometry> geometry =
      make_geometry(size, options.max_participants, options.max_threads, options.max_names);
  if (geometry.ok()) return geometry;
  return absl::InvalidArgumentError(
      absl::StrCat("segment ", name, ": ", geometry.status().message()));
}

absl::Status check_mode(std::string_view name, mode_t mode) {
  if ((mode & 0600) == 0600 && (mode & ~mode_t{0666}) == 0) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrFormat(
      "segment %s: mode %04o asked for; its owner has to read and write it, and nobody "
      "executes it (0600 to 0666)",
      name, mode));
}

absl::StatusOr<std::shared_ptr<attachment>> open_named(std::string_view name, bool read_only,
                                                       const memory_options& options) {
  absl::Status status = check_mode(name, options.mode);
  if (!status.ok()) return status;
  absl::StatusOr<unique_fd> fd = open_backing(name, read_only);
  if (!fd.ok()) return fd.status();
  if (!read_only) status = check_trusted(fd->get(), name, options.mode);
  if (!status.ok()) return status;
  return attach_fd(*std::move(fd), {name, absolute_path(*backing_path(name)), read_only});
}

// Lays an unnamed file out and joins it.
absl::StatusOr<std::shared_ptr<attachment>> attach_new(unique_fd fd, std::string_view name,
                                                       const std::string& path,
                                                       const segment_geometry& geometry,
                                                       const memory_options& options) {
  absl::Status status = lay_out(fd.get(), name, geometry, options);
  if (!status.ok()) return status;
  absl::StatusOr<std::shared_ptr<attachment>> attached =
      attach_fd(std::move(fd), {name, path, false, /*fresh=*/true});
  if (!attached.ok()) return attached;
  status = prepare_pages(options, **attached);
  if (!status.ok()) return status;
  return attached;
}

// What a descriptor's file is called; empty if it has no name.
std::string path_of(int fd) {
  char buffer[4096];
  const ssize_t n = ::readlink(absl::StrCat("/proc/self/fd/", fd).c_str(), buffer, sizeof buffer);
  if (n <= 0) return {};
  std::string path(buffer, static_cast<size_t>(n));
  struct stat named, own;
  if (::stat(path.c_str(), &named) != 0 || ::fstat(fd, &own) != 0) return {};
  return named.st_dev == own.st_dev && named.st_ino == own.st_ino ? path : std::string();
}

absl::Status check_size(const attachment& a, size_t wanted) {
  if (a.geometry.size == wanted) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrFormat(
      "segment %s: exists with %d bytes, asked for were %d; open it without a size, or "
      "unlink it first",
      a.name, a.geometry.size, wanted));
}

}  // namespace

}  // namespace internal

using internal::attachment;

memory::memory(std::string_view name, size_t size, const memory_options& options)
    : memory(internal::value_or_raise(open_or_create(name, size, options))) {}

memory::memory(std::string_view name, const memory_options& options)
    : memory(internal::value_or_raise(open(name, options))) {}

absl::StatusOr<memory> memory::create(std::string_view name, size_t size,
                                      const memory_options& options) {
  absl::StatusOr<std::string> path = internal::backing_path(name);
  if (!path.ok()) return path.status();
  absl::Status status = internal::check_mode(name, options.mode);
  if (!status.ok()) return status;
  const auto geometry = internal::geometry_for(name, size, options);
  if (!geometry.ok()) return geometry.status();
  absl::StatusOr<internal::nameless_file> file =
      internal::make_nameless(name, *path, size, options.mode);
  if (!file.ok()) return file.status();
  auto attached = internal::attach_new(std::move(file->fd), name, internal::absolute_path(*path),
                                       *geometry, options);
  status = attached.status();
  if (status.ok()) {
    status = internal::publish_backing(name, *path, (*attached)->fd, file->temporary);
  }
  if (status.ok()) return memory(*std::move(attached));
  if (!file->temporary.empty()) ::unlink(file->temporary.c_str());
  return status;
}

absl::StatusOr<memory> memory::open(std::string_view name, const memory_options& options) {
  auto attached = internal::open_named(name, false, options);
  if (!attached.ok()) return attached.status();
  absl::Status prepared = internal::prepare_pages(options, **attached);
  if (!prepared.ok()) return prepared;
  return memory(*std::move(attached));
}

absl::StatusOr<memory> memory::open_or_create(std::string_view name, size_t size,
                                              const memory_options& options) {
  // Each turn loses a race against somebody who created or removed the segment in between.
  constexpr int kTurns = 1000;
  absl::Status last;
  for (int turn = 0; turn < kTurns; ++turn) {
    auto opened = internal::open_named(name, false, options);
    if (opened.ok()) {
      absl::Status usable = internal::check_size(**opened, size);
      if (usable.ok()) usable = internal::prepare_pages(options, **opened);
      if (!usable.ok()) return usable;
      return memory(*std::move(opened));
    }
    if (!absl::IsNotFound(opened.status())) return opened.status();
    absl::StatusOr<memory> created = create(name, size, options);
    if (created.ok() || !absl::IsAlreadyExists(created.status())) return created;
    last = created.status();
  }
  return absl::AbortedError(absl::StrCat("segment ", name, ": created and removed by others ",
                                         kTurns,
                                         " times while opening it; last: ", last.message()));
}

absl::StatusOr<memory> memory::open_read_only(std::string_view name) {
  auto attached = internal::open_named(name, true, {});
  if (!attached.ok()) return attached.status();
  return memory(*std::move(attached));
}

absl::StatusOr<memory> memory::create_anonymous(size_t size, const memory_options& options) {
  constexpr std::string_view kName = "(anonymous)";
  const auto geometry = internal::geometry_for(kName, size, options);
  if (!geometry.ok()) return geometry.status();
  absl::StatusOr<internal::unique_fd> fd = internal::make_memfd(kName, size);
  if (!fd.ok()) return fd.status();
  memory_options adjusted = options;
  adjusted.remove_with_last = false;  // it goes with its last descriptor anyway
  auto attached = internal::attach_new(*std::move(fd), kName, std::string(), *geometry, adjusted);
  if (!attached.ok()) return attached.status();
  return memory(*std::move(attached));
}

absl::StatusOr<memory> memory::from_fd(int fd) {
  std::string name = absl::StrCat("(fd ", fd, ")");
  internal::unique_fd own(internal::reopen_fd(fd));
  if (!own) return internal::errno_status(errno, name, "cannot open the descriptor's file");
  struct stat st;
  if (::fstat(own.get(), &st) != 0) return internal::errno_status(errno, name, "cannot stat it");
  if (!S_ISREG(st.st_mode)) {
    return absl::FailedPreconditionError(absl::StrCat("segment ", name, ": not a regular file"));
  }
  std::string path = internal::path_of(own.get());
  if (!path.empty()) name = path;
  auto attached = internal::attach_fd(std::move(own), {name, std::move(path)});
  if (!attached.ok()) return attached.status();
  return memory(*std::move(attached));
}

absl::Status memory::unlink(std::string_view name) { return internal::unlink_backing(name); }

size_t memory::resident_bytes() const {
  struct stat st;
  return ::fstat(attachment_->fd, &st) == 0 ? static_cast<size_t>(st.st_blocks) * 512 : 0;
}

std::vector<internal::participant_info> memory::participants() const {
  if (attachment_->self != nullptr) return attachment_->self->list();
  return {};
}

}  // namespace zeroipc
