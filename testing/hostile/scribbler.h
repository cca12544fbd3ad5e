// A process that overwrites random words of a live segment while others work in it, and the others, watched from outside.
//
//   scribbled_work work(3, [&](int worker, scribbled_work& w) {
//     ...open handles...
//     w.ready();
//     while (w.next()) { ...one operation, with a deadline... }
//   });
//   work.scribble_for(2s, {.regions = {{bytes, n}}, .known = {tag}});
//   EXPECT_TRUE(work.finish());
//
// The property: wrong answers are allowed, but no worker is ended by a signal, and each operation ends within kBound, which
// is its deadline and a margin that only a defect reaches.
//
// In rounds: a burst of overwritten words, then all is put back to what it was when scribbling began, for in a segment of
// nothing but noise every operation ends at its first look.
//
// What can only be waited for (docs/crash-model.md, scribbling) is a lock whose owner word names somebody alive who does not
// hold it. Such words go into `owners`: they are only ever freed. A sleeper whose event word was overwritten is told of by
// nobody; `wake` are words whose sleepers the scribbler wakes with each round, as a next release would.
#ifndef ZEROIPC_TESTING_HOSTILE_SCRIBBLER_H_
#define ZEROIPC_TESTING_HOSTILE_SCRIBBLER_H_

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "testing/harness/process.h"
#include "testing/harness/shared_state.h"

namespace zeroipc::testing {

struct scribble_plan {
  struct region {
    void* begin;  // a multiple of 8
    size_t bytes;
  };
  uint64_t seed = 1;
  std::vector<region> regions = {};
  std::vector<uint64_t> known = {};  // values that mean something there
  std::vector<void*> owners = {};    // 32-bit words in the regions that get nothing but 0
  std::vector<void*> wake = {};      // futex words
  int burst = 24;                    // words in a round, at most
};

class scribbled_work {
 public:
  static constexpr int kMostWorkers = 4;
  static constexpr std::chrono::seconds kBound{30};

  // Starts the workers; returns once all are ready.
  scribbled_work(int workers, const std::function<void(int, scribbled_work&)>& body);

  // --- in a worker ---

  // What it needs is open; returns once scribbling has begun.
  void ready(int worker);
  // An operation begins; false: enough.
  bool next();

  // --- in the test ---

  // Scribbles for so long, and until every worker has got through some operations.
  void scribble_for(std::chrono::nanoseconds duration, const scribble_plan& plan);
  // Lets the workers end. False, with a test failure, if one did not end with 0, or an operation not in time.
  [[nodiscard]] bool finish();

  uint64_t operations() const;
  uint64_t rounds() const { return shared_->rounds.load(); }
  uint64_t words() const { return shared_->words.load(); }

 private:
  struct shared {
    harness::tally ready;
    harness::gate go;
    std::atomic<bool> stop{false};
    std::atomic<bool> scribbling{true};
    std::atomic<uint64_t> rounds{0};
    std::atomic<uint64_t> words{0};
    std::atomic<uint64_t> operations[kMostWorkers];
  };
  void scribble(const scribble_plan& plan);
  bool all_move(bool stopping);

  harness::shared_state<shared> shared_;
  std::vector<harness::process> workers_;
  std::vector<uint64_t> seen_;
  std::vector<std::chrono::steady_clock::time_point> moved_;
  int me_ = -1;  // in a worker
};

}  // namespace zeroipc::testing

#endif  // ZEROIPC_TESTING_HOSTILE_SCRIBBLER_H_
