// Property: with processes killed at random moments and replaced, every acknowledged item is delivered, none twice, and
// nobody gets stuck.
//
// Accounting is exact, in memory of the test's own:
//   a producer    notes the numbers it is about to push, one or a batch, pushes, notes that they were acknowledged
//   a popper      pops straight into cells of its own, one or a batch, which show what it had in its hands when it was killed;
//                 such an item may be gone (it went with the process) or may come to somebody else, once
//   a leaser      notes the item, counts it, acknowledges; killed in between, that item may be counted once more
// Now and then each of them leaves the segment and joins it again.
//
// So of the items acknowledged, exactly those missing must stand in the cell of a killed popper, and exactly those counted
// twice in the note of a killed leaser.
//
// Runs 2 s a policy and a kind of trouble. For hours, and with what a seed draws:
//
//   bazel run //zeroipc/queue:queue_kill_test -- --seconds=3600 --seed=7 --gtest_filter=*mpmc.And*
//
// `--seconds=60 --gtest_filter=*mpmc.Loses*` is the "2P2C with a SIGKILL every few milliseconds for 60 s" of the queue's
// definition of done.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>

#include "testing/chaos/chaos.h"
#include "testing/evidence/evidence.h"
#include "testing/harness/harness.h"
#include "zeroipc/queue/queue.h"

namespace zeroipc {
namespace {

int run_seconds = 1;
uint64_t first_seed = 0;

constexpr uint64_t kMost = uint64_t{1} << 26;  // items a producer may push in a round
constexpr int kProducers = 2, kConsumers = 2;
constexpr uint32_t kMostKills = 1 << 16;
constexpr uint64_t kBatch = 3;

struct payload {
  uint64_t id = 0;
  uint64_t check[3] = {};

  static payload of(uint64_t id) { return {id, {~id, id * 3, id ^ 0x5555}}; }
  bool whole() const {
    const payload right = of(id);
    return std::memcmp(check, right.check, sizeof check) == 0;
  }
};

struct books {
  struct alignas(64) producer {
    std::atomic<uint64_t> tried{0};  // the last one
    // The last one; those before it that are missing here are in `unsure`.
    std::atomic<uint64_t> acknowledged{0};
  } producers[kProducers];
  struct alignas(64) consumer {
    payload cells[kBatch];             // what pop() writes to
    std::atomic<uint64_t> noted{0};    // leaser: about to be counted, and not acknowledged yet
    std::atomic<uint32_t> popping{0};  // popper: cells not counted yet
  } consumers[kConsumers];
  std::atomic<uint32_t> n_unsure{0}, n_gone{0}, n_again{0}, torn{0};
  std::atomic<uint64_t> rejoined{0};
  uint64_t unsure[kMostKills];  // tried by a producer that was killed before the answer
  uint64_t gone[kMostKills];    // in the cell of a popper that was killed
  uint64_t again[kMostKills];   // in the note of a leaser that was killed
  std::atomic<uint8_t> seen[kProducers][kMost];
};

void note(std::atomic<uint32_t>& n, uint64_t (&list)[kMostKills], uint64_t id) {
  const uint32_t i = n.fetch_add(1);
  ASSERT_LT(i, kMostKills);
  list[i] = id;
}

template <typename Policy>
class KilledAtRandom : public ::testing::Test {
 public:
  struct plan {
    size_t capacity;
    int leasers;
    bool chaos = false;  // not only kills
  };

  // In rounds with books of their own, for the books of a minute would not fit in memory.
  void Run(const plan& how) {
    constexpr int kLongestRound = 3;
    uint64_t seed = how.capacity;
    for (int left = run_seconds; left > 0; left -= kLongestRound) {
      RunRound(how, std::chrono::seconds(std::min(left, kLongestRound)), first_seed + seed++);
      if (this->HasFailure()) return;
    }
    std::printf(
        "%d kills, %llu items delivered, %u pushes cut off, %u pops cut off, %u leases cut off\n",
        sum_.kills, static_cast<unsigned long long>(sum_.delivered), sum_.unsure, sum_.gone,
        sum_.again);
    EXPECT_GT(sum_.kills, run_seconds * 5);
    zeroipc::testing::evidence("queue " + std::string(Policy::name),
                               zeroipc::testing::instrument::chaos)
        .figure("kills", static_cast<uint64_t>(sum_.kills))
        .figure("stops", sum_.stops)
        .figure("rejoined", sum_.rejoined)
        .figure("interruptions", sum_.interruptions)
        .figure("items", sum_.delivered);
  }

 private:
  static constexpr int kIn = Policy::multi_producer ? 2 : 1;
  static constexpr int kOut = Policy::multi_consumer ? 2 : 1;

  // A worker's own way into the queue: inherited at first, and then its own.
  struct access {
    const std::string segment;
    std::unique_ptr<memory> mem;
    std::unique_ptr<queue<payload, Policy>> q;

    void rejoin() {
      q.reset();
      mem.reset();
      mem = std::make_unique<memory>(segment);
      q = std::make_unique<queue<payload, Policy>>(*mem, "items");
    }
  };
  static constexpr uint64_t kStay = 3'000;  // operations between two joins

  void produce(access& to, int p) {
    auto& mine = books_->producers[p];
    // What the predecessor was at, when it was killed.
    while (mine.acknowledged != mine.tried) {
      const uint64_t next = mine.acknowledged + 1;
      note(books_->n_unsure, books_->unsure, uint64_t(p) << 32 | next);
      mine.acknowledged = next;
    }
    for (uint64_t turn = 1;; ++turn) {
      const uint64_t first = mine.acknowledged + 1, n = turn % 8 == 0 ? kBatch : 1;
      ASSERT_LT(first + n, kMost - 1) << "the books are full: shorten the rounds";
      mine.tried = first + n - 1;
      payload items[kBatch];
      for (uint64_t k = 0; k < n; ++k) items[k] = payload::of(uint64_t(p) << 32 | (first + k));
      uint64_t done = 0;
      outcome r;
      do {
        const batch_outcome b = to.q->push_n(std::span<const payload>(items + done, n - done));
        done += b.count;
        r = b.why;
      } while (r == outcome::taken);  // the predecessor is not quite dead
      mine.acknowledged = first + done - 1;
      if (r == outcome::closed) {
        mine.tried.store(mine.acknowledged);
        return;
      }
      ASSERT_TRUE(r) << r.name();
      if (turn % kStay == 0) rejoin(to);
    }
  }

  void rejoin(access& to) {
    to.rejoin();
    books_->rejoined.fetch_add(1);
  }

  void count(const payload& x) {
    if (!x.whole()) books_->torn.fetch_add(1);
    books_->seen[(x.id >> 32) % kProducers][(x.id & 0xffffffff) % kMost].fetch_add(1);
  }

  void consume(access& to, int c, bool by_lease) {
    auto& mine = books_->consumers[c];
    if (mine.popping != 0) {
      for (const payload& x : mine.cells) {
        if (x.id != 0) note(books_->n_gone, books_->gone, x.id);
      }
    }
    if (mine.noted != 0) note(books_->n_again, books_->again, mine.noted);
    mine.noted = 0;
    for (uint64_t turn = 1;; ++turn) {
      if (by_lease) {
        auto job = to.q->lease();
        if (job.why() == outcome::taken) continue;
        if (job.why() == outcome::closed) return;
        ASSERT_TRUE(job) << job.why().name();
        mine.noted = job->id;
        count(*job);
        ASSERT_TRUE(job.ack());
        mine.noted = 0;
      } else {
        for (payload& x : mine.cells) x.id = 0;
        mine.popping = 1;
        const batch_outcome r =
            to.q->pop_n(std::span<payload>(mine.cells, turn % 8 == 0 ? kBatch : 1));
        if (r.why == outcome::taken) continue;
        if (r.why == outcome::closed) {
          mine.popping = 0;
          return;
        }
        ASSERT_TRUE(r) << r.why.name();
        for (size_t i = 0; i < r.count; ++i) count(mine.cells[i]);
        mine.popping = 0;
      }
      if (turn % kStay == 0) rejoin(to);
    }
  }

  void RunRound(const plan& how, std::chrono::seconds duration, uint64_t seed) {
    books_ = &*books_state_.emplace();
    harness::unique_segment segment;
    auto mem = std::make_unique<memory>(segment.name(), 1 << 20);
    auto q = std::make_unique<queue<payload, Policy>>(*mem, "items", how.capacity);
    const auto work = [&](int worker) {
      access to{segment.name(), std::move(mem),
                std::move(q)};  // the child's copies, and all it has of the segment
      if (worker < kIn) {
        produce(to, worker);
      } else {
        consume(to, worker - kIn, worker - kIn < how.leasers);
      }
    };
    if (how.chaos) {
      chaos::chaos all({.workers = kIn + kOut, .seed = seed}, work);
      all.run_for(duration);
      q->close();
      ASSERT_TRUE(all.finish()) << "somebody is stuck; " << all.so_far().text();
      sum_.kills += static_cast<int>(all.so_far().kills);
      sum_.stops += all.so_far().stops;
      sum_.interruptions += all.so_far().interruptions;
    } else {
      harness::killer killer({.workers = kIn + kOut, .seed = seed}, work);
      killer.run_for(duration);
      q->close();
      ASSERT_TRUE(killer.finish()) << "somebody is stuck; seed " << seed;
      sum_.kills += killer.kills();
    }
    judge();
    EXPECT_EQ(q->stats().leased, 0u);
    EXPECT_EQ(q->size(), 0u);
  }

  void judge() {
    const auto as_set = [](const std::atomic<uint32_t>& n, const uint64_t* list) {
      return std::set<uint64_t>(list, list + n);
    };
    const std::set<uint64_t> unsure = as_set(books_->n_unsure, books_->unsure);
    const std::set<uint64_t> gone = as_set(books_->n_gone, books_->gone);
    const std::set<uint64_t> again = as_set(books_->n_again, books_->again);
    uint64_t lost = 0, doubled = 0, delivered = 0;
    for (uint64_t p = 0; p < kIn; ++p) {
      const uint64_t last = books_->producers[p].tried;
      for (uint64_t i = 1; i <= last; ++i) {
        const uint64_t id = p << 32 | i;
        const int times = books_->seen[p][i];
        delivered += times != 0;
        if (times == 0 && !unsure.contains(id) && !gone.contains(id)) ++lost;
        // Counted by a popper that was killed before it said so, or by a leaser before it acknowledged.
        if (times > 1 && !again.contains(id)) ++doubled;
        if (times > 2) ++doubled;
      }
      EXPECT_EQ(books_->seen[p][last + 1], 0) << "an item that was never pushed";
    }
    EXPECT_EQ(lost, 0u);
    EXPECT_EQ(doubled, 0u);
    EXPECT_EQ(books_->torn, 0u);
    sum_.delivered += delivered;
    sum_.rejoined += books_->rejoined;
    sum_.unsure += books_->n_unsure;
    sum_.gone += books_->n_gone;
    sum_.again += books_->n_again;
  }

  std::optional<harness::shared_state<books>> books_state_;
  books* books_ = nullptr;  // in books_state_
  struct {
    int kills = 0;
    uint64_t stops = 0, interruptions = 0, rejoined = 0;
    uint64_t delivered = 0;
    uint32_t unsure = 0, gone = 0, again = 0;
  } sum_;
};

using policies = ::testing::Types<mpmc, mpsc, spmc, spsc>;
struct policy_name {
  template <typename Policy>
  static std::string GetName(int) {
    return std::string(Policy::name);
  }
};
TYPED_TEST_SUITE(KilledAtRandom, policies, policy_name);

TYPED_TEST(KilledAtRandom, LosesNothingDoublesNothingAndNobodyIsStuck) {
  // With two consumers one of each sort; a single one leases.
  this->Run({.capacity = 61, .leasers = 1});
}

TYPED_TEST(KilledAtRandom, PoppersAloneLoseNothingButWhatTheyHadInHand) {
  this->Run({.capacity = 5, .leasers = 0});
}

TYPED_TEST(KilledAtRandom, AndStoppedInterruptedAndStarved) {
  this->Run({.capacity = 19, .leasers = 1, .chaos = true});
}

}  // namespace
}  // namespace zeroipc

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  if (zeroipc::testing::full_run()) zeroipc::run_seconds = 60;
  for (int i = 1; i < argc; ++i) {
    if (std::strncmp(argv[i], "--seconds=", 10) == 0)
      zeroipc::run_seconds = std::atoi(argv[i] + 10);
    if (std::strncmp(argv[i], "--seed=", 7) == 0)
      zeroipc::first_seed = std::strtoull(argv[i] + 7, nullptr, 0);
  }
  return RUN_ALL_TESTS();
}
