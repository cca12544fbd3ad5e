// What it costs to co_await: there and back between two processes, beside receive() and send(); with others that wait meanwhile; for
// many at a time, beside as many threads; and what a switch between tasks takes.
//
// `sleeping`: who waits goes to sleep at once, instead of looking for a while first.
#include <benchmark/benchmark.h>
#include <sched.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "testing/harness/harness.h"
#include "zeroipc/channel/channel.h"
#include "zeroipc/coroutine/coroutine.h"
#include "zeroipc/future/future.h"

namespace zeroipc {
namespace {

// One side on each core: that a scheduler puts both on one is not what is measured.
void pin(int core) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(core % static_cast<int>(::sysconf(_SC_NPROCESSORS_ONLN)), &set);
  ::sched_setaffinity(0, sizeof set, &set);
}

struct world {
  explicit world(bool sleeping = false) {
    pin(0);
    if (sleeping) mem.attachment()->self->set_spins(0);
  }
  memory mem = *memory::create_anonymous(64 << 20);
  channel<uint64_t> there{mem, "there", 8}, back{mem, "back", 8};
};

void echo(world& w) {
  pin(1);
  for (const uint64_t x : w.there) w.back.send(x);
}

void round_trips_blocking(benchmark::State& state, bool sleeping) {
  world w(sleeping);
  const harness::process other([&] { echo(w); });
  uint64_t x = 0;
  for (auto _ : state) {
    w.there.send(x);
    w.back.receive(x);
  }
  w.there.close();
}
void round_trips_awaited(benchmark::State& state, bool sleeping) {
  world w(sleeping);
  const harness::process other([&] { echo(w); });
  std::vector<future<uint64_t>> idle;
  for (int64_t i = 0; i < state.range(0); ++i) idle.emplace_back(w.mem, "f" + std::to_string(i));
  executor ex;
  const auto waits = [](future<uint64_t>& f) -> task<> { co_await f; };
  for (auto& f : idle) ex.spawn(waits(f));
  const auto asks = [&]() -> task<> {
    uint64_t x = 0;
    for (auto _ : state) {
      co_await async_send(w.there, x);
      co_await async_receive(w.back, x);
    }
    ex.stop();
  };
  ex.run_for(std::chrono::milliseconds(1));
  ex.spawn(asks());
  ex.run();
  w.there.close();
}

void BM_RoundTripBlocking(benchmark::State& state) { round_trips_blocking(state, false); }
void BM_RoundTripBlockingSleeping(benchmark::State& state) { round_trips_blocking(state, true); }
void BM_RoundTripAwaited(benchmark::State& state) { round_trips_awaited(state, false); }
void BM_RoundTripAwaitedSleeping(benchmark::State& state) { round_trips_awaited(state, true); }

// A value for any of many who wait for one each: from another process to a task or a thread, which says so to that process.
struct many {
  explicit many(int64_t n) : said(w.mem, "said", 8) {
    for (int64_t i = 0; i < n; ++i) to.emplace_back(w.mem, "c" + std::to_string(i), 8);
  }
  world w;
  std::vector<channel<uint64_t>> to;
  channel<uint64_t> said;
};
template <typename Run>
void any_of_many(benchmark::State& state, Run run) {
  many m(state.range(0));
  const harness::process waiters([&] {
    pin(1);
    run(m);
  });
  uint64_t x = 0;
  size_t i = 0;
  for (auto _ : state) {
    m.to[i = (i + 7) % m.to.size()].send(1);
    m.said.receive(x);
  }
  for (auto& c : m.to) c.close();
}
void BM_AnyOfManyTasks(benchmark::State& state) {
  any_of_many(state, [](many& m) {
    executor ex;
    const auto serves = [&](channel<uint64_t>& from) -> task<> {
      while (const auto x = co_await async_receive(from)) co_await async_send(m.said, *x);
    };
    for (auto& c : m.to) ex.spawn(serves(c));
    ex.run();
  });
}
void BM_AnyOfManyThreads(benchmark::State& state) {
  any_of_many(state, [](many& m) {
    std::vector<std::thread> all;
    for (auto& c : m.to) {
      all.emplace_back([&] {
        for (const uint64_t x : c) m.said.send(x);
      });
    }
    for (auto& t : all) t.join();
  });
}

// From one task to the next.
void BM_Yield(benchmark::State& state) {
  executor ex;
  const auto yields = [&]() -> task<> {
    for (auto _ : state) co_await yield();
  };
  ex.spawn(yields());
  ex.run();
}
void BM_AwaitTask(benchmark::State& state) {
  executor ex;
  const auto gives = []() -> task<int> { co_return 1; };
  const auto awaits = [&]() -> task<> {
    for (auto _ : state) benchmark::DoNotOptimize(co_await gives());
  };
  ex.spawn(awaits());
  ex.run();
}
void BM_SpawnAndRun(benchmark::State& state) {
  executor ex;
  const auto nothing = []() -> task<> { co_return; };
  for (auto _ : state) {
    ex.spawn(nothing());
    ex.run();
  }
}

BENCHMARK(BM_RoundTripBlocking)->UseRealTime();
BENCHMARK(BM_RoundTripAwaited)->Arg(0)->Arg(100)->Arg(1000)->UseRealTime();
BENCHMARK(BM_RoundTripBlockingSleeping)->UseRealTime();
BENCHMARK(BM_RoundTripAwaitedSleeping)->Arg(0)->Arg(100)->Arg(1000)->UseRealTime();
BENCHMARK(BM_AnyOfManyTasks)->Arg(10)->Arg(100)->Arg(1000)->UseRealTime();
BENCHMARK(BM_AnyOfManyThreads)->Arg(10)->Arg(100)->Arg(1000)->UseRealTime();
BENCHMARK(BM_Yield);
BENCHMARK(BM_AwaitTask);
BENCHMARK(BM_SpawnAndRun);

}  // namespace
}  // namespace zeroipc
