#include "zeroipc/name_table/audit.h"

#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "zeroipc/heap/control_plane.h"
#include "zeroipc/name_table/describe.h"
#include "zeroipc/name_table/lookup.h"
#include "zeroipc/name_table/table.h"

namespace zeroipc {
namespace internal {
namespace {

class auditor {
 public:
  auditor(control_session& session, audit_report& report)
      : segment_(session.segment()), view_(segment_), heap_(segment_), report_(report) {}

  absl::Status run() {
    for (auto step : {&auditor::entries, &auditor::chains, &auditor::free_list,
                      &auditor::removed_list, &auditor::blocks}) {
      absl::Status status = (this->*step)();
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }

 private:
  static uint64_t get(const shared_word& word) { return word.load(std::memory_order_relaxed); }

  template <typename... Parts>
  absl::Status corrupt(Parts... parts) const {
    return absl::DataLossError(
        absl::StrCat("segment ", segment_.name, ": corrupt name table: ", parts...));
  }

  // Sorts the entries by state, and remembers whose block lies where.
  absl::Status entries() {
    const uint32_t n = view_.used();
    if (get(view_.head().high_water) != n) return corrupt("more entries in use than there are");
    place_.assign(n, entry_state::free);
    for (uint32_t i = 0; i < n; ++i) {
      const entry_copy entry(view_.entry(i));
      place_[i] = name_entry::state_of(entry.state);
      if (place_[i] == entry_state::free) {
        ++report_.free_entries;
        continue;
      }
      ++(place_[i] == entry_state::live ? report_.names : report_.removed);
      if (!entry.in_bounds(segment_.geometry)) {
        return corrupt("'", entry.info.name, "' lies outside the heap");
      }
      if (!owners_.emplace(entry.offset, i).second) {
        return corrupt("'", entry.info.name, "' shares its memory with another structure");
      }
    }
    if (report_.names != get(view_.head().live) || report_.removed != get(view_.head().removed)) {
      return corrupt("counts say ", get(view_.head().live), " live and ", get(view_.head().removed),
                     " removed, there are ", report_.names, " and ", report_.removed);
    }
    return absl::OkStatus();
  }

  // Walks a list of entries that must all be in `state`, each in one list only.
  template <typename Next>
  absl::Status list(uint64_t next, entry_state state, const char* what, uint64_t& met, Next after) {
    while (next != 0) {
      // Ends: each entry is crossed out as it is met.
      if (next > place_.size() || crossed_out_[next - 1] || place_[next - 1] != state) {
        return corrupt("entry ", next - 1, " is in ", what, " and does not belong there");
      }
      crossed_out_[next - 1] = true;
      ++met;
      next = after(view_.entry(static_cast<uint32_t>(next - 1)));
    }
    return absl::OkStatus();
  }

  absl::Status chains() {
    crossed_out_.assign(place_.size(), false);
    uint64_t met = 0;
    for (uint32_t b = 0; b < segment_.geometry.buckets; ++b) {
      if (!view_.bucket_touched(b)) continue;
      const uint64_t head = get(view_.bucket(b)) & 0xffff'ffffu;
      bool right = true;
      const absl::Status status =
          list(head, entry_state::live, "a chain", met, [&](const name_entry& e) {
            right = right && view_.bucket_of(get(e.hash)) == b &&
                    name_key(load_text(e.name).substr(0, kMaxNameBytes)).hash == get(e.hash);
            return get(e.next);
          });
      if (!status.ok()) return status;
      if (!right) return corrupt("an entry is in the chain of bucket ", b, " by mistake");
    }
    if (met != report_.names) return corrupt(report_.names - met, " names cannot be found");
    return absl::OkStatus();
  }

  absl::Status free_list() {
    uint64_t met = 0;
    const absl::Status status =
        list(get(view_.head().free_head), entry_state::free, "the list of free entries", met,
             [](const name_entry& e) { return get(e.next); });
    if (!status.ok()) return status;
    if (met != report_.free_entries)
      return corrupt(report_.free_entries - met, " entries are lost");
    return absl::OkStatus();
  }

  absl::Status removed_list() {
    uint64_t met = 0;
    uint64_t prev = 0;
    bool linked = true;
    const absl::Status status = list(get(view_.head().removed_head), entry_state::removed,
                                     "the list of removed entries", met, [&](const name_entry& e) {
                                       const uint64_t links = get(e.removed_links);
                                       linked = linked && links >> 32 == prev;
                                       prev = static_cast<uint64_t>(&e - &view_.entry(0)) + 1;
                                       return links & 0xffff'ffffu;
                                     });
    if (!status.ok()) return status;
    if (!linked) return corrupt("list of removed entries");
    if (met != report_.removed) return corrupt(report_.removed - met, " removed entries are lost");
    return absl::OkStatus();
  }

  absl::Status blocks() {
    absl::Status odd;
    const absl::Status walked = heap_.walk([&](const heap::block_view& b) {
      if (b.free || !odd.ok()) return;
      const uint64_t offset = b.payload(segment_.geometry);
      const auto owner = owners_.find(offset);
      if (owner == owners_.end()) {
        odd = corrupt("the block at offset ", offset, " belongs to no structure");
        return;
      }
      if (get(view_.entry(owner->second).bytes) > (b.units - 1) * heap::kUnit) {
        odd = corrupt("the block at offset ", offset, " is smaller than its structure");
      }
      owners_.erase(owner);
    });
    if (!walked.ok()) return walked;
    if (!odd.ok()) return odd;
    if (!owners_.empty()) {
      return corrupt("entry ", owners_.begin()->second, " names memory that is not allocated");
    }
    return absl::OkStatus();
  }

  const attachment& segment_;
  name_view view_;
  heap heap_;
  audit_report& report_;
  std::vector<entry_state> place_;
  std::vector<bool> crossed_out_;
  std::unordered_map<uint64_t, uint32_t> owners_;  // offset -> entry
};

}  // namespace
}  // namespace internal

absl::StatusOr<audit_report> audit(const memory& mem) {
  const internal::attachment& segment = *mem.attachment();
  audit_report report;
  report.max_names = segment.geometry.max_names;
  absl::StatusOr<internal::control_session> session = internal::control_session::enter(segment);
  if (absl::IsDataLoss(session.status())) {
    report.status = session.status();
    return report;
  }
  if (!session.ok()) return session.status();
  absl::StatusOr<int> reaped = internal::table(*session).reap(true);
  report.status = reaped.ok() ? internal::auditor(*session, report).run() : reaped.status();
  report.heap = internal::heap(segment).stats();
  return report;
}

}  // namespace zeroipc
