// Property: in every order of the steps of producers and subscribers, whoever dies on the way, and with whatever stale values they
// read: a subscriber sees every element from where he began, whole and in order, or is told that he missed it, which can only be
// where the stream overwrites; what was emitted stays; and nobody sleeps while he could go on.
#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "testing/evidence/evidence.h"
#include "testing/explorer/scenario.h"
#include "testing/explorer/totals.h"
#include "zeroipc/stream/core.h"

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

struct element {
  uint64_t a, b;
  static element of(uint64_t x) { return {x, ~x}; }
  bool whole() const { return b == ~a; }
};

constexpr uint32_t kCursors = 2;
constexpr uint64_t kMostCapacity = 2;
constexpr std::string_view kName = "audit";

struct market : explorer::scenario {
  using core = stream_core<policy, environment, sizeof(element)>;
  using cursor = core::held_cursor;
  static constexpr uint64_t kStride = stream_stride(sizeof(element), alignof(element));
  struct memory {
    stream_header<policy> header;
    stream_cursor<policy> cursors[kCursors];
    alignas(128) std::byte slots[(kMostCapacity + 1) * kStride];
  };
  struct options {
    uint64_t capacity = 1;
    overflow when_full = overflow::block;
    uint64_t before = 0;  // elements that are there when it begins
  };

  memory* m = nullptr;
  const options how;
  // Of the run that is explored now.
  struct {
    uint64_t emitted = 0;          // acknowledged
    std::array<uint64_t, 4> at{};  // a reader's position
  } now;

  explicit market(const options& o) : how(o) {
    before = [this] {
      m = explorer::shared<memory>("stream");
      explorer::name(&m->header.tail, "tail");
      explorer::name(&m->header.limit, "limit");
      explorer::name(m->cursors, "cursors");
      explorer::name(m->slots, "slots");
      now = {};
      environment env(environment::kSurvivor);
      core c = bound(env);
      for (uint64_t i = 0; i < how.before; ++i) emit(c, i);
      prepare();
    };
    may_sleep = [](int) { return true; };  // judged below
    after = [this] { judge_all(); };
  }

  virtual void prepare() {}
  virtual void judge_more(core&) {}

  core bound(environment& env) {
    core c;
    stream_log<policy, sizeof(element)> log;
    log.bind(m->header, m->slots, how.capacity, sizeof(element), alignof(element), kStride);
    c.bind(env, m->header, m->cursors, {how.when_full, kCursors}, log);
    return c;
  }
  outcome emit(core& c, uint64_t x) {
    const element e = element::of(x);
    uint64_t done = 0;
    const bool waits = how.when_full == overflow::block;
    const outcome r =
        c.emit(&e, 1, done, waits ? deadline::never() : deadline::at_once(), deadline::never());
    check(r || r == outcome::full || r == outcome::closed, "an emit fails");
    if (r) ++now.emitted;
    return r;
  }
  // Up to n elements from where the cursor stands.
  void read(int thread, core& c, const cursor& held, int n) {
    uint64_t& position = now.at[static_cast<size_t>(thread)];
    position = c.position(held);
    for (int i = 0; i < n; ++i) {
      const outcome w = c.wait_for(position, deadline::never());
      if (w == outcome::closed) {
        check(position == c.log().tail(),
              "it is told that there is an end, and it has not come to it");
        return;
      }
      check(w == outcome::ok, "it is neither there nor closed");
      element e{};
      uint64_t done = 0, missed = 0;
      const uint64_t before_it = position;
      check(static_cast<bool>(c.log().read(position, &e, 1, done, missed)), "a read fails");
      check(e.whole(), "a torn element");
      check(position == before_it + missed + 1, "what was missed is not counted");
      check(missed == 0 || how.when_full == overflow::overwrite, "missed, though it was held");
      expect(position - 1, e.a);
      check(static_cast<bool>(c.move_on(held, position)), "not its own cursor");
    }
  }
  // What stands at a position: with one producer it is known.
  virtual void expect(uint64_t position, uint64_t found) {
    check(found == position, "not the element of that place");
  }

  void judge_all() {
    environment env(environment::kSurvivor);
    core c = bound(env);
    check(c.log().tail() >= now.emitted, "what was emitted is lost");
    const bool room = c.room() != 0, closed = c.closed();
    for (int t = 0; t < threads(); ++t) {
      if (explorer::ending_of(t) != ending::asleep) continue;
      if (t < producers) {
        check(!room && !closed, "a producer sleeps, though there is room");
      } else {
        check(c.log().tail() == now.at[static_cast<size_t>(t)] && !closed,
              "a subscriber sleeps through a change");
      }
    }
    judge_more(c);
    // The stream is not stuck.
    const uint64_t tail = c.log().tail();
    const element e = element::of(tail);
    uint64_t done = 0;
    const outcome r = c.emit(&e, 1, done, deadline::at_once(), deadline::at_once());
    check(closed ? r == outcome::closed
          : room ? r == outcome::ok
                 : r == outcome::full,
          "the stream is stuck");
    uint64_t position = c.log().oldest(), missed = 0;
    element all[kMostCapacity] = {};
    const uint64_t there = c.log().tail() - position;
    check(there <= how.capacity, "more than there is room for");
    c.log().read(position, all, kMostCapacity, done, missed);
    check(done == there, "the newest are not all there");
    for (uint64_t i = 0; i < done; ++i) check(all[i].whole(), "a torn element");
  }

  int producers = 0;
};

// A producer of `n`, who closes it then; a subscriber from the beginning, who reads `n` and goes.
struct one_to_one : market {
  cursor held;

  one_to_one(const options& o, uint64_t n, int reads, bool closes) : market(o) {
    producers = 1;
    bodies.push_back([this, n, closes] {
      environment env(0);
      core c = bound(env);
      for (uint64_t i = 0; i < n; ++i) emit(c, how.before + i);
      if (closes) check(c.close() == outcome::ok, "not closed");
    });
    bodies.push_back([this, reads] {
      environment env(1);
      core c = bound(env);
      read(1, c, held, reads);
      c.unsubscribe(held);
    });
  }
  void prepare() override {
    environment env(1);
    core c = bound(env);
    check(static_cast<bool>(c.subscribe(0, held)), "no cursor");
  }
};

// A producer who waits for a subscriber who does not read, and somebody who closes.
struct closing : market {
  explicit closing(const options& o) : market(o) {
    producers = 1;
    bodies.push_back([this] {
      environment env(0);
      core c = bound(env);
      for (uint64_t i = 0; i < 2; ++i) emit(c, how.before + i);
    });
    bodies.push_back([this] {
      environment env(1);
      core c = bound(env);
      check(c.close() == outcome::ok, "not closed");
    });
  }
  void prepare() override {
    environment env(environment::kSurvivor);
    core c = bound(env);
    cursor held;
    check(static_cast<bool>(c.subscribe(0, held)), "no cursor");
  }
};

// A producer of a batch larger than the stream, and a subscriber.
struct batch : market {
  cursor held;

  explicit batch(const options& o) : market(o) {
    producers = 1;
    bodies.push_back([this] {
      environment env(0);
      core c = bound(env);
      element all[3];
      for (uint64_t i = 0; i < 3; ++i) all[i] = element::of(how.before + i);
      uint64_t done = 0;
      check(static_cast<bool>(c.emit(all, 3, done, deadline::never(), deadline::never())),
            "a batch is refused");
      now.emitted += done;
    });
    bodies.push_back([this] {
      environment env(1);
      core c = bound(env);
      read(1, c, held, 2);
      c.unsubscribe(held);
    });
  }
  void prepare() override {
    environment env(1);
    core c = bound(env);
    check(static_cast<bool>(c.subscribe(0, held)), "no cursor");
  }
};

// Two producers of one each; a subscriber from the beginning.
struct two_to_one : market {
  cursor held;

  explicit two_to_one(const options& o) : market(o) {
    producers = 2;
    for (int p = 0; p < 2; ++p) {
      bodies.push_back([this, p] {
        environment env(static_cast<uint32_t>(p));
        core c = bound(env);
        emit(c, 100 * static_cast<uint64_t>(p + 1));
      });
    }
    bodies.push_back([this] {
      environment env(2);
      core c = bound(env);
      read(2, c, held, 1);
    });
  }
  void prepare() override {
    environment env(2);
    core c = bound(env);
    check(static_cast<bool>(c.subscribe(0, held)), "no cursor");
  }
  void expect(uint64_t, uint64_t found) override {
    check(found == 100 || found == 200, "nobody's element");
  }
};

// A producer; somebody who subscribes meanwhile, reads one, and goes.
struct late_comer : market {
  late_comer(const options& o, uint64_t n) : market(o) {
    producers = 1;
    bodies.push_back([this, n] {
      environment env(0);
      core c = bound(env);
      for (uint64_t i = 0; i < n; ++i) emit(c, how.before + i);
    });
    bodies.push_back([this] {
      environment env(1);
      core c = bound(env);
      cursor held;
      check(static_cast<bool>(c.subscribe(0, held)), "no cursor");
      if (c.log().tail() != c.position(held)) read(1, c, held, 1);
      now.at[1] = c.position(held);
      c.unsubscribe(held);
    });
  }
};

// Two who want to read on under one name, where a dead one left it, and a producer.
struct heirs : market {
  std::array<bool, 2> had{};

  explicit heirs(const options& o) : market(o) {
    producers = 1;
    bodies.push_back([this] {
      environment env(0);
      core c = bound(env);
      emit(c, how.before);
    });
    for (int t = 1; t <= 2; ++t) {
      bodies.push_back([this, t] {
        environment env(static_cast<uint32_t>(t));
        core c = bound(env);
        cursor held;
        const outcome r = c.subscribe(cursor_state::durable, kName, 0, held);
        check(r || r == outcome::taken, "no cursor, and not taken");
        if (!r) return;
        had[static_cast<size_t>(t - 1)] = true;
        if (c.log().tail() != c.position(held)) read(t, c, held, 1);
        had[static_cast<size_t>(t - 1)] = false;
        c.unsubscribe(held);
      });
    }
  }
  void prepare() override {
    had = {};
    environment env(3);  // who is not there any more
    core c = bound(env);
    cursor held;
    check(static_cast<bool>(c.subscribe(cursor_state::durable, kName, 0, held)), "no cursor");
    c.unsubscribe(held);
  }
  void judge_more(core& c) override {
    cursor held;
    const outcome r = c.subscribe(cursor_state::durable, kName, 0, held);
    bool living = false;
    for (int t = 1; t <= 2; ++t) {
      living |= had[static_cast<size_t>(t - 1)] && explorer::ending_of(t) != ending::died;
    }
    check(r || living, "the place is taken, and by nobody");
    if (!r) return;
    const uint64_t at = c.position(held);
    check(at >= (c.log().tail() > how.capacity ? c.log().tail() - how.capacity : 0),
          "it was not held for the name");
    c.unsubscribe(held);
  }
};

void explore(memory_model model, instrument which) {
  totals t;
  const int few = testing::quick_or_full(2, 4);
  one_to_one first({}, 2, 2, false), ends({}, 1, 2, true);
  one_to_one refuses({.capacity = 2, .when_full = overflow::refuse, .before = 1}, 2, 3, false);
  one_to_one laps({.when_full = overflow::overwrite, .before = 1}, 3, 2, false);
  closing ends_waiting({});
  one_to_one leaves({}, 2, 0, false);
  batch whole({.when_full = overflow::overwrite, .before = 1}), pieces({});
  two_to_one two({});
  late_comer late({.when_full = overflow::refuse, .before = 1}, 2);
  heirs name({.capacity = 2, .when_full = overflow::refuse, .before = 1});
  t.explore(first, within(model, 1, few), "a producer that waits, a subscriber");
  t.explore(ends, within(model, 1, few), "a producer that closes, a subscriber");
  t.explore(refuses, within(model, 1, few), "a producer that is refused, a subscriber");
  t.explore(laps, within(model, 1, few), "a producer that overwrites, a subscriber");
  t.explore(ends_waiting, within(model, 1, few), "a producer that waits, and is closed");
  t.explore(leaves, within(model, 1, few), "a producer that waits, a subscriber that goes");
  t.explore(whole, within(model, 1, few), "a batch that overwrites, a subscriber");
  t.explore(pieces, within(model, 1, few), "a batch that waits, a subscriber");
  t.explore(two, within(model, 1, few), "two producers, a subscriber");
  t.explore(late, within(model, 1, few), "a producer, somebody who comes later");
  t.explore(name, within(model, 1, few), "two heirs of a name, a producer");
  t.report("stream", which);
}

TEST(StreamExplorer, EveryInterleavingOfTheLivingAndTheDying) {
  explore(memory_model::sequentially_consistent, instrument::explorer);
}
TEST(StreamExplorer, WithStaleReads) { explore(memory_model::weak, instrument::weak_memory); }

}  // namespace
}  // namespace zeroipc::internal
