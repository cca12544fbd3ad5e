#include "zeroipc/name_table/remove_held.h"

#include <optional>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "zeroipc/heap/control_plane.h"
#include "zeroipc/name_table/lookup.h"
#include "zeroipc/name_table/table.h"

namespace zeroipc::internal {

absl::Status remove_held(const structure& held) {
  const attachment& segment = *held.segment();
  absl::StatusOr<control_session> session = control_session::enter(segment);
  if (!session.ok()) return session.status();
  const name_key key(held.name());
  table names(*session);
  absl::StatusOr<std::optional<table::position>> p = names.find(key);
  if (!p.ok()) return p.status();
  // Relaxed: the lock orders it.
  if (!*p || name_view(segment).entry((*p)->index).place.load(std::memory_order_relaxed) !=
                 held.offset()) {
    return absl::NotFoundError(absl::StrCat("segment ", segment.name, ": what was named '",
                                            held.name(), "' has been removed before"));
  }
  return names.remove(key, **p);
}

}  // namespace zeroipc::internal
