// Property: a process that is killed while it sleeps in a blocking operation, or after it was woken and before it has
// looked, leaves nothing behind, and whoever else waits is served.
//
// A system call is one step to a kill sweep, so what happens inside futex(2) needs this test.
#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "testing/evidence/evidence.h"
#include "testing/harness/harness.h"
#include "testing/kill_sweep/one_processor.h"
#include "zeroipc/queue/queue_rig.h"

namespace zeroipc::internal {
namespace {

using harness::eventually;
using harness::exited;
using harness::killed_by;
using harness::process;
using harness::shared_state;
using harness::wait_until_asleep;
using zeroipc::testing::evidence;
using zeroipc::testing::instrument;
using zeroipc::testing::share_a_processor;

constexpr uint64_t kMostRounds = 6;  // of each operation and each way to die

template <typename Policy>
struct blocking_operation {
  using Q = queue<numbered, Policy>;

  const char* name;
  bool pushes;
  bool leases_out = false;  // it waits for a lease entry, not for an item
  std::function<void(Q&)> run;
};

template <typename Policy>
std::vector<blocking_operation<Policy>> blocking_operations() {
  using Q = queue<numbered, Policy>;
  return {
      {"push", true, false, [](Q& q) { EXPECT_TRUE(q.push(kThree[0])); }},
      {"push_for", true, false, [](Q& q) { EXPECT_TRUE(q.push_for(kThree[0], kAWhile)); }},
      {"push_n", true, false, [](Q& q) { EXPECT_TRUE(q.push_n(std::span(kThree).first(1))); }},
      {"reserve", true, false,
       [](Q& q) {
         auto r = q.reserve();
         ASSERT_TRUE(r);
         *r = kThree[0];
         EXPECT_TRUE(r.commit());
       }},
      {"pop", false, false, [](Q& q) { EXPECT_TRUE(q.pop()); }},
      {"pop_for", false, false, [](Q& q) { EXPECT_TRUE(q.pop_for(kAWhile)); }},
      {"pop_n", false, false,
       [](Q& q) {
         numbered out[2];
         EXPECT_TRUE(q.pop_n(out));
       }},
      {"peek", false, false, [](Q& q) { EXPECT_TRUE(q.peek().release()); }},
      {"lease", false, false, [](Q& q) { EXPECT_TRUE(q.lease().ack()); }},
      {"lease, none left", false, true, [](Q& q) { EXPECT_TRUE(q.lease().ack()); }},
  };
}

template <typename Policy>
class QueueBlockedKill : public ::testing::Test {
 protected:
  using operation = blocking_operation<Policy>;

  void Kill(const operation& op, bool woken) {
    SCOPED_TRACE(std::string(op.name) + (woken ? ", killed when woken" : ", killed asleep"));
    queue_rig<Policy> rig(op.pushes ? kOperationCapacity : 0);
    auto& q = rig.q;
    const auto serve = [&] {
      if (op.pushes) {
        numbered x;
        EXPECT_TRUE(q.try_pop(x));
      } else {
        EXPECT_TRUE(q.try_push(numbered::of(9)));
      }
    };
    // Something for whoever comes next is there, and nobody has taken it yet.
    const auto served = [&] { return op.pushes ? q.size() < kOperationCapacity : q.size() > 0; };

    // All leases, in a process that will give one back on demand.
    struct signals {
      std::atomic<int> held{0};
      harness::gate let_go, end;
    };
    shared_state<signals> shared;
    std::unique_ptr<process> holder;
    if (op.leases_out) {
      for (uint32_t i = 0; i < kOperationLeases + 1; ++i) {
        ASSERT_TRUE(q.try_push(numbered::of(1 + i)));
      }
      holder = std::make_unique<process>([&] {
        std::vector<leased<numbered, Policy>> held;
        for (uint32_t i = 0; i < kOperationLeases; ++i) {
          held.push_back(q.lease());
          EXPECT_TRUE(held.back());
        }
        // With one consumer those who come after need the role.
        EXPECT_TRUE(q.release_role());
        shared->held = 1;
        EXPECT_TRUE(shared->let_go.wait());
        EXPECT_TRUE(held[0].ack());
        EXPECT_TRUE(shared->end.wait());
        for (size_t i = 1; i < held.size(); ++i) EXPECT_TRUE(held[i].ack());
      });
      ASSERT_TRUE(eventually([&] { return shared->held == 1; }));
    }

    process victim([&] {
      share_a_processor(true);
      op.run(q);
    });
    ASSERT_TRUE(wait_until_asleep(victim.pid()));
    const bool many = op.pushes ? Policy::multi_producer : Policy::multi_consumer;
    const auto waits = [&] { op.run(q); };
    std::unique_ptr<process> other;
    if (many) {
      other = std::make_unique<process>(waits);
      ASSERT_TRUE(wait_until_asleep(other->pid()));
    }
    const auto make_true = [&] {
      if (op.leases_out) {
        shared->let_go.open();
      } else {
        serve();
      }
    };
    if (woken) {
      // In a child, so that this process stays where it is.
      process waker([&] {
        // What is woken there, and is less urgent, does not run before it is killed, as a rule.
        share_a_processor(false);
        make_true();
        ::kill(victim.pid(), SIGKILL);
        EXPECT_TRUE(q.release_role());
      });
      EXPECT_EQ(waker.wait(), exited(0));
    } else {
      victim.kill();
      EXPECT_EQ(victim.wait(), killed_by(SIGKILL));
      make_true();
    }
    victim.wait();
    if (!many) other = std::make_unique<process>(waits);
    // A victim that got through before it died has used up what the other one waits for: once more, then.
    EXPECT_TRUE(eventually([&] {
      if (other->poll() != harness::still_running()) return true;
      if (!served()) serve();
      return false;
    })) << "what is there is not taken: a wake-up is lost";
    EXPECT_EQ(other->wait(), exited(0));
    if (holder != nullptr) {
      shared->end.open();
      EXPECT_EQ(holder->wait(), exited(0));
    }

    rig.mem.attachment()->self->notice_deaths();
    numbered x;
    while (q.try_pop(x)) EXPECT_TRUE(x.whole());
    EXPECT_EQ(q.stats().leased, 0u);
    expect_whole(q);
  }
};

using policies = ::testing::Types<mpmc, mpsc, spmc, spsc>;
struct policy_name {
  template <typename Policy>
  static std::string GetName(int) {
    return std::string(Policy::name);
  }
};
TYPED_TEST_SUITE(QueueBlockedKill, policies, policy_name);

TYPED_TEST(QueueBlockedKill, WhoeverElseWaitsIsServed) {
  const uint64_t rounds = zeroipc::testing::quick_or_full(uint64_t{1}, kMostRounds);
  uint64_t kills = 0;
  for (const auto& op : blocking_operations<TypeParam>()) {
    for (const bool woken : {false, true}) {
      for (uint64_t i = 0; i < rounds; ++i, ++kills) {
        this->Kill(op, woken);
        if (this->HasFailure()) return;
      }
    }
  }
  evidence("queue " + std::string(TypeParam::name), instrument::blocked_kill)
      .figure("operations", blocking_operations<TypeParam>().size())
      .figure("kills", kills);
}

}  // namespace
}  // namespace zeroipc::internal
