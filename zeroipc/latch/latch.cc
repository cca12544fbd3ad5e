#include "zeroipc/latch/latch.h"

#include <utility>

#include "zeroipc/base/error.h"
#include "zeroipc/name_table/geometry.h"

namespace zeroipc {

latch::latch(const memory& mem, std::string_view name, size_t arrivals)
    : latch(internal::value_or_raise(latch::open_or_create(mem, name, arrivals))) {}
latch::latch(const memory& mem, std::string_view name)
    : latch(internal::value_or_raise(latch::open(mem, name))) {}

absl::StatusOr<latch> latch::make(const memory& mem, std::string_view name,
                                  internal::open_mode mode, size_t arrivals) {
  auto opened = internal::open_laid_out(
      mem, name, mode, {.what = kind::latch},
      {.capacity = arrivals, .max_capacity = internal::kMaxArrivals},
      [](internal::geometry_builder& g) {
        g.header(sizeof(internal::latch_header<hardware>));
        g.part(g.capacity(), sizeof(core_type::arrival_word), alignof(core_type::arrival_word));
      },
      [](void*, const internal::structure_geometry&) {});
  if (!opened.ok()) return opened.status();
  auto s = std::make_shared<state>();
  s->held = std::move(opened->held);
  void* data = s->held.data();
  s->core.bind(
      s->held.env(), *static_cast<internal::latch_header<hardware>*>(data),
      reinterpret_cast<core_type::arrival_word*>(internal::item_of(data, opened->geometry, 0, 0)),
      opened->geometry.capacity);
  return latch(std::move(s));
}

}  // namespace zeroipc
