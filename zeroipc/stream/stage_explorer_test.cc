// Property: in every order of the steps of a producer and of those who want to pump, whoever dies on the way, and with whatever stale
// values they read: what comes out is what one pump that never dies would have made, and nobody sleeps while he could go on.
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "testing/evidence/evidence.h"
#include "testing/explorer/scenario.h"
#include "testing/explorer/totals.h"
#include "zeroipc/stream/core.h"
#include "zeroipc/stream/pump.h"
#include "zeroipc/stream/source.h"
#include "zeroipc/stream/stage.h"

namespace zeroipc::internal {
namespace {

using explorer::check;
using explorer::ending;
using explorer::environment;
using explorer::memory_model;
using explorer::policy;
using explorer::totals;
using explorer::within;
using testing::instrument;

// Sums of what came so far.
struct summing {
  using state = uint64_t;
  void begin(state& s) { s = 0; }
  void next(const uint64_t& x, state& s, sink<uint64_t>& out) { out.put(s += x); }
  void end(state&, sink<uint64_t>&) {}
};

struct stage_world : explorer::scenario {
  using core = stream_core<policy, environment, 8>;
  using stage_type = stage_core<policy, environment>;
  using feed = single_feed<policy, environment, uint64_t>;
  using pump_type = pump<policy, environment, feed, uint64_t, summing>;
  static constexpr uint64_t kStride = stream_stride(8, 8), kMost = 2;

  struct one_stream {
    stream_header<policy> header;
    stream_cursor<policy> cursors[1];
    alignas(128) std::byte slots[(kMost + 1) * kStride];
  };
  struct memory {
    one_stream source, out;
    stage_header<policy> stage;
    alignas(8) std::byte states[16];
  };
  // What one process has of them. Made before the program runs, for whoever dies would leave it behind.
  struct process {
    environment env;
    core source, out;
    stage_type stage;
    std::unique_ptr<pump_type> pump_of;

    process(uint32_t i, memory& m, uint64_t capacity) : env(i) {
      bind(source, m.source, capacity);
      bind(out, m.out, kMost);
      stage.bind(env, m.stage, m.states, sizeof(uint64_t));
      pump_of = std::make_unique<pump_type>(feed({source, 0}), out, 0, stage, "s", summing());
    }
    void bind(core& c, one_stream& s, uint64_t capacity) {
      stream_log<policy, 8> log;
      log.bind(s.header, s.slots, capacity, 8, 8, kStride);
      c.bind(env, s.header, s.cursors, {overflow::block, 1}, log);
    }
  };

  memory* m = nullptr;
  std::vector<std::unique_ptr<process>> all;
  const int pumps;
  const uint64_t elements;

  // The last thread emits `n`, with room for `capacity`, and closes.
  stage_world(int pump_threads, uint64_t n, uint64_t capacity) : pumps(pump_threads), elements(n) {
    before = [this, capacity] {
      m = explorer::shared<memory>("streams");
      explorer::name(&m->stage.commits, "commits");
      explorer::name(&m->stage.pump, "pump");
      explorer::name(m->stage.records, "records");
      explorer::name(m->states, "states");
      explorer::name(&m->out.header.tail, "out.tail");
      explorer::name(&m->source.header.tail, "source.tail");
      explorer::name(m->source.cursors, "cursor");
      all.clear();
      for (int i = 0; i <= pumps; ++i) {
        all.push_back(std::make_unique<process>(static_cast<uint32_t>(i), *m, capacity));
      }
      all.push_back(std::make_unique<process>(environment::kSurvivor, *m, capacity));
      process& maker = *all.back();
      maker.stage.create({}, {});
      check(static_cast<bool>(maker.source.reserve(cursor_state::stage, "s", 0)), "no place");
    };
    for (int i = 0; i < pumps; ++i) bodies.push_back([this, i] { run_pump(*all[index(i)]); });
    bodies.push_back([this] {
      process& p = *all[index(pumps)];
      for (uint64_t i = 0; i < elements; ++i) {
        uint64_t done = 0;
        const uint64_t x = 10 * (i + 1);
        check(static_cast<bool>(p.source.emit(&x, 1, done, deadline::never(), deadline::never())),
              "an emit fails");
      }
      check(p.source.close() == outcome::ok, "not closed");
    });
    may_sleep = [](int) { return true; };  // judged below
    after = [this] { judge_all(); };
  }

  static size_t index(int i) { return static_cast<size_t>(i); }

  static void run_pump(process& p) {
    const auto never = [] { return false; };
    if (!p.stage.take(deadline::never(), never)) return;
    outcome r = p.pump_of->begin();
    while (r) r = p.pump_of->step([](auto f) { return f(), true; }, never);
    check(r == outcome::closed, "a pump gives up");
    p.pump_of->end();
    p.stage.let_go();
  }

  void judge_all() {
    process& survivor = *all.back();
    const uint64_t emitted = survivor.source.log().tail();
    const bool closed = survivor.source.closed();
    bool somebody_died = false;
    for (int i = 0; i <= pumps; ++i) somebody_died |= explorer::ending_of(i) == ending::died;
    for (int i = 0; i < pumps; ++i) {
      if (explorer::ending_of(i) != ending::asleep) continue;
      check(!closed, "somebody sleeps though there is an end");
      check(survivor.stage.progress().taken[0] == emitted,
            "somebody sleeps though there is an element");
    }
    if (explorer::ending_of(pumps) == ending::asleep) {
      check(somebody_died && survivor.source.room() == 0,
            "the producer sleeps, though there is room");
    }
    explorer::bury_the_rest();
    // Whoever pumps next.
    check(survivor.stage.take(deadline::at_once(), [] { return false; }), "the stage is stuck");
    outcome r = survivor.pump_of->begin();
    while (r) {
      r = survivor.pump_of->step([](auto f) { return f(), true; },
                                 [looks = 0]() mutable { return looks++ != 0; });
    }
    check(r == (closed ? outcome::closed : outcome::gone), "the stage does not go on");
    check(survivor.out.closed() == closed, "it ends when its source does");
    check(survivor.out.log().tail() == emitted, "something is lost, or doubled");
    uint64_t position = survivor.out.log().oldest(), missed = 0, done = 0, found[kMost] = {};
    survivor.out.log().read(position, found, kMost, done, missed);
    uint64_t sum = 0;
    for (uint64_t i = 0; i < emitted; ++i) {
      sum += 10 * (i + 1);
      const uint64_t first = emitted - done;
      if (i >= first) check(found[i - first] == sum, "not what one pump would have made");
    }
  }
};

void explore(memory_model model, instrument which) {
  totals t;
  const int few = testing::quick_or_full(2, 4);
  stage_world one(1, 2, 2), two(2, 1, 1), waiting(1, 2, 1), many(2, 2, 2);
  t.explore(one, within(model, 1, few), "a producer, a pump");
  t.explore(two, within(model, 1, few), "a producer, two who want to pump");
  t.explore(waiting, within(model, 1, few), "a producer that waits for the pump");
  t.explore(many, within(model, 2, few), "two elements, two who want to pump, two deaths");
  t.report("stage", which);
}

TEST(StageExplorer, EveryInterleavingOfTheLivingAndTheDying) {
  explore(memory_model::sequentially_consistent, instrument::explorer);
}
TEST(StageExplorer, WithStaleReads) { explore(memory_model::weak, instrument::weak_memory); }

}  // namespace
}  // namespace zeroipc::internal
