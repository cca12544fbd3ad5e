// How a structure with a capacity is created and opened: the part of the interface that all of them share.
//
//   template <typename T>
//   class stack : public sized_structure<stack<T>> { ... };
//
// `Derived` has a static make(mem, name, open_mode, capacity), which may be private with this class as a friend.
#ifndef ZEROIPC_NAME_TABLE_SIZED_STRUCTURE_H_
#define ZEROIPC_NAME_TABLE_SIZED_STRUCTURE_H_

#include <cstddef>
#include <string_view>

#include "absl/status/statusor.h"
#include "zeroipc/name_table/geometry.h"
#include "zeroipc/segment/segment.h"

namespace zeroipc {

template <typename Derived>
class sized_structure {
 public:
  // Errors: InvalidArgument (capacity 0 or beyond what the kind can hold, bad name), ResourceExhausted (it does not fit),
  // AlreadyExists, NotFound, FailedPrecondition (another kind, element type or capacity), DataLoss (corrupt header),
  // PermissionDenied (segment open read-only). The messages name what was expected and what was found.
  static absl::StatusOr<Derived> create(const memory& mem, std::string_view name, size_t capacity) {
    return Derived::make(mem, name, internal::open_mode::create, capacity);
  }
  static absl::StatusOr<Derived> open(const memory& mem, std::string_view name) {
    return Derived::make(mem, name, internal::open_mode::open, 0);
  }
  // One that exists with another capacity is an error.
  static absl::StatusOr<Derived> open_or_create(const memory& mem, std::string_view name,
                                                size_t capacity) {
    return Derived::make(mem, name, internal::open_mode::open_or_create, capacity);
  }
};

}  // namespace zeroipc

#endif  // ZEROIPC_NAME_TABLE_SIZED_STRUCTURE_H_
