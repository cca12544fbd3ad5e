// `memory`: a named segment of shared memory, mapped into this process.
//
// When to use: once per segment and process, then hand it to the structures. Opening the same segment again in one
// process shares one mapping and one membership. A structure's handle keeps the segment mapped, so a `memory` may go out
// of scope before its structures.
//
// Names: "/app" (no further slash) is POSIX shared memory; a path with a directory ("/var/lib/app.seg", "./app.seg") is
// a file, which survives a reboot; `memory::create_anonymous` is a memfd, handed to others as a file descriptor.
//
// Creation is atomic: a segment is laid out, prefaulted and joined by its creator without a name, and gets that by one
// system call; so no process ever finds a half-made one, and a creator that dies leaves nothing. Opening never clears,
// resizes or unlinks.
//
// Who may: a segment's file has exactly memory_options::mode, whatever the umask. The same mode says whose segments are
// accepted when one is opened for writing, for a peer that can write can also mislead: by 0600 (the default) those of this
// user and of root which not everyone may write to; by 0660 also those of this process's groups; by 0666 anybody's.
// Everything else is PermissionDenied. Looking (open_read_only) and descriptors (from_fd) are not checked.
//
// Trust: geometry is checked once, here, and kept in private memory; whatever is read from the segment later is checked
// where it is used. A peer that truncates the file causes SIGBUS in the others; a memfd is sealed against that.
#ifndef ZEROIPC_SEGMENT_SEGMENT_H_
#define ZEROIPC_SEGMENT_SEGMENT_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "zeroipc/participant/participant.h"
#include "zeroipc/segment/layout.h"

namespace zeroipc {

struct memory_options {
  // Limits, fixed at creation; 0 takes the default for the size.
  uint32_t max_participants = 0;  // processes attached at once (default 256, at most 4096)
  uint32_t max_threads =
      0;  // threads using the segment at once, over all processes (default 1024, at most 65,536)
  uint32_t max_names = 0;  // structures (default one per 8 KiB, at least 64)

  // Of the file, if it is created; whose segments are accepted, if there is one. See above. Read and write for the owner,
  // with or without the same for group and others.
  mode_t mode = 0600;
  bool prefault =
      false;  // touch every page now, so that no fault comes later; also of a segment that exists
  bool huge_pages = false;  // ask the kernel to collapse the segment into huge pages; a hint
  // Back memory when it is allocated, so that a full file system is an error at creation of a structure and not a SIGBUS
  // when it is used. Off: pages come when they are touched.
  bool reserve = true;
  bool remove_with_last = false;  // the last participant to leave unlinks the name
  bool symmetric_fences =
      false;  // for segments shared with processes that may not call membarrier(2)
};

namespace internal {

// One mapping and one membership per segment and process.
struct attachment {
  std::string name;
  std::string path;  // absolute; empty for a memfd
  std::byte* base = nullptr;
  segment_geometry geometry{};
  bool read_only = false;
  bool remove_with_last = false;
  int fd = -1;  // of the segment's file; never carries a lock
  dev_t device = 0;
  ino_t inode = 0;
  std::unique_ptr<participant> self;  // null when read_only

  ~attachment();
};

}  // namespace internal

class memory {
 public:
  // Opens the segment, or creates it. Throws zeroipc::error.
  memory(std::string_view name, size_t size, const memory_options& options = {});
  // Opens a segment that exists. Throws zeroipc::error. Of the options, `mode`, `prefault` and `huge_pages` count.
  explicit memory(std::string_view name, const memory_options& options = {});

  // AlreadyExists if there is one.
  static absl::StatusOr<memory> create(std::string_view name, size_t size,
                                       const memory_options& options = {});
  // NotFound if there is none; FailedPrecondition if it is not a segment this library can use; PermissionDenied.
  static absl::StatusOr<memory> open(std::string_view name, const memory_options& options = {});
  // An existing segment of another size is FailedPrecondition, and the message states both.
  static absl::StatusOr<memory> open_or_create(std::string_view name, size_t size,
                                               const memory_options& options = {});
  // Maps without write permission: for looking. Not a participant; structures that need to write refuse it.
  static absl::StatusOr<memory> open_read_only(std::string_view name);
  // An unnamed segment; `fd()` is what another process opens with from_fd().
  static absl::StatusOr<memory> create_anonymous(size_t size, const memory_options& options = {});
  // Takes no ownership of `fd`. Opens the descriptor's file anew, through /proc, for which the file's permissions count.
  static absl::StatusOr<memory> from_fd(int fd);

  // Removes the name; those attached keep the memory. NotFound if there is none.
  static absl::Status unlink(std::string_view name);

  const std::string& name() const { return attachment_->name; }
  size_t size() const { return attachment_->geometry.size; }
  bool read_only() const { return attachment_->read_only; }
  int fd() const { return attachment_->fd; }
  // Bytes of the segment that the machine really holds now.
  size_t resident_bytes() const;
  std::vector<internal::participant_info> participants() const;

  // For the structures.
  const std::shared_ptr<internal::attachment>& attachment() const { return attachment_; }

 private:
  explicit memory(std::shared_ptr<internal::attachment> a) : attachment_(std::move(a)) {}
  std::shared_ptr<internal::attachment> attachment_;
};

}  // namespace zeroipc

#endif  // ZEROIPC_SEGMENT_SEGMENT_H_
