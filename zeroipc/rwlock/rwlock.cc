#include "zeroipc/rwlock/rwlock.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "zeroipc/base/error.h"
#include "zeroipc/name_table/geometry.h"

namespace zeroipc {

rwlock::rwlock(const memory& mem, std::string_view name)
    : rwlock(internal::value_or_raise(rwlock::open_or_create(mem, name))) {}

lock_outcome rwlock::lock() {
  const outcome got = core().lock(deadline::never());
  if (!got) internal::raise(internal::not_joined("rwlock", name()));
  return got;
}

lock_outcome rwlock::lock_shared() {
  const outcome got = core().lock_shared(deadline::never());
  if (got) return got;
  if (!state_->held.env().tag()) internal::raise(internal::not_joined("rwlock", name()));
  internal::raise(absl::ResourceExhaustedError(
      absl::StrCat("rwlock \"", name(), "\": this process cannot read: ", got.name(), " (at most ",
                   internal::reader_count::kMostInside, " of its threads at a time, of which ",
                   internal::reader_count::kMostWaiting, " wait)")));
}

absl::StatusOr<rwlock> rwlock::make(const memory& mem, std::string_view name,
                                    internal::open_mode mode) {
  const uint32_t slots = mem.attachment()->self->geometry().max_participants;
  auto opened = internal::open_laid_out(
      mem, name, mode, {.what = kind::rwlock}, {.capacity = slots, .max_capacity = slots},
      [](internal::geometry_builder& g) {
        g.header(sizeof(internal::rwlock_header<hardware>));
        g.part(g.capacity(), core_type::kStride, core_type::kStride);
      },
      [](void*, const internal::structure_geometry&) {});
  if (!opened.ok()) return opened.status();
  auto s = std::make_shared<state>();
  s->held = std::move(opened->held);
  void* data = s->held.data();
  s->core.bind(s->held.env(), *static_cast<internal::rwlock_header<hardware>*>(data),
               internal::item_of(data, opened->geometry, 0, 0), opened->geometry.capacity);
  return rwlock(std::move(s));
}

}  // namespace zeroipc
