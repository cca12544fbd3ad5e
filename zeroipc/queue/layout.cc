#include "zeroipc/queue/layout.h"

#include <algorithm>
#include <cstddef>

#include "absl/strings/str_cat.h"
#include "zeroipc/base/hash.h"

namespace zeroipc::internal {
namespace {

constexpr uint64_t kDefaultLeases = 256;
// Elements of many kilobytes get fewer leases by default, so that these do not outweigh a small queue.
constexpr uint64_t kDefaultLeaseBytes = 1 << 20;
constexpr uint64_t kFewestLeases = 16;

// Cannot overflow: capacity and leases are below 2^32, strides below 2^18.
queue_geometry lay_out(uint64_t capacity, uint64_t max_leases, const queue_element& element) {
  queue_geometry g{};
  const uint64_t unit = std::max<uint64_t>(element.align, kApart);
  g.magic = kQueueMagic;
  g.variant = element.variant;
  g.capacity = capacity;
  g.max_leases = max_leases;
  g.element_size = element.size;
  g.element_align = element.align;
  g.slot_stride = slot_shape(element.size, element.align, element.bare).stride;
  g.lease_stride = lease_shape(element.size, element.align).stride;
  g.slots_offset = round_up(sizeof(queue_header<hardware>), unit);
  g.leases_offset = round_up(g.slots_offset + capacity * g.slot_stride, unit);
  g.bytes = g.leases_offset + max_leases * g.lease_stride;
  g.checksum = fixed_hash({reinterpret_cast<const char*>(&g), offsetof(queue_geometry, checksum)});
  return g;
}

}  // namespace

uint64_t default_leases(uint64_t capacity, const queue_element& element) {
  const uint64_t affordable = kDefaultLeaseBytes / lease_shape(element.size, element.align).stride;
  return std::min({capacity, kDefaultLeases, std::max(kFewestLeases, affordable)});
}

absl::StatusOr<queue_geometry> make_queue_geometry(uint64_t capacity, uint64_t max_leases,
                                                   const queue_element& element, uint64_t available,
                                                   std::string_view what) {
  if (capacity == 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(what, ": the capacity is 0; a queue holds at least 1 element"));
  }
  const uint64_t stride = slot_shape(element.size, element.align, element.bare).stride;
  // By division, so that no capacity is large enough to wrap around into a small one.
  if (capacity > available / stride) {
    return absl::ResourceExhaustedError(
        absl::StrCat(what, ": ", capacity, " elements of ", element.size, " bytes take ", stride,
                     " bytes each; the segment has ", available,
                     " bytes in all, room for fewer than ", available / stride + 1));
  }
  if (capacity > kMaxQueueCapacity) {
    return absl::InvalidArgumentError(absl::StrCat(what, ": the capacity is ", capacity,
                                                   "; a queue holds at most ", kMaxQueueCapacity));
  }
  if (max_leases == 0) max_leases = default_leases(capacity, element);
  if (max_leases > kMaxQueueCapacity) {
    return absl::InvalidArgumentError(absl::StrCat(what, ": max_leases is ", max_leases,
                                                   "; at most ", kMaxQueueCapacity, " can be"));
  }
  const queue_geometry g = lay_out(capacity, max_leases, element);
  if (g.bytes > available) {
    return absl::ResourceExhaustedError(
        absl::StrCat(what, ": ", capacity, " elements of ", element.size, " bytes and ", max_leases,
                     " leases take ", g.bytes, " bytes; the segment has ", available, " in all"));
  }
  return g;
}

absl::Status check_queue_geometry(const queue_geometry& found, const queue_element& element,
                                  uint64_t bytes, std::string_view what) {
  const auto differs = [&](std::string_view field, uint64_t expected, uint64_t actual) {
    return absl::DataLossError(absl::StrCat(what, ": its header is corrupt: ", field, " is ",
                                            actual, ", expected ", expected));
  };
  if (bytes < sizeof(queue_header<hardware>)) {
    return differs("size", sizeof(queue_header<hardware>), bytes);
  }
  if (found.magic != kQueueMagic) return differs("magic", kQueueMagic, found.magic);
  if (found.variant != element.variant) return differs("policy", element.variant, found.variant);
  if (found.capacity == 0 || found.capacity > kMaxQueueCapacity) {
    return absl::DataLossError(absl::StrCat(what, ": its header is corrupt: capacity is ",
                                            found.capacity, ", expected 1 to ", kMaxQueueCapacity));
  }
  if (found.max_leases == 0 || found.max_leases > kMaxQueueCapacity) {
    return absl::DataLossError(absl::StrCat(what, ": its header is corrupt: max_leases is ",
                                            found.max_leases, ", expected 1 to ",
                                            kMaxQueueCapacity));
  }
  const queue_geometry g = lay_out(found.capacity, found.max_leases, element);
  if (found.element_size != g.element_size) {
    return differs("element size", g.element_size, found.element_size);
  }
  if (found.element_align != g.element_align) {
    return differs("element alignment", g.element_align, found.element_align);
  }
  if (found.slot_stride != g.slot_stride)
    return differs("slot stride", g.slot_stride, found.slot_stride);
  if (found.lease_stride != g.lease_stride) {
    return differs("lease stride", g.lease_stride, found.lease_stride);
  }
  if (found.slots_offset != g.slots_offset) {
    return differs("slots offset", g.slots_offset, found.slots_offset);
  }
  if (found.leases_offset != g.leases_offset) {
    return differs("leases offset", g.leases_offset, found.leases_offset);
  }
  if (found.bytes != g.bytes) return differs("bytes", g.bytes, found.bytes);
  if (found.checksum != g.checksum) return differs("checksum", g.checksum, found.checksum);
  if (g.bytes > bytes) {
    return absl::DataLossError(absl::StrCat(what, ": its header is corrupt: capacity ",
                                            found.capacity, " takes ", g.bytes,
                                            " bytes, but the structure has ", bytes));
  }
  return absl::OkStatus();
}

}  // namespace zeroipc::internal
