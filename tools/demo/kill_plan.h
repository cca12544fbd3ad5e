// When the demo kills a worker: K times, at moments drawn from the seed, spread over the run.
//
// The moments of the first pass are points of its progress, each followed by a random pause of up to 3 ms, so that they
// hit workers anywhere in their work. What the first pass was too short for happens in further passes, at random
// intervals. A pass that makes no progress for half a second (one huge file) does not wait for progress.
#ifndef ZEROIPC_TOOLS_DEMO_KILL_PLAN_H_
#define ZEROIPC_TOOLS_DEMO_KILL_PLAN_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <random>
#include <vector>

namespace zeroipc::demo {

class kill_plan {
 public:
  // `files` are counted in a pass.
  kill_plan(int kills, size_t files, uint64_t seed);

  int left() const { return kills_ - done_; }
  // Whether a worker is to be killed now, `taken` files into a pass. Times are nanoseconds of one clock.
  bool due(uint32_t pass, size_t taken, int64_t now);
  // How long it may be until due() changes its mind without progress.
  int64_t until_next(int64_t now) const;
  // One was killed.
  void done(int64_t now);
  size_t choose(size_t candidates) { return static_cast<size_t>(random_() % candidates); }

 private:
  static constexpr int64_t kStall = 500'000'000;

  int64_t pause(int64_t least_us, int64_t most_us);

  std::mt19937_64 random_;
  int kills_;
  int done_ = 0;
  bool progress_;               // whether there are files, and so progress to wait for
  std::vector<size_t> points_;  // of progress in the first pass, falling
  std::optional<int64_t> at_;   // the next kill's time, once it has been fixed
  int64_t last_event_ = 0;      // a kill, or progress
  size_t last_taken_ = 0;
};

}  // namespace zeroipc::demo

#endif  // ZEROIPC_TOOLS_DEMO_KILL_PLAN_H_
