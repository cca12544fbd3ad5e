// The chapters on what every segment has: header, participants, thread records, waiting words.
#include "zeroipc/segment/segment.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "docs/format_doc/format.h"
#include "docs/format_doc/table.h"
#include "zeroipc/wait/event_word.h"
#include "zeroipc/wait/robust_lock.h"

namespace zeroipc::format_doc {
namespace {

using namespace zeroipc::internal;  // NOLINT: this page is about nothing else

void describe_regions(std::string* out) {
  absl::StrAppend(out, R"(## The file

A segment is one file: in `/dev/shm`, elsewhere, or a memfd. Its regions follow each other in this order, each from a
page boundary (4,096 bytes) on. The offsets are in the geometry; nothing but the geometry says where a region is.

| region | starts at | holds |
| --- | --- | --- |
| header | 0 | `segment_header`, one page |
)");
  const auto region = [out](std::string_view name, std::string_view start, std::string_view holds) {
    absl::StrAppend(out, "| ", name, " | `", start, "` | ", holds, " |\n");
  };
  region("participants", "participants_offset",
         absl::StrCat("`max_participants` × `participant_slot` (", sizeof(participant_slot),
                      " bytes)"));
  region("thread records", "threads_offset",
         absl::StrCat("`max_threads` × `thread_record` (", sizeof(thread_record<hardware>),
                      " bytes)"));
  region("control block", "control_offset",
         absl::StrCat(kControlBytes, " bytes, one `control_block`"));
  region("buckets", "buckets_offset", absl::StrCat("`buckets` × ", kBucketBytes, " bytes"));
  region("names", "names_offset",
         absl::StrCat("`max_names` × `name_entry` (", kNameEntryBytes, " bytes)"));
  region("holds", "holds_offset",
         "`max_participants` rows of `max_names` bits, each row padded to a multiple of 64 bytes");
  region("heap", "heap_offset", "to `size`");
  absl::StrAppend(
      out, R"(
After the header's first part, all zeroes is the initial state of everything, so the file is sparse: a page exists once
somebody has written to it, or has reserved it.

Far beyond the end are file offsets that carry no bytes, only open-file-description locks (`F_OFD_SETLK`):
)",
      absl::StrFormat(
          "`%#x` + slot is the liveness token of that participant slot, and `%#x` is held by who "
          "joins or leaves a\nsegment that goes with its last participant.\n\n",
          kLivenessOffset, kDoorOffset));
  absl::StrAppend(out, "Limits: ", owner_tag::kMaxSlots, " participants, ", kMaxThreads,
                  " thread records, ", kMaxNames, " names, 2^32 × ", kCacheLine,
                  " bytes. Numbers are little-endian on every machine\nthat is supported; the "
                  "layout is that of the machine, and is not"
                  " meant to be carried to another.\n\n");
}

void describe_header(std::string* out) {
  absl::StrAppend(out,
                  "## `segment_header`\n\n`zeroipc/segment/layout.h`. Everything before "
                  "`death_epoch` is written once, "
                  "before the segment has a name.\n\n");
  {
    using S = segment_header;
    table t(out, sizeof(S));
    ZEROIPC_FIELD(magic, "`ZeroIPC\\n`");
    ZEROIPC_FIELD(version, absl::StrCat("of this format: ", kFormatVersion));
    ZEROIPC_FIELD(fences, "`fence_mode`: 1 symmetric, 2 asymmetric (membarrier)");
    ZEROIPC_FIELD(id, "random; tells two segments of one name apart");
    ZEROIPC_FIELD(created_ns, "`CLOCK_REALTIME`, nanoseconds");
    ZEROIPC_FIELD_OF(geometry, "`segment_geometry`", "see below");
    ZEROIPC_FIELD(flags, absl::StrCat(static_cast<uint32_t>(kRemoveWithLast),
                                      ": the last to leave unlinks the name; ",
                                      static_cast<uint32_t>(kReserve),
                                      ": memory is backed when it is allocated"));
    ZEROIPC_FIELD(reserved, "0");
    ZEROIPC_FIELD(checksum, "`fixed_hash` of all the bytes before this field");
    ZEROIPC_FIELD(death_epoch,
                  "futex; moves with every death that is noticed and every process that leaves; "
                  "every sleeper waits on it");
    ZEROIPC_FIELD(membership_epoch,
                  "futex; moves when somebody joins or leaves; the watchers wait on it");
    ZEROIPC_FIELD(next_slot, "hint: where to look for a free slot");
    ZEROIPC_FIELD(participants_high_water, "slots ever used are below this");
    ZEROIPC_FIELD(threads_high_water, "thread records ever used are below this");
    ZEROIPC_FIELD(deaths, "noticed since creation");
  }
  absl::StrAppend(
      out,
      "\n### `segment_geometry`\n\nChecked when a segment is opened, then kept in private memory. "
      "It must be "
      "the very one that this library\nwould compute from `size` and the three limits.\n\n");
  {
    using S = segment_geometry;
    table t(out, sizeof(S));
    ZEROIPC_FIELD(size, "of the file");
    ZEROIPC_FIELD(max_participants, "processes attached at once");
    ZEROIPC_FIELD(max_threads, "threads that use the segment at once, over all processes");
    ZEROIPC_FIELD(max_names, "structures");
    ZEROIPC_FIELD(buckets, "`max_names` rounded up to a power of two");
    ZEROIPC_FIELD(participants_offset, "of the region");
    ZEROIPC_FIELD(threads_offset, "of the region");
    ZEROIPC_FIELD(control_offset, "of the region");
    ZEROIPC_FIELD(buckets_offset, "of the region");
    ZEROIPC_FIELD(names_offset, "of the region");
    ZEROIPC_FIELD(holds_offset, "of the region");
    ZEROIPC_FIELD(heap_offset, "of the region");
  }
  absl::StrAppend(out, "\n");
}

void describe_records(std::string* out) {
  absl::StrAppend(out,
                  "## `thread_record`\n\n`zeroipc/participant/thread_record.h`. What a thread is "
                  "about to claim, written "
                  "ahead of the claim.\n\n");
  {
    using S = thread_record<hardware>;
    table t(out, sizeof(S));
    ZEROIPC_FIELD_OF(claims, absl::StrCat("`claim_word`[", S::kClaims, "]"),
                     "[0]: the operation in progress; the others: held by reservations");
    ZEROIPC_FIELD(owner, "owner tag of the participant; 0: free");
    ZEROIPC_FIELD(ready, "equals `owner` once the claims of the record's last owner are cleared");
    ZEROIPC_FIELD(thread_id, "for display");
  }
  absl::StrAppend(out, "\n### `claim_word`\n\n");
  {
    using S = claim_word<hardware>;
    table t(out, sizeof(S));
    ZEROIPC_FIELD(position, "the first position that is claimed");
    ZEROIPC_FIELD(
        what,
        "kind:8 (1 push, 2 pop) · count:24 · structure:32, from the top bit down; 0: no claim");
  }
  absl::StrAppend(out,
                  "\nA structure is named by the offset of its memory in the segment, divided by ",
                  kCacheLine, ".\n\n");
}

}  // namespace

void describe_segment(std::string* out) {
  describe_regions(out);
  describe_header(out);
}

void describe_participants(std::string* out) {
  absl::StrAppend(out, "## Owner tag\n\n`zeroipc/participant/owner_tag.h`. 32 bits: generation:",
                  32 - owner_tag::kSlotBits, " · slot:", owner_tag::kSlotBits,
                  ", from the top bit down. 0 is nobody; generations\nstart at 1.\n\n");
  absl::StrAppend(out,
                  "## `participant_slot`\n\n`zeroipc/segment/layout.h`. Owned by who holds the "
                  "slot's liveness token.\n\n");
  {
    using S = participant_slot;
    table t(out, sizeof(S));
    ZEROIPC_FIELD(state, "generation << 2, with 0 free, 1 attached, 2 dead, 3 leaving");
    ZEROIPC_FIELD(pulse,
                  "robust futex: the watcher's thread id; the kernel sets `FUTEX_OWNER_DIED`");
    ZEROIPC_FIELD(pid, "for display; liveness is the token, never the pid");
    ZEROIPC_FIELD(hold_words, "the slot's row of holds is zero from this 64-bit word on");
    ZEROIPC_FIELD(start_time, "of the process, in clock ticks since boot; for display");
    ZEROIPC_FIELD(attached_ns, "`CLOCK_REALTIME`, nanoseconds");
    ZEROIPC_FIELD(name, "of the process, NUL-padded; for display");
  }
  absl::StrAppend(out, "\n");
  describe_records(out);
}

void describe_waiting(std::string* out) {
  absl::StrAppend(out,
                  "## `event_word`\n\n`zeroipc/wait/event_word.h`. A 32-bit futex: epoch:31 · W:1, "
                  "from the top bit down. "
                  "W: somebody may be waiting.\n\n");
  absl::StrAppend(out, "## `robust_lock`\n\n`zeroipc/wait/robust_lock.h`.\n\n");
  {
    using S = robust_lock<hardware>;
    table t(out, sizeof(S));
    ZEROIPC_FIELD(owner, "owner tag of who holds it; 0: free");
    ZEROIPC_FIELD_OF(released, "`event_word`", "what those who wait for it sleep on");
  }
  absl::StrAppend(out, "\n");
}

}  // namespace zeroipc::format_doc
