#include "testing/hostile/scribbler.h"

#include <gtest/gtest.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <climits>
#include <thread>

#include "testing/hostile/input.h"

namespace zeroipc::testing {
namespace {

using clock = std::chrono::steady_clock;
using word = std::atomic<uint64_t>;

// Some operations of each worker, so that a slow machine is not a test of nothing.
constexpr uint64_t kFewOperations = 20;

}  // namespace

scribbled_work::scribbled_work(int workers, const std::function<void(int, scribbled_work&)>& body) {
  for (int i = 0; i < workers; ++i) {
    workers_.emplace_back([&, i] {
      me_ = i;
      body(i, *this);
    });
  }
  seen_.assign(workers_.size(), 0);
  moved_.assign(workers_.size(), clock::now());
  EXPECT_TRUE(shared_->ready.wait_for_at_least(static_cast<uint32_t>(workers)));
}

void scribbled_work::ready(int worker) {
  me_ = worker;
  shared_->ready.add();
  static_cast<void>(!shared_->go.wait());
}

bool scribbled_work::next() {
  shared_->operations[me_].fetch_add(1);
  return !shared_->stop.load();
}

uint64_t scribbled_work::operations() const {
  uint64_t n = 0;
  for (size_t i = 0; i < workers_.size(); ++i) n += shared_->operations[i].load();
  return n;
}

void scribbled_work::scribble(const scribble_plan& plan) {
  random_input random(plan.seed);
  uint64_t total = 0;
  std::vector<std::vector<uint64_t>> before;
  for (const auto& r : plan.regions) {
    std::vector<uint64_t>& copy = before.emplace_back(r.bytes / 8);
    for (size_t i = 0; i < copy.size(); ++i) copy[i] = static_cast<word*>(r.begin)[i].load();
    total += copy.size();
  }
  const auto overwrite = [&](word& w, uint64_t value) {
    for (void* owner : plan.owners) {
      auto* const low = reinterpret_cast<std::byte*>(&w);
      if (owner == low) value = value >> 32 << 32;
      if (owner == low + 4) value = value & 0xffff'ffff;
    }
    w.store(value);
  };
  const auto pick = [&]() -> word& {
    // Each region as often as the others, for the small ones hold the most.
    const auto& r = plan.regions[random.below(plan.regions.size())];
    return static_cast<word*>(r.begin)[random.below(r.bytes / 8)];
  };
  while (shared_->scribbling.load()) {
    const auto n = 1 + random.below(static_cast<uint64_t>(plan.burst));
    for (uint64_t i = 0; i < n; ++i) {
      word& w = pick();
      if (random.below(8) == 0) {
        word& other = pick();
        const uint64_t value = w.load();
        overwrite(w, other.load());
        overwrite(other, value);
      } else {
        overwrite(w, hostile_value(random, w.load(), plan.known));
      }
      // Now in a row, now while the others get on.
      if (random.below(4) == 0) std::this_thread::yield();
    }
    shared_->words.fetch_add(n);
    if (random.below(2) == 0) std::this_thread::sleep_for(std::chrono::microseconds(200));
    for (size_t k = 0; k < plan.regions.size(); ++k) {
      auto* words = static_cast<word*>(plan.regions[k].begin);
      for (size_t i = 0; i < before[k].size(); ++i) {
        if (words[i].load() != before[k][i]) words[i].store(before[k][i]);
      }
    }
    for (void* w : plan.wake) {
      ::syscall(SYS_futex, w, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
    }
    shared_->rounds.fetch_add(1);
    if (random.below(4) == 0) std::this_thread::sleep_for(std::chrono::microseconds(300));
  }
}

// Whether each worker's operation is a new one, or not yet too old.
bool scribbled_work::all_move(bool stopping) {
  for (size_t i = 0; i < workers_.size(); ++i) {
    const harness::exit_state end = workers_[i].poll();
    if (end != harness::still_running()) {
      if (stopping && end == harness::exited(0)) continue;
      ADD_FAILURE() << "worker " << i << " " << end;
      return false;
    }
    const uint64_t now = shared_->operations[i].load();
    if (now != seen_[i]) {
      seen_[i] = now;
      moved_[i] = clock::now();
    } else if (clock::now() - moved_[i] > kBound) {
      ADD_FAILURE() << "operation " << now << " of worker " << i << ", process "
                    << workers_[i].pid() << ", does not end";
      return false;
    }
  }
  return true;
}

void scribbled_work::scribble_for(std::chrono::nanoseconds duration, const scribble_plan& plan) {
  for (auto& moved : moved_) moved = clock::now();
  harness::process hostile([&] { scribble(plan); });
  shared_->go.open();
  const auto end = clock::now() + duration;
  const auto enough = [&] {
    for (size_t i = 0; i < workers_.size(); ++i) {
      if (shared_->operations[i].load() < kFewOperations) return false;
    }
    return clock::now() >= end;
  };
  while (all_move(false) && !enough()) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  shared_->scribbling.store(false);
  EXPECT_EQ(hostile.wait(), harness::exited(0));
}

bool scribbled_work::finish() {
  shared_->stop.store(true);
  const auto running = [&] {
    for (harness::process& w : workers_) {
      if (w.poll() == harness::still_running()) return true;
    }
    return false;
  };
  while (all_move(true) && running()) std::this_thread::sleep_for(std::chrono::milliseconds(2));
  for (harness::process& w : workers_) {
    if (w.poll() == harness::still_running()) w.kill(SIGKILL);
    EXPECT_EQ(w.wait(), harness::exited(0));
  }
  return !::testing::Test::HasFailure();
}

}  // namespace zeroipc::testing
