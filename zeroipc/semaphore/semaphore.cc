#include "zeroipc/semaphore/semaphore.h"

#include <utility>

#include "zeroipc/base/error.h"
#include "zeroipc/name_table/geometry.h"

namespace zeroipc {

semaphore::semaphore(const memory& mem, std::string_view name, size_t permits)
    : semaphore(internal::value_or_raise(semaphore::open_or_create(mem, name, permits))) {}
semaphore::semaphore(const memory& mem, std::string_view name)
    : semaphore(internal::value_or_raise(semaphore::open(mem, name))) {}

absl::StatusOr<semaphore> semaphore::make(const memory& mem, std::string_view name,
                                          internal::open_mode mode, size_t permits) {
  auto opened = internal::open_laid_out(
      mem, name, mode, {.what = kind::semaphore},
      {.capacity = permits, .max_capacity = internal::kMaxPermits},
      [](internal::geometry_builder& g) {
        g.header(sizeof(internal::semaphore_header<hardware>));
        g.part(g.capacity(), sizeof(core_type::permit_word), alignof(core_type::permit_word));
      },
      [](void*, const internal::structure_geometry&) {});
  if (!opened.ok()) return opened.status();
  auto s = std::make_shared<state>();
  s->held = std::move(opened->held);
  void* data = s->held.data();
  s->core.bind(
      s->held.env(), *static_cast<internal::semaphore_header<hardware>*>(data),
      reinterpret_cast<core_type::permit_word*>(internal::item_of(data, opened->geometry, 0, 0)),
      opened->geometry.capacity);
  return semaphore(std::move(s));
}

}  // namespace zeroipc
