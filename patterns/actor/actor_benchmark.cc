// Messages per second to an actor in another process, and asks and answers one after the other: beside a UNIX socket, whose reader keeps its state in its own
// memory, and loses it.
#include <benchmark/benchmark.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>

#include "patterns/actor/actor.h"
#include "testing/harness/harness.h"
#include "zeroipc/segment/segment.h"

namespace zeroipc::patterns {
namespace {

struct Sum {
  uint64_t sum;
};
using Adding = Actor<uint64_t, Sum, uint64_t>;

void add(const std::string& segment) {
  Adding(memory(segment), "sum", 1024).run([](Adding::Self& self, Sum& s, const uint64_t& x) {
    s.sum += x;
    self.reply(s.sum);
  });
}

void BM_Send(benchmark::State& state) {
  harness::unique_segment segment;
  const memory mem(segment.name(), 4 << 20);
  ActorRef<uint64_t, uint64_t> ref(mem, "sum", 1024);
  harness::process actor([&] { add(segment.name()); });
  uint64_t i = 0;
  for (auto _ : state) ref.send(++i);
  ref.stop();
  actor.wait();
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_Send)->UseRealTime();

void BM_Ask(benchmark::State& state) {
  harness::unique_segment segment;
  const memory mem(segment.name(), 4 << 20);
  ActorRef<uint64_t, uint64_t> ref(mem, "sum", 1024);
  harness::process actor([&] { add(segment.name()); });
  for (auto _ : state) benchmark::DoNotOptimize(ref.ask(1, std::chrono::seconds(10)).value());
  ref.stop();
  actor.wait();
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_Ask)->UseRealTime();

void BM_UnixSocketSend(benchmark::State& state) {
  int s[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET, 0, s) != 0) return state.SkipWithError("no socket");
  {
    harness::process reader([&] {
      ::close(s[0]);
      uint64_t x, sum = 0;
      while (::read(s[1], &x, sizeof x) == sizeof x) sum += x;
      benchmark::DoNotOptimize(sum);
    });
    ::close(s[1]);
    uint64_t i = 0;
    for (auto _ : state) {
      ++i;
      if (::write(s[0], &i, sizeof i) != sizeof i) state.SkipWithError("socket");
    }
    ::close(s[0]);
    reader.wait();
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_UnixSocketSend)->UseRealTime();

void BM_UnixSocketAsk(benchmark::State& state) {
  int s[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET, 0, s) != 0) return state.SkipWithError("no socket");
  {
    harness::process server([&] {
      ::close(s[0]);
      uint64_t x, sum = 0;
      while (::read(s[1], &x, sizeof x) == sizeof x) {
        sum += x;
        if (::write(s[1], &sum, sizeof sum) != sizeof sum) return;
      }
    });
    ::close(s[1]);
    uint64_t i = 1;
    for (auto _ : state) {
      if (::write(s[0], &i, sizeof i) != sizeof i || ::read(s[0], &i, sizeof i) != sizeof i) {
        state.SkipWithError("socket");
      }
    }
    ::close(s[0]);
    server.wait();
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_UnixSocketAsk)->UseRealTime();

}  // namespace
}  // namespace zeroipc::patterns
