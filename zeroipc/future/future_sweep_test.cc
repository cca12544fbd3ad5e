// Property: a process killed at any instruction of an operation leaves a future that is settled, whole, or can be settled; a
// promise that it had made is broken, and one that it had not is not. So does the next one, killed at any instruction of its own.
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "testing/harness/harness.h"
#include "testing/kill_sweep/blocked_kill.h"
#include "testing/kill_sweep/structure_sweep.h"
#include "zeroipc/future/future.h"
#include "zeroipc/future/half_set.h"

namespace zeroipc {
namespace {

using testing::moment;

constexpr std::chrono::hours kLong(1);

struct pair {
  uint64_t a, b;
  static pair of(uint64_t x) { return {x, ~x}; }
  bool whole() const { return b == ~a; }
};

struct rig {
  memory mem = testing::small_memory();
  future<pair> f{mem, "f"};
};

TEST(FutureSweep, AnyInstructionMayBeTheLast) {
  testing::structure_sweep<rig> sweep("future");
  sweep.operation("set_value", [](rig& r) { r.f.set_value(pair::of(1)); });
  sweep.operation("set_value_for",
                  [](rig& r) { r.f.set_value_for(pair::of(1), std::chrono::hours(1)); });
  sweep.operation("set_error", [](rig& r) { r.f.set_error("an error", 1); });
  sweep.operation("claim, set_value", [](rig& r) {
    promise<pair> p = r.f.claim();
    p.set_value(pair::of(1));
  });
  sweep.operation("claim, set_error", [](rig& r) {
    promise<pair> p = r.f.claim();
    p.set_error("an error", 1);
  });
  sweep.operation("claim, release", [](rig& r) {
    promise<pair> p = r.f.claim();
    p.release();
  });
  sweep.operation("claim, drop", [](rig& r) { promise<pair> p = r.f.claim(); });
  sweep.recoverer([](const memory& copy) {
    return [f = future<pair>(copy, "f")]() mutable {
      f.try_get();
      f.set_value(pair::of(2));
    };
  });
  sweep.recoverer([](const memory& copy) {
    return [f = future<pair>(copy, "f")]() mutable {
      promise<pair> p = f.claim();
      p.set_value(pair::of(3));
    };
  });
  sweep.run([](const memory& copy, const std::string& operation, const moment& at) {
    future<pair> f(copy, "f");
    const bool claims = operation.starts_with("claim");
    pair x{};
    outcome found = f.try_get(x);
    if (found) {
      EXPECT_TRUE(x.whole());
    }
    if (found == outcome::failed) {
      EXPECT_EQ(f.error()->message, "an error");
      EXPECT_EQ(f.error()->code, 1);
    }
    if (at.returned) {
      if (operation == "claim, drop") {
        EXPECT_EQ(found, outcome::broken);
      } else if (operation == "claim, release") {
        EXPECT_TRUE(found == outcome::empty || at.second >= 0);
      } else if (operation.ends_with("set_error")) {
        EXPECT_EQ(found, outcome::failed) << "an error that was acknowledged is lost";
      } else {
        EXPECT_TRUE(found) << "a value that was acknowledged is lost";
        EXPECT_EQ(x.a, 1u);
      }
    }
    // A recoverer may have claimed it too.
    if (!claims && at.second < 0) {
      EXPECT_NE(found, outcome::broken) << "broken, and nobody had promised";
    }
    if (found == outcome::broken) {
      EXPECT_TRUE(f.error()->broken_promise);
    }
    const outcome set = f.set_value(pair::of(4));
    EXPECT_EQ(set, found == outcome::empty    ? outcome::ok
                   : found == outcome::broken ? outcome::broken
                                              : outcome::exists);
    if (set) {
      EXPECT_EQ(f.get().a, 4u);
    }
    EXPECT_TRUE(f.ready());
  });
}

// Somebody else has claimed it, and does as told: keeps it, drops it, or dies of it.
struct claimed_rig : rig {
  harness::shared_state<harness::gate> keep, drop;
  std::unique_ptr<harness::process> claimant;
  std::unique_ptr<testing::half_set<pair>> setter;
  void claim_elsewhere() {
    harness::shared_state<harness::gate> claimed;
    claimant = std::make_unique<harness::process>([&] {
      promise<pair> p = f.claim();
      claimed->open();
      while (!keep->is_open() && !drop->is_open()) ::usleep(100);
      if (keep->is_open()) {
        EXPECT_TRUE(p.set_value(pair::of(1)));
      }
    });
    EXPECT_TRUE(claimed->wait());
  }
};

TEST(FutureSweep, WhoWaitsBesideOneThatDiesIsServed) {
  testing::blocked_kill<claimed_rig> kills("future");
  const auto set = [](claimed_rig& r) { EXPECT_TRUE(r.f.set_value(pair::of(1))); };
  const auto fail = [](claimed_rig& r) { EXPECT_TRUE(r.f.set_error("no")); };
  const auto claim = [](claimed_rig& r) { r.claim_elsewhere(); };
  const auto die = [](claimed_rig& r) { r.claimant->kill(); };
  const auto get = [](claimed_rig& r) {
    pair x{};
    EXPECT_TRUE(r.f.get(x));
    EXPECT_EQ(x.a, 1u);
  };
  kills.operation("get", {.wait = get, .serve = set});
  kills.operation("get_for",
                  {.wait = [](claimed_rig& r) { EXPECT_TRUE(r.f.get_for(kLong)); }, .serve = set});
  kills.operation("wait", {.wait = [](claimed_rig& r) { EXPECT_EQ(r.f.wait(), outcome::failed); },
                           .serve = fail});
  kills.operation("wait_for",
                  {.wait = [](claimed_rig& r) { EXPECT_TRUE(r.f.wait_for(kLong)); }, .serve = set});
  kills.operation("get, of a promise that is kept",
                  {.prepare = claim, .wait = get, .serve = [](claimed_rig& r) { r.keep->open(); }});
  const auto is_broken = [](claimed_rig& r) { EXPECT_EQ(r.f.wait(), outcome::broken); };
  kills.operation(
      "get, of a promise that is dropped",
      {.prepare = claim, .wait = is_broken, .serve = [](claimed_rig& r) { r.drop->open(); }});
  kills.operation("get, of a promise whose process dies",
                  {.prepare = claim, .wait = is_broken, .serve = die});
  // Beside another who is setting it, and goes on or dies. The two who wait do the same; whoever of them is first sets it.
  const auto begin = [](claimed_rig& r) {
    r.setter = std::make_unique<testing::half_set<pair>>(r.mem, r.f, pair::of(1));
  };
  const auto go_on = [](claimed_rig& r) { r.setter->go_on(); };
  const auto set_too = [](claimed_rig& r) {
    EXPECT_EQ(r.f.set_value(pair::of(2)), outcome::exists);
  };
  const auto set_instead = [](claimed_rig& r) {
    const outcome o = r.f.set_value_for(pair::of(2), kLong);
    EXPECT_TRUE(o || o == outcome::exists);
    EXPECT_EQ(r.f.get().a, 2u);
  };
  kills.operation("set_value", {.prepare = begin, .wait = set_too, .serve = go_on});
  kills.operation("set_error",
                  {.prepare = begin,
                   .wait = [](claimed_rig& r) { EXPECT_EQ(r.f.set_error("no"), outcome::exists); },
                   .serve = go_on});
  kills.operation(
      "set_value_for, taken over from the dead",
      {.prepare = begin, .wait = set_instead, .serve = [](claimed_rig& r) { r.setter->kill(); }});
  kills.operation(
      "set_error_for",
      {.prepare = begin,
       .wait = [](claimed_rig& r) { EXPECT_EQ(r.f.set_error_for(kLong, "no"), outcome::exists); },
       .serve = go_on});
  kills.run();
}

}  // namespace
}  // namespace zeroipc
