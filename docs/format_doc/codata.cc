// The chapters on channels, futures, lazy values and streams.
#include "absl/strings/str_cat.h"
#include "docs/format_doc/format.h"
#include "docs/format_doc/table.h"
#include "zeroipc/channel/layout.h"
#include "zeroipc/future/layout.h"
#include "zeroipc/lazy/layout.h"
#include "zeroipc/stream/layout.h"
#include "zeroipc/stream/stage.h"

namespace zeroipc::format_doc {
namespace {

using namespace zeroipc::internal;  // NOLINT: this page is about nothing else

void describe_channel(std::string* out) {
  absl::StrAppend(out,
                  "\n## Channel\n\n`zeroipc/channel/layout.h`. Variant 1 is buffered: a queue with "
                  "the policy mpmc, byte for byte. Variant 2 is a rendezvous:\n\n");
  {
    using S = rendezvous_header<hardware>;
    table t(out, sizeof(S));
    ZEROIPC_FIELD_OF(geometry, "`structure_geometry`", "as above; the capacity is that of part 0");
    ZEROIPC_FIELD(closed, "1: closed");
    ZEROIPC_FIELD(recovered_epoch, "death epoch up to which the dead have been looked for");
    ZEROIPC_FIELD(offers_used, "no offer beyond has ever been in use");
    ZEROIPC_FIELD(seats_used, "no seat beyond has ever been in use");
    ZEROIPC_FIELD_OF(receivable, "`event_word`",
                     "what those sleep on who wait for a value or a seat");
    ZEROIPC_FIELD_OF(sendable, "`event_word`",
                     "what those sleep on who wait for a receiver or an offer");
    ZEROIPC_FIELD(tickets, "drawn by senders so far");
    ZEROIPC_FIELD(sent, "counter: values sent");
    ZEROIPC_FIELD(received, "counter: values received, redelivered ones included");
    ZEROIPC_FIELD(waits, "counter: operations that waited");
    ZEROIPC_FIELD(redelivered, "counter: given back, or taken back from the dead");
  }
  absl::StrAppend(
      out, "\nPart 0: the offers, 128 of them, or as many as fit into 1 MiB, at least 16.\n\n");
  {
    using S = channel_offer<hardware>;
    table t(out, sizeof(S));
    ZEROIPC_FIELD(
        word,
        "state:8 (0 free, 1 writing, 2 offered, 3 handing, 4 leased, 5 orphan, 6 refused) · "
        "turn:24 · owner tag:32, from the top bit down");
    ZEROIPC_FIELD(ticket, "the smallest is received first");
    ZEROIPC_FIELD(toward, "seat:32 · its turn:32: to whom it is being handed");
    ZEROIPC_FIELD_OF(settled, "`event_word`", "what its sender sleeps on");
    ZEROIPC_FIELD(deliveries, "how often it has been leased");
  }
  absl::StrAppend(
      out,
      "\nThe value follows at 32, or at the element's alignment if that is larger.\n\nPart 1: ",
      kSeats, " seats of receivers that wait.\n\n");
  {
    using S = channel_seat<hardware>;
    table t(out, sizeof(S));
    ZEROIPC_FIELD(
        word,
        "state:4 (0 free, 1 away, 2 waiting, 3 given) · offer:8 · turn:20 · owner tag:32, "
        "from the top bit down");
    ZEROIPC_FIELD_OF(called, "`event_word`", "what its receiver sleeps on");
  }
}

void describe_future(std::string* out) {
  absl::StrAppend(out, "\n## Future\n\n`zeroipc/future/layout.h`.\n\n");
  {
    using S = future_header<hardware>;
    table t(out, sizeof(S));
    ZEROIPC_FIELD_OF(geometry, "`structure_geometry`", "as above");
    ZEROIPC_FIELD(claimant, "owner tag:32 · pid:32 of the last who claimed it");
    ZEROIPC_FIELD(waits, "counter: operations that found it not settled and waited");
    ZEROIPC_FIELD(deaths, "counter: claims and settings that ended with their process");
    ZEROIPC_FIELD_OF(error, "`future_error_record`", "below; counts if the word says so");
  }
  absl::StrAppend(out, "\nPart 0: one item, which begins with\n\n");
  {
    using S = future_slot<hardware>;
    table t(out, sizeof(S));
    ZEROIPC_FIELD(word,
                  "owner tag:32 · turn:24 · phase:8 (0 empty, 1 setting, 2 claimed, 3 value, 4 "
                  "error, 5 broken by a death, 6 dropped), from the top bit down");
    ZEROIPC_FIELD_OF(settled, "`event_word`", "what those who wait sleep on");
  }
  absl::StrAppend(
      out,
      "\nThe value follows at 16, or at the element's alignment if that is larger. An error:\n\n");
  using S = future_error_record;
  table t(out, sizeof(S));
  ZEROIPC_FIELD(code, "as it was set");
  ZEROIPC_FIELD(length, "of the text");
  ZEROIPC_FIELD(is_status, "1: the code is an `absl::StatusCode`");
  ZEROIPC_FIELD(text, "");
}

void describe_lazy(std::string* out) {
  absl::StrAppend(out, "\n## Lazy\n\n`zeroipc/lazy/layout.h`.\n\n");
  {
    using S = lazy_header<hardware>;
    table t(out, sizeof(S));
    ZEROIPC_FIELD_OF(geometry, "`structure_geometry`", "as above");
    ZEROIPC_FIELD(word,
                  "state:3 (0 none, 1 wanted, 2 evaluating, 3 stale, 4 again, 5 value, 6 error, 7 "
                  "failed) · turn:29 · owner tag or buffer:32, from the top bit down");
    ZEROIPC_FIELD_OF(changed, "`event_word`", "what those who ask sleep on");
    ZEROIPC_FIELD_OF(demand, "`event_word`", "what providers sleep on");
    ZEROIPC_FIELD(versions, "the last version drawn");
    ZEROIPC_FIELD(providers, "owner tags of who has a computation; 0: free");
    ZEROIPC_FIELD(evaluations, "counter: begun");
    ZEROIPC_FIELD(failures, "counter: that ended with an error");
    ZEROIPC_FIELD(handovers, "counter: begun because the evaluator before died");
    ZEROIPC_FIELD(take_overs, "counter: evaluators that were given up on");
    ZEROIPC_FIELD(fenced, "counter: results that came too late");
    ZEROIPC_FIELD(waits, "counter: who asked and found no result");
  }
  absl::StrAppend(out, "\nPart 0: ", kLazyBuffers, " buffers.\n\n");
  {
    using S = lazy_buffer<hardware>;
    table t(out, sizeof(S));
    ZEROIPC_FIELD_OF(writer, "`robust_lock`", "who writes a result");
    ZEROIPC_FIELD(version, "of the result");
  }
  absl::StrAppend(out,
                  "\nThe result follows at 16, or at the element's alignment if that is larger: an "
                  "element, or a `lazy_error`.\n\n");
  using S = lazy_error;
  table t(out, sizeof(S));
  ZEROIPC_FIELD(code, "`absl::StatusCode`");
  ZEROIPC_FIELD(length, "of the text");
  ZEROIPC_FIELD(text, "");
}

void describe_stream(std::string* out) {
  absl::StrAppend(out, "\n## Stream\n\n`zeroipc/stream/layout.h`.\n\n");
  {
    using S = stream_header<hardware>;
    table t(out, sizeof(S));
    ZEROIPC_FIELD_OF(
        geometry, "`structure_geometry`",
        "as above; `extra`: stage:20 (of a derived one: 1 + the bytes of its operator's "
        "state) · window:20 (items of the longest) · cursors:16 · overflow:8 (1 "
        "refuse, 2 block, 3 overwrite)");
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
    ZEROIPC_FIELD(word,
                  "state:8 (1 passing, 2 durable, 3 a derived stream's) · turn:24 · owner tag:32");
    ZEROIPC_FIELD(position, "number of the element that is read next");
    ZEROIPC_FIELD_OF(
        name, "text",
        "of one that has a name, filled up with zeroes; a derived stream's: its name, a "
        "line feed, its nonce in hexadecimal, + for the second source");
  }
  absl::StrAppend(out,
                  "\nPart 1: slots, more than the capacity by an eighth of it (1 to 64); element p "
                  "lies in slot p modulo their number.\n\n"
                  "| offset | bytes | field | meaning |\n| ---: | ---: | --- | --- |\n"
                  "| 0 | 8 | stamp | 1 + the element's number; 0: being written |\n"
                  "| 8, or the element's alignment if larger | | element | |\n"
                  "\nA window is its length in items (8 bytes), and, at 8 or the item's alignment "
                  "if that is larger, its items.\n\nPart 2, of a derived stream: its stage.\n\n");
  {
    using S = stage_header<hardware>;
    table t(out, sizeof(S));
    ZEROIPC_FIELD_OF(pump, "`robust_lock`", "who pumps");
    ZEROIPC_FIELD(commits, "v; record and state v modulo 2 are in force");
    ZEROIPC_FIELD_OF(
        records, "record[2]",
        "tail, places in two sources, part of the next element's that was emitted (all "
        "ones: it has ended), elements missed; 8 bytes each");
    ZEROIPC_FIELD_OF(origin, "origin", "what it is derived from: below");
  }
  absl::StrAppend(out, "\nThe operator's state follows, twice, each rounded up to 8 bytes.\n\n");
  using S = stage_origin;
  table t(out, sizeof(S));
  ZEROIPC_FIELD_OF(what, "text", "the operator");
  ZEROIPC_FIELD_OF(sources, "text[2]", "names of the sources");
  ZEROIPC_FIELD_OF(ancestry, "u64[31]", "`fixed_hash` of the names of all that it comes of");
  ZEROIPC_FIELD(nonce, "tells it from others of its name");
}

}  // namespace

void describe_codata(std::string* out) {
  describe_channel(out);
  describe_future(out);
  describe_lazy(out);
  describe_stream(out);
}

}  // namespace zeroipc::format_doc
