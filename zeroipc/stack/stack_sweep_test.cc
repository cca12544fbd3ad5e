// Property: a process killed at any instruction of an operation leaves a stack on which nothing acknowledged is missing, nothing
// is doubled or torn, and what is left is in its order; and so does the next one, killed at any instruction of its own.
#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "testing/evidence/evidence.h"
#include "testing/kill_sweep/blocked_kill.h"
#include "testing/kill_sweep/segment_sweep.h"
#include "zeroipc/stack/stack.h"

namespace zeroipc {
namespace {

using testing::evidence;
using testing::instrument;
using testing::moment;
using testing::quick_or_full;
using testing::segment_sweep;

#if defined(__SANITIZE_ADDRESS__)
constexpr long kQuickStride = 16, kQuickSecondStride = 48;
#else
constexpr long kQuickStride = 1, kQuickSecondStride = 3;
#endif

constexpr uint64_t kCapacity = 6;

// The element at height h (from 1) has id h.
struct element {
  uint64_t id, check[2];
  static element of(uint64_t id) { return {id, {~id, id * 3}}; }
  bool whole() const { return check[0] == ~id && check[1] == id * 3; }
};

struct rig {
  explicit rig(uint64_t before) {
    for (uint64_t i = 1; i <= before; ++i) EXPECT_TRUE(s.push(element::of(i)));
  }
  memory mem = *memory::create_anonymous(
      128 << 10, {.max_participants = 8, .max_threads = 16, .max_names = 4});
  stack<element> s{mem, "s", kCapacity};
};

struct operation {
  operation(std::string called, uint64_t have, uint64_t leave,
            std::function<void(stack<element>&)> does, bool closing = false)
      : name(std::move(called)),
        before(have),
        after(leave),
        closes(closing),
        run(std::move(does)) {}
  std::string name;
  uint64_t before, after;
  bool closes;
  std::function<void(stack<element>&)> run;
};

std::vector<operation> operations() {
  static const std::array<element, 3> kThree = {element::of(3), element::of(4), element::of(5)};
  using stack_type = stack<element>;
  constexpr std::chrono::seconds kAWhile(60);
  constexpr std::chrono::nanoseconds kNoTime(0);
  return {
      {"push", 2, 3, [](stack_type& s) { s.push(element::of(3)); }},
      {"try_push", 5, 6, [](stack_type& s) { s.try_push(element::of(6)); }},
      {"try_push, full", 6, 6, [](stack_type& s) { s.try_push(element::of(7)); }},
      {"push_for", 2, 3, [=](stack_type& s) { s.push_for(element::of(3), kAWhile); }},
      {"push_for, full", 6, 6, [=](stack_type& s) { s.push_for(element::of(7), kNoTime); }},
      {"push_n", 2, 5, [](stack_type& s) { s.push_n(kThree); }},
      {"try_push_n, for a part", 5, 6,
       [](stack_type& s) {
         const std::array<element, 2> two = {element::of(6), element::of(7)};
         s.try_push_n(two);
       }},
      {"pop", 2, 1, [](stack_type& s) { s.pop(); }},
      {"try_pop, the last", 1, 0, [](stack_type& s) { s.try_pop(); }},
      {"try_pop, empty", 0, 0, [](stack_type& s) { s.try_pop(); }},
      {"pop_for", 6, 5, [=](stack_type& s) { s.pop_for(kAWhile); }},
      {"pop_n", 5, 1,
       [](stack_type& s) {
         std::array<element, 4> four;
         s.pop_n(four);
       }},
      {"try_top", 2, 2,
       [](stack_type& s) {
         element e;
         s.try_top(e);
       }},
      {"close", 2, 2, [](stack_type& s) { s.close(); }, true},
  };
}

// Empties it; how many there were.
uint64_t drain(stack<element>& s) {
  const uint64_t n = s.size();
  uint64_t height = n;
  for (element e; s.try_pop(e); --height) {
    EXPECT_TRUE(e.whole());
    EXPECT_EQ(e.id, height);
  }
  EXPECT_EQ(height, 0u);
  return n;
}

// It has all its room and goes on.
void expect_whole(stack<element>& s) {
  for (uint64_t i = 1; i <= kCapacity; ++i) EXPECT_TRUE(s.try_push(element::of(i)));
  EXPECT_EQ(s.try_push(element::of(9)), outcome::full);
  EXPECT_EQ(drain(s), kCapacity);
}

TEST(StackSweep, AnyInstructionMayBeTheLast) {
  uint64_t instructions = 0, states = 0, pairs = 0;
  for (const operation& op : operations()) {
    const uint64_t least = std::min(op.before, op.after), most = std::max(op.before, op.after);
    rig once(op.before);
    segment_sweep sweep(once.mem);
    bool changed = false;
    sweep.every_instruction([&] { op.run(once.s); },
                            [&](const memory& copy, const moment& at) {
                              SCOPED_TRACE(op.name + ", " + at.text());
                              stack<element> s(copy, "s");
                              const bool closed = s.closed();
                              const uint64_t found = drain(s);
                              // A batch is one step.
                              EXPECT_TRUE(found == op.before || found == op.after) << found;
                              EXPECT_FALSE(closed && !op.closes);
                              if (changed) {
                                EXPECT_EQ(found, op.after)
                                    << "what has happened is undone by dying later";
                              }
                              changed = found != op.before;
                              if (at.returned) {
                                EXPECT_EQ(found, op.after);
                                EXPECT_EQ(closed, op.closes);
                              }
                              if (!closed) expect_whole(s);
                            },
                            quick_or_full(kQuickStride, 1L));
    EXPECT_GE(sweep.states(), 1);
    instructions += static_cast<uint64_t>(sweep.instructions());
    states += static_cast<uint64_t>(sweep.states());

    for (const bool pushes : {false, true}) {
      rig again(op.before);
      segment_sweep twice(again.mem);
      twice.recoverer_too([&] { op.run(again.s); },
                          [&](const memory& copy) {
                            return [s = stack<element>(copy, "s"), pushes]() mutable {
                              if (pushes) {
                                s.try_push(element::of(s.size() + 1));
                              } else {
                                s.try_pop();
                              }
                            };
                          },
                          [&](const memory& copy, const moment& at) {
                            SCOPED_TRACE(op.name + ", " + at.text());
                            stack<element> s(copy, "s");
                            const bool closed = s.closed();
                            const uint64_t found = drain(s);
                            EXPECT_LE(found, most + pushes);
                            EXPECT_GE(found + !pushes, least);
                            if (!closed) expect_whole(s);
                          },
                          {.first = 0,
                           .stride = quick_or_full(3 * kQuickStride, 1L),
                           .second_stride = quick_or_full(kQuickSecondStride, 1L)});
      pairs += static_cast<uint64_t>(twice.states());
    }
    if (::testing::Test::HasFailure()) return;
  }
  evidence("stack", instrument::kill_sweep)
      .figure("operations", operations().size())
      .figure("instructions", instructions)
      .figure("crash states", states);
  evidence("stack", instrument::double_kill).figure("pairs of deaths", pairs);
}

struct empty_rig : rig {
  empty_rig() : rig(0) {}
};

TEST(StackSweep, WhoWaitsBesideOneThatDiesIsServed) {
  constexpr std::chrono::hours kLong(1);
  testing::blocked_kill<empty_rig> kills("stack");
  using rig = empty_rig;
  const auto fill = [](rig& r) {
    for (uint64_t i = 1; i <= kCapacity; ++i) EXPECT_TRUE(r.s.push(element::of(i)));
  };
  // What the dead one popped went with it, and what it pushed is there.
  const auto push = [](rig& r) { EXPECT_TRUE(r.s.try_push(element::of(1))); };
  const auto is_empty = [](rig& r) { return r.s.empty(); };
  const auto pop = [](rig& r) { EXPECT_TRUE(r.s.try_pop()); };
  const auto is_full = [](rig& r) { return r.s.size() == kCapacity; };
  kills.operation(
      "pop",
      {.wait = [](rig& r) { EXPECT_TRUE(r.s.pop()); }, .serve = push, .is_used_up = is_empty});
  kills.operation("pop_for", {.wait = [](rig& r) { EXPECT_TRUE(r.s.pop_for(kLong)); },
                              .serve = push,
                              .is_used_up = is_empty});
  kills.operation("push", {.prepare = fill,
                           .wait = [](rig& r) { EXPECT_TRUE(r.s.push(element::of(kCapacity))); },
                           .serve = pop,
                           .is_used_up = is_full});
  kills.operation("push_for",
                  {.prepare = fill,
                   .wait = [](rig& r) { EXPECT_TRUE(r.s.push_for(element::of(kCapacity), kLong)); },
                   .serve = pop,
                   .is_used_up = is_full});
  kills.run();
}

}  // namespace
}  // namespace zeroipc
