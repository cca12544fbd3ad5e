// A process is killed at every instruction of creating, opening, closing and removing. The
// survivors find a name that is there or is not, never anything in between; what was acknowledged
// is there; what was seen stays; no byte is lost.
#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "testing/evidence/evidence.h"
#include "testing/kill_sweep/segment_sweep.h"
#include "zeroipc/heap/heap.h"
#include "zeroipc/name_table/audit.h"
#include "zeroipc/name_table/lookup.h"
#include "zeroipc/name_table/name_table.h"

namespace zeroipc::internal {
namespace {

using zeroipc::testing::evidence;
using zeroipc::testing::instrument;
using zeroipc::testing::kill_result;
using zeroipc::testing::moment;
using zeroipc::testing::quick_or_full;
using zeroipc::testing::segment_sweep;

const structure_type kRaw = {.what = kind::raw};
constexpr memory_options kSmall = {.max_participants = 16, .max_threads = 64, .max_names = 16};
// A sanitizer multiplies the instructions.
#if defined(__SANITIZE_THREAD__)
constexpr int kQuickKills = 3;
constexpr long kQuickStride = 400, kQuickSecondStride = 60, kQuickFirst = 40;
#elif defined(__SANITIZE_ADDRESS__)
constexpr int kQuickKills = 3;
constexpr long kQuickStride = 400, kQuickSecondStride = 40, kQuickFirst = 10;
#else
constexpr int kQuickKills = 12;
constexpr long kQuickStride = 60, kQuickSecondStride = 11, kQuickFirst = 1;
#endif

absl::Status create(const memory& mem, std::string_view name, uint64_t bytes = 300,
                    uint64_t align = 256) {
  return create_structure(mem, name, kRaw, bytes, align, [](void* p) { std::memset(p, 7, 256); })
      .status();
}

class KillTest : public ::testing::Test {
 protected:
  KillTest() : mem_(*memory::create_anonymous(512 << 10, kSmall)) {
    // Some history: chains of more than one entry, and free blocks out of whose middle "x" is cut, so
    // that there is something to split before and behind it, and to merge.
    for (int i = 0; i < 10; ++i) {
      EXPECT_TRUE(create(mem_, "n" + std::to_string(i), 700 + 100 * i, 64).ok());
    }
    // And removed structures that are still held, on both sides of one that is not any more.
    for (const char* name : {"n1", "n3", "n7"}) kept_.push_back(*open_structure(mem_, name, kRaw));
    for (int i = 1; i < 10; i += 2) EXPECT_TRUE(remove(mem_, "n" + std::to_string(i)).ok());
    kept_.erase(kept_.begin() + 1);
  }

  // What a survivor can tell: whether "x" is there. Fails the test unless all is well.
  bool Judge(const memory& mem, const moment& at, bool all_dead) {
    const bool seen =
        name_view(*mem.attachment()).find(name_key("x")).result == lookup_result::found;
    // Asked before anybody repairs anything; read-only looks and opens of others do the same.
    const bool found = find(mem, "x").ok();
    absl::StatusOr<audit_report> report = audit(mem);
    EXPECT_TRUE(report.ok()) << at.text() << ": " << report.status();
    if (!report.ok()) return false;
    EXPECT_TRUE(report->status.ok()) << at.text() << ": " << report->status;
    if (all_dead) {
      EXPECT_EQ(report->removed, 0u) << at.text() << ": kept for the dead";
    }
    const bool there = find(mem, "x").ok();
    const bool other = find(mem, "y").ok();
    EXPECT_EQ(report->names, 5u + there + other) << at.text();
    if (other) {
      EXPECT_TRUE(remove(mem, "y").ok()) << at.text();
    }
    // A creation that was visible is never taken back (a removal that was decided may still be
    // completed), and one that was said not to be there does not appear later.
    if (seen && !removing_) {
      EXPECT_TRUE(there) << at.text() << ": seen and then taken back";
    }
    if (!found) {
      EXPECT_FALSE(there) << at.text() << ": missing and then there";
    }
    // Life goes on under that name.
    if (there) {
      absl::StatusOr<structure> s = open_structure(mem, "x", kRaw);
      EXPECT_TRUE(s.ok()) << at.text() << ": " << s.status();
      if (s.ok()) {
        EXPECT_EQ(static_cast<char*>(s->data())[255], 7) << at.text();
      }
      s = absl::UnknownError("closed");
      EXPECT_TRUE(remove(mem, "x").ok()) << at.text();
    }
    EXPECT_TRUE(create(mem, "x").ok()) << at.text();
    EXPECT_TRUE(remove(mem, "x").ok()) << at.text();
    return there;
  }

  // Sweeps `operation`, which runs in a child. `before`: whether "x" is there as it starts;
  // `after`: as it has returned.
  void Sweep(const std::function<void()>& operation, bool before, bool after) {
    removing_ = before && !after;
    bool changed = false;
    const uint64_t used = stats(mem_).used;
    segment_sweep once(mem_);
    once.every_instruction(
        operation,
        [&](const memory& copy, const moment& at) {
          const bool there = Judge(copy, at, true);
          if (there == after && before != after) changed = true;
          if (at.first == 0) {
            EXPECT_EQ(there, before);
          }
          if (changed || at.returned) {
            EXPECT_EQ(there, after) << at.text() << (at.returned ? ": acknowledged" : ": decided");
          } else {
            EXPECT_EQ(there, before) << at.text();
          }
          ExpectAllComesBack(copy, at);
        },
        quick_or_full(kQuickFirst, 1L));

    // And the one who puts it in order may die of it.
    Restore(before);
    segment_sweep twice(mem_);
    twice.recoverer_too(
        operation, [](const memory& copy) { return [&copy] { audit(copy).IgnoreError(); }; },
        [&](const memory& copy, const moment& at) {
          const bool there = Judge(copy, at, true);
          if (at.returned) {
            EXPECT_EQ(there, after) << at.text();
          }
          ExpectAllComesBack(copy, at);
        },
        {.first = 1,
         .stride = quick_or_full(kQuickStride, 1L),
         .second_stride = quick_or_full(kQuickSecondStride, 1L)});

    // And with real kills, for survivors that were there all along and hold what they hold; where it can make a difference.
    Restore(before);
    const std::vector<long> points = once.turning_points(operation);
    Restore(before);
    ASSERT_EQ(stats(mem_).used, used);
    const int kills = quick_or_full(kQuickKills, static_cast<int>(points.size()) - 1);
    for (int i = 0; i <= kills; ++i) {
      const moment at{
          .first =
              points[(points.size() - 1) * static_cast<size_t>(i) / static_cast<size_t>(kills)]};
      const kill_result killed = once.kill_after(at.first, operation);
      ASSERT_FALSE(killed.broken) << at.text();
      const bool there = Judge(mem_, at, false);
      if (killed.returned) {
        EXPECT_EQ(there, after) << at.text();
      }
      Restore(before);
      EXPECT_EQ(stats(mem_).used, used) << at.text() << ": bytes lost";
      if (HasFailure()) return;
    }
    for (const char* structure : {"names", "heap"}) {
      evidence(structure, instrument::kill_sweep)
          .figure("operations", 1)
          .figure("instructions", static_cast<uint64_t>(once.instructions()))
          .figure("crash states", static_cast<uint64_t>(once.states()))
          .figure("kills beside survivors", static_cast<uint64_t>(kills) + 1);
      evidence(structure, instrument::double_kill)
          .figure("pairs of deaths", static_cast<uint64_t>(twice.states()));
    }
  }

  void ExpectAllComesBack(const memory& copy, const moment& at) {
    for (int i = 0; i < 10; i += 2) EXPECT_TRUE(remove(copy, "n" + std::to_string(i)).ok());
    EXPECT_EQ(stats(copy).used, 0u) << at.text() << ": bytes lost";
  }

  void Restore(bool with_x) {
    absl::Status gone = remove(mem_, "x");
    EXPECT_TRUE(gone.ok() || absl::IsNotFound(gone)) << gone;
    if (with_x) {
      EXPECT_TRUE(create(mem_, "x").ok());
    }
    EXPECT_TRUE(audit(mem_)->status.ok());
  }

  memory mem_;
  std::vector<structure> kept_;
  bool removing_ = false;
};

TEST_F(KillTest, Create) {
  Sweep([&] { create(mem_, "x").IgnoreError(); }, false, true);
}

TEST_F(KillTest, OpenAndClose) {
  ASSERT_TRUE(create(mem_, "x").ok());
  Sweep([&] { open_structure(mem_, "x", kRaw).IgnoreError(); }, true, true);
}

TEST_F(KillTest, Remove) {
  ASSERT_TRUE(create(mem_, "x").ok());
  Sweep([&] { remove(mem_, "x").IgnoreError(); }, true, false);
}

TEST_F(KillTest, RemoveWhatOneHolds) {
  // The last handle frees, in the middle of a chain of events that may stop anywhere.
  ASSERT_TRUE(create(mem_, "x").ok());
  Sweep(
      [&] {
        absl::StatusOr<structure> s = open_structure(mem_, "x", kRaw);
        remove(mem_, "x").IgnoreError();
      },
      true, false);
}

TEST_F(KillTest, LetGoOfWhatWasRemovedBetweenOthers) {
  // "x" is freed out of the middle of the list of removed entries.
  ASSERT_TRUE(create(mem_, "x").ok());
  Sweep(
      [&] {
        absl::StatusOr<structure> x = open_structure(mem_, "x", kRaw);
        absl::StatusOr<structure> y =
            create_structure(mem_, "y", kRaw, 300, 256, [](void* p) { std::memset(p, 7, 256); });
        remove(mem_, "x").IgnoreError();
        remove(mem_, "y").IgnoreError();
        x = absl::UnknownError("closed");
      },
      true, false);
}

TEST_F(KillTest, OpenOrCreate) {
  Sweep(
      [&] {
        open_or_create_structure(mem_, "x", kRaw, 20'000, 64, [](void* p) {
          std::memset(p, 7, 256);
        }).IgnoreError();
      },
      false, true);
}

}  // namespace
}  // namespace zeroipc::internal
