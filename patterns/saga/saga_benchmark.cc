// Sagas of three steps per second, each step logged before and after: beside the same log in a file, as it is written where one keeps it with write(2)
// alone (which a killed process survives, and a machine that loses power does not), and with fdatasync(2).
#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <string>

#include "patterns/saga/sagas.h"
#include "testing/harness/harness.h"
#include "zeroipc/segment/segment.h"

namespace zeroipc::patterns {
namespace {

struct Order {
  uint64_t amount;
};

void BM_Saga(benchmark::State& state) {
  harness::unique_segment segment;
  const memory mem(segment.name(), 4 << 20);
  Sagas<Order> orders(mem, "orders", 1024);
  uint64_t effects = 0;
  for (const char* name : {"a", "b", "c"}) {
    orders.add_step(
        name,
        [&](const SagaStep&, Order& o) {
          effects += o.amount;
          return absl::OkStatus();
        },
        [](const SagaStep&, Order&) { return absl::OkStatus(); });
  }
  uint64_t n = 0;
  for (auto _ : state) {
    ++n;
    orders.execute(n, {1}).IgnoreError();
    orders.forget(n);
  }
  benchmark::DoNotOptimize(effects);
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_Saga);

void BM_LogInAFile(benchmark::State& state) {
  const bool sync = state.range(0) != 0;
  std::string path = "/var/tmp/zeroipc-saga-XXXXXX";
  const int fd = ::mkstemp(path.data());
  if (fd < 0) return state.SkipWithError("no file");
  ::unlink(path.c_str());
  struct entry {
    uint64_t saga, step, kind, amount;
  };
  uint64_t n = 0, effects = 0;
  const auto log = [&](const entry& e) {
    if (::write(fd, &e, sizeof e) != sizeof e) state.SkipWithError("write");
    if (sync) ::fdatasync(fd);
  };
  for (auto _ : state) {
    ++n;
    // Its start and each step's beginning; an end is the next one's beginning.
    for (uint64_t step = 0; step < 4; ++step) {
      log({n, step, 0, 1});
      ++effects;
    }
  }
  benchmark::DoNotOptimize(effects);
  ::close(fd);
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_LogInAFile)->ArgName("fdatasync")->Arg(0)->Arg(1)->UseRealTime();

}  // namespace
}  // namespace zeroipc::patterns
