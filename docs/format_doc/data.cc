// The chapters on arrays, cells, maps and sets, pools, rings and stacks.
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "docs/format_doc/format.h"
#include "docs/format_doc/table.h"
#include "zeroipc/array/core.h"
#include "zeroipc/cell/core.h"
#include "zeroipc/map/layout.h"
#include "zeroipc/name_table/geometry.h"
#include "zeroipc/pool/core.h"
#include "zeroipc/ring/core.h"
#include "zeroipc/stack/core.h"

namespace zeroipc::format_doc {
namespace {

using namespace zeroipc::internal;  // NOLINT: this page is about nothing else

void describe_geometry(std::string* out) {
  absl::StrAppend(out,
                  "## Geometry of a structure\n\n`zeroipc/name_table/geometry.h`. At the start of "
                  "each structure but the queue, which has its own. Everything in it follows from "
                  "the capacity, `extra` and the types.\n\n");
  using S = structure_geometry;
  table t(out, sizeof(S));
  ZEROIPC_FIELD(magic, absl::StrFormat("%#x plus the kind", kGeometryMagic));
  ZEROIPC_FIELD(variant, "of the kind");
  ZEROIPC_FIELD(capacity, "elements");
  ZEROIPC_FIELD(extra, "array: stripes; barrier, event: see there");
  ZEROIPC_FIELD(element_size, "bytes");
  ZEROIPC_FIELD(element_align, "bytes");
  ZEROIPC_FIELD(strides, "of each part: bytes from one item to the next");
  ZEROIPC_FIELD(offsets, "of each part, from the structure's start");
  ZEROIPC_FIELD(bytes, "of all this");
  ZEROIPC_FIELD(checksum, "`fixed_hash` of all the above");
}

void describe_array(std::string* out) {
  absl::StrAppend(out, "\n## Array\n\n`zeroipc/array/core.h`.\n\n");
  {
    using S = array_header<hardware>;
    table t(out, sizeof(S));
    ZEROIPC_FIELD_OF(geometry, "`structure_geometry`", "as above");
    ZEROIPC_FIELD(recoveries, "counter: stores completed for the dead");
  }
  absl::StrAppend(out,
                  "\nPart 0, where elements are larger than a word: stripes, each followed by the "
                  "new value of a store.\n\n");
  {
    using S = array_stripe<hardware>;
    table t(out, sizeof(S));
    ZEROIPC_FIELD_OF(lock, "`robust_lock`", "who stores");
    ZEROIPC_FIELD(version, "odd: the element is being overwritten");
    ZEROIPC_FIELD(index, "of that element");
  }
  absl::StrAppend(out, "\nPart 1: the elements, as in a C array.\n");
}

void describe_cell(std::string* out) {
  absl::StrAppend(out, "\n## Cell\n\n`zeroipc/cell/core.h`.\n\n");
  {
    using S = cell_header<hardware>;
    table t(out, sizeof(S));
    ZEROIPC_FIELD_OF(geometry, "`structure_geometry`", "as above");
    ZEROIPC_FIELD(current, "newest version; 0: none");
    ZEROIPC_FIELD_OF(changed, "`event_word`", "what those who wait for a change sleep on");
    ZEROIPC_FIELD_OF(writer, "`robust_lock`", "who stores");
    ZEROIPC_FIELD(waits, "counter: waits for a change");
    ZEROIPC_FIELD(recoveries, "counter: writers that died inside");
  }
  absl::StrAppend(out, "\nPart 0: ", kCellBuffers, " buffers; version v lies in buffer v mod ",
                  kCellBuffers,
                  ".\n\n| offset | bytes | field | meaning |\n| ---: | ---: | --- | --- |\n"
                  "| 0 | 8 | version | whose value follows; 0: being written |\n"
                  "| 8, or the value's alignment if larger | | value | |\n");
}

void describe_map(std::string* out) {
  absl::StrAppend(out, "\n## Map and set\n\n`zeroipc/map/layout.h`.\n\n");
  {
    using S = map_header<hardware>;
    table t(out, sizeof(S));
    ZEROIPC_FIELD_OF(geometry, "`structure_geometry`", "as above");
    ZEROIPC_FIELD(waits, "counter: waits for a change");
    ZEROIPC_FIELD(recoveries, "counter: writers that died inside");
  }
  absl::StrAppend(out, "\nPart 0: stripes, one for each bucket, at most ", kMostStripes,
                  "; keys whose home is bucket h belong to stripe h modulo their number.\n\n");
  {
    using S = map_stripe<hardware>;
    table t(out, sizeof(S));
    ZEROIPC_FIELD_OF(lock, "`robust_lock`", "who writes");
    ZEROIPC_FIELD(spare, "the stripe's cell");
    ZEROIPC_FIELD_OF(changed, "`event_word`", "what those who wait for a change sleep on");
    ZEROIPC_FIELD(count, "keys");
    ZEROIPC_FIELD(changes, "entries ever filled in");
    ZEROIPC_FIELD_OF(journal, "`map_journal`", "what its writer is at");
  }
  absl::StrAppend(out, "\nA journal:\n\n");
  {
    using S = map_journal<hardware>;
    table t(out, sizeof(S));
    ZEROIPC_FIELD(home, "1 + the key's home bucket; 0: nothing");
    ZEROIPC_FIELD(slot, "its number");
    ZEROIPC_FIELD(from, "the slot's word before");
    ZEROIPC_FIELD(to, "the slot's word after");
    ZEROIPC_FIELD(count, "the stripe's keys before");
  }
  absl::StrAppend(out, "\nPart 1: buckets.\n\n");
  {
    using S = map_bucket<hardware>;
    table t(out, sizeof(S));
    ZEROIPC_FIELD(spread, "keys at home here, 4 bits for each distance");
    ZEROIPC_FIELD(slots, "occupied:1 · tag:15 · version:16 · cell:32, from the top bit down");
  }
  absl::StrAppend(out, "\nPart 2: cells, ", kBucketSlots,
                  " for each bucket and one for each stripe.\n\n"
                  "| offset | bytes | field | meaning |\n| ---: | ---: | --- | --- |\n"
                  "| 0 | 8 | sequence | twice its version; odd: being written |\n"
                  "| 8 | 8 | change | the number of the change that brought the entry in |\n"
                  "| 16, or the entry's alignment if larger | | entry | key, and value |\n");
}

void describe_pool(std::string* out) {
  absl::StrAppend(out, "\n## Pool\n\n`zeroipc/pool/core.h`.\n\n");
  {
    using S = pool_header<hardware>;
    table t(out, sizeof(S));
    ZEROIPC_FIELD_OF(geometry, "`structure_geometry`", "as above");
    ZEROIPC_FIELD(frees, "cells that came back");
    ZEROIPC_FIELD_OF(freed, "`event_word`", "what those who wait for a cell sleep on");
    ZEROIPC_FIELD(swept, "the death epoch up to which the cells of the dead are free");
    ZEROIPC_FIELD(refused, "counter: allocations that found nothing");
    ZEROIPC_FIELD(waits, "counter: allocations that waited");
    ZEROIPC_FIELD(recovered, "counter: cells taken back from the dead");
  }
  absl::StrAppend(out,
                  "\nPart 0: the summary, one bit for each word of part 1. Part 1: the hints, one "
                  "bit for each cell that may be free. Part 2: a state for each cell, owner tag:32 "
                  "· generation:32, from the top bit down. Part 3: the cells.\n");
}

void describe_ring(std::string* out) {
  absl::StrAppend(out, "\n## Ring\n\n`zeroipc/ring/core.h`.\n\n");
  {
    using S = ring_header<hardware>;
    table t(out, sizeof(S));
    ZEROIPC_FIELD_OF(geometry, "`structure_geometry`", "as above");
    ZEROIPC_FIELD(tail, "elements ever written");
    ZEROIPC_FIELD_OF(changed, "`event_word`", "what readers sleep on");
    ZEROIPC_FIELD_OF(writer, "`robust_lock`", "who pushes");
    ZEROIPC_FIELD(waits, "counter: reads that waited");
    ZEROIPC_FIELD(recoveries, "counter: writers that died inside");
  }
  absl::StrAppend(out,
                  "\nPart 0: slots, more than the capacity by an eighth of it (1 to 64); element p "
                  "lies in slot p modulo their number.\n\n"
                  "| offset | bytes | field | meaning |\n| ---: | ---: | --- | --- |\n"
                  "| 0 | 8 | stamp | 1 + the element's number; 0: being written |\n"
                  "| 8, or the element's alignment if larger | | element | |\n");
}

void describe_stack(std::string* out) {
  absl::StrAppend(out, "\n## Stack\n\n`zeroipc/stack/core.h`.\n\n");
  {
    using S = stack_header<hardware>;
    table t(out, sizeof(S));
    ZEROIPC_FIELD_OF(geometry, "`structure_geometry`", "as above");
    ZEROIPC_FIELD_OF(lock, "`robust_lock`", "who pushes or pops");
    ZEROIPC_FIELD(count, "elements");
    ZEROIPC_FIELD(pushed, "counter: elements ever pushed");
    ZEROIPC_FIELD_OF(not_empty, "`event_word`", "what those who pop sleep on");
    ZEROIPC_FIELD_OF(not_full, "`event_word`", "what those who push sleep on");
    ZEROIPC_FIELD(closing, "1: closed");
    ZEROIPC_FIELD(refused, "counter: pushes answered `full`");
    ZEROIPC_FIELD(waits, "counter: operations that waited");
    ZEROIPC_FIELD(recoveries, "counter: holders of the lock that died inside");
  }
  absl::StrAppend(out, "\nPart 0: the elements, the lowest first.\n");
}

}  // namespace

void describe_data(std::string* out) {
  describe_geometry(out);
  describe_array(out);
  describe_cell(out);
  describe_map(out);
  describe_pool(out);
  describe_ring(out);
  describe_stack(out);
}

}  // namespace zeroipc::format_doc
