// How a structure without a capacity is created and opened: the part of the interface that all of them share.
//
//   class mutex : public plain_structure<mutex> { ... };
//
// `Derived` has a static make(mem, name, open_mode), which may be private with this class as a friend.
#ifndef ZEROIPC_NAME_TABLE_PLAIN_STRUCTURE_H_
#define ZEROIPC_NAME_TABLE_PLAIN_STRUCTURE_H_

#include <string_view>

#include "absl/status/statusor.h"
#include "zeroipc/name_table/geometry.h"
#include "zeroipc/segment/segment.h"

namespace zeroipc {

template <typename Derived>
class plain_structure {
 public:
  // Errors: InvalidArgument (bad name), ResourceExhausted (it does not fit), AlreadyExists, NotFound, FailedPrecondition
  // (another kind or type), DataLoss (corrupt header), PermissionDenied (segment open read-only). The messages name what was
  // expected and what was found.
  static absl::StatusOr<Derived> create(const memory& mem, std::string_view name) {
    return Derived::make(mem, name, internal::open_mode::create);
  }
  static absl::StatusOr<Derived> open(const memory& mem, std::string_view name) {
    return Derived::make(mem, name, internal::open_mode::open);
  }
  static absl::StatusOr<Derived> open_or_create(const memory& mem, std::string_view name) {
    return Derived::make(mem, name, internal::open_mode::open_or_create);
  }
};

}  // namespace zeroipc

#endif  // ZEROIPC_NAME_TABLE_PLAIN_STRUCTURE_H_
