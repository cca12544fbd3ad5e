#include "zeroipc/name_table/geometry.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "zeroipc/base/hash.h"

namespace zeroipc::internal {
namespace {

constexpr uint64_t kTooMuch = std::numeric_limits<uint64_t>::max();

uint64_t checksum_of(const structure_geometry& g) {
  return fixed_hash({reinterpret_cast<const char*>(&g), offsetof(structure_geometry, checksum)});
}

absl::Status check_request(const layout_request& request, const structure_geometry& wanted,
                           uint64_t available, std::string_view what) {
  if (request.capacity == 0 || request.capacity > request.max_capacity) {
    return absl::InvalidArgumentError(absl::StrCat(what, ": the capacity is ", request.capacity,
                                                   ", expected 1 to ", request.max_capacity));
  }
  if (wanted.bytes > available) {
    const std::string takes =
        wanted.bytes == kTooMuch ? "more than 2^64" : absl::StrCat(wanted.bytes);
    return absl::ResourceExhaustedError(absl::StrCat(what, ": a capacity of ", request.capacity,
                                                     " takes ", takes, " bytes; the segment has ",
                                                     available, " in all"));
  }
  return absl::OkStatus();
}

// Names the first field that is not as it should be.
absl::Status check_found(const structure_geometry& found, const structure_geometry& expected,
                         uint64_t bytes, std::string_view what) {
  std::string wrong;
  const auto compare = [&](std::string_view field, uint64_t is, uint64_t should) {
    if (wrong.empty() && is != should) {
      wrong = absl::StrCat(field, " is ", is, ", expected ", should);
    }
  };
  compare("magic", found.magic, expected.magic);
  compare("variant", found.variant, expected.variant);
  compare("extra", found.extra, expected.extra);
  compare("element size", found.element_size, expected.element_size);
  compare("element alignment", found.element_align, expected.element_align);
  for (size_t i = 0; i < structure_geometry::kParts; ++i) {
    compare(absl::StrCat("stride ", i), found.strides[i], expected.strides[i]);
    compare(absl::StrCat("offset ", i), found.offsets[i], expected.offsets[i]);
  }
  compare("size", found.bytes, expected.bytes);
  compare("checksum", found.checksum, expected.checksum);
  if (wrong.empty() && expected.bytes > bytes) {
    wrong = absl::StrCat("capacity ", found.capacity, " takes ", expected.bytes,
                         " bytes, but the structure has ", bytes);
  }
  if (wrong.empty()) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(what, ": its header is corrupt: ", wrong));
}

}  // namespace

geometry_builder::geometry_builder(const structure_type& type, uint64_t capacity, uint64_t extra) {
  geometry_.magic = kGeometryMagic + static_cast<uint32_t>(type.what);
  geometry_.variant = type.variant;
  geometry_.capacity = capacity;
  geometry_.extra = extra;
  geometry_.element_size = type.element_size;
  geometry_.element_align = type.element_align;
}

void geometry_builder::part(uint64_t n, uint64_t stride, uint64_t align) {
  align = std::max<uint64_t>(align, kApart);
  align_ = std::max(align_, align);
  uint64_t offset = 0, bytes = 0, end = 0;
  if (__builtin_add_overflow(geometry_.bytes, align - 1, &offset) ||
      __builtin_mul_overflow(n, stride, &bytes) ||
      __builtin_add_overflow(offset / align * align, bytes, &end)) {
    offset = 0;
    end = kTooMuch;
  }
  geometry_.strides[parts_] = stride;
  geometry_.offsets[parts_] = offset / align * align;
  geometry_.bytes = end;
  ++parts_;
}

structure_geometry geometry_builder::finish() const {
  structure_geometry g = geometry_;
  g.checksum = checksum_of(g);
  return g;
}

absl::StatusOr<opened_structure> open_laid_out(const memory& mem, std::string_view name,
                                               open_mode mode, const structure_type& type,
                                               const layout_request& request,
                                               layout_function lay_out, laid_out_initializer init) {
  const std::string what =
      absl::StrCat("segment ", mem.name(), ": ", kind_name(type.what), " \"", name, "\"");
  if (mem.read_only()) {
    return absl::PermissionDeniedError(absl::StrCat(
        what, ": the segment is open read-only, and a handle's hold is written there"));
  }
  const auto build = [&](uint64_t capacity, uint64_t extra) {
    geometry_builder builder(type, capacity, extra);
    lay_out(builder);
    return builder;
  };
  bool created = mode == open_mode::create;
  absl::StatusOr<structure> held;
  // The alignment follows from the types alone.
  const uint64_t align = build(1, 1).align();
  if (mode == open_mode::open) {
    held = open_structure(mem, name, type);
  } else {
    const structure_geometry wanted = build(request.capacity, request.extra).finish();
    const absl::Status sound = check_request(request, wanted, mem.size(), what);
    if (!sound.ok()) return sound;
    const auto write = [&](void* data) {
      std::memcpy(data, &wanted, sizeof wanted);
      init(data, wanted);
    };
    if (created) {
      held = create_structure(mem, name, type, wanted.bytes, align, write);
    } else {
      held = open_or_create_structure(mem, name, type, wanted.bytes, align, write, &created);
    }
  }
  if (!held.ok()) return held.status();

  // Copied first, so that what is checked is what is used.
  structure_geometry found{};
  if (held->bytes() < sizeof found) {
    return absl::DataLossError(
        absl::StrCat(what, ": it has ", held->bytes(), " bytes, expected at least ", sizeof found));
  }
  std::memcpy(&found, held->data(), sizeof found);
  if (reinterpret_cast<uintptr_t>(held->data()) % align != 0) {
    return absl::DataLossError(absl::StrCat(what, ": it lies at offset ", held->offset(),
                                            ", expected a multiple of ", align));
  }
  if (found.capacity == 0 || found.capacity > request.max_capacity) {
    return absl::DataLossError(absl::StrCat(what, ": its header is corrupt: capacity is ",
                                            found.capacity, ", expected 1 to ",
                                            request.max_capacity));
  }
  const absl::Status sound =
      check_found(found, build(found.capacity, found.extra).finish(), held->bytes(), what);
  if (!sound.ok()) return sound;
  if (mode == open_mode::open_or_create && !created) {
    if (found.capacity != request.capacity) {
      return absl::FailedPreconditionError(absl::StrCat(
          what, ": it exists with capacity ", found.capacity, ", asked for ", request.capacity));
    }
    if (request.extra != 0 && found.extra != request.extra) {
      return absl::FailedPreconditionError(absl::StrCat(what, ": it exists with ",
                                                        request.extra_name, " ", found.extra,
                                                        ", asked for ", request.extra));
    }
  }
  return opened_structure{*std::move(held), found};
}

}  // namespace zeroipc::internal
