// Emitting and reading on, beside the ring, which holds nobody up, and the queue, which has one taker.
#include <benchmark/benchmark.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "testing/harness/beside.h"
#include "testing/harness/harness.h"
#include "zeroipc/queue/queue.h"
#include "zeroipc/ring/ring.h"
#include "zeroipc/stream/stream.h"

namespace zeroipc {
namespace {

struct sample {
  uint64_t words[8];
};
constexpr size_t kCapacity = 1024;

struct ours {
  explicit ours(overflow when_full = overflow::block)
      : s(mem, "s", kCapacity, {.when_full = when_full}) {}
  memory mem = *memory::create_anonymous(4 << 20);
  stream<sample> s;
};

// --- one thread ---

void BM_Emit(benchmark::State& state) {
  ours o;
  const sample x{};
  for (auto _ : state) o.s.emit(x);
}
void BM_EmitBatch(benchmark::State& state) {
  ours o;
  const std::vector<sample> some(32);
  for (auto _ : state) o.s.emit_n(some);
  state.SetItemsProcessed(state.iterations() * 32);
}
// To so many subscribers, each of which reads it.
void BM_EmitAndRead(benchmark::State& state) {
  ours o;
  std::vector<subscriber<sample>> all;
  for (int64_t i = 0; i < state.range(0); ++i) all.push_back(o.s.subscriber());
  sample x{};
  for (auto _ : state) {
    o.s.emit(x);
    for (auto& one : all) one.try_next(x);
  }
}
void BM_RingPushAndRead(benchmark::State& state) {
  const memory mem = *memory::create_anonymous(4 << 20);
  ring<sample> r(mem, "r", kCapacity);
  auto reader = r.reader();
  sample x{};
  for (auto _ : state) {
    r.push(x);
    reader.try_read(x);
  }
}
void BM_QueuePushAndPop(benchmark::State& state) {
  const memory mem = *memory::create_anonymous(4 << 20);
  queue<sample> q(mem, "q", kCapacity);
  sample x{};
  for (auto _ : state) {
    q.push(x);
    q.try_pop(x);
  }
}

// --- across processes: what arrives here of what another process sends as fast as it can ---

void BM_ReadBesideAnEmitter(benchmark::State& state) {
  ours o;
  std::vector<std::unique_ptr<harness::beside>> others;
  auto own = o.s.subscriber();
  sample x{};
  for (int64_t i = 1; i < state.range(0); ++i) {
    // Who subscribes in the child reads there.
    others.push_back(std::make_unique<harness::beside>(
        [&, reader = std::make_shared<std::vector<subscriber<sample>>>()] {
          if (reader->empty()) reader->push_back(o.s.subscriber());
          reader->front().next_for(x, std::chrono::milliseconds(1));
        }));
  }
  const harness::beside emitter([&] { o.s.emit_for(x, std::chrono::milliseconds(1)); });
  for (auto _ : state) own.next(x);
  state.SetItemsProcessed(state.iterations());
}
void BM_RingReadBesideAWriter(benchmark::State& state) {
  const memory mem = *memory::create_anonymous(4 << 20);
  ring<sample> r(mem, "r", kCapacity);
  sample x{};
  const harness::beside writer([&] { r.push(x); });
  auto reader = r.reader();
  for (auto _ : state) reader.read(x);
  state.SetItemsProcessed(state.iterations());
}
void BM_QueuePopBesideAPusher(benchmark::State& state) {
  const memory mem = *memory::create_anonymous(4 << 20);
  queue<sample> q(mem, "q", kCapacity);
  sample x{};
  const harness::beside pusher([&] { q.push_for(x, std::chrono::milliseconds(1)); });
  for (auto _ : state) q.pop(x);
  state.SetItemsProcessed(state.iterations());
}

// --- through three stages, pumped by `state.range(0)` other processes, or by this one ---

stream<sample> three_stages(const memory& mem) {
  const auto same = [](const sample& x) { return x; };
  return stream<sample>(mem, "s")
      .map(mem, "one", same)
      .filter(mem, "two", [](const sample&) { return true; })
      .map(mem, "three", same);
}
void BM_ThroughThreeStages(benchmark::State& state) {
  const memory mem = *memory::create_anonymous(16 << 20);
  stream<sample> s(mem, "s", kCapacity, {.when_full = overflow::block});
  std::vector<std::unique_ptr<harness::process>> pumps;
  harness::shared_state<harness::tally> there;
  for (int64_t i = 0; i < state.range(0); ++i) {
    pumps.push_back(std::make_unique<harness::process>([&, i] {
      const auto same = [](const sample& x) { return x; };
      stream<sample> source(mem, "s");
      std::optional<stream<sample>> mine;
      // One stage each; each has to be there before the next one can be derived from it.
      if (i == 0) mine.emplace(source.map(mem, "one", same));
      if (i == 1)
        mine.emplace(
            stream<sample>(mem, "one").filter(mem, "two", [](const sample&) { return true; }));
      if (i == 2) mine.emplace(stream<sample>(mem, "two").map(mem, "three", same));
      there->add();
      for (;;) ::pause();
    }));
    if (!there->wait_for_at_least(static_cast<uint32_t>(i) + 1))
      return state.SkipWithError("a pump is missing");
  }
  const stream<sample> end = state.range(0) == 0 ? three_stages(mem) : stream<sample>(mem, "three");
  auto reader = end.subscriber(stream_start::oldest());
  const harness::beside emitter([&] { s.emit_for(sample{}, std::chrono::milliseconds(1)); });
  sample x{};
  for (auto _ : state) reader.next(x);
  state.SetItemsProcessed(state.iterations());
  s.close();
  for (const auto& p : pumps) p->kill();
}

BENCHMARK(BM_Emit);
BENCHMARK(BM_EmitBatch);
BENCHMARK(BM_EmitAndRead)->Arg(1)->Arg(3);
BENCHMARK(BM_RingPushAndRead);
BENCHMARK(BM_QueuePushAndPop);
BENCHMARK(BM_ReadBesideAnEmitter)->Arg(1)->Arg(3)->UseRealTime();
BENCHMARK(BM_RingReadBesideAWriter)->UseRealTime();
BENCHMARK(BM_QueuePopBesideAPusher)->UseRealTime();
BENCHMARK(BM_ThroughThreeStages)->Arg(0)->Arg(3)->UseRealTime();

}  // namespace
}  // namespace zeroipc
