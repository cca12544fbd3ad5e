#include "zeroipc/mutex/mutex.h"

#include <utility>

#include "zeroipc/base/error.h"
#include "zeroipc/name_table/geometry.h"

namespace zeroipc {

mutex::mutex(const memory& mem, std::string_view name)
    : mutex(internal::value_or_raise(mutex::open_or_create(mem, name))) {}

lock_outcome mutex::lock() {
  const outcome got = core().lock(deadline::never());
  if (!got) internal::raise(internal::not_joined("mutex", name()));
  return got;
}

absl::StatusOr<mutex> mutex::make(const memory& mem, std::string_view name,
                                  internal::open_mode mode) {
  auto opened = internal::open_laid_out(
      mem, name, mode, {.what = kind::mutex}, {},
      [](internal::geometry_builder& g) { g.header(sizeof(internal::mutex_header<hardware>)); },
      [](void*, const internal::structure_geometry&) {});
  if (!opened.ok()) return opened.status();
  auto s = std::make_shared<state>();
  s->held = std::move(opened->held);
  s->core.bind(s->held.env(), *static_cast<internal::mutex_header<hardware>*>(s->held.data()));
  return mutex(std::move(s));
}

}  // namespace zeroipc
