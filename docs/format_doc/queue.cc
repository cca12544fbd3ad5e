// The chapter on the queue.
#include "zeroipc/queue/queue.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "docs/format_doc/format.h"
#include "docs/format_doc/table.h"
#include "zeroipc/queue/layout.h"
#include "zeroipc/queue/lease.h"
#include "zeroipc/queue/position.h"

namespace zeroipc::format_doc {
namespace {

using namespace zeroipc::internal;  // NOLINT: this page is about nothing else

void describe_geometry(std::string* out) {
  absl::StrAppend(out,
                  "### `queue_geometry`\n\nWritten once, by the creator; compared with what the "
                  "opener computes from its own "
                  "element type.\n\n");
  using S = queue_geometry;
  table t(out, sizeof(S));
  ZEROIPC_FIELD(magic, absl::StrFormat("`ZQ` and the format's number: %#x", kQueueMagic));
  ZEROIPC_FIELD(variant, absl::StrCat("policy: ", mpmc::variant, " mpmc, ", mpsc::variant,
                                      " mpsc, ", spmc::variant, " spmc, ", spsc::variant, " spsc"));
  ZEROIPC_FIELD(capacity, "elements");
  ZEROIPC_FIELD(max_leases, "lease cells");
  ZEROIPC_FIELD(element_size, "bytes");
  ZEROIPC_FIELD(element_align, "bytes");
  ZEROIPC_FIELD(slot_stride, "bytes from one slot to the next");
  ZEROIPC_FIELD(lease_stride, "bytes from one lease cell to the next");
  ZEROIPC_FIELD(slots_offset, "of the first slot, from the queue's start");
  ZEROIPC_FIELD(leases_offset, "of the first lease cell, from the queue's start");
  ZEROIPC_FIELD(bytes, "of all this");
}

void describe_header(std::string* out) {
  absl::StrAppend(
      out, "\n### `queue_header`\n\nFields with different writers are two cache lines apart.\n\n");
  using S = queue_header<hardware>;
  table t(out, sizeof(S));
  ZEROIPC_FIELD_OF(geometry, "`queue_geometry`", "as above");
  ZEROIPC_FIELD(tail, "next position to push; bit 63: closed");
  ZEROIPC_FIELD(head, "next position to pop");
  ZEROIPC_FIELD_OF(not_empty, "`event_word`", "what consumers sleep on");
  ZEROIPC_FIELD_OF(not_full, "`event_word`", "what producers sleep on");
  ZEROIPC_FIELD_OF(lease_freed, "`event_word`", "what those who want a lease sleep on");
  ZEROIPC_FIELD(hints, absl::StrCat(static_cast<uint32_t>(kOrphans), ": orphans; ",
                                    static_cast<uint32_t>(kUnresolved), ": recovery is not done; ",
                                    static_cast<uint32_t>(kAgain), ": recovery once more; ",
                                    static_cast<uint32_t>(kClosing), ": closing"));
  ZEROIPC_FIELD(recovered_epoch, "the death epoch up to which recovery is done");
  ZEROIPC_FIELD(busy, "1 while the single producer is inside an operation");
  ZEROIPC_FIELD_OF(recovery, "`robust_lock`", "who is recovering");
  ZEROIPC_FIELD(producer, "owner tag of the single producer, where the policy has one");
  ZEROIPC_FIELD(consumer, "owner tag of the single consumer, where the policy has one");
  ZEROIPC_FIELD(refused, "counter: pushes answered `full`");
  ZEROIPC_FIELD(waits, "counter: operations that slept");
  ZEROIPC_FIELD(recoveries, "counter: passes of recovery");
  ZEROIPC_FIELD(redelivered, "counter: items that were delivered again");
  ZEROIPC_FIELD(tombs_made, "counter: positions that nothing will come to");
  ZEROIPC_FIELD(tombs_passed, "counter: of these, stepped over");
}

void describe_slots(std::string* out) {
  absl::StrAppend(
      out,
      "\n### Positions and slots\n\nWith B = bit_width(capacity - 1), a position is lap · index:B, "
      "from the top "
      "bit down; the lap has 56 - B bits.\n`spsc` slots are the elements alone. Other slots "
      "are:\n\n"
      "| offset | bytes | field | meaning |\n| ---: | ---: | --- | --- |\n"
      "| 0 | 8 | sequence | lap · turn:",
      seq::kTurnBits, " · phase:", seq::kPhaseBits,
      ", from the top bit down |\n| 8, or the element's alignment if larger | | element | |\n\n"
      "Phases: ",
      static_cast<uint64_t>(slot_phase::empty), " empty, ", static_cast<uint64_t>(slot_phase::full),
      " full, ", static_cast<uint64_t>(slot_phase::tomb), " tomb, ",
      static_cast<uint64_t>(slot_phase::orphan), " orphan.\n\n");
}

void describe_leases(std::string* out) {
  absl::StrAppend(
      out,
      "### `lease_entry`\n\n`zeroipc/queue/lease.h`. In front of each lease cell's element.\n\n");
  {
    using S = lease_entry<hardware>;
    table t(out, sizeof(S));
    ZEROIPC_FIELD(word, "state:8 · turn:24 · owner tag:32, from the top bit down");
    ZEROIPC_FIELD(ticket, "the position that the element came from");
    ZEROIPC_FIELD(deliveries, "how often the element was handed out");
    ZEROIPC_FIELD(unused, "");
  }
  absl::StrAppend(out, "\nStates: ", static_cast<uint64_t>(lease_state::free), " free, ",
                  static_cast<uint64_t>(lease_state::filling), " filling, ",
                  static_cast<uint64_t>(lease_state::leased), " leased, ",
                  static_cast<uint64_t>(lease_state::orphan), " orphan.\n\n");
}

}  // namespace

void describe_queue(std::string* out) {
  absl::StrAppend(out,
                  "## Queue\n\n`zeroipc/queue/layout.h`, `zeroipc/queue/position.h`. The queue's "
                  "memory holds its header, its slots and its "
                  "lease cells.\n\n");
  describe_geometry(out);
  describe_header(out);
  describe_slots(out);
  describe_leases(out);
}

}  // namespace zeroipc::format_doc
