// The chaos does what it says, and a workload that loses something is found out.
#include "testing/chaos/chaos.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>

namespace zeroipc::chaos {
namespace {

using harness::shared_state;

struct counters {
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> turns{0}, starts{0};
};

TEST(Chaos, EverythingHappensAndEverybodyEnds) {
  shared_state<counters> c;
  chaos all({.workers = 3, .seed = 5}, [&](int) {
    c->starts.fetch_add(1);
    while (!c->stop) {
      ::usleep(100);
      c->turns.fetch_add(1);
    }
  });
  all.run_for(std::chrono::milliseconds(1500));
  c->stop = true;
  EXPECT_TRUE(all.finish());
  EXPECT_GT(all.so_far().kills, 5u) << all.so_far().text();
  EXPECT_GT(all.so_far().stops, 0u);
  EXPECT_GT(all.so_far().interruptions, 0u);
  EXPECT_GT(all.so_far().starved_ms, 0u);
  EXPECT_GT(c->turns, 0u);
}

TEST(Chaos, LowLimitsAreLowAndEnd) {
  int before[64], n = 0;
  {
    low_limits few(2);
    while (n < 64 && (before[n] = ::dup(2)) >= 0) ++n;
    EXPECT_LE(n, 2);
  }
  for (int i = 0; i < n; ++i) ::close(before[i]);
  const int again = ::dup(2);
  EXPECT_GE(again, 0);
  ::close(again);
}

}  // namespace
}  // namespace zeroipc::chaos
