// Buffered: sending and receiving, alone and beside another process, beside the queue itself and the message queue of
// Boost.Interprocess. Rendezvous: there and back between two processes, beside two pipes, and what it costs to find nobody.
#include <benchmark/benchmark.h>
#include <unistd.h>

#include <cstdint>
#include <string>

#include "testing/harness/beside.h"
#include "testing/harness/harness.h"
#include "zeroipc/channel/channel.h"
#include "zeroipc/queue/queue.h"

#ifdef ZEROIPC_PEER_BOOST
#include <boost/interprocess/ipc/message_queue.hpp>
#endif

namespace zeroipc {
namespace {

struct item {
  uint64_t words[8];
};
constexpr size_t kCapacity = 1024;

struct as_channel {
  memory mem = *memory::create_anonymous(4 << 20);
  channel<item> c{mem, "c", kCapacity};
  void send(const item& x) { c.try_send(x); }
  void receive(item& x) { c.try_receive(x); }
};
struct as_queue {
  memory mem = *memory::create_anonymous(4 << 20);
  queue<item> q{mem, "q", kCapacity};
  void send(const item& x) { q.try_push(x); }
  void receive(item& x) { q.try_pop(x); }
};
#ifdef ZEROIPC_PEER_BOOST
namespace ipc = boost::interprocess;
struct as_message_queue {
  const std::string name = "zeroipc-benchmark-" + std::to_string(::getpid());
  ipc::message_queue q{ipc::create_only, name.c_str(), kCapacity, sizeof(item)};
  ~as_message_queue() { ipc::message_queue::remove(name.c_str()); }
  void send(const item& x) { q.try_send(&x, sizeof x, 0); }
  void receive(item& x) {
    ipc::message_queue::size_type n;
    unsigned priority;
    q.try_receive(&x, sizeof x, n, priority);
  }
};
#endif

template <typename S>
void send_and_receive(benchmark::State& state, S& s) {
  item x{};
  for (auto _ : state) {
    s.send(x);
    s.receive(x);
  }
}
template <typename S>
void BM_SendAndReceive(benchmark::State& state) {
  S s;
  send_and_receive(state, s);
}
template <typename S>
void BM_SendAndReceiveBesideAnother(benchmark::State& state) {
  S s;
  item x{};
  const harness::beside other([&] {
    s.send(x);
    s.receive(x);
  });
  send_and_receive(state, s);
}
BENCHMARK_TEMPLATE(BM_SendAndReceive, as_channel);
BENCHMARK_TEMPLATE(BM_SendAndReceive, as_queue);
BENCHMARK_TEMPLATE(BM_SendAndReceiveBesideAnother, as_channel)->UseRealTime();
BENCHMARK_TEMPLATE(BM_SendAndReceiveBesideAnother, as_queue)->UseRealTime();
#ifdef ZEROIPC_PEER_BOOST
BENCHMARK_TEMPLATE(BM_SendAndReceive, as_message_queue);
BENCHMARK_TEMPLATE(BM_SendAndReceiveBesideAnother, as_message_queue)->UseRealTime();
#endif

void BM_RendezvousRoundTrip(benchmark::State& state) {
  memory mem = *memory::create_anonymous(4 << 20);
  channel<item> there(mem, "there", 0), back(mem, "back", 0);
  const harness::process echo([&] {
    for (const item& x : there) back.send(x);
  });
  item x{};
  for (auto _ : state) {
    there.send(x);
    back.receive(x);
  }
  there.close();
}
void BM_PipesRoundTrip(benchmark::State& state) {
  int there[2], back[2];
  if (::pipe(there) != 0 || ::pipe(back) != 0) return state.SkipWithError("no pipes");
  const harness::process echo([&] {
    ::close(there[1]);
    item x{};
    while (::read(there[0], &x, sizeof x) == sizeof x) {
      if (::write(back[1], &x, sizeof x) != sizeof x) return;
    }
  });
  item x{};
  for (auto _ : state) {
    if (::write(there[1], &x, sizeof x) != sizeof x || ::read(back[0], &x, sizeof x) != sizeof x) {
      return state.SkipWithError("the pipe broke");
    }
  }
  for (const int fd : {there[0], there[1], back[0], back[1]}) ::close(fd);
}
void BM_NobodyWaits(benchmark::State& state) {
  memory mem = *memory::create_anonymous(4 << 20);
  channel<item> c(mem, "c", 0);
  item x{};
  for (auto _ : state) {
    c.try_send(x);
    c.try_receive(x);
  }
}
BENCHMARK(BM_RendezvousRoundTrip)->UseRealTime();
BENCHMARK(BM_PipesRoundTrip)->UseRealTime();
BENCHMARK(BM_NobodyWaits);

}  // namespace
}  // namespace zeroipc
