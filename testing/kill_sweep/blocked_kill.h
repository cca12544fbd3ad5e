// Kills processes that sleep in a structure's blocking operations, or were woken and have not run since.
//
// A system call is one step to a kill sweep, so what happens inside futex(2) needs this. Two processes wait for the same; the one
// that began first is killed, and what they wait for comes, once: the other one has to get it.
//
//   struct rig {                                   // made anew for each kill
//     memory mem = small_memory();
//     semaphore s{mem, "s", 1};
//   };
//   blocked_kill<rig> kills("semaphore");
//   kills.operation("acquire", {.prepare = [](rig& r) { EXPECT_TRUE(r.s.acquire()); },       // so that it has to wait
//                               .wait = [](rig& r) { EXPECT_TRUE(r.s.acquire()); },          // what both do
//                               .serve = [](rig& r) { EXPECT_TRUE(r.s.release()); }});       // what lets one go on
//   kills.run();
#ifndef ZEROIPC_TESTING_KILL_SWEEP_BLOCKED_KILL_H_
#define ZEROIPC_TESTING_KILL_SWEEP_BLOCKED_KILL_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "testing/evidence/evidence.h"
#include "testing/harness/harness.h"
#include "testing/kill_sweep/one_processor.h"

namespace zeroipc::testing {

template <typename Rig>
struct blocking_operation {
  std::function<void(Rig&)> prepare = [](Rig&) {};
  std::function<void(Rig&)> wait;
  std::function<void(Rig&)> serve;
  // Whether so many have done what stays of them if they die: they may be seen asleep before.
  std::function<bool(Rig&, uint64_t)> have_come = [](Rig&, uint64_t) { return true; };
  // Whether the dead one may have used up what the other waits for, as one that pops does: then there is more of it.
  std::function<bool(Rig&)> is_used_up = [](Rig&) { return false; };
};

template <typename Rig>
class blocked_kill {
 public:
  explicit blocked_kill(std::string_view structure) : structure_(structure) {}

  void operation(std::string name, blocking_operation<Rig> how) {
    operations_.emplace_back(std::move(name), std::move(how));
  }

  void run() const {
    const uint64_t rounds = quick_or_full<uint64_t>(2, 20);
    uint64_t kills = 0;
    for (const auto& [name, how] : operations_) {
      for (const bool woken : {false, true}) {
        SCOPED_TRACE(name + (woken ? ", killed when woken" : ", killed asleep"));
        for (uint64_t i = 0; i < rounds && !::testing::Test::HasFailure(); ++i, ++kills) {
          kill(how, woken);
        }
      }
    }
    evidence(structure_, instrument::blocked_kill)
        .figure("operations", operations_.size())
        .figure("kills", kills);
  }

 private:
  static void kill(const blocking_operation<Rig>& how, bool woken) {
    Rig rig;
    how.prepare(rig);
    harness::process victim([&] {
      share_a_processor(true);
      how.wait(rig);
    });
    ASSERT_TRUE(harness::eventually([&] { return how.have_come(rig, 1); }));
    ASSERT_TRUE(harness::wait_until_asleep(victim.pid()));
    harness::process other([&] { how.wait(rig); });
    ASSERT_TRUE(harness::eventually([&] { return how.have_come(rig, 2); }));
    ASSERT_TRUE(harness::wait_until_asleep(other.pid()));
    if (woken) {
      // What is woken on the processor of its waker, and is less urgent, does not run before it is killed, as a rule.
      const one_processor here;
      how.serve(rig);
      victim.kill();
    } else {
      victim.kill();
      victim.wait();
      how.serve(rig);
    }
    victim.wait();
    ASSERT_TRUE(harness::eventually([&] {
      if (other.poll() != harness::still_running()) return true;
      if (how.is_used_up(rig)) how.serve(rig);
      return false;
    })) << "what is there is not taken: a wake-up is lost";
    EXPECT_EQ(other.wait(), harness::exited(0));
  }

  std::string structure_;
  std::vector<std::pair<std::string, blocking_operation<Rig>>> operations_;
};

}  // namespace zeroipc::testing

#endif  // ZEROIPC_TESTING_KILL_SWEEP_BLOCKED_KILL_H_
