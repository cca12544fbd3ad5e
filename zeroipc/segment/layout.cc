#include "zeroipc/segment/layout.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "zeroipc/base/hash.h"

namespace zeroipc::internal {
namespace {

// Structure ids are offsets in cache lines in 32 bits.
constexpr uint64_t kMaxSegmentBytes = (uint64_t{1} << 32) * kCacheLine;
constexpr uint64_t kMinHeapBytes = 4 * kPage;

constexpr uint64_t page_up(uint64_t n) { return (n + kPage - 1) / kPage * kPage; }

segment_geometry lay_out(uint64_t size, uint32_t participants, uint32_t threads, uint32_t names) {
  segment_geometry g{};
  g.size = size;
  g.max_participants = participants;
  g.max_threads = threads;
  g.max_names = names;
  g.buckets = std::bit_ceil(names);
  uint64_t at = kPage;
  const auto place = [&at](uint64_t bytes) { return std::exchange(at, at + page_up(bytes)); };
  g.participants_offset = place(uint64_t{participants} * sizeof(participant_slot));
  g.threads_offset = place(uint64_t{threads} * sizeof(thread_record<hardware>));
  g.control_offset = place(kControlBytes);
  g.buckets_offset = place(g.buckets * kBucketBytes);
  g.names_offset = place(names * kNameEntryBytes);
  g.holds_offset = place(participants * g.hold_row_bytes());
  g.heap_offset = at;
  return g;
}

}  // namespace

absl::StatusOr<segment_geometry> make_geometry(uint64_t size, uint32_t max_participants,
                                               uint32_t max_threads, uint32_t max_names) {
  if (size > kMaxSegmentBytes) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "a segment holds at most %d bytes, asked for were %d", kMaxSegmentBytes, size));
  }
  if (max_participants > owner_tag::kMaxSlots || max_threads > kMaxThreads ||
      max_names > kMaxNames) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "limits are %d participants, %d threads and %d names; asked for were %d, %d and %d",
        owner_tag::kMaxSlots, kMaxThreads, kMaxNames, max_participants, max_threads, max_names));
  }
  // A small segment gets small tables: the defaults take no more than about an eighth of it.
  const uint64_t kib = size / 1024;
  const auto or_default = [](uint32_t asked, uint64_t low, uint64_t by_size, uint64_t high) {
    return asked != 0 ? asked : static_cast<uint32_t>(std::clamp(by_size, low, high));
  };
  const uint32_t participants = or_default(max_participants, 16, kib / 16, 256);
  const uint32_t threads = or_default(max_threads, 64, kib / 8, 1024);
  const uint32_t names = or_default(max_names, 64, kib / 8, uint64_t{1} << 20);
  const segment_geometry g = lay_out(size, participants, threads, names);
  if (g.heap_offset + kMinHeapBytes > size) {
    return absl::InvalidArgumentError(
        absl::StrFormat("a segment of %d bytes is too small: with %d participants, %d threads and "
                        "%d names it needs at "
                        "least %d",
                        size, participants, threads, names, g.heap_offset + kMinHeapBytes));
  }
  return g;
}

std::string participant_slot::read_name() const {
  char copy[sizeof name];
  for (size_t at = 0; at < sizeof name; at += sizeof(uint64_t)) {
    auto& word = *reinterpret_cast<uint64_t*>(const_cast<char*>(name) + at);
    const uint64_t value = std::atomic_ref(word).load(std::memory_order_relaxed);
    std::memcpy(copy + at, &value, sizeof value);
  }
  return std::string(copy, ::strnlen(copy, sizeof copy));
}

void participant_slot::write_name(std::string_view text) {
  char copy[sizeof name]{};
  std::memcpy(copy, text.data(), std::min(text.size(), sizeof name - 1));
  for (size_t at = 0; at < sizeof name; at += sizeof(uint64_t)) {
    uint64_t value;
    std::memcpy(&value, copy + at, sizeof value);
    auto& word = *reinterpret_cast<uint64_t*>(name + at);
    std::atomic_ref(word).store(value, std::memory_order_relaxed);
  }
}

uint64_t header_checksum(const segment_header& header) {
  return fixed_hash(
      std::string_view(reinterpret_cast<const char*>(&header), offsetof(segment_header, checksum)));
}

absl::Status check_header(const segment_header& header, uint64_t file_size, std::string_view name) {
  const auto refuse = [&](std::string_view why) {
    return absl::FailedPreconditionError(absl::StrCat("segment ", name, ": ", why));
  };
  if (std::memcmp(header.magic, kSegmentMagic, sizeof header.magic) != 0) {
    return refuse("not a ZeroIPC segment (no magic number at its start)");
  }
  if (header.version != kFormatVersion) {
    return refuse(absl::StrFormat("format version %d found, this library works with version %d",
                                  header.version, kFormatVersion));
  }
  const segment_geometry& g = header.geometry;
  if (g.size != file_size) {
    return refuse(absl::StrFormat("truncated or grown: %d bytes long, its header says %d",
                                  file_size, g.size));
  }
  if (header.checksum != header_checksum(header)) {
    return refuse("corrupt header (its checksum does not match)");
  }
  // The checksum guards against accident; a forger can compute it, so the geometry must be the one we would make.
  const absl::StatusOr<segment_geometry> expected =
      make_geometry(g.size, std::max(g.max_participants, 1u), std::max(g.max_threads, 1u),
                    std::max(g.max_names, 1u));
  if (!expected.ok() || std::memcmp(&*expected, &g, sizeof g) != 0) {
    return refuse("corrupt header (its geometry contradicts itself)");
  }
  if ((header.flags & ~uint32_t{kKnownFlags}) != 0 || header.reserved != 0) {
    return refuse(absl::StrFormat("corrupt header (flags %#x)", header.flags));
  }
  if (header.fences != fence_mode::symmetric && header.fences != fence_mode::asymmetric) {
    return refuse(
        absl::StrFormat("corrupt header (fence mode %d)", static_cast<uint32_t>(header.fences)));
  }
  return absl::OkStatus();
}

}  // namespace zeroipc::internal
