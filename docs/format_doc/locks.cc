// The chapters on barriers, events, latches, mutexes, onces, rwlocks and semaphores.
#include "absl/strings/str_cat.h"
#include "docs/format_doc/format.h"
#include "docs/format_doc/table.h"
#include "zeroipc/barrier/core.h"
#include "zeroipc/event/core.h"
#include "zeroipc/latch/core.h"
#include "zeroipc/mutex/core.h"
#include "zeroipc/once/core.h"
#include "zeroipc/rwlock/core.h"
#include "zeroipc/semaphore/core.h"

namespace zeroipc::format_doc {
namespace {

using namespace zeroipc::internal;  // NOLINT: this page is about nothing else

void describe_barrier(std::string* out) {
  absl::StrAppend(out, "\n## Barrier\n\n`zeroipc/barrier/core.h`.\n\n");
  {
    using S = barrier_header<hardware>;
    table t(out, sizeof(S));
    ZEROIPC_FIELD_OF(geometry, "`structure_geometry`", "as above; `extra`: 1 shrinks, 2 breaks");
    ZEROIPC_FIELD(phase, "completed phases:32 · broken:1 (bit 0)");
    ZEROIPC_FIELD(cursor, "phase:32 · seats settled in it:32");
    ZEROIPC_FIELD_OF(changed, "`event_word`", "what those who wait sleep on");
  }
  absl::StrAppend(out,
                  "\nPart 0: a seat for each party, owner tag:32 · phase in which it arrived "
                  "last:32. Tag 0: free; ",
                  barrier_seat::kDropped.bits(), ": given up.\n");
}

void describe_event(std::string* out) {
  absl::StrAppend(out, "\n## Event\n\n`zeroipc/event/core.h`.\n\n");
  using S = event_header<hardware>;
  table t(out, sizeof(S));
  ZEROIPC_FIELD_OF(geometry, "`structure_geometry`", "as above; `extra`: 1 manual, 2 automatic");
  ZEROIPC_FIELD(set, "1: it is set");
  ZEROIPC_FIELD_OF(changed, "`event_word`", "what those who wait sleep on");
  ZEROIPC_FIELD(sets, "counter: set while it was not");
  ZEROIPC_FIELD(waits, "counter: waits that found it not set");
}

void describe_latch(std::string* out) {
  absl::StrAppend(out, "\n## Latch\n\n`zeroipc/latch/core.h`.\n\n");
  {
    using S = latch_header<hardware>;
    table t(out, sizeof(S));
    ZEROIPC_FIELD_OF(geometry, "`structure_geometry`", "as above");
    ZEROIPC_FIELD(settled, "all arrivals before it are settled");
    ZEROIPC_FIELD(forfeited, "counter: arrivals promised by who died first");
    ZEROIPC_FIELD_OF(opened, "`event_word`", "what those who wait sleep on");
  }
  absl::StrAppend(out, "\nPart 0: 4 bytes for each arrival. 0: open; ", kArrived, ": arrived; ",
                  kForfeited, ": forfeited; else the tag of who has promised it.\n");
}

void describe_mutex(std::string* out) {
  absl::StrAppend(out, "\n## Mutex\n\n`zeroipc/mutex/core.h`.\n\n");
  using S = mutex_header<hardware>;
  table t(out, sizeof(S));
  ZEROIPC_FIELD_OF(geometry, "`structure_geometry`", "as above");
  ZEROIPC_FIELD_OF(lock, "`robust_lock`", "who has it");
  ZEROIPC_FIELD(suspect, "1: an owner died inside, and nothing was said since");
  ZEROIPC_FIELD(waits, "counter: locks that found it held");
  ZEROIPC_FIELD(deaths, "counter: owners that died inside");
}

void describe_once(std::string* out) {
  absl::StrAppend(out, "\n## Once\n\n`zeroipc/once/core.h`.\n\n");
  using S = once_header<hardware>;
  table t(out, sizeof(S));
  ZEROIPC_FIELD_OF(geometry, "`structure_geometry`", "as above");
  ZEROIPC_FIELD(done, "1: it has been run");
  ZEROIPC_FIELD_OF(finished, "`event_word`", "what those who only wait sleep on");
  ZEROIPC_FIELD_OF(runner, "`robust_lock`", "who runs it");
  ZEROIPC_FIELD(deaths, "counter: runs that ended with their process");
}

void describe_rwlock(std::string* out) {
  absl::StrAppend(out, "\n## Rwlock\n\n`zeroipc/rwlock/core.h`.\n\n");
  {
    using S = rwlock_header<hardware>;
    table t(out, sizeof(S));
    ZEROIPC_FIELD_OF(geometry, "`structure_geometry`", "as above; capacity: max_participants");
    ZEROIPC_FIELD_OF(writer, "`robust_lock`", "who writes, or waits for readers to leave");
    ZEROIPC_FIELD(writing, "1: the writer is inside");
    ZEROIPC_FIELD(suspect, "1: a writer died inside, and nothing was said since");
    ZEROIPC_FIELD(slots, "participants' slots that ever had a reader");
    ZEROIPC_FIELD_OF(drained, "`event_word`", "what the writer sleeps on");
    ZEROIPC_FIELD_OF(admitted, "`event_word`", "what readers sleep on");
    ZEROIPC_FIELD(waits, "counter: locks that waited");
    ZEROIPC_FIELD(deaths, "counter: writers that died inside");
  }
  absl::StrAppend(out,
                  "\nPart 0: a word for each slot, a cache line apart. Owner tag:32 · inside:12 · "
                  "waiting:10 · granted:10, from the top bit down.\n");
}

void describe_semaphore(std::string* out) {
  absl::StrAppend(out, "\n## Semaphore\n\n`zeroipc/semaphore/core.h`.\n\n");
  {
    using S = semaphore_header<hardware>;
    table t(out, sizeof(S));
    ZEROIPC_FIELD_OF(geometry, "`structure_geometry`", "as above");
    ZEROIPC_FIELD_OF(released, "`event_word`", "what those who wait for a permit sleep on");
    ZEROIPC_FIELD(waits, "counter: acquisitions that found none");
    ZEROIPC_FIELD(recovered, "counter: permits taken over from the dead");
  }
  absl::StrAppend(out, "\nPart 0: 4 bytes for each permit, its owner's tag; 0: free.\n");
}

}  // namespace

void describe_locks(std::string* out) {
  describe_barrier(out);
  describe_event(out);
  describe_latch(out);
  describe_mutex(out);
  describe_once(out);
  describe_rwlock(out);
  describe_semaphore(out);
}

}  // namespace zeroipc::format_doc
