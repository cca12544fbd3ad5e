// What telling costs when nobody listens, and how fast a sleeper is woken, beside the bare futex.
//
//   ./bazelw run --config=opt //zeroipc/wait:wait_benchmark
//
// Two processes hand a token back and forth, each on a core of its own. The sides take turns in one run; the median of
// the turns and their spread (lowest to highest) are printed.
#include <linux/futex.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <climits>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "zeroipc/base/deadline.h"
#include "zeroipc/segment/segment.h"
#include "zeroipc/wait/wait.h"

namespace zeroipc::internal {
namespace {

constexpr int kTurns = 15;

void pin(int core) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(core % static_cast<int>(::sysconf(_SC_NPROCESSORS_ONLN)), &set);
  ::sched_setaffinity(0, sizeof set, &set);
}

struct shared {
  alignas(kCacheLine) std::atomic<uint32_t> turn;  // whose: even the parent's, odd the child's
  alignas(kCacheLine) std::atomic<uint32_t> raw[2];
  alignas(kCacheLine) event_word<hardware> event[2];
};

// One side's way of passing the turn on and of waiting for its own.
struct side {
  const char* name;
  int rounds;
  std::function<void(shared&, participant&, uint32_t to)> pass;
  std::function<void(shared&, participant&, uint32_t who)> await;
};

bool is_turn(const shared& s, uint32_t who) {
  return s.turn.load(std::memory_order_acquire) % 2 == who;
}

void raw_pass(shared& s, participant&, uint32_t to) {
  s.turn.fetch_add(1, std::memory_order_release);
  s.raw[to].fetch_add(1, std::memory_order_release);
  ::syscall(SYS_futex, &s.raw[to], FUTEX_WAKE, 1, nullptr, nullptr, 0);
}

void raw_await(shared& s, participant&, uint32_t who) {
  for (;;) {
    const uint32_t seen = s.raw[who].load(std::memory_order_acquire);
    if (is_turn(s, who)) return;
    ::syscall(SYS_futex, &s.raw[who], FUTEX_WAIT, seen, nullptr, nullptr, 0);
  }
}

void event_pass(shared& s, participant& env, uint32_t to) {
  s.turn.fetch_add(1, std::memory_order_release);
  s.event[to].notify(env, 1);
}

void event_await(shared& s, participant& env, uint32_t who) {
  wait_until<hardware>(env, s.event[who], deadline::never(), [&] { return is_turn(s, who); });
}

// Nanoseconds for a turn there and back.
double round_trip(const side& how, shared& s, participant& env, uint32_t who) {
  const int64_t start = deadline::now_ns();
  for (int i = 0; i < how.rounds; ++i) {
    if (who == 0) how.pass(s, env, 1);
    how.await(s, env, who);
    if (who == 1) how.pass(s, env, 0);
  }
  return static_cast<double>(deadline::now_ns() - start) / how.rounds;
}

void print(const std::string& what, std::vector<double> ns) {
  std::sort(ns.begin(), ns.end());
  std::printf("%-44s %12.1f ns   (%.1f to %.1f)\n", what.c_str(), ns[ns.size() / 2], ns.front(),
              ns.back());
}

void notify_without_waiter(bool symmetric) {
  const memory m = *memory::create_anonymous(8 << 20, {.symmetric_fences = symmetric});
  participant& env = *m.attachment()->self;
  auto& s = *reinterpret_cast<shared*>(m.attachment()->base + m.attachment()->geometry.heap_offset);
  constexpr int kOperations = 2'000'000;
  std::vector<double> bare, with;
  for (int turn = 0; turn < kTurns; ++turn) {
    int64_t start = deadline::now_ns();
    for (int i = 0; i < kOperations; ++i)
      s.turn.store(static_cast<uint32_t>(i), std::memory_order_release);
    bare.push_back(static_cast<double>(deadline::now_ns() - start) / kOperations);
    start = deadline::now_ns();
    for (int i = 0; i < kOperations; ++i) {
      s.turn.store(static_cast<uint32_t>(i), std::memory_order_release);
      s.event[0].notify(env, 1);
    }
    with.push_back(static_cast<double>(deadline::now_ns() - start) / kOperations);
  }
  const char* mode =
      m.attachment()->self->header().fences == fence_mode::symmetric ? "symmetric" : "asymmetric";
  print("store", bare);
  print(absl::StrCat("store + notify, nobody waits, ", mode), with);
}

void round_trips() {
  const memory m = *memory::create_anonymous(8 << 20);
  participant& env = *m.attachment()->self;
  auto& s = *reinterpret_cast<shared*>(m.attachment()->base + m.attachment()->geometry.heap_offset);
  const int spins = env.spins();
  const auto spinning = [](int n) {
    return [n](shared& sh, participant& e, uint32_t who) {
      e.set_spins(n);
      event_await(sh, e, who);
    };
  };
  const std::vector<side> sides = {
      {"cache line there and back (the machine's mode)", 100'000,
       [](shared& sh, participant&, uint32_t) { sh.turn.fetch_add(1, std::memory_order_release); },
       [](shared& sh, participant&, uint32_t who) {
         while (!is_turn(sh, who)) hardware::pause();
       }},
      {"raw futex, both sleep", 3'000, raw_pass, raw_await},
      {"event word, both sleep", 3'000, event_pass, spinning(0)},
      {"event word, spinning first", 3'000, event_pass, spinning(spins)},
  };
  std::vector<std::vector<double>> results(sides.size());
  std::fflush(nullptr);
  const pid_t child = ::fork();
  const uint32_t who = child == 0 ? 1 : 0;
  pin(static_cast<int>(who));
  env.self();
  for (int turn = 0; turn < kTurns; ++turn) {
    for (size_t i = 0; i < sides.size(); ++i) {
      results[i].push_back(round_trip(sides[i], s, env, who));
    }
  }
  if (child == 0) ::_exit(0);
  ::waitpid(child, nullptr, 0);
  for (size_t i = 0; i < sides.size(); ++i) print(sides[i].name, results[i]);
}

}  // namespace
}  // namespace zeroipc::internal

int main() {
  zeroipc::internal::notify_without_waiter(true);
  zeroipc::internal::notify_without_waiter(false);
  zeroipc::internal::round_trips();
}
