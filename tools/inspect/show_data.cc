#include "tools/inspect/show_data.h"

#include <unistd.h>

#include <algorithm>
#include <cstddef>

#include "absl/strings/str_cat.h"
#include "tools/cli/text.h"
#include "zeroipc/array/core.h"
#include "zeroipc/cell/core.h"
#include "zeroipc/name_table/geometry.h"
#include "zeroipc/pool/core.h"
#include "zeroipc/ring/core.h"
#include "zeroipc/stack/core.h"

namespace zeroipc::tools {
namespace {

using internal::structure_geometry;

// Words that a call reads at once.
constexpr uint64_t kChunk = 32 * 1024;

bool read_at(int fd, uint64_t offset, void* out, size_t bytes) {
  return ::pread(fd, out, bytes, static_cast<off_t>(offset)) == static_cast<ssize_t>(bytes);
}

uint64_t value(const std::atomic<uint64_t>& word) { return word.load(std::memory_order_relaxed); }

// A copy of the header of a structure of that kind.
template <typename Header>
class header_copy {
 public:
  bool read(const memory& mem, const structure_info& info) {
    return info.bytes >= sizeof raw_ && read_at(mem.fd(), info.offset, raw_, sizeof raw_);
  }
  const Header& operator*() const { return *reinterpret_cast<const Header*>(raw_); }
  const Header* operator->() const { return &**this; }

 private:
  alignas(Header) std::byte raw_[sizeof(Header)];
};

bool sound(const structure_geometry& g, const structure_info& info) {
  return g.magic == internal::kGeometryMagic + static_cast<uint32_t>(info.what) &&
         g.capacity != 0 && g.element_size == info.element_size && g.bytes <= info.bytes;
}

data_summary summary_of(const internal::array_header<hardware>& h) {
  return {absl::StrCat(with_commas(h.geometry.capacity), " elements"),
          {{"elements", h.geometry.capacity},
           {"stripes", h.geometry.extra},
           {"recoveries", value(h.recoveries)}}};
}
data_summary summary_of(const internal::cell_header<hardware>& h) {
  const uint64_t version = value(h.current);
  return {version == 0 ? "no value yet" : absl::StrCat("version ", with_commas(version)),
          {{"version", version}, {"waits", value(h.waits)}, {"recoveries", value(h.recoveries)}}};
}
data_summary summary_of(const internal::ring_header<hardware>& h) {
  const uint64_t written = value(h.tail), kept = std::min(written, h.geometry.capacity);
  return {absl::StrCat("newest ", with_commas(kept), " of ", with_commas(written)),
          {{"capacity", h.geometry.capacity},
           {"written", written},
           {"waits", value(h.waits)},
           {"recoveries", value(h.recoveries)}}};
}
data_summary summary_of(const internal::stack_header<hardware>& h) {
  const uint64_t depth = std::min(value(h.count), h.geometry.capacity);
  const uint64_t pushed = std::max(value(h.pushed), depth);
  const bool closed = h.closing.load(std::memory_order_relaxed) != 0;
  return {absl::StrCat(with_commas(depth), " of ", with_commas(h.geometry.capacity), " stacked",
                       closed ? ", closed" : ""),
          {{"capacity", h.geometry.capacity},
           {"depth", depth},
           {"pushed", pushed},
           {"popped", pushed - depth},
           {"refused", value(h.refused)},
           {"waits", value(h.waits)},
           {"recoveries", value(h.recoveries)},
           {"closed", closed}}};
}
data_summary summary_of(const internal::pool_header<hardware>& h) {
  return {"",
          {{"capacity", h.geometry.capacity},
           {"freed", value(h.frees)},
           {"refused", value(h.refused)},
           {"waits", value(h.waits)},
           {"recovered", value(h.recovered)}}};
}

// Cells that somebody has, dead or alive.
uint64_t in_use(const memory& mem, const structure_info& info, const structure_geometry& g) {
  constexpr size_t kStates = 2;
  uint64_t used = 0;
  std::vector<uint64_t> chunk(kChunk);
  if (g.strides[kStates] != sizeof(uint64_t) || g.offsets[kStates] > info.bytes) return 0;
  const uint64_t cells = std::min(g.capacity, (info.bytes - g.offsets[kStates]) / sizeof(uint64_t));
  for (uint64_t first = 0; first < cells; first += kChunk) {
    const uint64_t n = std::min(kChunk, cells - first);
    if (!read_at(mem.fd(), info.offset + g.offsets[kStates] + first * sizeof(uint64_t),
                 chunk.data(), n * sizeof(uint64_t))) {
      break;
    }
    used += static_cast<uint64_t>(std::count_if(
        chunk.begin(), chunk.begin() + static_cast<std::ptrdiff_t>(n),
        [](uint64_t word) { return static_cast<bool>(internal::pool_state::of(word).owner); }));
  }
  return used;
}

template <template <typename> typename Header>
absl::StatusOr<data_summary> look(const memory& mem, const structure_info& info) {
  header_copy<Header<hardware>> h;
  if (!h.read(mem, info) || !sound(h->geometry, info)) {
    return absl::DataLossError(absl::StrCat(kind_name(info.what), " '", info.name, "' in segment ",
                                            mem.name(), ": its header is corrupt"));
  }
  data_summary s = summary_of(*h);
  if (info.what == kind::pool) {
    const uint64_t used = in_use(mem, info, h->geometry);
    s.line = absl::StrCat(with_commas(used), " of ", with_commas(h->geometry.capacity), " in use");
    s.figures.emplace_back("in_use", used);
  }
  return s;
}

}  // namespace

bool has_data_summary(kind what) {
  return what == kind::array || what == kind::cell || what == kind::pool || what == kind::ring ||
         what == kind::stack;
}

absl::StatusOr<data_summary> look_at_data(const memory& mem, const structure_info& info) {
  switch (info.what) {
    case kind::array:
      return look<internal::array_header>(mem, info);
    case kind::cell:
      return look<internal::cell_header>(mem, info);
    case kind::pool:
      return look<internal::pool_header>(mem, info);
    case kind::ring:
      return look<internal::ring_header>(mem, info);
    case kind::stack:
      return look<internal::stack_header>(mem, info);
    default:
      return absl::InvalidArgumentError(absl::StrCat("no summary of a ", kind_name(info.what)));
  }
}

}  // namespace zeroipc::tools
