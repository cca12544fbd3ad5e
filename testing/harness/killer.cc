#include "testing/harness/killer.h"

#include <signal.h>
#include <time.h>

#include <algorithm>
#include <cstdlib>
#include <thread>
#include <utility>

#include "gtest/gtest.h"

namespace zeroipc::harness {

killer::killer(const killer_options& options, std::function<void(int)> body)
    : options_(options),
      body_(std::move(body)),
      random_(options.seed),
      workers_(static_cast<size_t>(options.workers)) {
  for (int i = 0; i < options_.workers; ++i) spawn(i);
}

void killer::spawn(int number) {
  workers_[static_cast<size_t>(number)].emplace([this, number] { body_(number); });
}

// Whether this end, which the killer did not cause, is a good one.
bool killer::accept(int number, exit_state end) {
  workers_[static_cast<size_t>(number)].reset();
  if (end == exited(0)) return true;
  ADD_FAILURE() << "worker " << number << " ended by itself: " << end << " (seed " << options_.seed
                << ", after " << kills_ << " kills)";
  all_well_ = false;
  return false;
}

bool killer::kill_one() {
  std::vector<int> candidates;
  for (int i = 0; i < options_.workers; ++i) {
    process* p = worker(i);
    if (p == nullptr) continue;
    const exit_state now = p->poll();
    if (now == still_running()) {
      candidates.push_back(i);
    } else {
      accept(i, now);
    }
  }
  if (candidates.empty()) return false;
  const int victim = candidates[random_() % candidates.size()];
  process& p = *worker(victim);
  p.kill(SIGKILL);
  const exit_state end = p.wait();
  if (end != killed_by(SIGKILL)) {  // it ended by itself first
    accept(victim, end);
    return true;
  }
  ++kills_;
  spawn(victim);
  return true;
}

void killer::pause() {
  std::uniform_int_distribution<int64_t> draw(options_.least.count(),
                                              std::max(options_.least, options_.most).count());
  std::this_thread::sleep_for(std::chrono::microseconds(draw(random_)));
}

void killer::run_for(std::chrono::nanoseconds duration) {
  (void)run_until([] { return false; }, duration);
}

bool killer::run_until(const std::function<bool()>& done, std::chrono::nanoseconds bound) {
  const auto end = std::chrono::steady_clock::now() + bound;
  while (!done()) {
    if (std::chrono::steady_clock::now() >= end) return false;
    pause();
    if (!kill_one()) return done();
  }
  return true;
}

bool killer::finish() {
  for (int i = 0; i < options_.workers; ++i) {
    if (process* p = worker(i)) accept(i, p->wait());
  }
  return all_well_;
}

int killer::running() const {
  return static_cast<int>(
      std::ranges::count_if(workers_, [](const auto& w) { return w.has_value(); }));
}

process* killer::worker(int number) {
  auto& slot = workers_[static_cast<size_t>(number)];
  return slot ? &*slot : nullptr;
}

void kill_this_process_within(std::chrono::nanoseconds t) {
  sigevent how{};
  how.sigev_notify = SIGEV_SIGNAL;
  how.sigev_signo = SIGKILL;
  timer_t timer;
  if (::timer_create(CLOCK_MONOTONIC, &how, &timer) != 0) std::abort();
  constexpr int64_t kSecond = 1'000'000'000;
  const itimerspec when = {.it_interval = {},
                           .it_value = {t.count() / kSecond, t.count() % kSecond + 1}};
  if (::timer_settime(timer, 0, &when, nullptr) != 0) std::abort();
}

}  // namespace zeroipc::harness
