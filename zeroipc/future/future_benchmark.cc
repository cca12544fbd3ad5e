// Setting and getting: in one thread, beside std::promise; there and back between two processes on two cores, spinning and sleeping,
// beside a pipe; and by name, as for a request and its response.
#include <benchmark/benchmark.h>
#include <sched.h>
#include <unistd.h>

#include <climits>
#include <cstddef>
#include <cstdint>
#include <future>
#include <string>
#include <vector>

#include "testing/harness/harness.h"
#include "zeroipc/future/future.h"
#include "zeroipc/name_table/name_table.h"

namespace zeroipc {
namespace {

void pin(int core) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(core % static_cast<int>(::sysconf(_SC_NPROCESSORS_ONLN)), &set);
  ::sched_setaffinity(0, sizeof set, &set);
}

// Futures that are used again and again, which is nobody's business but a benchmark's.
class renewable {
 public:
  static constexpr uint64_t kMany = 64;

  renewable(const memory& mem, const std::string& prefix) {
    for (uint64_t i = 0; i < kMany; ++i) {
      const std::string name = prefix + std::to_string(i);
      futures_.emplace_back(mem, name);
      held_.push_back(
          *internal::open_structure(mem, name, structure_type::of<uint64_t>(kind::future)));
    }
  }
  future<uint64_t>& operator[](uint64_t i) { return futures_[i % kMany]; }
  void renew(uint64_t i) {
    auto* at = static_cast<std::byte*>(held_[i % kMany].data()) +
               sizeof(internal::future_header<hardware>);
    reinterpret_cast<internal::future_slot<hardware>*>(at)->word.store(0,
                                                                       std::memory_order_relaxed);
  }

 private:
  std::vector<future<uint64_t>> futures_;
  std::vector<internal::structure> held_;
};

struct by_future {
  static constexpr uint64_t kHalf = renewable::kMany / 2;

  explicit by_future(int spins) { mem.attachment()->self->set_spins(spins); }
  void send(bool first, uint64_t i) {
    (first ? there : back)[i].set_value(i);
    // Nobody is there any more, or will be for a while.
    if (first) {
      there.renew(i + kHalf);
      back.renew(i + kHalf);
    }
  }
  uint64_t receive(bool first, uint64_t i) { return (first ? there : back)[i].get(); }

  memory mem = *memory::create_anonymous(4 << 20);
  renewable there{mem, "there"}, back{mem, "back"};
};
struct by_sleeping : by_future {
  by_sleeping() : by_future(0) {}
};
struct by_spinning : by_future {
  by_spinning() : by_future(INT_MAX) {}
};
struct by_pipe {
  int ends[2][2];
  by_pipe() {
    for (auto& e : ends) {
      if (::pipe(e) != 0) ::_exit(1);
    }
  }
  ~by_pipe() {
    for (auto& e : ends) {
      ::close(e[0]);
      ::close(e[1]);
    }
  }
  void send(bool first, uint64_t i) {
    if (::write(ends[first][1], &i, sizeof i) != sizeof i) ::_exit(1);
  }
  uint64_t receive(bool first, uint64_t) {
    uint64_t x = 0;
    if (::read(ends[first][0], &x, sizeof x) != sizeof x) ::_exit(1);
    return x;
  }
};

// Two of what is measured: one way, and the other.
template <typename By>
void BM_ThereAndBack(benchmark::State& state) {
  cpu_set_t before;
  ::sched_getaffinity(0, sizeof before, &before);
  By by;
  harness::process other([&]() -> int {
    pin(1);
    for (uint64_t i = 0;; ++i) by.send(false, by.receive(true, i));
  });
  pin(0);
  uint64_t i = 0;
  for (auto _ : state) {
    by.send(true, i);
    benchmark::DoNotOptimize(by.receive(false, i));
    ++i;
  }
  other.kill();
  other.wait();
  ::sched_setaffinity(0, sizeof before, &before);
}

void BM_SetAndGet(benchmark::State& state) {
  const memory mem = *memory::create_anonymous(4 << 20);
  renewable futures(mem, "f");
  uint64_t i = 0;
  for (auto _ : state) {
    futures.renew(i);
    futures[i].set_value(i);
    benchmark::DoNotOptimize(futures[i].get());
    ++i;
  }
}
void BM_ClaimSetAndGet(benchmark::State& state) {
  const memory mem = *memory::create_anonymous(4 << 20);
  renewable futures(mem, "f");
  uint64_t i = 0;
  for (auto _ : state) {
    futures.renew(i);
    futures[i].claim().set_value(i);
    benchmark::DoNotOptimize(futures[i].get());
    ++i;
  }
}
void BM_GetAgain(benchmark::State& state) {
  const memory mem = *memory::create_anonymous(1 << 20);
  future<uint64_t> f(mem, "f");
  f.set_value(1);
  for (auto _ : state) benchmark::DoNotOptimize(f.get());
}
void BM_StdPromiseSetAndGet(benchmark::State& state) {
  for (auto _ : state) {
    std::promise<uint64_t> p;
    std::future<uint64_t> f = p.get_future();
    p.set_value(1);
    benchmark::DoNotOptimize(f.get());
  }
}
// Created, set, got and removed.
void BM_ByName(benchmark::State& state) {
  const memory mem = *memory::create_anonymous(1 << 20);
  for (auto _ : state) {
    future<uint64_t> f(mem, "response");
    f.set_value(1);
    benchmark::DoNotOptimize(f.get());
    f.remove().IgnoreError();
  }
}

BENCHMARK(BM_GetAgain);
BENCHMARK(BM_SetAndGet);
BENCHMARK(BM_ClaimSetAndGet);
BENCHMARK(BM_StdPromiseSetAndGet);
BENCHMARK(BM_ByName);
BENCHMARK_TEMPLATE(BM_ThereAndBack, by_spinning)->UseRealTime();
BENCHMARK_TEMPLATE(BM_ThereAndBack, by_sleeping)->UseRealTime();
BENCHMARK_TEMPLATE(BM_ThereAndBack, by_pipe)->UseRealTime();

}  // namespace
}  // namespace zeroipc
