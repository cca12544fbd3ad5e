// Property: who waits for a lazy value beside one that is killed asleep, or just woken, is served; and so is who asks, if one of the
// providers that wait for demand is.
#include <gtest/gtest.h>

#include <chrono>
#include <memory>

#include "testing/harness/harness.h"
#include "testing/kill_sweep/blocked_kill.h"
#include "testing/kill_sweep/structure_sweep.h"
#include "zeroipc/lazy/lazy.h"

namespace zeroipc {
namespace {

struct rig {
  memory mem = testing::small_memory();
  lazy<int> l{mem, "l"};
  harness::shared_state<harness::gate> done;
  std::unique_ptr<harness::process> provider;
  // A provider in a process of its own that never comes to an end.
  void hang_elsewhere() {
    harness::shared_state<harness::gate> runs;
    provider = std::make_unique<harness::process>([&] {
      l.set_computation([&] {
        runs->open();
        EXPECT_TRUE(done->wait());
        return 1;
      });
      EXPECT_TRUE(done->wait());
    });
    l.refresh();
    EXPECT_TRUE(runs->wait());
  }
};

TEST(LazyBlockedKill, WhoWaitsBesideOneThatDiesIsServed) {
  constexpr std::chrono::hours kLong(1);
  testing::blocked_kill<rig> kills("lazy");
  const auto get = [](rig& r) { EXPECT_EQ(r.l.get(), 2); };
  const auto have_come = [](rig& r, uint64_t n) { return r.l.stats().waits >= n; };
  const auto compute = [](rig& r) { EXPECT_TRUE(r.l.set_computation([] { return 2; })); };
  kills.operation("get", {.wait = get, .serve = compute, .have_come = have_come});
  kills.operation("get, answered", {.wait =
                                        [](rig& r) {
                                          int x = 0;
                                          EXPECT_TRUE(r.l.get(x));
                                        },
                                    .serve = compute,
                                    .have_come = have_come});
  kills.operation("get_versioned", {.wait = [](rig& r) { EXPECT_EQ(r.l.get_versioned().value, 2); },
                                    .serve = compute,
                                    .have_come = have_come});
  kills.operation("get_for", {.wait = [](rig& r) { EXPECT_EQ(r.l.get_for(kLong), 2); },
                              .serve = compute,
                              .have_come = have_come});
  kills.operation("get, invalidated while it is computed",
                  {.prepare = [](rig& r) { r.hang_elsewhere(); },
                   .wait =
                       [](rig& r) {
                         int x = 0;
                         EXPECT_TRUE(r.l.get(x));
                       },
                   .serve =
                       [](rig& r) {
                         r.l.invalidate();
                         r.done->open();
                         EXPECT_TRUE(r.l.set_computation([] { return 2; }));
                       },
                   .have_come = have_come});
  kills.operation("get, given up on who computes", {.prepare = [](rig& r) { r.hang_elsewhere(); },
                                                    .wait = get,
                                                    .serve =
                                                        [compute](rig& r) {
                                                          compute(r);
                                                          EXPECT_TRUE(r.l.take_over());
                                                        },
                                                    .have_come = have_come});
  kills.operation("get, taken over from the dead", {.prepare = [](rig& r) { r.hang_elsewhere(); },
                                                    .wait = get,
                                                    .serve =
                                                        [compute](rig& r) {
                                                          compute(r);
                                                          r.provider->kill();
                                                        },
                                                    .have_come = have_come});
  // Both are providers, and sleep until somebody asks; the gate says that one was asked.
  kills.operation("a provider's wait for demand",
                  {.wait =
                       [](rig& r) {
                         EXPECT_TRUE(r.l.set_computation([&] {
                           r.done->open();
                           return 2;
                         }));
                         EXPECT_TRUE(r.done->wait());
                       },
                   .serve = [](rig& r) { r.l.refresh(); },
                   .have_come = [](rig& r, uint64_t n) { return r.l.stats().providers >= n; }});
  kills.run();
}

}  // namespace
}  // namespace zeroipc
