// Property: a process killed at any instruction of joining, leaving, forking, taking a thread record or holding a
// structure leaves nothing that looks alive, and nothing that cannot be used again.
//
// The kernel holds part of the state (locks, robust futexes), so each kill is a real one, at every turning point of the
// operation: each change of shared memory and each system call, and right before it.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>

#include "testing/evidence/evidence.h"
#include "testing/harness/harness.h"
#include "testing/kill_sweep/kill_sweep.h"
#include "zeroipc/participant/test_support.h"

namespace zeroipc::internal {
namespace {

using harness::eventually;
using harness::exited;
using harness::process;
using harness::unique_segment;
using zeroipc::testing::evidence;
using zeroipc::testing::find_turning_points;
using zeroipc::testing::instrument;
using zeroipc::testing::kill_after;
using zeroipc::testing::turning_points;

// Of the turning points, one in so many is tried where there is no time for all.
#if defined(__SANITIZE_THREAD__)
constexpr size_t kQuickStride = 40;
#elif defined(__SANITIZE_ADDRESS__)
constexpr size_t kQuickStride = 16;
#else
constexpr size_t kQuickStride = 5;
#endif

class ParticipantSweep : public ::testing::Test {
 protected:
  // All but the heap.
  std::span<const std::byte> watched() const {
    return {mem_.attachment()->base, mem_.attachment()->geometry.heap_offset};
  }

  // `prepare` runs in the victim before the operation.
  void Sweep(const char* what, const std::function<void()>& prepare,
             const std::function<void()>& operation) {
    const turning_points points = find_turning_points(watched(), operation, prepare);
    ASSERT_FALSE(points.broken) << what << " after " << points.steps;
    ASSERT_GE(points.at.size(), 2u) << what;
    const size_t stride = zeroipc::testing::quick_or_full(kQuickStride, size_t{1});
    uint64_t kills = 0;
    for (size_t i = turn_++ % stride; i < points.at.size(); i += stride, ++kills) {
      SCOPED_TRACE(std::string(what) + ", killed after " + std::to_string(points.at[i]) + " of " +
                   std::to_string(points.steps));
      ASSERT_FALSE(kill_after(points.at[i], operation, prepare).broken);
      Judge();
      if (HasFailure()) return;
    }
    std::printf("[          ] %s: %ld instructions, %zu turning points, %lu kills\n", what,
                points.steps, points.at.size(), static_cast<unsigned long>(kills));
    evidence("participants", instrument::kill_sweep)
        .figure("operations", 1)
        .figure("instructions", static_cast<uint64_t>(points.steps))
        .figure("crash states", points.at.size())
        .figure("kills", kills);
  }

  void Judge() {
    // Nobody but us is alive, and the dead hold nothing.
    // (What a victim has forked ends by itself.)
    EXPECT_TRUE(eventually([&] { return self_of(mem_).alone(); })) << Everybody();
    EXPECT_FALSE(self_of(mem_).anyone_holds(3)) << "the dead still hold something";
    // A newcomer gets all that there is: a place, a record, a hold, a fence, a child.
    process next([&] {
      participant& self = self_of(mem_);
      EXPECT_TRUE(self.self());
      EXPECT_NE(self.record(), nullptr);
      self.add_hold(3);
      EXPECT_TRUE(self.drop_hold(3));
      self.heavy_fence();
      process child([&] { EXPECT_TRUE(self.self()); });
      EXPECT_EQ(child.wait(), exited(0));
    });
    EXPECT_EQ(next.wait(), exited(0));
    // The death has been told of: at once if the victim could have claimed anything, at the latest when somebody came.
    EXPECT_TRUE(eventually([&] {
      for (uint32_t i = 0; i < header_of(mem_).participants_high_water; ++i) {
        if (i == self_of(mem_).tag().slot()) continue;
        const slot_state state = state_of_slot(mem_, i);
        if (state != slot_state::free && state != slot_state::dead) return false;
      }
      return true;
    })) << "a death was never announced:"
        << Everybody();
    // And what was left is used again: nothing leaks.
    EXPECT_LE(header_of(mem_).participants_high_water, 12u);
    EXPECT_LE(header_of(mem_).threads_high_water, 12u);
  }

  std::string Everybody() {
    std::string all;
    for (uint32_t i = 0; i < header_of(mem_).participants_high_water; ++i) {
      const participant_slot& slot = slot_of(mem_, i);
      const owner_tag tag(i, participant_slot::generation_of(slot.state));
      all += "\n  slot " + std::to_string(i) + ": state " +
             std::to_string(static_cast<int>(state_of_slot(mem_, i))) + ", pid " +
             std::to_string(slot.pid) + ", pulse " + std::to_string(slot.pulse) +
             (tag == self_of(mem_).tag()   ? ", this process"
              : self_of(mem_).is_dead(tag) ? ", dead"
                                           : ", alive");
    }
    return all;
  }

  unique_segment name_;
  memory mem_{name_.name(), 1 << 20};
  // Another segment, for a victim that is to have no part in this one yet.
  memory elsewhere_ = *memory::create_anonymous(1 << 20);
  size_t turn_ = 0;
};

TEST_F(ParticipantSweep, Joining) {
  Sweep(
      "join", [&] { mem_ = elsewhere_; }, [&] { memory m(name_.name()); });
}

TEST_F(ParticipantSweep, Leaving) {
  Sweep(
      "leave", [&] { self_of(mem_).record(); }, [&] { mem_ = elsewhere_; });
}

TEST_F(ParticipantSweep, ForkedChildrenAndTheirFirstSteps) {
  Sweep(
      "fork", [] {},
      [&] {
        const pid_t child = ::fork();
        if (child == 0) {
          self_of(mem_).self();
          ::_exit(0);
        }
        ::waitpid(child, nullptr, 0);
      });
  Sweep(
      "first step of a child", [] {}, [&] { self_of(mem_).self(); });
}

TEST_F(ParticipantSweep, ThreadRecordsAndHolds) {
  Sweep(
      "take a record", [] {}, [&] { self_of(mem_).record(); });
  Sweep(
      "hold and let go", [] {},
      [&] {
        self_of(mem_).add_hold(3);
        self_of(mem_).drop_hold(3);
      });
}

TEST_F(ParticipantSweep, NoticingTheDeathOfAnother) {
  Sweep(
      "notice a death",
      [&] {
        // Somebody who has died and has not been told of, as if nobody had looked.
        process other([&] {
          self_of(mem_).self();
          ::raise(SIGKILL);
        });
        other.wait();
      },
      [&] { self_of(mem_).notice_deaths(); });
}

}  // namespace
}  // namespace zeroipc::internal
