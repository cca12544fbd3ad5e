#include "zeroipc/segment/segment.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <mutex>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "zeroipc/base/error.h"
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

// The byte that whoever joins or leaves a segment with `remove_with_last` holds meanwhile, so that the name is not removed
// between a joiner's open and its joining.
constexpr uint64_t kDoorOffset = kLivenessOffset + owner_tag::kMaxSlots;

class door {
 public:
  explicit door(int fd) : fd_(fd) {
    struct flock lock = whole(F_WRLCK);
    while (::fcntl(fd_, F_OFD_SETLKW, &lock) != 0 && errno == EINTR) {
    }
  }
  ~door() {
    struct flock lock = whole(F_UNLCK);
    ::fcntl(fd_, F_OFD_SETLK, &lock);
  }
  door(const door&) = delete;
  door& operator=(const door&) = delete;

 private:
  static struct flock whole(short type) {
    struct flock lock {};
    lock.l_type = type;
    lock.l_whence = SEEK_SET;
    lock.l_start = static_cast<off_t>(kDoorOffset);
    lock.l_len = 1;
    return lock;
  }
  int fd_;
};

// One attachment per file and access in this process. An entry may outlive its attachment.
struct attachment_registry {
  using file_key = std::pair<std::pair<dev_t, ino_t>, bool>;
  std::mutex mutex;
  std::map<file_key, std::weak_ptr<attachment>> all;
};
attachment_registry& registry() {
  static attachment_registry& r = *new attachment_registry;
  return r;
}

int reopen_fd(int fd) {
  return ::open(absl::StrCat("/proc/self/fd/", fd).c_str(), O_RDWR | O_CLOEXEC);
}

absl::Status prepare_pages(const memory_options& options, std::byte* base, uint64_t size,
                           std::string_view name) {
  if (options.huge_pages) ::madvise(base, size, MADV_HUGEPAGE);  // a hint, as is the collapse below
  if (options.prefault && ::madvise(base, size, MADV_POPULATE_WRITE) != 0) {
    return absl::ResourceExhaustedError(absl::StrFormat(
        "segment %s: cannot back all its %d bytes with memory now: %s", name, size, std::strerror(errno)));
  }
  if (options.huge_pages) ::madvise(base, size, MADV_COLLAPSE);
  return absl::OkStatus();
}

// Writes the geometry into a file that nobody else knows yet.
absl::Status lay_out(int fd, std::string_view name, const segment_geometry& geometry,
                     const memory_options& options) {
  // The header, the tables of participants and threads, and the control block are written to without asking for memory
  // first, so they are backed now.
  const auto tables = static_cast<off_t>(geometry.buckets_offset);
  int failed;
  do {
    failed = ::posix_fallocate(fd, 0, tables);
  } while (failed == EINTR);
  if (failed != 0) {
    return absl::ResourceExhaustedError(absl::StrFormat(
        "segment %s: no room for its first %d bytes: %s", name, tables, std::strerror(failed)));
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
  header->flags = (options.remove_with_last ? kRemoveWithLast : 0u) | (options.reserve ? kReserve : 0u);
  header->checksum = header_checksum(*header);
  ::munmap(base, kPage);
  return absl::OkStatus();
}

// Maps and joins an open file; the result is shared with whoever has it open in this process already.
absl::StatusOr<std::shared_ptr<attachment>> attach_fd(unique_fd fd, std::string_view name,
                                                      bool read_only) {
  struct stat st;
  if (::fstat(fd.get(), &st) != 0) return errno_status(errno, name, "cannot stat it");
  const auto key = std::make_pair(std::make_pair(st.st_dev, st.st_ino), read_only);
  std::lock_guard lock(registry().mutex);
  if (auto it = registry().all.find(key); it != registry().all.end()) {
    if (std::shared_ptr<attachment> existing = it->second.lock()) return existing;
  }
  const auto size = static_cast<uint64_t>(st.st_size);
  if (size < kPage) {
    return absl::FailedPreconditionError(absl::StrFormat(
        "segment %s: %d bytes long, too short for a ZeroIPC segment (its header takes %d)", name, size,
        kPage));
  }
  // The header is read by a system call first: a file that is cut short meanwhile is an error, not a SIGBUS.
  alignas(segment_header) std::byte raw[sizeof(segment_header)];
  if (::pread(fd.get(), raw, sizeof raw, 0) != ssize_t{sizeof raw}) {
    return errno_status(errno != 0 ? errno : EIO, name, "cannot read its header");
  }
  const auto& header = *reinterpret_cast<const segment_header*>(raw);
  absl::Status checked = check_header(header, size, name);
  if (!checked.ok()) return checked;

  auto result = std::make_shared<attachment>();
  result->name = std::string(name);
  result->geometry = header.geometry;
  result->read_only = read_only;
  void* base = ::mmap(nullptr, size, PROT_READ | (read_only ? 0 : PROT_WRITE), MAP_SHARED, fd.get(), 0);
  if (base == MAP_FAILED) {
    return errno_status(errno, name, absl::StrCat("cannot map its ", size, " bytes"));
  }
  result->base = static_cast<std::byte*>(base);
  result->fd = fd.release();
  result->device = st.st_dev;
  result->inode = st.st_ino;
  if (!read_only) {
    const auto join = [&] {
      return participant::attach(base, result->geometry, result->name,
                                 [fd = result->fd] { return reopen_fd(fd); });
    };
    absl::StatusOr<std::unique_ptr<participant>> joined = absl::InternalError("not joined");
    if ((header.flags & kRemoveWithLast) != 0) {
      door held(result->fd);
      // While the door was closed the last participant may have left and taken the name along.
      if (::fstat(result->fd, &st) == 0 && st.st_nlink == 0) {
        return absl::NotFoundError(absl::StrCat("segment ", name, ": its last participant just left"));
      }
      joined = join();
    } else {
      joined = join();
    }
    if (!joined.ok()) return joined.status();
    result->self = *std::move(joined);
  }
  registry().all[key] = result;
  std::erase_if(registry().all, [](const auto& entry) { return entry.second.expired(); });
  return result;
}

absl::Status check_size(const attachment& a, size_t wanted) {
  if (a.geometry.size == wanted) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrFormat("segment %s: exists with %d bytes, asked for were %d; open it without a size, or "
                      "unlink it first",
                      a.name, a.geometry.size, wanted));
}

}  // namespace

attachment::~attachment() {
  if (self != nullptr && (self->header().flags & kRemoveWithLast) != 0 && self->tag()) {
    door held(fd);
    struct stat mine, named;
    absl::StatusOr<std::string> path = backing_path(name);
    // Only if the name still stands for this very file.
    if (self->alone() && path.ok() && ::fstat(fd, &mine) == 0 && ::stat(path->c_str(), &named) == 0 &&
        mine.st_dev == named.st_dev && mine.st_ino == named.st_ino) {
      ::unlink(path->c_str());
    }
    self.reset();
  }
  self.reset();
  if (base != nullptr) ::munmap(base, geometry.size);
  if (fd >= 0) ::close(fd);
}

}  // namespace internal

using internal::attach_fd;
using internal::unique_fd;

memory::memory(std::string_view name, size_t size, const memory_options& options)
    : memory(internal::value_or_raise(open_or_create(name, size, options))) {}

memory::memory(std::string_view name) : memory(internal::value_or_raise(open(name))) {}

absl::StatusOr<memory> memory::create(std::string_view name, size_t size,
                                      const memory_options& options) {
  absl::StatusOr<std::string> path = internal::backing_path(name);
  if (!path.ok()) return path.status();
  absl::StatusOr<internal::segment_geometry> geometry = internal::make_geometry(
      size, options.max_participants, options.max_threads, options.max_names);
  if (!geometry.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("segment ", name, ": ", geometry.status().message()));
  }
  absl::StatusOr<internal::nameless_file> file =
      internal::make_nameless(name, *path, size, options.mode);
  if (!file.ok()) return file.status();
  absl::Status status = internal::lay_out(file->fd.get(), name, *geometry, options);
  if (status.ok()) status = internal::publish_backing(name, *path, *file);
  if (!status.ok()) {
    if (!file->temporary.empty()) ::unlink(file->temporary.c_str());
    return status;
  }
  absl::StatusOr<std::shared_ptr<internal::attachment>> attached =
      attach_fd(std::move(file->fd), name, false);
  if (!attached.ok()) return attached.status();
  status = internal::prepare_pages(options, (*attached)->base, size, name);
  if (!status.ok()) {
    internal::unlink_backing(name).IgnoreError();
    return status;
  }
  return memory(*std::move(attached));
}

absl::StatusOr<memory> memory::open(std::string_view name) {
  absl::StatusOr<unique_fd> fd = internal::open_backing(name, false);
  if (!fd.ok()) return fd.status();
  absl::StatusOr<std::shared_ptr<internal::attachment>> attached =
      attach_fd(*std::move(fd), name, false);
  if (!attached.ok()) return attached.status();
  return memory(*std::move(attached));
}

absl::StatusOr<memory> memory::open_or_create(std::string_view name, size_t size,
                                              const memory_options& options) {
  // Each turn loses a race against somebody who created or removed the segment in between.
  constexpr int kTurns = 1000;
  absl::Status last;
  for (int turn = 0; turn < kTurns; ++turn) {
    absl::StatusOr<memory> opened = open(name);
    if (opened.ok()) {
      absl::Status same = internal::check_size(*opened->attachment_, size);
      if (!same.ok()) return same;
      return opened;
    }
    if (!absl::IsNotFound(opened.status())) return opened.status();
    absl::StatusOr<memory> created = create(name, size, options);
    if (created.ok() || !absl::IsAlreadyExists(created.status())) return created;
    last = created.status();
  }
  return absl::AbortedError(absl::StrCat("segment ", name, ": created and removed by others ", kTurns,
                                         " times while opening it; last: ", last.message()));
}

absl::StatusOr<memory> memory::open_read_only(std::string_view name) {
  absl::StatusOr<unique_fd> fd = internal::open_backing(name, true);
  if (!fd.ok()) return fd.status();
  absl::StatusOr<std::shared_ptr<internal::attachment>> attached =
      attach_fd(*std::move(fd), name, true);
  if (!attached.ok()) return attached.status();
  return memory(*std::move(attached));
}

absl::StatusOr<memory> memory::create_anonymous(size_t size, const memory_options& options) {
  constexpr std::string_view kName = "(anonymous)";
  absl::StatusOr<internal::segment_geometry> geometry = internal::make_geometry(
      size, options.max_participants, options.max_threads, options.max_names);
  if (!geometry.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("segment ", kName, ": ", geometry.status().message()));
  }
  absl::StatusOr<unique_fd> fd = internal::make_memfd(kName, size);
  if (!fd.ok()) return fd.status();
  memory_options adjusted = options;
  adjusted.remove_with_last = false;  // it goes with its last descriptor anyway
  absl::Status status = internal::lay_out(fd->get(), kName, *geometry, adjusted);
  if (!status.ok()) return status;
  absl::StatusOr<std::shared_ptr<internal::attachment>> attached =
      attach_fd(*std::move(fd), kName, false);
  if (!attached.ok()) return attached.status();
  status = internal::prepare_pages(options, (*attached)->base, size, kName);
  if (!status.ok()) return status;
  return memory(*std::move(attached));
}

absl::StatusOr<memory> memory::from_fd(int fd) {
  const std::string name = absl::StrCat("(fd ", fd, ")");
  unique_fd own(internal::reopen_fd(fd));
  if (!own) return internal::errno_status(errno, name, "cannot open the descriptor's file");
  absl::StatusOr<std::shared_ptr<internal::attachment>> attached = attach_fd(std::move(own), name, false);
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
