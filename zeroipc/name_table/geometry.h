// How a structure's memory is laid out: one block at its start says it, written by the creator and checked by each opener.
//
//   absl::StatusOr<opened_structure> opened = open_laid_out(
//       mem, name, mode, structure_type::of<T>(kind::stack), {.capacity = n, .max_capacity = 1 << 31},
//       [](geometry_builder& g) {
//         g.header(sizeof(stack_header<hardware>));
//         g.part(g.capacity(), stride, align);            // offsets[0]
//       },
//       [](void* memory, const structure_geometry&) { ... });
//
// A handle is trusted and the segment is not: everything in the block follows from the capacity, one more number and the
// opener's own types, so the opener computes it anew from those two, compares, and keeps its own copy in private memory.
#ifndef ZEROIPC_NAME_TABLE_GEOMETRY_H_
#define ZEROIPC_NAME_TABLE_GEOMETRY_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "zeroipc/base/atomics.h"
#include "zeroipc/name_table/name_table.h"
#include "zeroipc/segment/segment.h"

namespace zeroipc::internal {

enum class open_mode { create, open, open_or_create };

struct structure_geometry {
  static constexpr size_t kParts = 4;

  uint32_t magic;  // kGeometryMagic + the structure's kind
  uint32_t variant;
  uint64_t capacity;
  uint64_t extra;  // a second number of the creator's choice; what it means is the kind's affair
  uint32_t element_size;
  uint32_t element_align;
  uint64_t strides[kParts];
  uint64_t offsets[kParts];  // of each part, from the structure's start
  uint64_t bytes;
  uint64_t checksum;  // fixed_hash of all the above

  friend bool operator==(const structure_geometry&, const structure_geometry&) = default;
};
static_assert(sizeof(structure_geometry) == 112);
inline constexpr uint32_t kGeometryMagic = 0x5a47'0100;  // "ZG", format 1

// Adds up what a structure takes. A sum beyond 2^64 stays at the largest number, which no segment has room for.
class geometry_builder {
 public:
  geometry_builder(const structure_type& type, uint64_t capacity, uint64_t extra);

  uint64_t capacity() const { return geometry_.capacity; }
  // 0 if the creator named none: set it then.
  uint64_t extra() const { return geometry_.extra; }
  void set_extra(uint64_t n) { geometry_.extra = n; }

  // What the header takes, the block included. Before any part.
  void header(uint64_t bytes) { geometry_.bytes = bytes; }
  // The next part: `n` items, `stride` bytes apart, the first at a multiple of `align` and of kApart.
  void part(uint64_t n, uint64_t stride, uint64_t align);

  // The alignment that the structure's memory needs.
  uint64_t align() const { return align_; }
  structure_geometry finish() const;

 private:
  structure_geometry geometry_{};
  uint64_t align_ = kApart;
  size_t parts_ = 0;
};

// Called again by each opener with what it finds: it must depend on nothing but the builder and types.
using layout_function = absl::FunctionRef<void(geometry_builder&)>;
// Called with zeroed memory into which the geometry has been written, and which nobody else can see yet.
using laid_out_initializer = absl::FunctionRef<void(void* memory, const structure_geometry&)>;

struct layout_request {
  uint64_t capacity = 1;             // what is asked for, by a creator
  uint64_t max_capacity = 1;         // what the kind can hold
  uint64_t extra = 0;                // 0: the kind's default, or as it is
  std::string_view extra_name = "";  // for messages: "max_leases"
};

struct opened_structure {
  structure held;
  structure_geometry geometry;  // checked; not to be read from the segment again
};

// Errors: those of open_structure() and create_structure(); InvalidArgument for a capacity of 0 or beyond the kind's;
// ResourceExhausted if it could never fit into the segment; FailedPrecondition from open_or_create for one that exists
// with another capacity or extra; DataLoss if the block contradicts itself or the opener's types. Each message names
// segment, structure, what was expected and what was found.
absl::StatusOr<opened_structure> open_laid_out(const memory& mem, std::string_view name,
                                               open_mode mode, const structure_type& type,
                                               const layout_request& request,
                                               layout_function lay_out, laid_out_initializer init);

// Where the item `index` of a part lies. REQUIRES: part and index are within the checked geometry.
inline std::byte* item_of(void* structure, const structure_geometry& g, size_t part,
                          uint64_t index) {
  return static_cast<std::byte*>(structure) + g.offsets[part] + index * g.strides[part];
}

}  // namespace zeroipc::internal

#endif  // ZEROIPC_NAME_TABLE_GEOMETRY_H_
