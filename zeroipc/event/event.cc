#include "zeroipc/event/event.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "zeroipc/base/error.h"

namespace zeroipc {

event::event(const memory& mem, std::string_view name, event_reset mode)
    : event(internal::value_or_raise(event::open_or_create(mem, name, mode))) {}
event::event(const memory& mem, std::string_view name)
    : event(internal::value_or_raise(event::open(mem, name))) {}

absl::StatusOr<event> event::create(const memory& mem, std::string_view name, event_reset mode) {
  return make(mem, name, internal::open_mode::create, static_cast<uint64_t>(mode));
}
absl::StatusOr<event> event::open(const memory& mem, std::string_view name) {
  return make(mem, name, internal::open_mode::open, 0);
}
absl::StatusOr<event> event::open_or_create(const memory& mem, std::string_view name,
                                            event_reset mode) {
  return make(mem, name, internal::open_mode::open_or_create, static_cast<uint64_t>(mode));
}

absl::StatusOr<event> event::make(const memory& mem, std::string_view name,
                                  internal::open_mode mode, uint64_t reset) {
  auto opened = internal::open_laid_out(
      mem, name, mode, {.what = kind::event},
      {.extra = reset, .extra_name = "reset mode (1 manual, 2 automatic)"},
      [](internal::geometry_builder& g) { g.header(sizeof(internal::event_header<hardware>)); },
      [](void*, const internal::structure_geometry&) {});
  if (!opened.ok()) return opened.status();
  const uint64_t found = opened->geometry.extra;
  if (found != static_cast<uint64_t>(event_reset::manual) &&
      found != static_cast<uint64_t>(event_reset::automatic)) {
    return absl::DataLossError(absl::StrCat("segment ", mem.name(), ": event \"", name,
                                            "\": its header is corrupt: reset mode is ", found,
                                            ", expected 1 or 2"));
  }
  auto s = std::make_shared<state>();
  s->held = std::move(opened->held);
  s->core.bind(s->held.env(), *static_cast<internal::event_header<hardware>*>(s->held.data()),
               static_cast<event_reset>(found));
  return event(std::move(s));
}

}  // namespace zeroipc
