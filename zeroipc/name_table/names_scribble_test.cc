// Property: while somebody overwrites the words of the control plane (lock, journal, heap, names, buckets, holds, blocks),
// creating, opening, removing, listing and auditing end with an answer, and nobody crashes.
#include <gtest/gtest.h>

#include <chrono>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "testing/evidence/evidence.h"
#include "testing/harness/harness.h"
#include "testing/hostile/scribbler.h"
#include "zeroipc/heap/control_plane.h"
#include "zeroipc/name_table/audit.h"
#include "zeroipc/name_table/name_table.h"

namespace zeroipc::internal {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::scribble_plan;
using testing::scribbled_work;

const structure_type kRaw = {.what = kind::raw};

void operate(const memory& mem, std::mt19937_64& random, std::vector<structure>& held) {
  const std::string name = "n" + std::to_string(random() % 24);
  absl::StatusOr<structure> s = absl::NotFoundError("");
  switch (random() % 10) {
    case 0:
    case 1:
      s = create_structure(mem, name, kRaw, random() % 3000, uint64_t{1} << random() % 13,
                           [](void* p) { std::memset(p, 1, 1); });
      break;
    case 2:
      s = open_or_create_structure(mem, name, kRaw, 64, 64, [](void*) {});
      break;
    case 3:
    case 4:
      remove(mem, name).IgnoreError();
      break;
    case 5:
      find(mem, name).status().IgnoreError();
      break;
    case 6:
      list(mem, true);
      stats(mem);
      break;
    case 7:
      audit(mem).status().IgnoreError();
      break;
    case 8:
      held.clear();
      break;
    default:
      s = open_structure(mem, name, kRaw);
  }
  if (!s.ok()) return;
  // It may be any part of the heap, and what lies there is scribbled on in turn.
  ASSERT_GE(s->offset(), mem.attachment()->geometry.heap_offset);
  ASSERT_LE(s->offset() + s->bytes(), mem.size());
  std::memset(s->data(), 2, s->bytes());
  if (held.size() < 8) held.push_back(*std::move(s));
}

TEST(NamesScribble, EveryOperationEnds) {
  harness::unique_segment segment;
  memory mem(segment.name(), 1 << 20, {.max_participants = 8, .max_threads = 16, .max_names = 64});
  std::vector<structure> kept;
  for (int i = 0; i < 24; ++i) {
    kept.push_back(
        *create_structure(mem, "n" + std::to_string(i), kRaw, 200 + 50 * i, 64, [](void*) {}));
  }
  for (int i = 0; i < 24; i += 3) {
    if (i % 2 != 0) kept[static_cast<size_t>(i)] = structure();
    ASSERT_TRUE(remove(mem, "n" + std::to_string(i)).ok());
  }
  // A lock in the hands of the living, where the scribbler says so, is waited for this long.
  control_patience().store(2'000'000);

  scribbled_work work(3, [&](int me, scribbled_work& w) {
    std::mt19937_64 random(static_cast<uint64_t>(me));
    std::vector<structure> held;
    w.ready(me);
    while (w.next() && !::testing::Test::HasFailure()) operate(mem, random, held);
  });

  const segment_geometry& g = mem.attachment()->geometry;
  auto* base = mem.attachment()->base;
  auto* control = base + g.control_offset;
  scribble_plan plan = {
      .regions = {{control, 512},
                  {control + offsetof(control_block, heap), sizeof(heap_block)},
                  {control + offsetof(control_block, heap), 64 + 256},
                  {control + offsetof(control_block, names), 64 + 8},
                  {base + g.buckets_offset, 64 * kBucketBytes},
                  {base + g.names_offset, 30 * kNameEntryBytes},
                  {base + g.holds_offset, 5 * 64},
                  {base + g.heap_offset, 64 * 256}},
      .known = {g.size, g.heap_offset, g.names_offset, g.max_names, journal_block::kCommitted | 2,
                journal_block::kUndo, 64, uint64_t{1} << 32 | 3, 1, 2, 5, 6}};
  for (uint32_t slot = 0; slot < 5; ++slot) plan.known.push_back(owner_tag(slot, 1).bits());
  // Blocks of the first kilobytes: headers are at every line.
  work.scribble_for(
      testing::quick_or_full<std::chrono::nanoseconds>(milliseconds(2000), seconds(120)), plan);
  EXPECT_TRUE(work.finish());
  for (const char* structure : {"heap", "names"}) {
    testing::evidence(structure, testing::instrument::scribbler)
        .figure("rounds", work.rounds())
        .figure("words overwritten", work.words())
        .figure("operations", work.operations());
  }
}

}  // namespace
}  // namespace zeroipc::internal
