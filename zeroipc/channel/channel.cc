#include <cstdint>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "zeroipc/base/atomics.h"
#include "zeroipc/channel/channel_state.h"
#include "zeroipc/channel/layout.h"

namespace zeroipc::internal {
namespace {

structure_type as_buffered(structure_type type) {
  type.variant = kBufferedChannel;
  type.variant_name = "buffered";
  return type;
}
structure_type as_rendezvous(structure_type type) {
  type.variant = kRendezvousChannel;
  type.variant_name = "direct";  // a name has room for eight characters
  return type;
}

absl::StatusOr<opened_channel> open_buffered(const memory& mem, std::string_view name,
                                             const structure_type& type, open_mode mode,
                                             uint64_t capacity) {
  const queue_element element = {type.element_size, type.element_align, mpmc::variant, false};
  absl::StatusOr<opened_queue> opened =
      open_queue(mem, name, as_buffered(type), element, mode, capacity, {});
  if (!opened.ok()) return opened.status();
  return opened_channel{*std::move(opened), std::nullopt};
}

absl::StatusOr<opened_channel> open_rendezvous(const memory& mem, std::string_view name,
                                               const structure_type& type, open_mode mode) {
  const offer_shape shape = shape_of_offers(type.element_size, type.element_align);
  absl::StatusOr<opened_structure> opened = open_laid_out(
      mem, name, mode, as_rendezvous(type), {.capacity = shape.count, .max_capacity = shape.count},
      [&](geometry_builder& g) {
        g.header(sizeof(rendezvous_header<hardware>));
        g.part(g.capacity(), shape.stride, type.element_align);
        g.part(kSeats, sizeof(channel_seat<hardware>), alignof(channel_seat<hardware>));
      },
      [&](void* data, const structure_geometry&) {
        // Nobody has died in this channel yet. Relaxed: the name is published after.
        static_cast<rendezvous_header<hardware>*>(data)->recovered_epoch.store(
            mem.attachment()->self->death_epoch(), std::memory_order_relaxed);
      });
  if (!opened.ok()) return opened.status();
  return opened_channel{std::nullopt, *std::move(opened)};
}

// The variant of the channel that stands there; 0 if none does.
uint8_t variant_of(const memory& mem, std::string_view name) {
  const absl::StatusOr<structure_info> found = find(mem, name);
  return found.ok() && found->what == kind::channel ? found->variant : 0;
}

}  // namespace

absl::StatusOr<opened_channel> open_channel(const memory& mem, std::string_view name,
                                            const structure_type& type, open_mode mode,
                                            uint64_t capacity) {
  if (mode != open_mode::open) {
    return capacity == 0 ? open_rendezvous(mem, name, type, mode)
                         : open_buffered(mem, name, type, mode, capacity);
  }
  for (;;) {
    const uint8_t variant = variant_of(mem, name);
    absl::StatusOr<opened_channel> opened = variant == kBufferedChannel
                                                ? open_buffered(mem, name, type, mode, 0)
                                                : open_rendezvous(mem, name, type, mode);
    // Between the two looks it may have been removed, and made anew as the other one.
    if (opened.ok() || variant_of(mem, name) == variant) return opened;
  }
}

}  // namespace zeroipc::internal
