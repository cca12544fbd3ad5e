#include "tools/demo/kill_plan.h"

#include <algorithm>
#include <functional>

namespace zeroipc::demo {

kill_plan::kill_plan(int kills, size_t files, uint64_t seed)
    : random_(seed), kills_(kills), progress_(files != 0) {
  if (files == 0) return;
  std::uniform_int_distribution<size_t> point(0, files - 1);
  for (int i = 0; i < kills; ++i) points_.push_back(point(random_));
  std::ranges::sort(points_, std::greater<>());
}

int64_t kill_plan::pause(int64_t least_us, int64_t most_us) {
  return std::uniform_int_distribution<int64_t>(least_us, most_us)(random_) * 1000;
}

bool kill_plan::due(uint32_t pass, size_t taken, int64_t now) {
  if (left() == 0) return false;
  if (last_event_ == 0 || taken != last_taken_) last_event_ = now;
  last_taken_ = taken;
  if (!at_) {
    if (pass > 1 || !progress_) {
      at_ = now + pause(1'000, 10'000);
    } else if (!points_.empty() && taken >= points_.back()) {
      points_.pop_back();
      at_ = now + pause(0, 3'000);
    } else if (now - last_event_ >= kStall) {
      at_ = now;
    }
  }
  return at_ && now >= *at_;
}

int64_t kill_plan::until_next(int64_t now) const {
  if (left() == 0) return kStall;
  return std::clamp<int64_t>(at_ ? *at_ - now : kStall, 0, kStall);
}

void kill_plan::done(int64_t now) {
  ++done_;
  at_.reset();
  last_event_ = now;
}

}  // namespace zeroipc::demo
