// Calls per second and their round trip, one client and one server, each in a process of its own: beside a pair of UNIX sockets, which is what RPC on one
// machine is mostly made of, without any framing.
#include <benchmark/benchmark.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>

#include "patterns/request_response/request_response.h"
#include "testing/harness/harness.h"
#include "zeroipc/segment/segment.h"

namespace zeroipc::patterns {
namespace {

void BM_Call(benchmark::State& state) {
  harness::unique_segment segment;
  const memory mem(segment.name(), 4 << 20);
  Client<uint64_t, uint64_t> client(mem, "calls", 64);
  harness::process server([&] {
    Server<uint64_t, uint64_t>(memory(segment.name()), "calls").serve([](uint64_t x) {
      return x + 1;
    });
  });
  uint64_t i = 0;
  for (auto _ : state) {
    i = client.call(i, std::chrono::seconds(10)).value();
  }
  client.stop();
  server.wait();
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_Call)->UseRealTime();

// Eight calls of one client under way at a time.
void BM_EightAtATime(benchmark::State& state) {
  harness::unique_segment segment;
  const memory mem(segment.name(), 4 << 20);
  Client<uint64_t, uint64_t> client(mem, "calls", 64);
  harness::process server([&] {
    Server<uint64_t, uint64_t>(memory(segment.name()), "calls").serve([](uint64_t x) {
      return x + 1;
    });
  });
  std::vector<Client<uint64_t, uint64_t>::Pending> calls;
  for (uint64_t i = 0; i < 8; ++i) calls.push_back(client.start(i));
  uint64_t i = 0;
  for (auto _ : state) {
    auto& oldest = calls[i % 8];
    benchmark::DoNotOptimize(oldest.get(std::chrono::seconds(10)).value());
    oldest = client.start(++i);
  }
  calls.clear();
  client.stop();
  server.wait();
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_EightAtATime)->UseRealTime();

void BM_UnixSocket(benchmark::State& state) {
  int s[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET, 0, s) != 0) return state.SkipWithError("no socket");
  {
    harness::process server([&] {
      ::close(s[0]);
      uint64_t x;
      while (::read(s[1], &x, sizeof x) == sizeof x) {
        ++x;
        if (::write(s[1], &x, sizeof x) != sizeof x) return;
      }
    });
    ::close(s[1]);
    uint64_t i = 0;
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
BENCHMARK(BM_UnixSocket)->UseRealTime();

}  // namespace
}  // namespace zeroipc::patterns
