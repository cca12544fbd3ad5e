#include <unistd.h>

#include "absl/status/status.h"
#include "gtest/gtest.h"
#include "patterns/base/counters.h"
#include "patterns/base/health.h"
#include "patterns/base/process_id.h"
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

TEST(Health, IsWellWithoutAReason) {
  EXPECT_TRUE(Health());
  EXPECT_FALSE((Health{false, "full"}));
}

}  // namespace
}  // namespace zeroipc::patterns
