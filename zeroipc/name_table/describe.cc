#include "zeroipc/name_table/describe.h"

#include <algorithm>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace zeroipc {

std::string_view kind_name(kind k) {
  switch (k) {
    case kind::none:
      return "none";
    case kind::array:
      return "array";
    case kind::queue:
      return "queue";
    case kind::stack:
      return "stack";
    case kind::ring:
      return "ring";
    case kind::map:
      return "map";
    case kind::set:
      return "set";
    case kind::pool:
      return "pool";
    case kind::cell:
      return "cell";
    case kind::mutex:
      return "mutex";
    case kind::rwlock:
      return "rwlock";
    case kind::semaphore:
      return "semaphore";
    case kind::barrier:
      return "barrier";
    case kind::latch:
      return "latch";
    case kind::once:
      return "once";
    case kind::event:
      return "event";
    case kind::future:
      return "future";
    case kind::lazy:
      return "lazy";
    case kind::stream:
      return "stream";
    case kind::channel:
      return "channel";
    case kind::raw:
      return "raw";
  }
  return "unknown";  // a number that came out of shared memory
}

namespace internal {

// Acquire: pairs with the release stores in table::create_once(), see name_entry.h.
entry_copy::entry_copy(const name_entry& e) {
  const auto get = [](const shared_word& word) { return word.load(std::memory_order_acquire); };
  state = get(e.state);
  offset = get(e.place);
  fingerprint = get(e.fingerprint);
  variant_name = load_text(e.variant_name);
  info.name = load_text(e.name);
  info.what = static_cast<kind>(get(e.what) >> 8);
  info.variant = static_cast<uint8_t>(get(e.what));
  info.element_size = static_cast<uint32_t>(get(e.element) >> 32);
  info.element_align = static_cast<uint32_t>(get(e.element));
  info.type_name = load_text(e.type_name);
  info.offset = offset;
  info.bytes = get(e.bytes);
  info.creator_pid = static_cast<int32_t>(get(e.creator));
  info.created_ns = static_cast<int64_t>(get(e.created_ns));
  info.removed = name_entry::state_of(state) == entry_state::removed;
}

std::string describe(kind what, std::string_view type_name, std::string_view variant_name,
                     uint8_t variant, uint32_t size, uint32_t align) {
  std::string text(kind_name(what));
  if (!type_name.empty()) absl::StrAppend(&text, "<", type_name, ">");
  std::string details(variant_name);
  if (details.empty() && variant != 0) details = absl::StrCat("variant ", variant);
  if (size != 0) {
    absl::StrAppend(&details, details.empty() ? "" : ", ", "elements of ", size,
                    " bytes aligned to ", align);
  }
  if (!details.empty()) absl::StrAppend(&text, " (", details, ")");
  return text;
}

absl::Status check_type(const attachment& segment, std::string_view name, const entry_copy& found,
                        const structure_type& wanted) {
  const structure_info& f = found.info;
  if (f.what == wanted.what && f.variant == wanted.variant &&
      f.element_size == wanted.element_size && f.element_align == wanted.element_align &&
      found.fingerprint == wanted.fingerprint) {
    return absl::OkStatus();
  }
  std::string asked = describe(wanted.what, wanted.type_name, wanted.variant_name, wanted.variant,
                               wanted.element_size, wanted.element_align);
  std::string there =
      describe(f.what, f.type_name, found.variant_name, f.variant, f.element_size, f.element_align);
  if (found.fingerprint != wanted.fingerprint &&
      wanted.type_name.substr(0, f.type_name.size()) == f.type_name) {
    absl::StrAppend(&asked, " with type fingerprint ", absl::Hex(wanted.fingerprint));
    absl::StrAppend(&there, " with type fingerprint ", absl::Hex(found.fingerprint));
  }
  return absl::FailedPreconditionError(absl::StrCat("segment ", segment.name, ": '", name,
                                                    "' is a ", there, ", asked for was a ", asked));
}

absl::Status check_name(const attachment& segment, std::string_view name) {
  const auto refuse = [&](std::string_view why) {
    return absl::InvalidArgumentError(absl::StrCat("segment ", segment.name, ": '",
                                                   absl::CHexEscape(name.substr(0, 128)),
                                                   "' cannot be a structure's name: ", why));
  };
  if (name.empty()) return refuse("it is empty");
  if (name.size() > kMaxNameBytes) {
    return refuse(absl::StrCat("it has ", name.size(), " bytes, at most ", kMaxNameBytes, " fit"));
  }
  const auto is_control = [](unsigned char c) { return c < 0x20 || c == 0x7f; };
  if (std::any_of(name.begin(), name.end(), is_control)) {
    return refuse("it contains control characters");
  }
  return absl::OkStatus();
}

holder_counter::holder_counter(const attachment& segment) : segment_(segment) {
  if (segment.self != nullptr) {
    for (const participant_info& p : segment.self->list()) {
      if (p.alive) slots_.push_back(p.slot);
    }
    return;
  }
  // Mapped read-only there is no asking whether they live: those that did not leave count.
  const segment_geometry& g = segment.geometry;
  auto* header = reinterpret_cast<const segment_header*>(segment.base);
  auto* slots = reinterpret_cast<const participant_slot*>(segment.base + g.participants_offset);
  const uint32_t n =
      std::min(header->participants_high_water.load(std::memory_order_acquire), g.max_participants);
  for (uint32_t i = 0; i < n; ++i) {
    const uint32_t state = slots[i].state.load(std::memory_order_acquire);
    if (participant_slot::state_of(state) == slot_state::attached) slots_.push_back(i);
  }
}

uint32_t holder_counter::count(uint32_t index) const {
  const segment_geometry& g = segment_.geometry;
  auto* slots = reinterpret_cast<const participant_slot*>(segment_.base + g.participants_offset);
  uint32_t n = 0;
  for (const uint32_t slot : slots_) {
    // Beyond this mark the row is zero, and may have no page.
    if (slots[slot].hold_words.load(std::memory_order_acquire) <= index / 64) continue;
    auto* row = reinterpret_cast<const std::atomic<uint64_t>*>(segment_.base + g.holds_offset +
                                                               slot * g.hold_row_bytes());
    n += row[index / 64].load(std::memory_order_relaxed) >> (index % 64) & 1;
  }
  return n;
}

}  // namespace internal
}  // namespace zeroipc
