// The chapter on streams.
#include "absl/strings/str_cat.h"
#include "docs/format_doc/format.h"
#include "docs/format_doc/table.h"
#include "zeroipc/stream/layout.h"

namespace zeroipc::format_doc {
namespace {

using namespace zeroipc::internal;  // NOLINT: this page is about nothing else

void describe_stream(std::string* out) {
  absl::StrAppend(out, "\n## Stream\n\n`zeroipc/stream/layout.h`.\n\n");
  {
    using S = stream_header<hardware>;
    table t(out, sizeof(S));
    ZEROIPC_FIELD_OF(geometry, "`structure_geometry`",
                     "as above; `extra`: cursors · overflow:8 (1 refuse, 2 block, 3 overwrite)");
    ZEROIPC_FIELD(tail, "elements ever emitted");
    ZEROIPC_FIELD(claimed, "up to where slots were written; never goes back");
    ZEROIPC_FIELD_OF(changed, "`event_word`", "what subscribers sleep on");
    ZEROIPC_FIELD(closed, "1: closed");
    ZEROIPC_FIELD_OF(writer, "`robust_lock`", "who emits, or changes the cursors");
    ZEROIPC_FIELD(limit, "up to where may be emitted before the cursors are looked at");
    ZEROIPC_FIELD(refused, "counter: emits that found no room");
    ZEROIPC_FIELD(waits, "counter: reads and emits that waited");
    ZEROIPC_FIELD(recoveries, "counter: holders of the lock that died inside");
    ZEROIPC_FIELD_OF(space, "`event_word`", "what emitters sleep on");
  }
  absl::StrAppend(out, "\nPart 0: the cursors.\n\n");
  {
    using S = stream_cursor<hardware>;
    table t(out, sizeof(S));
    ZEROIPC_FIELD(word, "state:8 (1 passing, 2 durable) · turn:24 · owner tag:32");
    ZEROIPC_FIELD(position, "number of the element that is read next");
    ZEROIPC_FIELD_OF(name, "text", "of a durable one, filled up with zeroes");
  }
  absl::StrAppend(out,
                  "\nPart 1: slots, more than the capacity by an eighth of it (1 to 64); element p "
                  "lies in slot p modulo their number.\n\n"
                  "| offset | bytes | field | meaning |\n| ---: | ---: | --- | --- |\n"
                  "| 0 | 8 | stamp | 1 + the element's number; 0: being written |\n"
                  "| 8, or the element's alignment if larger | | element | |\n");
}

}  // namespace

void describe_codata(std::string* out) { describe_stream(out); }

}  // namespace zeroipc::format_doc
