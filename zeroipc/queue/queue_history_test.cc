// Property: whatever a few processes do to a queue at once, some of them killed in the middle, there is an order of it that a
// plain sequential queue allows (testing/linearizability/queue_model.h says what that is).
//
// Many short bursts: a few processes with a dozen operations each. Afterwards the survivor waits until all deaths are known
// and takes out what is left, so that what was lost is missed.
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>

#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "testing/evidence/evidence.h"
#include "testing/harness/harness.h"
#include "testing/linearizability/checker.h"
#include "testing/linearizability/queue_model.h"
#include "zeroipc/name_table/name_table.h"
#include "zeroipc/queue/queue.h"

namespace zeroipc {
namespace {

using harness::eventually;
using harness::process;
using linearizability::checker;
using linearizability::finding;
using linearizability::history;
using linearizability::queue_model;
using linearizability::queue_operation;
using kind = queue_operation::kind;
using result = queue_operation::result;
using zeroipc::testing::evidence;
using zeroipc::testing::instrument;

constexpr int kOperations = 14;  // of one process in one burst
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int kQuickBursts = 30;
#else
constexpr int kQuickBursts = 120;
#endif

result result_of(outcome r) {
  switch (r.value()) {
    case outcome::ok:
      return result::ok;
    case outcome::full:
      return result::full;
    case outcome::empty:
      return result::empty;
    case outcome::closed:
      return result::closed;
    default:
      return result::none;
  }
}

struct element {
  uint64_t id = 0;
  uint64_t check = 0;
};

template <typename Policy>
class QueueHistory : public ::testing::Test {
 protected:
  using Q = queue<element, Policy>;
  using record = history<queue_operation>;

  // Processes that may push, and that may pop; where both are one, each is one of the two.
  static constexpr int kPushers = Policy::multi_producer ? 2 : 1;
  static constexpr int kPoppers = Policy::multi_consumer ? 2 : 1;
  static constexpr int kProcesses = kPushers + kPoppers;

  // Records one operation. What is answered `taken` did nothing: it is tried again.
  template <typename F>
  outcome Do(record& h, size_t me, queue_operation o, F&& f) {
    const auto at = h.begin(me, o);
    outcome r;
    do {
      r = f(o);
    } while (r == outcome::taken);
    o.how = result_of(r);
    EXPECT_NE(o.how, result::none) << r.name();
    h.end(at, o);
    return r;
  }

  void Push(Q& q, record& h, size_t me, uint64_t id) {
    Do(h, me, {.what = kind::push, .id = id}, [&](auto&) { return q.try_push({id, ~id}); });
  }
  outcome Pop(Q& q, record& h, size_t me) {
    return Do(h, me, {.what = kind::pop}, [&](auto& o) {
      element x;
      const outcome r = q.try_pop(x);
      if (r) {
        EXPECT_EQ(x.check, ~x.id) << "torn";
      }
      o.id = x.id;
      return r;
    });
  }
  void Lease(Q& q, record& h, size_t me, bool ack) {
    typename Q::leased held;
    const outcome r = Do(h, me, {.what = kind::lease}, [&](auto& o) {
      held = q.try_lease();
      if (held) o.id = held->id;
      // A lease that there is no entry for is as good as an item that is not there.
      return held.why() == outcome::exhausted ? outcome(outcome::empty) : held.why();
    });
    if (!r) return;
    const uint64_t id = held->id;
    // If this process dies before the next line's end, the item comes back.
    h.begin(me, {.what = kind::expire, .id = id});
    if (ack) {
      Do(h, me, {.what = kind::ack, .id = id}, [&](auto&) { return held.ack(); });
    } else {
      Do(h, me, {.what = kind::nack, .id = id}, [&](auto&) { return held.nack(); });
    }
  }

  void Work(Q& q, record& h, int me, uint64_t seed) {
    std::mt19937_64 random(seed * 31 + static_cast<uint64_t>(me));
    const auto slot = static_cast<size_t>(me);
    for (int i = 0; i < kOperations; ++i) {
      if (random() % 4 == 0) ::sched_yield();
      if (me < kPushers) {
        Push(q, h, slot, static_cast<uint64_t>(me + 1) * 1000 + static_cast<uint64_t>(i));
      } else if (random() % 3 != 0) {
        Pop(q, h, slot);
      } else {
        Lease(q, h, slot, random() % 2 == 0);
      }
    }
  }
};

using policies = ::testing::Types<mpmc, mpsc, spmc, spsc>;
struct policy_name {
  template <typename Policy>
  static std::string GetName(int) {
    return std::string(Policy::name);
  }
};
TYPED_TEST_SUITE(QueueHistory, policies, policy_name);

// What the recorder adds for a lease's end by death (`expire`) has happened only if the process died with it.
std::vector<linearizability::recorded<queue_operation>> settled(
    std::vector<linearizability::recorded<queue_operation>> all) {
  std::erase_if(all, [&](const auto& o) {
    if (o.what.what != kind::expire) return false;
    for (const auto& other : all) {
      const bool ends = other.what.what == kind::ack || other.what.what == kind::nack;
      if (ends && other.process == o.process && other.what.id == o.what.id &&
          other.began > o.began && !other.pending()) {
        return true;
      }
    }
    return false;
  });
  return all;
}

TYPED_TEST(QueueHistory, SomeOrderExplainsIt) {
  using Q = typename TestFixture::Q;
  const int bursts = zeroipc::testing::quick_or_full(kQuickBursts, 20'000);
  uint64_t operations = 0, pending = 0, undecided = 0, kills = 0;
  harness::unique_segment segment;
  memory mem(segment.name(), 1 << 20);
  for (int burst = 0; burst < bursts; ++burst) {
    const auto seed = static_cast<uint64_t>(burst);
    std::mt19937_64 random(seed);
    const uint64_t capacity = 1 + random() % 4;
    const std::string name = "burst" + std::to_string(burst);
    auto q = std::make_unique<Q>(mem, name, capacity, queue_options{.max_leases = 2});
    typename TestFixture::record h;
    std::vector<std::unique_ptr<process>> workers;
    harness::shared_state<harness::gate> start;
    for (int i = 0; i < TestFixture::kProcesses; ++i) {
      workers.push_back(std::make_unique<process>([&, i] {
        EXPECT_TRUE(start->wait());
        this->Work(*q, h, i, seed);
      }));
    }
    start->open();
    const bool kill = burst % 2 == 0;
    if (kill) {
      const uint64_t at = random() % (kOperations * 2 * TestFixture::kProcesses);
      const size_t victim = random() % workers.size();
      while (h.stamps() < at && workers[victim]->poll() == harness::still_running())
        ::sched_yield();
      workers[victim]->kill();
      kills += workers[victim]->wait() == harness::killed_by(SIGKILL);
    }
    for (auto& w : workers) w->wait();
    // Processes that have ended hold no roles, and what they left is known.
    mem.attachment()->self->notice_deaths();
    for (size_t i = 0; i < workers.size(); ++i) h.buried(i);
    while (this->Pop(*q, h, workers.size())) {
    }
    if (this->HasFailure()) return;

    auto all = settled(h.operations());
    linearizability::excuse(all);
    for (const auto& o : all) pending += o.pending();
    operations += all.size();
    const auto v =
        checker<queue_operation, queue_model>(all, queue_model(capacity), linearizability::text_of)
            .check();
    undecided += v.what == finding::undecided;
    ASSERT_NE(v.what, finding::violation)
        << "burst " << burst << ", capacity " << capacity << ": " << v.text;
    q.reset();
    ASSERT_TRUE(remove(mem, name).ok());
  }
  EXPECT_LE(undecided * 20, static_cast<uint64_t>(bursts)) << "most histories must be decided";
  evidence("queue " + std::string(TypeParam::name), instrument::linearizability)
      .figure("histories", static_cast<uint64_t>(bursts))
      .figure("operations", operations)
      .figure("cut off", pending)
      .figure("killed", kills)
      .figure("undecided", undecided);
}

}  // namespace
}  // namespace zeroipc
