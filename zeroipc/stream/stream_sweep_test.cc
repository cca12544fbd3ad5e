// Property: a process killed at any instruction of an operation leaves what was emitted whole and in order, with what it was emitting
// behind it or not, and every place where it was or is to be; and so does the next one, killed at any instruction of its own.
#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "testing/kill_sweep/blocked_kill.h"
#include "testing/kill_sweep/structure_sweep.h"
#include "zeroipc/stream/stream.h"

namespace zeroipc {
namespace {

using testing::moment;

constexpr uint64_t kCapacity = 3, kBefore = 4;

// Element n of the history has id n.
struct element {
  uint64_t id, check[2];
  static element of(uint64_t id) { return {id, {~id, id * 3}}; }
  bool whole() const { return check[0] == ~id && check[1] == id * 3; }
};

// A reader of the rig's own process stands at 3, and so does a name, and the next element is 4.
struct rig {
  memory mem = testing::small_memory();
  stream<element> s{mem, "s", kCapacity, {.max_subscribers = 4}};
  std::optional<subscriber<element>> reader;

  rig() {
    for (uint64_t i = 0; i < kBefore; ++i) EXPECT_TRUE(s.emit(element::of(i)));
    reader = s.subscriber(stream_start::at(3));
    static_cast<void>(s.subscriber("name", stream_start::at(3)));
  }
};

// All that is there is whole and in its place; how many were ever emitted.
uint64_t read_all(const stream<element>& s) {
  auto h = s.history();
  uint64_t next = s.emitted() - s.size();
  for (const element& e : h) {
    EXPECT_TRUE(e.whole());
    EXPECT_EQ(e.id, next++);
  }
  EXPECT_EQ(h.missed(), 0u) << "nobody else emits";
  EXPECT_EQ(next, s.emitted());
  return next;
}

TEST(StreamSweep, AnyInstructionMayBeTheLast) {
  testing::structure_sweep<rig> sweep("stream");
  const std::array<element, 2> two = {element::of(4), element::of(5)};
  sweep.operation("emit", [&](rig& r) { r.s.emit(two[0]); });
  sweep.operation("emit_for", [&](rig& r) { r.s.emit_for(two[0], std::chrono::hours(1)); });
  sweep.operation("emit_n", [&](rig& r) { r.s.emit_n(two); });
  sweep.operation("emit, refused", [&](rig& r) {
    r.s.emit_n(two);
    r.s.emit(element::of(6));
  });
  sweep.operation("next", [](rig& r) { r.reader->next(); });
  sweep.operation("next_n", [](rig& r) {
    std::array<element, 2> some;
    r.reader->next_n(some);
  });
  sweep.operation("peek and release", [](rig& r) {
    const element* e = nullptr;
    r.reader->peek(e);
    r.reader->release();
  });
  sweep.operation("subscribe", [](rig& r) {
    const auto more = r.s.make_subscriber(stream_start::oldest());
    EXPECT_TRUE(more.ok());
  });
  sweep.operation("subscribe under a new name", [](rig& r) {
    const auto more = r.s.make_subscriber("new", stream_start::oldest());
    EXPECT_TRUE(more.ok());
  });
  sweep.operation("subscribe under a name", [](rig& r) {
    auto more = r.s.make_subscriber("name");
    EXPECT_TRUE(more.ok());
    more->next();
  });
  sweep.operation("unsubscribe", [](rig& r) { r.reader.reset(); });
  sweep.operation("forget", [](rig& r) { r.s.forget("name"); });
  sweep.operation("close", [](rig& r) { r.s.close(); });
  sweep.recoverer([](const memory& copy) {
    return [s = stream<element>(copy, "s")]() mutable {
      s.emit(element::of(s.emitted()));
      s.close();
    };
  });
  sweep.recoverer([](const memory& copy) {
    return [s = stream<element>(copy, "s")]() mutable {
      auto more = s.make_subscriber("name");
      if (more.ok()) more->try_next();
    };
  });
  sweep.run([](const memory& copy, const std::string& operation, const moment& at) {
    stream<element> s(copy, "s");
    const uint64_t emitted = read_all(s);
    EXPECT_GE(emitted, kBefore) << "acknowledged and lost";
    if (at.returned && operation.starts_with("emit")) {
      EXPECT_GE(emitted, kBefore + (operation == "emit" || operation == "emit_for" ? 1u : 2u));
    }
    if (operation == "close" && at.returned) {
      EXPECT_TRUE(s.closed());
    }
    // The name's place: no element before it is gone that was not read there.
    auto name = s.make_subscriber("name", stream_start::oldest());
    ASSERT_TRUE(name.ok()) << name.status();
    const bool reads = operation == "subscribe under a name" || at.second >= 0;
    if (operation != "forget") {
      EXPECT_GE(name->position(), 3u);
      EXPECT_LE(name->position(), reads ? emitted : 3u);
    }
    EXPECT_EQ(name->missed(), 0u);
    for (uint64_t i = name->position(); i < emitted; ++i) {
      const auto e = name->try_next();
      ASSERT_TRUE(e);
      EXPECT_EQ(e->id, i);
    }
    // The dead hold nobody up, whatever they were at; a new name that was given stays.
    if (s.forget("new")) {
      EXPECT_EQ(operation, "subscribe under a new name");
    } else {
      EXPECT_FALSE(at.returned && operation == "subscribe under a new name");
    }
    if (!s.closed()) {
      for (uint64_t i = 0; i < kCapacity; ++i) EXPECT_TRUE(s.emit(element::of(emitted + i)));
      EXPECT_FALSE(s.emit(element::of(0))) << "the name's reader lives";
      EXPECT_EQ(read_all(s), emitted + kCapacity);
      EXPECT_EQ(s.stats().subscribers, 1u);
    }
  });
}

struct blocked_rig {
  memory mem = testing::small_memory();
  stream<int> s{mem, "s", 1, {.when_full = overflow::block, .max_subscribers = 8}};
  std::optional<subscriber<int>> reader;
  void fill() {
    reader = s.subscriber();
    EXPECT_TRUE(s.emit(1));
  }
};

TEST(StreamSweep, WhoWaitsBesideOneThatDiesIsServed) {
  constexpr std::chrono::hours kLong(1);
  testing::blocked_kill<blocked_rig> kills("stream");
  const auto full = [](blocked_rig& r) { r.fill(); };
  const auto room = [](blocked_rig& r) { EXPECT_TRUE(r.reader->try_next()); };
  const auto used_up = [](blocked_rig& r) { return r.reader->lag() != 0; };
  kills.operation("emit", {.prepare = full,
                           .wait = [](blocked_rig& r) { EXPECT_TRUE(r.s.emit(2)); },
                           .serve = room,
                           .is_used_up = used_up});
  kills.operation("emit_for", {.prepare = full,
                               .wait = [](blocked_rig& r) { EXPECT_TRUE(r.s.emit_for(2, kLong)); },
                               .serve = room,
                               .is_used_up = used_up});
  const auto comes = [](blocked_rig& r) { EXPECT_TRUE(r.s.try_emit(1)); };
  const auto have_come = [](blocked_rig& r, uint64_t n) { return r.s.stats().subscribers >= n; };
  kills.operation("next", {.wait =
                               [](blocked_rig& r) {
                                 auto own = r.s.subscriber();
                                 EXPECT_EQ(own.next(), 1);
                               },
                           .serve = comes,
                           .have_come = have_come});
  kills.operation("peek_for", {.wait =
                                   [](blocked_rig& r) {
                                     auto own = r.s.subscriber();
                                     const int* e = nullptr;
                                     EXPECT_TRUE(own.peek_for(e, kLong));
                                     EXPECT_EQ(*e, 1);
                                   },
                               .serve = comes,
                               .have_come = have_come});
  kills.run();
}

}  // namespace
}  // namespace zeroipc
