#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>

#include "absl/strings/str_cat.h"
#include "zeroipc/queue/queue_state.h"

namespace zeroipc::internal {

absl::StatusOr<opened_queue> open_queue(const memory& mem, std::string_view name,
                                        const structure_type& type, const queue_element& element,
                                        open_mode mode, uint64_t capacity,
                                        const queue_options& options) {
  const std::string what =
      absl::StrCat("segment ", mem.name(), ": ", kind_name(type.what), " \"", name, "\"");
  if (mem.read_only()) {
    return absl::PermissionDeniedError(
        absl::StrCat(what, ": the segment is open read-only, and its every operation writes"));
  }
  const uint64_t align = std::max<uint64_t>(element.align, kApart);
  bool created = false;
  absl::StatusOr<structure> held;
  if (mode == open_mode::open) {
    held = open_structure(mem, name, type);
  } else {
    absl::StatusOr<queue_geometry> wanted =
        make_queue_geometry(capacity, options.max_leases, element, mem.size(), what);
    if (!wanted.ok()) return wanted.status();
    const auto init = [&](void* data) {
      auto* header = static_cast<queue_header<hardware>*>(data);
      header->geometry = *wanted;
      // Nobody has died in this queue yet. Relaxed: the name is published after.
      header->recovered_epoch.store(mem.attachment()->self->death_epoch(),
                                    std::memory_order_relaxed);
    };
    if (mode == open_mode::create) {
      held = create_structure(mem, name, type, wanted->bytes, align, init);
      created = true;
    } else {
      held = open_or_create_structure(mem, name, type, wanted->bytes, align, init, &created);
    }
  }
  if (!held.ok()) return held.status();

  // Copied first, so that what is checked is what is used.
  queue_geometry found{};
  if (held->bytes() >= sizeof found) std::memcpy(&found, held->data(), sizeof found);
  if (reinterpret_cast<uintptr_t>(held->data()) % align != 0) {
    return absl::DataLossError(absl::StrCat(what, ": it lies at offset ", held->offset(),
                                            ", expected a multiple of ", align));
  }
  const absl::Status sound = check_queue_geometry(found, element, held->bytes(), what);
  if (!sound.ok()) return sound;
  if (mode == open_mode::open_or_create && !created) {
    if (found.capacity != capacity) {
      return absl::FailedPreconditionError(absl::StrCat(what, ": it exists with capacity ",
                                                        found.capacity, ", asked for ", capacity));
    }
    if (options.max_leases != 0 && found.max_leases != options.max_leases) {
      return absl::FailedPreconditionError(absl::StrCat(what, ": it exists with max_leases ",
                                                        found.max_leases, ", asked for ",
                                                        options.max_leases));
    }
  }
  return opened_queue{*std::move(held), found};
}

}  // namespace zeroipc::internal
