// Property: whatever a few processes do to a queue at once, some of them killed in the middle, there is an order of it that a
// plain sequential queue allows (testing/linearizability/queue_model.h says what that is).
//
// Many short bursts: a few processes with a dozen operations each. Afterwards the survivor waits until all deaths are known
// and takes out what is left, so that what was lost is missed.
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
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
constexpr int kQuickBursts = 60;
#else
constexpr int kQuickBursts = 600;
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

// Large, so that a good part of an operation is spent between its claim and its end.
struct element {
  uint64_t id = 0;
  std::array<uint64_t, 511> copies = {};

  static element of(uint64_t id) {
    element x = {.id = id};
    x.copies.fill(id);
    return x;
  }
  bool whole() const {
    return std::ranges::all_of(copies, [&](uint64_t copy) { return copy == id; });
  }
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

  static constexpr std::chrono::microseconds kShortly{50};
  static outcome untimed(outcome r, outcome instead) {
    return r == outcome::timed_out ? instead : r;
  }

  void Push(Q& q, record& h, size_t me, uint64_t id, bool wait) {
    const element x = element::of(id);
    Do(h, me, {.what = kind::push, .id = id}, [&](auto&) {
      return wait ? untimed(q.push_for(x, kShortly), outcome::full) : q.try_push(x);
    });
  }
  // As many single ones, all under way at once.
  void PushTwo(Q& q, record& h, size_t me, uint64_t id) {
    const std::array<element, 2> two = {element::of(id), element::of(id + 1)};
    std::array<queue_operation, 2> o;
    std::array<typename record::place, 2> at;
    for (size_t i = 0; i < 2; ++i) {
      o[i] = {.what = kind::push, .id = id + i};
      at[i] = h.begin(me, o[i]);
    }
    batch_outcome r;
    do {
      r = q.try_push_n(two);
    } while (r.why == outcome::taken);
    for (size_t i = 0; i < 2; ++i) {
      o[i].how = i < r.count ? result::ok : result_of(r.why);
      h.end(at[i], o[i]);
    }
  }
  void PopTwo(Q& q, record& h, size_t me) {
    std::array<element, 2> two;
    std::array<queue_operation, 2> o;
    std::array<typename record::place, 2> at;
    for (size_t i = 0; i < 2; ++i) {
      o[i] = {.what = kind::pop};
      at[i] = h.begin(me, o[i]);
    }
    batch_outcome r;
    do {
      r = q.try_pop_n(two);
    } while (r.why == outcome::taken);
    for (size_t i = 0; i < 2; ++i) {
      if (i < r.count) {
        EXPECT_TRUE(two[i].whole()) << "torn: " << two[i].id;
        o[i].id = two[i].id;
        o[i].how = result::ok;
        h.end(at[i], o[i]);
      } else if (r.count == 0) {
        o[i].how = result_of(r.why);
        h.end(at[i], o[i]);
      } else {
        // That there was not one more is said of no moment: a batch takes what it finds.
        o[i].how = result::empty;
        o[i].excused = true;
        h.end(at[i], o[i]);
      }
    }
  }
  void Close(Q& q, record& h, size_t me) {
    Do(h, me, {.what = kind::close}, [&](auto&) {
      q.close();
      return outcome(outcome::ok);
    });
  }
  outcome Pop(Q& q, record& h, size_t me, bool wait = false) {
    element x;
    return Do(h, me, {.what = kind::pop}, [&](auto& o) {
      const outcome r = wait ? untimed(q.pop_for(x, kShortly), outcome::empty) : q.try_pop(x);
      if (r) {
        EXPECT_TRUE(x.whole()) << "torn: " << x.id;
      }
      o.id = x.id;
      return r;
    });
  }
  void Lease(Q& q, record& h, size_t me, bool ack) {
    typename Q::leased held;
    const outcome r = Do(h, me, {.what = kind::lease}, [&](auto& o) {
      held = q.try_lease();
      if (held) {
        EXPECT_TRUE(held->whole()) << "torn: " << held->id;
        o.id = held->id;
      }
      // A lease that there is no entry for is as good as an item that is not there.
      return held.why() == outcome::exhausted ? outcome(outcome::empty) : held.why();
    });
    if (!r) return;
    const uint64_t id = held->id;
    if (ack) {
      Do(h, me, {.what = kind::ack, .id = id}, [&](auto&) { return held.ack(); });
    } else {
      Do(h, me, {.what = kind::nack, .id = id}, [&](auto&) { return held.nack(); });
    }
  }

  // One that is to `die` arms its timer after a few operations and goes on until it is killed.
  void Work(Q& q, record& h, int me, uint64_t seed, bool die, bool closes) {
    std::mt19937_64 random(seed * 31 + static_cast<uint64_t>(me));
    const auto slot = static_cast<size_t>(me);
    const int last = die ? static_cast<int>(random() % (kOperations / 2)) : kOperations;
    for (int i = 0; i < kOperations || die; ++i) {
      if (i == last)
        harness::kill_this_process_within(std::chrono::nanoseconds(6'000 + random() % 14'000));
      if (i < last && random() % 4 == 0) ::sched_yield();
      if (h.full(slot)) {
        ::pause();  // the timer is late
      }
      const uint64_t draw = random() % 12;
      if (closes && draw == 0) {
        Close(q, h, slot);
      } else if (me < kPushers) {
        const uint64_t id = static_cast<uint64_t>(me + 1) * 1000 + static_cast<uint64_t>(i) * 2;
        draw < 4 ? PushTwo(q, h, slot, id) : Push(q, h, slot, id, draw < 7);
      } else if (draw < 3) {
        PopTwo(q, h, slot);
      } else if (draw < 8) {
        Pop(q, h, slot, draw < 5);
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

// A lease that was not given back is put back by the death of its holder, at the latest when that was known.
void add_expiries(std::vector<linearizability::recorded<queue_operation>>& all, uint64_t known) {
  const auto ends = [](const auto& o, const auto& lease) {
    return (o.what.what == kind::ack || o.what.what == kind::nack) && o.process == lease.process &&
           o.what.id == lease.what.id && o.began > lease.ended && !o.pending();
  };
  std::vector<linearizability::recorded<queue_operation>> expiries;
  for (const auto& lease : all) {
    if (lease.what.what != kind::lease || lease.what.how != result::ok || lease.pending()) continue;
    if (std::ranges::any_of(all, [&](const auto& o) { return ends(o, lease); })) continue;
    const queue_operation expiry = {.what = kind::expire, .how = result::ok, .id = lease.what.id};
    expiries.push_back({expiry, lease.process, lease.ended, known, known});
  }
  all.insert(all.end(), expiries.begin(), expiries.end());
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
    // Small ones are often full; in large ones a push that is cut off had mostly claimed.
    const uint64_t capacity = random() % 2 == 0 ? 1 + random() % 4 : 64;
    const std::string name = "burst" + std::to_string(burst);
    auto q = std::make_unique<Q>(mem, name, capacity, queue_options{.max_leases = 2});
    typename TestFixture::record h;
    std::vector<std::unique_ptr<process>> workers;
    harness::shared_state<harness::gate> start;
    const int victim = burst % 4 != 0 ? static_cast<int>(random() % TestFixture::kProcesses) : -1;
    for (int i = 0; i < TestFixture::kProcesses; ++i) {
      workers.push_back(std::make_unique<process>([&, i] {
        EXPECT_TRUE(start->wait());
        this->Work(*q, h, i, seed, i == victim, burst % 5 == 0);
      }));
    }
    start->open();
    for (auto& w : workers) {
      const harness::exit_state end = w->wait();
      kills += end == harness::killed_by(SIGKILL);
      EXPECT_TRUE(end == harness::killed_by(SIGKILL) || end == harness::exited(0)) << end;
    }
    // Processes that have ended hold no roles, and what they left is known.
    mem.attachment()->self->notice_deaths();
    for (size_t i = 0; i < workers.size(); ++i) h.buried(i);
    const uint64_t known = h.stamps();
    while (!h.full(workers.size()) && this->Pop(*q, h, workers.size())) {
    }
    ASSERT_FALSE(h.full(workers.size())) << "more comes out than went in; burst " << burst;
    if (this->HasFailure()) return;

    auto all = h.operations();
    add_expiries(all, known);
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
