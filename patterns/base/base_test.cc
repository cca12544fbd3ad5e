#include <signal.h>
#include <unistd.h>

#include <utility>

#include "absl/status/status.h"
#include "gtest/gtest.h"
#include "patterns/base/counters.h"
#include "patterns/base/failure.h"
#include "patterns/base/health.h"
#include "patterns/base/look.h"
#include "patterns/base/process_id.h"
#include "patterns/base/roll.h"
#include "testing/harness/harness.h"
#include "zeroipc/segment/segment.h"

namespace zeroipc::patterns {
namespace {

enum class Event { kCalls, kTimeouts, kCount };
enum class OtherEvent { kOne, kTwo, kThree, kCount };

TEST(Counters, AreOfAllProcesses) {
  const harness::unique_segment segment;
  const memory mem(segment.name(), 1 << 20);
  const Counters<Event> counters(mem, "c");
  harness::process child([&] {
    const memory mem(segment.name());
    Counters<Event>(mem, "c").add(Event::kTimeouts, 3);
  });
  EXPECT_EQ(child.wait(), harness::exited(0));
  counters.add(Event::kTimeouts);
  EXPECT_EQ(counters.get(Event::kCalls), 0u);
  EXPECT_EQ(counters.get(Event::kTimeouts), 4u);
}

TEST(Counters, MayKeepTheHighest) {
  const harness::unique_segment segment;
  const Counters<Event> counters(memory(segment.name(), 1 << 20), "c");
  for (const uint64_t depth : {3, 7, 5}) counters.raise_to(Event::kCalls, depth);
  EXPECT_EQ(counters.get(Event::kCalls), 7u);
}

TEST(Counters, OfAnotherSizeAreAnError) {
  const harness::unique_segment segment;
  const memory mem(segment.name(), 1 << 20);
  const Counters<Event> counters(mem, "c");
  EXPECT_EQ(Counters<OtherEvent>::open_or_create(mem, "c").status().code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST(ProcessId, OutlivesItsProcess) {
  const harness::unique_segment segment;
  const memory mem(segment.name(), 1 << 20);
  struct meeting {
    harness::gate there;
    ProcessId who;
  };
  harness::shared_state<meeting> m;
  harness::process other([&] {
    m->who = this_process(memory(segment.name()));
    m->there.open();
    ::pause();
  });
  ASSERT_TRUE(m->there.wait());
  EXPECT_FALSE(is_dead(mem, m->who));
  EXPECT_FALSE(is_dead(mem, this_process(mem)));
  EXPECT_NE(m->who, this_process(mem));
  other.kill();
  other.wait();
  EXPECT_TRUE(is_dead(mem, m->who));
  EXPECT_TRUE(is_dead(mem, ProcessId())) << "nobody";
}

TEST(Roll, CountsThoseThatLive) {
  const harness::unique_segment segment;
  const memory mem(segment.name(), 1 << 20);
  const auto roll = Roll::open_or_create(mem, "r", 2);
  harness::shared_state<harness::gate> there;
  harness::process other([&] {
    const auto same = Roll::open_or_create(memory(segment.name()), "r", 2);
    const Roll::Seat seat = same->join();
    EXPECT_TRUE(seat);
    there->open();
    ::pause();
  });
  ASSERT_TRUE(there->wait());
  EXPECT_EQ(roll->living(), 1u);
  {
    Roll::Seat seat = roll->join();
    EXPECT_TRUE(seat);
    EXPECT_FALSE(roll->join()) << "both are taken";
    EXPECT_EQ(roll->living(), 2u);
    harness::process child([&] { seat.leave(); });
    EXPECT_EQ(child.wait(), harness::exited(0));
    EXPECT_EQ(roll->living(), 2u) << "it is not the child's";
  }
  EXPECT_EQ(roll->living(), 1u);
  other.kill();
  other.wait();
  EXPECT_EQ(roll->living(), 0u);
  Roll::Seat first = roll->join(), second = roll->join();
  EXPECT_TRUE(first && second) << "the dead one's, too";
  first = std::move(second);
  EXPECT_EQ(roll->living(), 1u);
  EXPECT_FALSE(Roll::open_or_create(mem, "r", 3).ok());
}

TEST(Failure, KeepsAStatus) {
  EXPECT_FALSE(Failure());
  EXPECT_EQ(Failure(absl::NotFoundError("nowhere")).status(), absl::NotFoundError("nowhere"));
}

TEST(AfterDeaths, LooksOnceForEach) {
  const harness::unique_segment segment;
  const memory mem(segment.name(), 1 << 20);
  enum class Memo { kDone, kAsked, kCount };
  const Counters<Memo> counters(mem, "c");
  int looks = 0;
  bool all = true;
  const auto look = [&] {
    return after_deaths(mem, counters, Memo::kDone, Memo::kAsked, [&] {
      ++looks;
      return all;
    });
  };
  counters.add(Memo::kAsked);
  EXPECT_TRUE(look());
  EXPECT_FALSE(look());
  harness::process other([&] {
    this_process(mem);  // from then on its death is told
    ::raise(SIGKILL);
  });
  other.wait();
  all = false;
  EXPECT_TRUE(harness::eventually(look));
  EXPECT_TRUE(look()) << "not all could be done";
  all = true;
  EXPECT_TRUE(look());
  EXPECT_FALSE(look());
  EXPECT_EQ(looks, 4);
}

TEST(Health, IsWellWithoutAReason) {
  EXPECT_TRUE(Health());
  EXPECT_FALSE((Health{false, "full"}));
}

}  // namespace
}  // namespace zeroipc::patterns
