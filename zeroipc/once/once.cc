#include "zeroipc/once/once.h"

#include <utility>

#include "zeroipc/base/error.h"
#include "zeroipc/name_table/geometry.h"

namespace zeroipc {

once::once(const memory& mem, std::string_view name)
    : once(internal::value_or_raise(once::open_or_create(mem, name))) {}

absl::StatusOr<once> once::make(const memory& mem, std::string_view name,
                                internal::open_mode mode) {
  auto opened = internal::open_laid_out(
      mem, name, mode, {.what = kind::once}, {},
      [](internal::geometry_builder& g) { g.header(sizeof(internal::once_header<hardware>)); },
      [](void*, const internal::structure_geometry&) {});
  if (!opened.ok()) return opened.status();
  auto s = std::make_shared<state>();
  s->held = std::move(opened->held);
  s->core.bind(s->held.env(), *static_cast<internal::once_header<hardware>*>(s->held.data()));
  return once(std::move(s));
}

}  // namespace zeroipc
