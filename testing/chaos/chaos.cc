#include "testing/chaos/chaos.h"

#include <dirent.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <fstream>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"

namespace zeroipc::chaos {
namespace {

using std::chrono::steady_clock;

// All threads of `pid`, or of this process.
void pin(pid_t pid, const cpu_set_t& where) {
  DIR* tasks = ::opendir(absl::StrCat("/proc/", pid == 0 ? ::getpid() : pid, "/task").c_str());
  if (tasks == nullptr) return;
  while (const dirent* task = ::readdir(tasks)) {
    const int tid = std::atoi(task->d_name);
    if (tid > 0) ::sched_setaffinity(tid, sizeof where, &where);
  }
  ::closedir(tasks);
}

// Those that this process may use, or the first of them.
cpu_set_t processors(bool all) {
  cpu_set_t set;
  CPU_ZERO(&set);
  ::sched_getaffinity(0, sizeof set, &set);
  if (all) return set;
  size_t first = 0;
  while (first + 1 < CPU_SETSIZE && !CPU_ISSET(first, &set)) ++first;
  CPU_ZERO(&set);
  CPU_SET(first, &set);
  return set;
}

}  // namespace

std::string report::text() const {
  return absl::StrCat("seed ", seed, ": ", kills, " kills and restarts, ", stops, " stops, ",
                      interruptions, " interruptions, ", starved_ms, " ms starved");
}

chaos::chaos(const options& how, std::function<void(int)> body)
    : how_(how),
      random_(how.seed),
      killer_({.workers = how.workers, .seed = how.seed}, std::move(body)) {
  report_.seed = how.seed;
}

chaos::~chaos() { starve(false); }

// Without SA_RESTART: what it interrupts answers EINTR. Set here and inherited, so that no worker is without.
chaos::handler::handler() {
  struct sigaction action {};
  action.sa_handler = [](int) {};
  ::sigaction(SIGUSR1, &action, &before);
}
chaos::handler::~handler() { ::sigaction(SIGUSR1, &before, nullptr); }

void chaos::interrupt(harness::process& p) {
  for (int i = 0; i < 50; ++i) {
    if (p.poll() != harness::still_running()) return;
    p.kill(SIGUSR1);
    ++report_.interruptions;
    std::this_thread::sleep_for(std::chrono::microseconds(20));
  }
}

void chaos::wake_up(bool all) {
  std::erase_if(stopped_, [&](const stopped& s) {
    if (!all && steady_clock::now() < s.until) return false;
    if (harness::process* p = killer_.worker(s.worker)) p->cont();
    return true;
  });
}

void chaos::starve(bool on) {
  const bool before = !hogs_.empty();
  if (!on && !before) return;
  const cpu_set_t where = processors(!on);
  // Each time, for who replaces a worker was born free.
  for (int i = 0; i < how_.workers; ++i) {
    if (harness::process* p = killer_.worker(i)) pin(p->pid(), where);
  }
  if (on && before) return;
  if (on) {
    starved_since_ = steady_clock::now();
    for (int i = 0; i < 2; ++i) {
      hogs_.push_back(std::make_unique<harness::process>([&] {
        pin(0, where);
        for (std::atomic<uint64_t> n{0};; n.fetch_add(1)) {
        }
      }));
    }
    return;
  }
  for (auto& hog : hogs_) hog->kill();
  hogs_.clear();
  const auto lasted = steady_clock::now() - starved_since_;
  report_.starved_ms +=
      static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(lasted).count());
}

void chaos::run_for(std::chrono::nanoseconds duration) {
  const auto begin = steady_clock::now();
  const auto end = begin + duration;
  std::uniform_int_distribution<int64_t> pause(how_.least_pause.count(), how_.most_pause.count());
  while (steady_clock::now() < end && killer_.running() != 0) {
    std::this_thread::sleep_for(std::chrono::microseconds(pause(random_)));
    wake_up(false);
    // The second quarter and the last.
    const auto quarter = (steady_clock::now() - begin) * 4 / duration;
    if (how_.starvation) starve(quarter % 2 == 1);

    const int worker = static_cast<int>(random_() % static_cast<uint64_t>(how_.workers));
    const auto draw = static_cast<int>(
        random_() % static_cast<uint64_t>(how_.kills + how_.stops + how_.interruptions));
    harness::process* const p = killer_.worker(worker);
    if (draw < how_.kills) {
      if (!killer_.kill_one()) break;
    } else if (p == nullptr || p->poll() != harness::still_running()) {
      continue;
    } else if (draw < how_.kills + how_.stops) {
      ::kill(p->pid(), SIGSTOP);
      stopped_.push_back({worker, steady_clock::now() + std::chrono::milliseconds(random_() % 20)});
      ++report_.stops;
    } else {
      interrupt(*p);
    }
  }
  starve(false);
  wake_up(true);
  report_.kills = static_cast<uint64_t>(killer_.kills());
}

bool chaos::finish() {
  starve(false);
  wake_up(true);
  return killer_.finish();
}

low_limits::low_limits(int descriptors, uint64_t bytes) {
  ::getrlimit(RLIMIT_NOFILE, &descriptors_before_);
  ::getrlimit(RLIMIT_AS, &bytes_before_);
  rlimit low = descriptors_before_;
  const int next = ::dup(2);
  ::close(next);
  low.rlim_cur = std::min<rlim_t>(low.rlim_max, static_cast<rlim_t>(next + descriptors));
  ::setrlimit(RLIMIT_NOFILE, &low);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  if (bytes == kNoLimit) return;
  uint64_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  low = bytes_before_;
  low.rlim_cur = std::min<rlim_t>(low.rlim_max,
                                  pages * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE)) + bytes);
  ::setrlimit(RLIMIT_AS, &low);
#else
  (void)bytes;
#endif
}

low_limits::~low_limits() {
  ::setrlimit(RLIMIT_NOFILE, &descriptors_before_);
  ::setrlimit(RLIMIT_AS, &bytes_before_);
}

}  // namespace zeroipc::chaos
