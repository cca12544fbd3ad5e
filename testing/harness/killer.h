// Workers that are killed at random moments and replaced, for as long as a test wants it.
//
//   killer chaos({.workers = 4, .seed = 1}, [&](int worker) { ...until told to stop...; });
//   chaos.run_for(5s);            // a SIGKILL every 1 to 10 ms
//   state->stop.open();
//   EXPECT_TRUE(chaos.finish());  // everyone who was left ended with 0
//
// A worker that ends by itself with 0 has finished and is not replaced; any other end that the killer did not cause is a
// test failure. The moments are drawn from the seed; what the workers are doing then is up to the scheduler, so a seed
// narrows a failure down and does not replay it.
#ifndef ZEROIPC_TESTING_HARNESS_KILLER_H_
#define ZEROIPC_TESTING_HARNESS_KILLER_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <random>
#include <vector>

#include "testing/harness/process.h"

namespace zeroipc::harness {

struct killer_options {
  int workers = 2;
  uint64_t seed = 1;
  // The pause between two kills is drawn evenly from these bounds.
  std::chrono::microseconds least{1'000};
  std::chrono::microseconds most{10'000};
};

class killer {
 public:
  // Starts the workers; `body` gets its worker's number, which its replacements inherit.
  killer(const killer_options& options, std::function<void(int)> body);

  // Kills and replaces one worker after another for `duration`, or until all have finished.
  void run_for(std::chrono::nanoseconds duration);
  // The same until `done` answers true; false if it has not within `bound`. Asked after each kill.
  [[nodiscard]] bool run_until(const std::function<bool()>& done,
                               std::chrono::nanoseconds bound = kPatience);
  // One kill, now. False if there is nobody left to kill.
  bool kill_one();

  // Lets those who are left end by themselves. False, with a test failure, if one did not end with 0.
  [[nodiscard]] bool finish();

  int kills() const { return kills_; }
  int running() const;
  // The worker's process as it is now; nullptr once it has finished.
  process* worker(int number);

 private:
  void spawn(int number);
  bool accept(int number, exit_state end);
  void pause();

  killer_options options_;
  std::function<void(int)> body_;
  std::mt19937_64 random_;
  std::vector<std::optional<process>> workers_;
  int kills_ = 0;
  bool all_well_ = true;
};

// SIGKILL by a timer of this process: unlike another's kill, which mostly comes while this one is off the processor and between
// two operations, it interrupts what is running, at any instruction.
void kill_this_process_within(std::chrono::nanoseconds t);

}  // namespace zeroipc::harness

#endif  // ZEROIPC_TESTING_HARNESS_KILLER_H_
