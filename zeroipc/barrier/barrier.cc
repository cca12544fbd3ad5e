#include "zeroipc/barrier/barrier.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "zeroipc/base/error.h"

namespace zeroipc {

barrier::barrier(const memory& mem, std::string_view name, size_t parties, on_death rule)
    : barrier(internal::value_or_raise(barrier::open_or_create(mem, name, parties, rule))) {}
barrier::barrier(const memory& mem, std::string_view name)
    : barrier(internal::value_or_raise(barrier::open(mem, name))) {}

absl::StatusOr<barrier> barrier::create(const memory& mem, std::string_view name, size_t parties,
                                        on_death rule) {
  return make(mem, name, internal::open_mode::create, parties, static_cast<uint64_t>(rule));
}
absl::StatusOr<barrier> barrier::open(const memory& mem, std::string_view name) {
  return make(mem, name, internal::open_mode::open, 0, 0);
}
absl::StatusOr<barrier> barrier::open_or_create(const memory& mem, std::string_view name,
                                                size_t parties, on_death rule) {
  return make(mem, name, internal::open_mode::open_or_create, parties, static_cast<uint64_t>(rule));
}

absl::StatusOr<barrier> barrier::make(const memory& mem, std::string_view name,
                                      internal::open_mode mode, size_t parties, uint64_t rule) {
  auto opened = internal::open_laid_out(
      mem, name, mode, {.what = kind::barrier},
      {.capacity = parties,
       .max_capacity = internal::kMaxParties,
       .extra = rule,
       .extra_name = "rule on death (1 shrink, 2 break_all)"},
      [](internal::geometry_builder& g) {
        g.header(sizeof(internal::barrier_header<hardware>));
        g.part(g.capacity(), sizeof(core_type::seat_word), alignof(core_type::seat_word));
      },
      [](void*, const internal::structure_geometry&) {});
  if (!opened.ok()) return opened.status();
  const uint64_t found = opened->geometry.extra;
  if (found != static_cast<uint64_t>(on_death::shrink) &&
      found != static_cast<uint64_t>(on_death::break_all)) {
    return absl::DataLossError(absl::StrCat("segment ", mem.name(), ": barrier \"", name,
                                            "\": its header is corrupt: rule on death is ", found,
                                            ", expected 1 or 2"));
  }
  auto s = std::make_shared<state>();
  s->held = std::move(opened->held);
  void* data = s->held.data();
  s->core.bind(
      s->held.env(), *static_cast<internal::barrier_header<hardware>*>(data),
      reinterpret_cast<core_type::seat_word*>(internal::item_of(data, opened->geometry, 0, 0)),
      opened->geometry.capacity, static_cast<on_death>(found));
  return barrier(std::move(s));
}

}  // namespace zeroipc
