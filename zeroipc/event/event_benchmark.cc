// Setting and waiting, alone and there and back between two processes, beside POSIX semaphores and eventfd.
#include <benchmark/benchmark.h>
#include <semaphore.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>

#include "testing/harness/harness.h"
#include "zeroipc/event/event.h"

namespace zeroipc {
namespace {

struct two_events {
  memory mem = *memory::create_anonymous(1 << 20);
  event there{mem, "there", event_reset::automatic}, back{mem, "back", event_reset::automatic};
  void set(bool first) { (first ? there : back).set(); }
  void wait(bool first) { (first ? there : back).wait(); }
};
struct two_semaphores {
  two_semaphores() {
    ::sem_init(&shared->there, 1, 0);
    ::sem_init(&shared->back, 1, 0);
  }
  struct pair {
    sem_t there, back;
  };
  harness::shared_state<pair> shared;
  void set(bool first) { ::sem_post(first ? &shared->there : &shared->back); }
  void wait(bool first) { ::sem_wait(first ? &shared->there : &shared->back); }
};
struct two_eventfds {
  int there = ::eventfd(0, 0), back = ::eventfd(0, 0);
  ~two_eventfds() {
    ::close(there);
    ::close(back);
  }
  void set(bool first) { ::eventfd_write(first ? there : back, 1); }
  void wait(bool first) {
    eventfd_t n;
    ::eventfd_read(first ? there : back, &n);
  }
};

template <typename Two>
void BM_SetAndWait(benchmark::State& state) {
  Two t;
  for (auto _ : state) {
    t.set(true);
    t.wait(true);
  }
}
// Each wakes the other: two wake-ups.
template <typename Two>
void BM_ThereAndBack(benchmark::State& state) {
  Two t;
  harness::process other([&]() -> int {
    for (;;) {
      t.wait(true);
      t.set(false);
    }
  });
  for (auto _ : state) {
    t.set(true);
    t.wait(false);
  }
  other.kill();
  other.wait();
}
void BM_SetAgain(benchmark::State& state) {
  const memory mem = *memory::create_anonymous(1 << 20);
  event e(mem, "e", event_reset::manual);
  for (auto _ : state) e.set();
}
void BM_WaitSet(benchmark::State& state) {
  const memory mem = *memory::create_anonymous(1 << 20);
  event e(mem, "e", event_reset::manual);
  e.set();
  for (auto _ : state) e.wait();
}

BENCHMARK(BM_WaitSet);
BENCHMARK(BM_SetAgain);
BENCHMARK_TEMPLATE(BM_SetAndWait, two_events);
BENCHMARK_TEMPLATE(BM_SetAndWait, two_semaphores);
BENCHMARK_TEMPLATE(BM_SetAndWait, two_eventfds);
BENCHMARK_TEMPLATE(BM_ThereAndBack, two_events)->UseRealTime();
BENCHMARK_TEMPLATE(BM_ThereAndBack, two_semaphores)->UseRealTime();
BENCHMARK_TEMPLATE(BM_ThereAndBack, two_eventfds)->UseRealTime();

}  // namespace
}  // namespace zeroipc
