// What it costs to wait for one of several channels: with a value that is there, and with one that another process sends in answer; beside
// receiving from one, and beside poll(2) over pipes.
#include <benchmark/benchmark.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "testing/harness/harness.h"
#include "zeroipc/channel/channel.h"
#include "zeroipc/select/select.h"

namespace zeroipc {
namespace {

struct channels {
  memory mem = *memory::create_anonymous(16 << 20);
  std::vector<channel<uint64_t>> all;
  explicit channels(int64_t n) {
    for (int64_t i = 0; i < n; ++i) all.emplace_back(mem, "c" + std::to_string(i), 8);
  }
};

void BM_Receive(benchmark::State& state) {
  channels c(1);
  uint64_t x = 0;
  for (auto _ : state) {
    c.all[0].send(x);
    c.all[0].receive(x);
  }
}
// The value is in the last of them.
void BM_SelectOfMany(benchmark::State& state) {
  channels c(state.range(0));
  uint64_t x = 0;
  selector s;
  for (auto& one : c.all) s.add(on_receive(one, [&](uint64_t y) { x = y; }));
  for (auto _ : state) {
    c.all.back().send(x);
    s.select();
  }
}

// There and back between two processes; the answer comes in any of them.
void BM_SelectRoundTrip(benchmark::State& state) {
  channels c(state.range(0));
  channel<uint64_t> there(c.mem, "there", 8);
  const harness::process echo([&] {
    size_t i = 0;
    for (const uint64_t x : there) c.all[i++ % c.all.size()].send(x);
  });
  uint64_t x = 0;
  selector s;
  for (auto& one : c.all) s.add(on_receive(one, [&](uint64_t y) { x = y; }));
  for (auto _ : state) {
    there.send(x);
    s.select();
  }
  there.close();
}
void BM_ReceiveRoundTrip(benchmark::State& state) {
  channels c(1);
  channel<uint64_t> there(c.mem, "there", 8);
  const harness::process echo([&] {
    for (const uint64_t x : there) c.all[0].send(x);
  });
  uint64_t x = 0;
  for (auto _ : state) {
    there.send(x);
    c.all[0].receive(x);
  }
  there.close();
}
void BM_PollRoundTrip(benchmark::State& state) {
  const auto n = static_cast<size_t>(state.range(0));
  int there[2];
  std::vector<std::array<int, 2>> back(n);
  if (::pipe(there) != 0) return state.SkipWithError("no pipes");
  for (auto& p : back) {
    if (::pipe(p.data()) != 0) return state.SkipWithError("no pipes");
  }
  const harness::process echo([&] {
    ::close(there[1]);
    uint64_t x = 0;
    for (size_t i = 0; ::read(there[0], &x, sizeof x) == sizeof x; ++i) {
      if (::write(back[i % n][1], &x, sizeof x) != sizeof x) return;
    }
  });
  std::vector<pollfd> fds;
  for (const auto& p : back) fds.push_back({p[0], POLLIN, 0});
  uint64_t x = 0;
  for (auto _ : state) {
    if (::write(there[1], &x, sizeof x) != sizeof x || ::poll(fds.data(), n, -1) < 1) {
      return state.SkipWithError("the pipe broke");
    }
    for (const pollfd& f : fds) {
      if (f.revents != 0 && ::read(f.fd, &x, sizeof x) != sizeof x) {
        return state.SkipWithError("the pipe broke");
      }
    }
  }
  ::close(there[0]);
  ::close(there[1]);
  for (const auto& p : back) {
    ::close(p[0]);
    ::close(p[1]);
  }
}

BENCHMARK(BM_Receive);
BENCHMARK(BM_SelectOfMany)->Arg(2)->Arg(8)->Arg(64);
BENCHMARK(BM_ReceiveRoundTrip)->UseRealTime();
BENCHMARK(BM_SelectRoundTrip)->Arg(2)->Arg(8)->Arg(64)->UseRealTime();
BENCHMARK(BM_PollRoundTrip)->Arg(2)->Arg(8)->Arg(64)->UseRealTime();

}  // namespace
}  // namespace zeroipc
