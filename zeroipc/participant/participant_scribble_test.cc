// Property: while somebody overwrites the header, the table of participants, the thread records and the holds, processes
// join, ask who lives, announce deaths, take records and leave, and each of these ends.
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "testing/evidence/evidence.h"
#include "testing/harness/harness.h"
#include "testing/hostile/scribbler.h"
#include "zeroipc/participant/participant.h"
#include "zeroipc/participant/test_support.h"

namespace zeroipc::internal {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::scribble_plan;
using testing::scribbled_work;

void operate(const memory& mem, std::mt19937_64& random) {
  participant& self = self_of(mem);
  switch (random() % 9) {
    case 0:
      self.list();
      break;
    case 1:
      self.alone();
      break;
    case 2:
      self.notice_deaths();
      break;
    case 3:
      self.is_dead(owner_tag(static_cast<uint32_t>(random() % 10), 1));
      break;
    case 4:
      self.record();
      break;
    case 5:
      std::thread([&] { self.record(); }).join();
      break;
    case 6:
      self.for_each_record([&](const auto&, owner_tag owner) { self.is_dead(owner); });
      break;
    case 7:
      self.add_hold(static_cast<uint32_t>(random() % 64));
      self.anyone_holds(static_cast<uint32_t>(random() % 64));
      self.drop_hold(static_cast<uint32_t>(random() % 64));
      break;
    default:
      self.sleep(header_of(mem).membership_epoch, header_of(mem).membership_epoch,
                 self.death_epoch(), deadline::after(milliseconds(random() % 3)));
  }
}

TEST(ParticipantScribble, JoiningLookingAndLeavingEnd) {
  harness::unique_segment segment;
  memory mem(segment.name(), 1 << 20, {.max_participants = 8, .max_threads = 16, .max_names = 64});
  scribbled_work work(3, [&](int me, scribbled_work& w) {
    std::mt19937_64 random(static_cast<uint64_t>(me));
    w.ready(me);
    // The parent's handle is this process's membership too; joins and leaves go by another name for the same file.
    while (w.next()) {
      if (random() % 4 != 0) {
        operate(mem, random);
        continue;
      }
      harness::process other([&] {
        const absl::StatusOr<memory> joined = memory::open(segment.name());
        if (joined.ok()) operate(*joined, random);
      });
      if (random() % 2 != 0) other.kill();
      other.wait();
    }
  });
  const segment_geometry& g = mem.attachment()->geometry;
  auto* base = mem.attachment()->base;
  scribble_plan plan = {
      .regions = {{base, sizeof(segment_header)},
                  {base + offsetof(segment_header, death_epoch), sizeof(segment_header) - 128},
                  {base + g.participants_offset, 8 * sizeof(participant_slot)},
                  {base + g.participants_offset, 8 * sizeof(participant_slot)},
                  {base + g.threads_offset, 16 * sizeof(thread_record<hardware>)},
                  {base + g.holds_offset, 8 * 64}},
      .known = {0x4000'0000, 0x8000'0000, 8, 16, 9, 17}};
  for (uint32_t slot = 0; slot < 6; ++slot) {
    plan.known.push_back(owner_tag(slot, 1).bits());
    for (uint32_t state = 0; state < 4; ++state) {
      plan.known.push_back(participant_slot::pack(1, static_cast<slot_state>(state)));
    }
  }
  work.scribble_for(
      testing::quick_or_full<std::chrono::nanoseconds>(milliseconds(1500), seconds(120)), plan);
  EXPECT_TRUE(work.finish());
  for (const char* structure : {"participants", "segment"}) {
    testing::evidence(structure, testing::instrument::scribbler)
        .figure("rounds", work.rounds())
        .figure("words overwritten", work.words())
        .figure("operations", work.operations());
  }
}

}  // namespace
}  // namespace zeroipc::internal
