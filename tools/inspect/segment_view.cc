#include "tools/inspect/segment_view.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "zeroipc/name_table/name_table.h"
#include "zeroipc/segment/layout.h"

namespace zeroipc::tools {
namespace {

using internal::participant_info;
using internal::participant_slot;
using internal::segment_header;
using internal::slot_state;

constexpr std::string_view kDirectory = "/dev/shm/";

std::string path_of(std::string_view name) {
  if (name.find('/', 1) != name.npos) return std::string(name);
  return absl::StrCat(kDirectory, absl::StartsWith(name, "/") ? name.substr(1) : name);
}

bool starts_like_a_segment(const std::string& path) {
  char magic[sizeof internal::kSegmentMagic] = {};
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
  if (fd < 0) return false;
  const bool whole = ::pread(fd, magic, sizeof magic, 0) == ssize_t{sizeof magic};
  ::close(fd);
  return whole && std::memcmp(magic, internal::kSegmentMagic, sizeof magic) == 0;
}

// Whether a process holds the slot's liveness lock, asked through a descriptor that has no part in the segment.
bool token_held(int fd, uint32_t slot) {
  struct flock lock {};
  lock.l_type = F_RDLCK;
  lock.l_whence = SEEK_SET;
  lock.l_start = static_cast<off_t>(internal::kLivenessOffset + slot);
  lock.l_len = 1;
  return ::fcntl(fd, F_OFD_GETLK, &lock) != 0 || lock.l_type != F_UNLCK;
}

// By system calls and not through the mapping: reading a page of a sparse file through a mapping would make it.
template <typename T>
bool read_at(int fd, uint64_t offset, T* out, size_t count = 1) {
  const auto bytes = static_cast<ssize_t>(count * sizeof(T));
  return ::pread(fd, static_cast<void*>(out), count * sizeof(T), static_cast<off_t>(offset)) ==
         bytes;
}

std::vector<participant_info> participants_of(const memory& mem, uint32_t high_water) {
  const internal::segment_geometry& g = mem.attachment()->geometry;
  std::vector<participant_info> all;
  for (uint32_t i = 0; i < std::min(high_water, g.max_participants); ++i) {
    participant_slot slot{};
    if (!read_at(mem.fd(), g.participants_offset + i * sizeof slot, &slot)) break;
    const uint32_t state = slot.state.load(std::memory_order_relaxed);
    // One that is leaving holds nothing any more.
    if (participant_slot::state_of(state) == slot_state::free ||
        participant_slot::state_of(state) == slot_state::leaving) {
      continue;
    }
    participant_info info;
    info.slot = i;
    info.generation = participant_slot::generation_of(state);
    info.pid = slot.pid.load(std::memory_order_relaxed);
    info.alive =
        participant_slot::state_of(state) == slot_state::attached && token_held(mem.fd(), i);
    info.attached_ns = slot.attached_ns.load(std::memory_order_relaxed);
    info.name = slot.read_name();
    all.push_back(std::move(info));
  }
  return all;
}

}  // namespace

std::string_view standing_name(standing s) {
  switch (s) {
    case standing::usable:
      return "usable";
    case standing::foreign:
      return "foreign";
    case standing::unusable:
      return "unusable";
    case standing::unreadable:
      return "unreadable";
    case standing::missing:
      return "missing";
  }
  return "unknown";
}

int segment_view::live() const {
  return static_cast<int>(
      std::ranges::count_if(participants, [](const auto& p) { return p.alive; }));
}

std::string segment_view::who_is_attached() const {
  std::vector<std::string> who;
  for (const participant_info& p : participants) {
    if (p.alive) who.push_back(absl::StrCat("pid ", p.pid, " (", p.name, ")"));
  }
  return absl::StrJoin(who, ", ");
}

segment_view look_at(std::string_view name) {
  segment_view view;
  view.name = std::string(name);
  const std::string path = path_of(name);
  struct stat st;
  if (::lstat(path.c_str(), &st) == 0) {
    view.file_bytes = static_cast<uint64_t>(st.st_size);
    view.resident_bytes = static_cast<uint64_t>(st.st_blocks) * 512;
    view.mode = st.st_mode & 07777;
    view.owner = st.st_uid;
  }
  absl::StatusOr<memory> mem = memory::open_read_only(name);
  if (!mem.ok()) {
    view.why = mem.status();
    if (absl::IsNotFound(view.why)) {
      view.is = standing::missing;
    } else if (absl::IsPermissionDenied(view.why)) {
      view.is = standing::unreadable;
    } else {
      view.is = starts_like_a_segment(path) ? standing::unusable : standing::foreign;
    }
    return view;
  }
  view.is = standing::usable;
  segment_header header{};
  if (read_at(mem->fd(), 0, &header)) {
    view.version = header.version;
    view.flags = header.flags;
    view.id = header.id;
    view.created_ns = header.created_ns;
    view.fences = header.fences;
    view.deaths = header.deaths.load(std::memory_order_relaxed);
    view.participants =
        participants_of(*mem, header.participants_high_water.load(std::memory_order_relaxed));
  }
  view.heap = stats(*mem);
  view.names = list(*mem).size();
  view.mapped = *std::move(mem);
  return view;
}

std::vector<std::string> shared_memory_names() {
  std::vector<std::string> names;
  DIR* directory = ::opendir(std::string(kDirectory).c_str());
  if (directory == nullptr) return names;
  while (const dirent* entry = ::readdir(directory)) {
    struct stat st;
    if (::fstatat(::dirfd(directory), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0) continue;
    if (S_ISREG(st.st_mode)) names.push_back(absl::StrCat("/", entry->d_name));
  }
  ::closedir(directory);
  std::ranges::sort(names);
  return names;
}

}  // namespace zeroipc::tools
