// Histories of a structure, by the hundred: the whole of its linearizability test but for its operations and its model.
//
//   struct rig {                                                // made anew for each burst
//     memory mem = small_memory();
//     stack<int> s{mem, "s", 3};
//   };
//   bursts<rig, operation, model> b("stack");
//   b.run([](rig& r, auto& h, size_t me, std::mt19937_64& random) { ...one operation, recorded... },
//         [](const auto& lifetimes) { return model(); }, text_of);
//
// In a burst three processes do a dozen operations each, all at once, and up to two of them are killed at some moment by a timer
// of their own. Then one more process does an operation, and the whole has to have an order that the model allows.
#ifndef ZEROIPC_TESTING_LINEARIZABILITY_BURSTS_H_
#define ZEROIPC_TESTING_LINEARIZABILITY_BURSTS_H_

#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "gtest/gtest.h"
#include "testing/evidence/evidence.h"
#include "testing/harness/harness.h"
#include "testing/linearizability/checker.h"
#include "testing/linearizability/history.h"
#include "testing/linearizability/lifetimes.h"

namespace zeroipc::linearizability {

template <typename Rig, typename Operation, typename Model>
class bursts {
 public:
  using record = history<Operation>;
  using turn = std::function<void(Rig&, record&, size_t me, std::mt19937_64&)>;
  using make_model = std::function<Model(const lifetimes&)>;

  explicit bursts(std::string_view structure) : structure_(structure) {}

  void run(const turn& one_turn, const make_model& initial,
           typename checker<Operation, Model>::describe text_of) {
    const int n = testing::quick_or_full(kQuick, 20'000);
    for (int burst = 0; burst < n; ++burst) {
      Rig rig;
      record h;
      play(rig, h, burst, one_turn);
      std::mt19937_64 random(static_cast<uint64_t>(burst));
      one_turn(rig, h, kProcesses, random);
      if (::testing::Test::HasFailure()) return;
      const auto all = h.operations();
      lifetimes to_do;
      for (const auto& o : all) {
        pending_ += o.pending();
        if (!o.pending()) to_do.add(o.process);
      }
      operations_ += all.size();
      const verdict v = checker<Operation, Model>(all, initial(to_do), text_of).check();
      undecided_ += v.what == finding::undecided;
      ASSERT_NE(v.what, finding::violation) << "burst " << burst << ": " << v.text;
    }
    EXPECT_LE(undecided_ * 20, static_cast<uint64_t>(n)) << "most histories must be decided";
    EXPECT_GT(pending_, 0u) << "nobody was killed in the middle";
    testing::evidence(structure_, testing::instrument::linearizability)
        .figure("histories", static_cast<uint64_t>(n))
        .figure("operations", operations_)
        .figure("cut off", pending_)
        .figure("killed", kills_)
        .figure("undecided", undecided_);
  }

 private:
  static constexpr int kProcesses = 3, kOperations = 12;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  static constexpr int kQuick = 60;
#else
  static constexpr int kQuick = 400;
#endif

  void play(Rig& rig, record& h, int burst, const turn& one_turn) {
    harness::shared_state<harness::gate> start;
    std::vector<std::unique_ptr<harness::process>> workers;
    for (int i = 0; i < kProcesses; ++i) {
      workers.push_back(std::make_unique<harness::process>([&, i] {
        EXPECT_TRUE(start->wait());
        const auto me = static_cast<size_t>(i);
        const bool die = (burst + i) % 3 != 0 && burst % 4 != 0;
        std::mt19937_64 random(static_cast<uint64_t>(burst) * 31 + me);
        const int last = die ? static_cast<int>(random() % (kOperations / 2)) : kOperations;
        for (int k = 0; k < kOperations || die; ++k) {
          if (k == last) {
            harness::kill_this_process_within(std::chrono::nanoseconds(3'000 + random() % 9'000));
          }
          if (h.full(me)) ::pause();  // the timer is late
          one_turn(rig, h, me, random);
        }
      }));
    }
    start->open();
    for (size_t i = 0; i < workers.size(); ++i) {
      const harness::exit_state end = workers[i]->wait();
      EXPECT_TRUE(end == harness::killed_by(SIGKILL) || end == harness::exited(0)) << end;
      kills_ += end == harness::killed_by(SIGKILL);
    }
    for (size_t i = 0; i < workers.size(); ++i) h.buried(i);
  }

  std::string structure_;
  uint64_t operations_ = 0, pending_ = 0, undecided_ = 0, kills_ = 0;
};

}  // namespace zeroipc::linearizability

#endif  // ZEROIPC_TESTING_LINEARIZABILITY_BURSTS_H_
