// The chapters on the control plane: journal, heap and names.
#include "absl/strings/str_cat.h"
#include "docs/format_doc/format.h"
#include "docs/format_doc/table.h"
#include "zeroipc/heap/control_block.h"
#include "zeroipc/heap/heap.h"
#include "zeroipc/name_table/name_entry.h"
#include "zeroipc/name_table/name_table.h"

namespace zeroipc::format_doc {
namespace {

using namespace zeroipc::internal;  // NOLINT: this page is about nothing else

void describe_journal(std::string* out) {
  absl::StrAppend(out, "### `journal_block`\n\n");
  {
    using S = journal_block;
    table t(out, sizeof(S));
    ZEROIPC_FIELD(state,
                  "0: idle; n: n undo entries hold; bit 63 set: decided, the low bits count the "
                  "redo entries to apply");
    ZEROIPC_FIELD_OF(redo, absl::StrCat("`journal_entry`[", S::kRedo, "]"),
                     "what makes a change visible to others");
    ZEROIPC_FIELD_OF(undo, absl::StrCat("`journal_entry`[", S::kUndo, "]"),
                     "what takes a change back");
  }
  absl::StrAppend(out, "\n### `journal_entry`\n\n");
  {
    using S = journal_entry;
    table t(out, sizeof(S));
    ZEROIPC_FIELD(offset, "of a 64-bit word, from the segment's start");
    ZEROIPC_FIELD(value, "undo: what the word held; redo: what it shall hold");
  }
  absl::StrAppend(out, "\n");
}

void describe_heap(std::string* out) {
  absl::StrAppend(out, "### `heap_block`\n\nA unit is ", heap::kUnit,
                  " bytes; unit 0 starts at `heap_offset`.\n\n");
  {
    using S = heap_block;
    table t(out, sizeof(S));
    ZEROIPC_FIELD(top, "units carved so far; above is the wilderness");
    ZEROIPC_FIELD(last_units, "length of the block that ends at `top`; 0: there is none");
    ZEROIPC_FIELD(free_units, "in the free lists");
    ZEROIPC_FIELD(blocks, "in use:32 · free:32, from the top bit down");
    ZEROIPC_FIELD(touched, "units from here on have never been written to");
    ZEROIPC_FIELD(
        backed,
        "file offset below which the file system has allocated every page, hollow blocks aside");
    ZEROIPC_FIELD(first_level, "bit i: `second_level[i]` is not zero");
    ZEROIPC_FIELD(second_level, "bit j of word i: `lists[i][j]` is not empty");
    ZEROIPC_FIELD(lists, "unit + 1 of the first free block of the size class; 0: empty");
  }
  absl::StrAppend(out,
                  "\n## The heap: `block_header`\n\n`zeroipc/heap/heap.h`. In front of every "
                  "block, in use or free; the blocks "
                  "tile the heap up to `top`.\n\n");
  {
    using S = block_header;
    table t(out, sizeof(S));
    ZEROIPC_FIELD(tag,
                  "check:16 · 0:14 · hollow:1 · free:1 · units:32, from the top bit down; units "
                  "include this header");
    ZEROIPC_FIELD(prev_units, "length of the block before; 0: this is the first");
    ZEROIPC_FIELD(next_free, "free blocks: unit + 1 of the next in the list");
    ZEROIPC_FIELD(prev_free, "free blocks: unit + 1 of the one before; 0: this is the first");
    ZEROIPC_FIELD(unused, "");
  }
  absl::StrAppend(out, "\n");
}

}  // namespace

void describe_control_plane(std::string* out) {
  absl::StrAppend(out,
                  "## `control_block`\n\n`zeroipc/heap/control_block.h`. Its words are written by "
                  "the owner of `lock`.\n\n");
  {
    using S = control_block;
    table t(out, sizeof(S));
    ZEROIPC_FIELD_OF(lock, "`robust_lock`", "who is changing the control plane");
    ZEROIPC_FIELD_OF(journal, "`journal_block`", "what to do if they die doing it");
    ZEROIPC_FIELD_OF(heap, "`heap_block`", "free lists and high-water marks");
    ZEROIPC_FIELD_OF(names, "`name_block`", "free and removed entries, counts");
  }
  absl::StrAppend(out, "\n");
  describe_journal(out);
  describe_heap(out);
}

void describe_names(std::string* out) {
  absl::StrAppend(
      out,
      "## Names: `name_block`\n\n`zeroipc/heap/control_block.h`; part of the control block.\n\n");
  {
    using S = name_block;
    table t(out, sizeof(S));
    ZEROIPC_FIELD(free_head, "index + 1 of the first free entry");
    ZEROIPC_FIELD(high_water, "entries ever used are below this");
    ZEROIPC_FIELD(live, "entries that can be found");
    ZEROIPC_FIELD(removed, "entries without a name, kept for their holders");
    ZEROIPC_FIELD(removed_head, "index + 1 of the first of these");
    ZEROIPC_FIELD(
        reaped, "death epoch:32 · membership epoch:32 at which dead holders were last looked for");
    ZEROIPC_FIELD(backed, "entries below this have their pages");
    ZEROIPC_FIELD(bucket_pages, "bit i: page i of the buckets has been written to");
  }
  absl::StrAppend(out, R"(
## Names: bucket

64 bits: version:32 · (index + 1):32 of the first entry of the chain, from the top bit down; 0 in the low half: empty. The
version moves with every change of the chain. A name is in the bucket that the low bits of its hash say.

## Names: `name_entry`

`zeroipc/name_table/name_entry.h`. Names hold up to )",
                  kMaxNameBytes,
                  R"( bytes. The hash is `fixed_hash` over the name's whole words, padding included.

)");
  {
    using S = name_entry;
    table t(out, sizeof(S));
    ZEROIPC_FIELD(state, "generation << 2, with 0 free, 1 live, 2 removed");
    ZEROIPC_FIELD(hash, "of the name");
    ZEROIPC_FIELD(next, "index + 1: of the next in the chain, or in the list of free entries");
    ZEROIPC_FIELD(place, "offset of the structure's memory");
    ZEROIPC_FIELD(name, "NUL-padded, at least one NUL");
    ZEROIPC_FIELD(bytes, "of the structure's memory");
    ZEROIPC_FIELD(what, "kind:8 · variant:8");
    ZEROIPC_FIELD(element, "element size:32 · element alignment:32, from the top bit down");
    ZEROIPC_FIELD(fingerprint, "of the element type");
    ZEROIPC_FIELD(created_ns, "`CLOCK_REALTIME`, nanoseconds");
    ZEROIPC_FIELD(creator, "its pid; for display");
    ZEROIPC_FIELD(removed_links, "index + 1 of the previous:32 · of the next:32 removed entry");
    ZEROIPC_FIELD(variant_name, "for messages, NUL-padded");
    ZEROIPC_FIELD(type_name, "for messages, NUL-padded, cut off where it is longer");
  }
  absl::StrAppend(out, "\nKinds:");
  for (int k = static_cast<int>(kind::none); k <= static_cast<int>(kind::raw); ++k) {
    absl::StrAppend(out, k == 0 ? " " : ", ", k, " ", kind_name(static_cast<kind>(k)));
  }
  absl::StrAppend(out, ".\n\n");
}

}  // namespace zeroipc::format_doc
