#include "zeroipc/name_table/name_table.h"

#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "zeroipc/heap/control_plane.h"
#include "zeroipc/name_table/describe.h"
#include "zeroipc/name_table/lookup.h"
#include "zeroipc/name_table/table.h"

namespace zeroipc {
namespace internal {
namespace {

// How often a name may vanish between being found and being held before the lock decides.
constexpr int kRaces = 16;

absl::Status not_found(const attachment& segment, std::string_view name) {
  return absl::NotFoundError(
      absl::StrCat("segment ", segment.name, ": no structure is named '", name, "'"));
}

absl::Status read_only(const attachment& segment, std::string_view name) {
  return absl::PermissionDeniedError(absl::StrCat(
      "segment ", segment.name, " is mapped read-only: '", name,
      "' can be looked at with find() and list(), but not opened, created or removed"));
}

absl::Status check_request(const attachment& segment, std::string_view name) {
  absl::Status status = check_name(segment, name);
  if (status.ok() && segment.self == nullptr) status = read_only(segment, name);
  return status;
}

// Makes a handle of an entry that this process holds; takes over the hold, or lets go of it on an
// error.
absl::StatusOr<structure> adopt(const std::shared_ptr<attachment>& segment, std::string_view name,
                                uint32_t index, const structure_type* type) {
  absl::Cleanup let_go = [&] { table::let_go(*segment, index); };
  const entry_copy entry(name_view(*segment).entry(index));
  if (!entry.in_bounds(segment->geometry)) {
    return absl::DataLossError(
        absl::StrCat("segment ", segment->name, ": corrupt name table: '", name, "' lies at ",
                     entry.offset, " with ", entry.info.bytes, " bytes, the heap from ",
                     segment->geometry.heap_offset, " to ", segment->geometry.size));
  }
  if (type != nullptr) {
    const absl::Status same = check_type(*segment, name, entry, *type);
    if (!same.ok()) return same;
  }
  auto state = std::make_shared<structure::state>();
  state->name = std::string(name);
  state->data = segment->base + entry.offset;
  state->offset = entry.offset;
  state->bytes = entry.info.bytes;
  state->index = index;
  state->generation = static_cast<uint32_t>(name_entry::generation_of(entry.state));
  state->segment = segment;  // from here on the destructor lets go
  std::move(let_go).Cancel();
  return structure(std::move(state));
}

absl::StatusOr<uint32_t> hold_under_lock(control_session& session, std::string_view name,
                                         const name_key& key) {
  absl::StatusOr<std::optional<table::position>> p = table(session).find(key);
  if (!p.ok()) return p.status();
  if (!*p) return not_found(session.segment(), name);
  const absl::Status held = table::hold(session.segment(), (*p)->index);
  if (!held.ok()) return held;
  return (*p)->index;
}

// The index of the entry, held.
absl::StatusOr<uint32_t> find_and_hold(const attachment& segment, std::string_view name,
                                       const name_key& key) {
  const name_view view(segment);
  for (int i = 0; i < kRaces; ++i) {
    const located found = view.find(key);
    if (found.result == lookup_result::missing) return not_found(segment, name);
    if (found.result != lookup_result::found) break;
    const absl::Status held = table::hold(segment, found.index);
    if (!held.ok()) return held;
    if (view.entry(found.index).state.load(std::memory_order_relaxed) == found.state) {
      return found.index;
    }
    table::let_go(segment, found.index);
  }
  absl::StatusOr<control_session> session = control_session::enter(segment);
  if (!session.ok()) return session.status();
  return hold_under_lock(*session, name, key);
}

}  // namespace

structure::state::~state() {
  if (segment != nullptr) table::let_go(*segment, index);
}

absl::StatusOr<structure> create_structure(const memory& mem, std::string_view name,
                                           const structure_type& type, uint64_t bytes,
                                           uint64_t align, initializer init) {
  const std::shared_ptr<attachment>& segment = mem.attachment();
  absl::Status status = check_request(*segment, name);
  if (!status.ok()) return status;
  const name_key key(name);
  absl::StatusOr<uint32_t> index;
  {
    absl::StatusOr<control_session> session = control_session::enter(*segment);
    if (!session.ok()) return session.status();
    table names(*session);
    absl::StatusOr<int> reaped = names.reap(false);
    if (!reaped.ok()) return reaped.status();
    absl::StatusOr<std::optional<table::position>> p = names.find(key);
    if (!p.ok()) return p.status();
    if (*p) {
      const entry_copy there(name_view(*segment).entry((*p)->index));
      return absl::AlreadyExistsError(absl::StrCat(
          "segment ", segment->name, ": '", name, "' exists: a ",
          describe(there.info.what, there.info.type_name, there.variant_name, there.info.variant,
                   there.info.element_size, there.info.element_align)));
    }
    index = names.create(key, type, bytes, align, init);
  }
  if (!index.ok()) return index.status();
  return adopt(segment, name, *index, nullptr);
}

absl::StatusOr<structure> open_structure(const memory& mem, std::string_view name,
                                         const structure_type& type) {
  const std::shared_ptr<attachment>& segment = mem.attachment();
  absl::Status status = check_request(*segment, name);
  if (!status.ok()) return status;
  absl::StatusOr<uint32_t> index = find_and_hold(*segment, name, name_key(name));
  if (!index.ok()) return index.status();
  return adopt(segment, name, *index, &type);
}

absl::StatusOr<structure> open_or_create_structure(const memory& mem, std::string_view name,
                                                   const structure_type& type, uint64_t bytes,
                                                   uint64_t align, initializer init,
                                                   bool* created) {
  if (created != nullptr) *created = false;
  absl::StatusOr<structure> opened = open_structure(mem, name, type);
  if (!absl::IsNotFound(opened.status())) return opened;
  const std::shared_ptr<attachment>& segment = mem.attachment();
  const name_key key(name);
  absl::StatusOr<uint32_t> index;
  bool is_new = false;
  {
    absl::StatusOr<control_session> session = control_session::enter(*segment);
    if (!session.ok()) return session.status();
    table names(*session);
    absl::StatusOr<int> reaped = names.reap(false);
    if (!reaped.ok()) return reaped.status();
    // Another process may have been faster.
    index = hold_under_lock(*session, name, key);
    if (absl::IsNotFound(index.status())) {
      is_new = true;
      index = names.create(key, type, bytes, align, init);
    }
  }
  if (!index.ok()) return index.status();
  if (created != nullptr) *created = is_new;
  return adopt(segment, name, *index, is_new ? nullptr : &type);
}

}  // namespace internal

absl::Status remove(const memory& mem, std::string_view name) {
  using internal::table;
  const internal::attachment& segment = *mem.attachment();
  const absl::Status status = internal::check_request(segment, name);
  if (!status.ok()) return status;
  const internal::name_key key(name);
  absl::StatusOr<internal::control_session> session = internal::control_session::enter(segment);
  if (!session.ok()) return session.status();
  table names(*session);
  absl::StatusOr<int> reaped = names.reap(false);
  if (!reaped.ok()) return reaped.status();
  absl::StatusOr<std::optional<table::position>> p = names.find(key);
  if (!p.ok()) return p.status();
  if (!*p) return internal::not_found(segment, name);
  return names.remove(key, **p);
}

absl::StatusOr<structure_info> find(const memory& mem, std::string_view name) {
  const internal::attachment& segment = *mem.attachment();
  const absl::Status status = internal::check_name(segment, name);
  if (!status.ok()) return status;
  const internal::name_key key(name);
  const internal::name_view view(segment);
  const auto filled_in = [&](uint32_t index, internal::entry_copy& entry) {
    entry.info.holders = internal::holder_counter(segment).count(index);
    return entry.info;
  };
  for (int i = 0; i < internal::kRaces; ++i) {
    const internal::located found = view.find(key);
    if (found.result == internal::lookup_result::missing) {
      return internal::not_found(segment, name);
    }
    if (found.result != internal::lookup_result::found) break;
    internal::entry_copy entry(view.entry(found.index));
    if (entry.state == found.state && entry.still(view.entry(found.index))) {
      return filled_in(found.index, entry);
    }
  }
  if (segment.self == nullptr) {
    return absl::UnavailableError(
        absl::StrCat("segment ", segment.name,
                     " is mapped read-only, and its name table is corrupt or was left "
                     "in the middle of a change by a process that died: the next process that "
                     "creates or removes "
                     "something repairs it"));
  }
  absl::StatusOr<internal::control_session> session = internal::control_session::enter(segment);
  if (!session.ok()) return session.status();
  absl::StatusOr<std::optional<internal::table::position>> p = internal::table(*session).find(key);
  if (!p.ok()) return p.status();
  if (!*p) return internal::not_found(segment, name);
  internal::entry_copy entry(view.entry((*p)->index));
  return filled_in((*p)->index, entry);
}

std::vector<structure_info> list(const memory& mem, bool removed) {
  const internal::attachment& segment = *mem.attachment();
  const internal::name_view view(segment);
  const internal::holder_counter holders(segment);
  std::vector<structure_info> all;
  const uint32_t n = view.used();
  for (uint32_t i = 0; i < n; ++i) {
    const internal::name_entry& entry = view.entry(i);
    for (int attempt = 0; attempt < internal::kRaces; ++attempt) {
      internal::entry_copy copy(entry);
      const auto state = internal::name_entry::state_of(copy.state);
      if (state != internal::entry_state::live &&
          !(removed && state == internal::entry_state::removed)) {
        break;
      }
      if (!copy.still(entry)) continue;  // freed and reused meanwhile
      copy.info.holders = holders.count(i);
      all.push_back(std::move(copy.info));
      break;
    }
  }
  return all;
}

}  // namespace zeroipc
