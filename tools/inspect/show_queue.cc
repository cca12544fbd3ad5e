#include "tools/inspect/show_queue.h"

#include <unistd.h>

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "zeroipc/queue/layout.h"
#include "zeroipc/queue/lease.h"
#include "zeroipc/queue/position.h"

namespace zeroipc::tools {
namespace {

using internal::lease_entry;
using internal::lease_state;
using internal::queue_geometry;
using internal::queue_header;

// Entries that a call reads at once.
constexpr uint64_t kChunk = 256 * 1024;

bool read_at(int fd, uint64_t offset, void* out, size_t bytes) {
  return ::pread(fd, out, bytes, static_cast<off_t>(offset)) == static_cast<ssize_t>(bytes);
}

// Leases out, and leases given back whose items wait to be delivered again.
struct lease_count {
  uint64_t leased = 0;
  uint64_t orphans = 0;
};
lease_count count_leases(int fd, uint64_t base, const queue_geometry& g) {
  lease_count count;
  const uint64_t per_chunk = std::max<uint64_t>(1, kChunk / g.lease_stride);
  std::vector<std::byte> chunk(per_chunk * g.lease_stride);
  for (uint64_t first = 0; first < g.max_leases; first += per_chunk) {
    const uint64_t n = std::min(per_chunk, g.max_leases - first);
    const uint64_t bytes = n * g.lease_stride;
    if (!read_at(fd, base + g.leases_offset + first * g.lease_stride, chunk.data(), bytes)) break;
    for (uint64_t i = 0; i < n; ++i) {
      // The first word of an entry: state:8 | turn:24 | owner:32, see zeroipc/queue/lease.h.
      uint64_t word;
      std::memcpy(&word, chunk.data() + i * g.lease_stride, sizeof word);
      const auto state = static_cast<lease_state>(word >> 56);
      count.leased += state == lease_state::leased;
      count.orphans += state == lease_state::orphan;
    }
  }
  return count;
}

}  // namespace

std::string_view policy_name(uint8_t variant) {
  switch (variant) {
    case mpmc::variant:
      return mpmc::name;
    case mpsc::variant:
      return mpsc::name;
    case spmc::variant:
      return spmc::name;
    case spsc::variant:
      return spsc::name;
  }
  return "unknown";
}

absl::StatusOr<queue_stats> look_at_queue(const memory& mem, const structure_info& info) {
  const auto corrupt = [&](std::string_view what) {
    return absl::DataLossError(absl::StrCat(kind_name(info.what), " '", info.name, "' in segment ",
                                            mem.name(), ": ", what));
  };
  alignas(queue_header<hardware>) std::byte raw[sizeof(queue_header<hardware>)];
  if (info.bytes < sizeof raw || !read_at(mem.fd(), info.offset, raw, sizeof raw)) {
    return corrupt(absl::StrCat("cannot read the ", sizeof raw, " bytes of its header"));
  }
  const auto& header = *reinterpret_cast<const queue_header<hardware>*>(raw);
  const queue_geometry& g = header.geometry;
  const bool bare = info.variant == spsc::variant;
  const internal::queue_element element = {info.element_size, info.element_align, info.variant,
                                           bare};
  if (absl::Status s = check_queue_geometry(
          g, element, info.bytes, absl::StrCat(kind_name(info.what), " '", info.name, "'"));
      !s.ok()) {
    return s;
  }
  const internal::ring_shape shape(g.capacity);
  const auto read = [](const auto& word) { return word.load(std::memory_order_relaxed); };
  const uint64_t tail = read(header.tail) & ~internal::kClosedBit;
  const uint64_t head = read(header.head);
  if (!shape.valid(tail) || !shape.valid(head)) return corrupt("its positions are impossible");
  const auto steps = [&](uint64_t position) { return shape.distance(0, position); };
  const auto less = [](uint64_t a, uint64_t b) { return a > b ? a - b : 0; };
  const lease_count leases = count_leases(mem.fd(), info.offset, g);

  queue_stats s;
  s.capacity = g.capacity;
  s.max_leases = g.max_leases;
  s.depth = std::min(less(steps(tail), steps(head)), g.capacity) + leases.orphans;
  s.tombstones = read(header.tombs_made);
  s.pushed = less(steps(tail), s.tombstones);
  s.popped = less(steps(head), read(header.tombs_passed));
  s.refused = read(header.refused);
  s.waits = read(header.waits);
  s.recoveries = read(header.recoveries);
  s.redelivered = read(header.redelivered);
  s.leased = leases.leased;
  s.closed = (read(header.hints) & internal::kClosing) != 0;
  return s;
}

}  // namespace zeroipc::tools
