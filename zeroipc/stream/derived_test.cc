// Streams that are derived from streams: what each operator makes, and who pumps.
#include <signal.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/harness/harness.h"
#include "zeroipc/name_table/name_table.h"
#include "zeroipc/stream/stream.h"

namespace zeroipc {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

[[noreturn]] void pause_for_ever() {
  for (;;) ::pause();
}
bool is_odd(int x) { return x % 2 != 0; }
int twice(int x) { return 2 * x; }
int sum(int a, int b) { return a + b; }

class DerivedTest : public ::testing::Test {
 protected:
  // Numbers from 1 to n, and no more.
  stream<int> numbers(int n, std::string_view name = "numbers") {
    stream<int> s(mem_, name, 100);
    for (int i = 1; i <= n; ++i) EXPECT_TRUE(s.emit(i));
    EXPECT_TRUE(s.close());
    return s;
  }

  const harness::unique_segment name_;
  memory mem_{name_.name(), 16 << 20};
};

// All of them, from the oldest to the end.
template <typename T>
std::vector<T> all_of(const stream<T>& s) {
  std::vector<T> all;
  auto reader = s.subscriber(stream_start::oldest());
  while (auto x = reader.next()) all.push_back(*x);
  EXPECT_TRUE(s.closed());
  return all;
}
std::vector<std::vector<int>> all_of(const stream<window<int>>& s) {
  std::vector<std::vector<int>> all;
  auto reader = s.subscriber(stream_start::oldest());
  const window<int>* w = nullptr;
  while (reader.peek(w)) {
    all.emplace_back(w->begin(), w->end());
    EXPECT_TRUE(reader.release());
  }
  return all;
}
using lists = std::vector<std::vector<int>>;

TEST_F(DerivedTest, Operators) {
  const stream<int> five = numbers(5);
  EXPECT_THAT(all_of(five.filter(mem_, "odd", is_odd)), ElementsAre(1, 3, 5));
  EXPECT_THAT(all_of(five.map(mem_, "twice", twice)), ElementsAre(2, 4, 6, 8, 10));
  EXPECT_THAT(all_of(five.map(mem_, "half", [](int x) { return x / 2.0; })),
              ElementsAre(0.5, 1, 1.5, 2, 2.5));
  EXPECT_THAT(all_of(five.flat_map(mem_, "down",
                                   [](int x) {
                                     std::vector<int> v;
                                     for (int i = x; i > 3; --i) v.push_back(i);
                                     return v;
                                   })),
              ElementsAre(4, 5, 4));
  EXPECT_THAT(all_of(five.scan(mem_, "sums", 0, sum)), ElementsAre(1, 3, 6, 10, 15));
  EXPECT_THAT(all_of(five.fold(mem_, "sum", 10, sum)), ElementsAre(25));
  EXPECT_THAT(all_of(five.take(mem_, "two", 2)), ElementsAre(1, 2));
  EXPECT_THAT(all_of(five.take(mem_, "nine", 9)), ElementsAre(1, 2, 3, 4, 5));
  EXPECT_THAT(all_of(five.skip(mem_, "but two", 2)), ElementsAre(3, 4, 5));
  EXPECT_THAT(all_of(five.skip(mem_, "but nine", 9)), IsEmpty());
  EXPECT_THAT(all_of(five.sample(mem_, "every second", 2)), ElementsAre(1, 3, 5));
  EXPECT_THAT(all_of(five.sample(mem_, "newest in an hour", 1h)), ElementsAre(5));
  EXPECT_THAT(all_of(five.sample(mem_, "newest in no time", 0ns)), ElementsAre(1, 2, 3, 4, 5));
  EXPECT_THAT(all_of(five.throttle(mem_, "slow", 1h)), ElementsAre(1));
  EXPECT_THAT(all_of(five.throttle(mem_, "fast", 0ns)), ElementsAre(1, 2, 3, 4, 5));
  const auto [odd, even] = five.partition(mem_, "odds", "evens", is_odd);
  EXPECT_THAT(all_of(odd), ElementsAre(1, 3, 5));
  EXPECT_THAT(all_of(even), ElementsAre(2, 4));
}

TEST_F(DerivedTest, DistinctFromTheLastOnes) {
  stream<int> s(mem_, "s", 100);
  for (const int x : {1, 1, 2, 1, 3, 3, 1, 2}) EXPECT_TRUE(s.emit(x));
  s.close();
  EXPECT_THAT(all_of(s.distinct(mem_, "changes")), ElementsAre(1, 2, 1, 3, 1, 2));
  EXPECT_THAT(all_of(s.distinct(mem_, "of two", 2)), ElementsAre(1, 2, 3, 1, 2));
  EXPECT_THAT(all_of(s.distinct(mem_, "of three", 3)), ElementsAre(1, 2, 3));
}

TEST_F(DerivedTest, Windows) {
  const stream<int> seven = numbers(7);
  EXPECT_EQ(all_of(seven.window(mem_, "of three", 3)), (lists{{1, 2, 3}, {4, 5, 6}, {7}}));
  EXPECT_EQ(all_of(seven.window(mem_, "of seven", 7)), (lists{{1, 2, 3, 4, 5, 6, 7}}));
  EXPECT_EQ(all_of(seven.window(mem_, "sliding", 3, 2)), (lists{{1, 2, 3}, {3, 4, 5}, {5, 6, 7}}));
  EXPECT_EQ(all_of(seven.window(mem_, "sliding by one", 4, 1)),
            (lists{{1, 2, 3, 4}, {2, 3, 4, 5}, {3, 4, 5, 6}, {4, 5, 6, 7}}));
  EXPECT_EQ(all_of(seven.window(mem_, "sliding, with a rest", 4, 2)),
            (lists{{1, 2, 3, 4}, {3, 4, 5, 6}, {5, 6, 7}}));
  EXPECT_EQ(all_of(seven.window(mem_, "with gaps", 2, 3)), (lists{{1, 2}, {4, 5}, {7}}));
  EXPECT_EQ(all_of(seven.window(mem_, "within an hour", 1h, 4)), (lists{{1, 2, 3, 4}, {5, 6, 7}}));
  const auto two = seven.window(mem_, "of two", 2);
  EXPECT_EQ(
      all_of(two.filter(mem_, "whole ones", [](const window<int>& w) { return w.size() == 2; })),
      (lists{{1, 2}, {3, 4}, {5, 6}}));
  EXPECT_THAT(all_of(two.map(mem_, "sums", [](const auto& w) { return w.front() + w.back(); })),
              ElementsAre(3, 7, 11, 14));
  int n = 0;
  for (const window<int>& w : two.history()) {
    EXPECT_EQ(w[0], 1 + 2 * n++);
    EXPECT_FALSE(w.empty());
  }
  EXPECT_EQ(n, 4);
}

TEST_F(DerivedTest, AWindowOfTimeEndsThoughNothingComes) {
  stream<int> s(mem_, "s", 100);
  const auto windows = s.window(mem_, "windows", 1ms, 100);
  auto reader = windows.subscriber(stream_start::oldest());
  EXPECT_TRUE(s.emit(1));
  const window<int>* w = nullptr;
  ASSERT_TRUE(reader.peek(w));
  EXPECT_THAT(std::vector<int>(w->begin(), w->end()), ElementsAre(1));
  EXPECT_TRUE(reader.release());
  EXPECT_TRUE(s.emit(2));
  ASSERT_TRUE(reader.peek(w));
  EXPECT_EQ(w->front(), 2);
}

TEST_F(DerivedTest, ASampleOfTimeIsTakenThoughNothingComes) {
  stream<int> s(mem_, "s", 100);
  auto reader = s.sample(mem_, "samples", 1ms).subscriber(stream_start::oldest());
  for (const int x : {1, 2}) {
    EXPECT_TRUE(s.emit(x));
    EXPECT_EQ(reader.next(), x);
  }
}

TEST_F(DerivedTest, MergeAndZip) {
  const stream<int> a = numbers(3, "a"), b = numbers(5, "b");
  const std::vector<int> merged = all_of(a.merge(mem_, "merged", b));
  EXPECT_THAT(merged, ElementsAre(1, 1, 2, 2, 3, 3, 4, 5));
  const auto pairs =
      all_of(a.zip(mem_, "zipped", b.map(mem_, "halves", [](int x) { return x / 2.0; })));
  ASSERT_EQ(pairs.size(), 3u);
  for (int i = 0; i < 3; ++i) {
    const auto [x, half] = pairs[static_cast<size_t>(i)];
    EXPECT_EQ(x, i + 1);
    EXPECT_EQ(half, (i + 1) / 2.0);
  }
  // With itself; it comes to the end of both.
  EXPECT_THAT(all_of(a.merge(mem_, "doubled", a)), ElementsAre(1, 1, 2, 2, 3, 3));
  EXPECT_EQ(all_of(a.zip(mem_, "diagonal", a)).size(), 3u);
}

TEST_F(DerivedTest, TwoSourcesAreWaitedForAtATime) {
  stream<int> a(mem_, "a", 4), b(mem_, "b", 4);
  const auto merged = a.merge(mem_, "merged", b);
  const auto zipped = a.zip(mem_, "zipped", b);
  auto m = merged.subscriber(stream_start::oldest());
  auto z = zipped.subscriber(stream_start::oldest());
  for (int i = 0; i < 20; ++i) {
    EXPECT_TRUE((is_odd(i) ? a : b).emit(i));
    EXPECT_EQ(m.next(), i);
    if (is_odd(i)) {
      const auto pair = z.next();
      ASSERT_TRUE(pair);
      EXPECT_EQ(pair->first, i);
      EXPECT_EQ(pair->second, i - 1);
    }
  }
  EXPECT_TRUE(a.close());
  EXPECT_EQ(z.next(), std::nullopt) << "one of them has ended";
  EXPECT_TRUE(b.emit(20));
  EXPECT_EQ(m.next(), 20);
  EXPECT_TRUE(b.close());
  EXPECT_EQ(m.next(), std::nullopt);
}

TEST_F(DerivedTest, OperatorsOfYourOwn) {
  struct runs {  // of equal numbers: how long
    struct state {
      int of, length;
    };
    void begin(state& s) { s = {}; }
    void next(const int& x, state& s, sink<int>& out) {
      if (s.length != 0 && x != s.of) out.put(std::exchange(s.length, 0));
      s.of = x;
      ++s.length;
    }
    void end(state& s, sink<int>& out) {
      if (s.length != 0) out.put(s.length);
    }
  };
  stream<int> s(mem_, "s", 100);
  for (const int x : {7, 7, 7, 4, 4, 7}) EXPECT_TRUE(s.emit(x));
  s.close();
  auto lengths = s.derive<int>(mem_, "lengths", "lengths of runs", runs());
  ASSERT_TRUE(lengths.ok()) << lengths.status();
  EXPECT_THAT(all_of(*lengths), ElementsAre(3, 2, 1));
  EXPECT_EQ(lengths->pump()->origin, "lengths of runs of 's'");
}

TEST_F(DerivedTest, IntermediateHandlesMayBeTemporaries) {
  stream<int> s(mem_, "s", 100);
  std::optional<stream<int>> end =
      s.filter(mem_, "odd", is_odd).map(mem_, "twice", twice).scan(mem_, "sums", 0, sum);
  auto reader = stream<int>(mem_, "sums").subscriber(stream_start::oldest());
  for (int i = 1; i <= 5; ++i) EXPECT_TRUE(s.emit(i));
  EXPECT_EQ(reader.next(), 2);
  EXPECT_EQ(reader.next(), 8);
  EXPECT_EQ(reader.next(), 18);
  EXPECT_TRUE(stream<int>(mem_, "odd").pump()->is_alive);
  // Nobody pumps any more; what is emitted waits.
  end.reset();
  EXPECT_FALSE(stream<int>(mem_, "odd").pump()->is_alive);
  EXPECT_TRUE(s.emit(7));
  end = s.filter(mem_, "odd", is_odd).map(mem_, "twice", twice).scan(mem_, "sums", 0, sum);
  EXPECT_EQ(reader.next(), 32);
}

TEST_F(DerivedTest, ASubscriberKeepsThePumpGoing) {
  stream<int> s(mem_, "s", 100);
  std::optional<subscriber<int>> reader =
      s.filter(mem_, "odd", is_odd).map(mem_, "twice", twice).subscriber(stream_start::oldest());
  EXPECT_TRUE(s.emit(3));
  EXPECT_EQ(reader->next(), 6);
  reader.reset();
  EXPECT_FALSE(stream<int>(mem_, "odd").pump()->is_alive);
}

TEST_F(DerivedTest, ItIsAStreamLikeAnyOther) {
  stream<int> s(mem_, "s", 4, {.when_full = overflow::block});
  harness::shared_state<harness::gate> go;
  harness::process emitter([&] {
    ASSERT_TRUE(go->wait());
    for (int i = 0; i < 40; ++i) EXPECT_TRUE(s.emit(i));
    s.close();
  });
  const auto odd = s.filter(mem_, "odd", is_odd, {.capacity = 2, .max_subscribers = 3});
  stream<int> again(mem_, "odd");
  EXPECT_EQ(again.capacity(), 2u);
  EXPECT_EQ(again.emit(1), outcome::taken) << "that is its pump's affair";
  auto reader = again.subscriber("name", stream_start::oldest());
  // A pump without room holds its source up, and that who emits there.
  go->open();
  for (int i = 1; i < 40; i += 2) EXPECT_EQ(reader.next(), i);
  EXPECT_EQ(reader.next(), std::nullopt);
  EXPECT_EQ(emitter.wait(), harness::exited(0));
  EXPECT_TRUE(odd.closed());
  EXPECT_EQ(s.pump(), std::nullopt);
  EXPECT_EQ(odd.pump()->origin, "filter of 's'");
  EXPECT_TRUE(odd.pump()->ended);
  EXPECT_TRUE(harness::eventually([&] { return s.stats().subscribers == 0; }))
      << "its place is given back";
}

TEST_F(DerivedTest, TheNextOneTakesOverAtTheExactElement) {
  stream<int> s(mem_, "s", 64, {.when_full = overflow::block});
  s.scan(mem_, "sums", 0, sum);  // this process does not pump
  auto reader = stream<int>(mem_, "sums").subscriber(stream_start::oldest());
  int expected = 0;
  for (int round = 0; round < 10; ++round) {
    // It dies after its third element, whatever of that was committed.
    harness::process pump([&] {
      stream<int> own(mem_, "s");
      int n = 0;
      const auto mine = own.scan(mem_, "sums", 0, [&](int a, int b) {
        if (++n == 4) ::raise(SIGKILL);
        return a + b;
      });
      pause_for_ever();
    });
    for (int i = 0; i < 6; ++i) EXPECT_TRUE(s.emit(i));
    EXPECT_EQ(pump.wait(), harness::killed_by(SIGKILL));
    const auto mine = s.scan(mem_, "sums", 0, sum);
    for (int i = 0; i < 6; ++i) EXPECT_EQ(reader.next(), expected += i);
  }
}

TEST_F(DerivedTest, OneOfManyPumpsAndTheOthersStandBy) {
  stream<int> s(mem_, "s", 64, {.when_full = overflow::block});
  // Forked before this process has threads that allocate: AddressSanitizer's heap does not bear that.
  std::vector<std::unique_ptr<harness::process>> others;
  harness::shared_state<harness::tally> there;
  for (int i = 0; i < 3; ++i) {
    others.push_back(std::make_unique<harness::process>([&] {
      const auto own = stream<int>(mem_, "s").map(mem_, "twice", twice);
      there->add();
      pause_for_ever();
    }));
  }
  ASSERT_TRUE(there->wait_for_at_least(3));
  std::vector<stream<int>> same;
  for (int i = 0; i < 3; ++i) same.push_back(s.map(mem_, "twice", twice));
  auto reader = stream<int>(mem_, "twice").subscriber(stream_start::oldest());
  int i = 0;
  const auto works = [&] {
    EXPECT_TRUE(s.emit(i));
    EXPECT_EQ(reader.next(), 2 * i);
    ++i;
  };
  works();
  while (!same.empty()) {
    same.erase(same.begin());
    works();
  }
  while (!others.empty()) {
    others.back()->kill();
    EXPECT_EQ(others.back()->wait(), harness::killed_by(SIGKILL));
    others.pop_back();
    if (!others.empty()) works();
  }
}

TEST_F(DerivedTest, ADeadSubscriberHoldsNoPumpUp) {
  stream<int> s(mem_, "s", 16, {.when_full = overflow::block});
  struct gates {
    harness::gate declared, there;
  };
  harness::shared_state<gates> meet;
  harness::process reader([&] {
    ASSERT_TRUE(meet->declared.wait());
    const auto own = stream<int>(mem_, "twice").subscriber(stream_start::oldest());
    meet->there.open();
    pause_for_ever();
  });
  const auto doubled = s.map(mem_, "twice", twice, {.capacity = 2});
  meet->declared.open();
  ASSERT_TRUE(meet->there.wait());
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(s.emit(i));
  s.close();
  EXPECT_TRUE(harness::eventually([&] { return doubled.emitted() >= 1; }));
  EXPECT_FALSE(doubled.closed());
  reader.kill();
  EXPECT_EQ(reader.wait(), harness::killed_by(SIGKILL));
  EXPECT_TRUE(harness::eventually([&] { return doubled.closed(); }));
  EXPECT_EQ(doubled.emitted(), 10u);
}

TEST_F(DerivedTest, WhatIsMoreThanItHoldsGoesInParts) {
  const stream<int> two = numbers(2);
  const auto many = two.flat_map(
      mem_, "many", [](int x) { return std::vector<int>(static_cast<size_t>(x) * 50, x); },
      {.capacity = 4});
  std::vector<int> expected(50, 1);
  expected.insert(expected.end(), 100, 2);
  EXPECT_TRUE(two.closed());
  // From the oldest on: nothing of it may have gone, so it has to be held from the beginning.
  auto reader = many.subscriber(stream_start::oldest());
  std::vector<int> rest;
  while (auto x = reader.next()) rest.push_back(*x);
  ASSERT_LE(rest.size(), expected.size());
  EXPECT_THAT(rest, ElementsAreArray(expected.end() - static_cast<std::ptrdiff_t>(rest.size()),
                                     expected.end()));
}

TEST_F(DerivedTest, WhatTheSourceHasOverwrittenIsCounted) {
  stream<int> s(mem_, "s", 4, {.when_full = overflow::overwrite});
  { const auto made = s.map(mem_, "twice", twice); }
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(s.emit(i));
  s.close();
  const auto doubled = s.map(mem_, "twice", twice);
  EXPECT_THAT(all_of(doubled), ElementsAre(12, 14, 16, 18));
  EXPECT_EQ(doubled.pump()->missed, 6u);
}

TEST_F(DerivedTest, ItBeginsWhereItIsToldTo) {
  stream<int> s(mem_, "s", 16);
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(s.emit(i));
  const auto from_now = s.map(mem_, "from now", twice, {.from = stream_start::next()});
  const auto last = s.map(mem_, "last two", twice, {.from = stream_start::last(2)});
  EXPECT_TRUE(s.emit(5));
  s.close();
  EXPECT_THAT(all_of(from_now), ElementsAre(10));
  EXPECT_THAT(all_of(last), ElementsAre(6, 8, 10));
}

TEST_F(DerivedTest, AnOperatorThatThrowsIsReported) {
  std::atomic<int> reported{0};
  set_callback_error_handler([&](const callback_error& e) {
    EXPECT_THAT(e.where, HasSubstr("stream 'safe', map of 'numbers'"));
    EXPECT_EQ(e.what, "three");
    ++reported;
  });
  const stream<int> five = numbers(5);
  EXPECT_THAT(all_of(five.map(mem_, "safe",
                              [](int x) {
                                if (x == 3) throw std::runtime_error("three");
                                return x;
                              })),
              ElementsAre(1, 2, 4, 5));
  EXPECT_EQ(reported, 1);
  set_callback_error_handler({});
}

TEST_F(DerivedTest, AnOperatorMayDropTheStreamsThatItIsIn) {
  auto s = std::make_unique<stream<int>>(mem_, "s", 16);
  std::unique_ptr<stream<int>> derived;
  harness::gate made, dropped;
  derived = std::make_unique<stream<int>>(s->map(mem_, "x", twice).map(mem_, "y", [&](int x) {
    EXPECT_TRUE(made.wait());
    derived.reset();
    s.reset();
    dropped.open();
    return x;
  }));
  made.open();
  EXPECT_TRUE(stream<int>(mem_, "s").emit(1));
  EXPECT_TRUE(dropped.wait());
  // The element counts, for its operator has returned, or does for the next one who pumps.
  const auto again = stream<int>(mem_, "x").map(mem_, "y", [](int x) { return x; });
  EXPECT_EQ(again.subscriber(stream_start::oldest()).next(), 2);
}

std::string message_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const error& e) {
    return e.what();
  }
  return "no error";
}

TEST_F(DerivedTest, WhatItIsNotIsRefusedAndNamed) {
  stream<int> s(mem_, "s", 16), other(mem_, "other", 16);
  const auto odd = s.filter(mem_, "odd", is_odd);
  EXPECT_THAT(message_of([&] { s.map(mem_, "odd", twice); }),
              HasSubstr("exists as filter of 's', asked for as map of 's'"));
  EXPECT_THAT(message_of([&] { other.filter(mem_, "odd", is_odd); }),
              HasSubstr("exists as filter of 's', asked for as filter of 'other'"));
  EXPECT_THAT(message_of([&] { s.filter(mem_, "other", is_odd); }),
              HasSubstr("is not derived from anything, asked for as filter of 's'"));
  EXPECT_THAT(message_of([&] { s.map(mem_, "odd", [](int) { return 1.0; }); }),
              HasSubstr("'odd' is a stream<int>"));
  EXPECT_THAT(message_of([&] { s.filter(mem_, "odd", is_odd, {.capacity = 3}); }),
              HasSubstr("exists with capacity 16, asked for 3"));
  EXPECT_THAT(message_of([&] { s.filter(mem_, "odd", is_odd, {.max_subscribers = 3}); }),
              HasSubstr("for 64 subscribers, asked for 3"));
  EXPECT_THAT(message_of([&] { s.filter(mem_, "x", is_odd, {.max_subscribers = 0}); }),
              HasSubstr("max_subscribers must be 1 to 4096, not 0"));
  EXPECT_THAT(message_of([&] { s.window(mem_, "w", 0); }), HasSubstr("a window has 1 to"));
  EXPECT_THAT(message_of([&] { s.window(mem_, "w", 1 << 20); }), HasSubstr("not 1048576"));
  EXPECT_THAT(message_of([&] { s.sample(mem_, "w", 0); }), HasSubstr("every 0th"));
  EXPECT_THAT(message_of([&] { s.distinct(mem_, "w", 0); }), HasSubstr("remember 1 to"));
  const auto by_two = s.window(mem_, "by two", 2);
  EXPECT_THAT(message_of([&] { s.window(mem_, "by two", 3); }),
              HasSubstr("exists as window of 2 every 2 of 's', asked for as window of 3 every 3"));
  EXPECT_TRUE(absl::IsFailedPrecondition(stream<int>::open(mem_, "by two").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(stream<window<int>>::create(mem_, "x", 3).status()));
  struct greedy {
    struct state {
      uint8_t bytes[1 << 20];
    };
    void begin(state&) {}
    void next(const int&, state&, sink<int>&) {}
    void end(state&, sink<int>&) {}
  };
  EXPECT_THAT((s.derive<int>(mem_, "x", "greed", greedy()).status().message()),
              HasSubstr("its operator's state takes 1048576 bytes, at most"));
  EXPECT_TRUE(absl::IsNotFound(find(mem_, "x").status())) << "nothing was left behind";
}

TEST_F(DerivedTest, NoStreamIsDerivedFromItself) {
  stream<int> s(mem_, "a", 16);
  auto b = s.map(mem_, "b", twice);
  auto c = b.map(mem_, "c", twice);
  EXPECT_THAT(message_of([&] { c.map(mem_, "c", twice); }),
              HasSubstr("would be derived from itself"));
  EXPECT_THAT(message_of([&] { s.map(mem_, "a", twice); }),
              HasSubstr("would be derived from itself"));
  ASSERT_TRUE(remove(mem_, "a").ok());
  EXPECT_THAT(message_of([&] { c.map(mem_, "a", twice); }), HasSubstr("stream 'c' comes of 'a'"));
  EXPECT_THAT(message_of([&] { c.zip(mem_, "a", b); }), HasSubstr("comes of 'a'"));
  stream<int> end = c;
  int n = 0;
  const std::string why = message_of([&] {
    for (; n < 100; ++n) end = end.map(mem_, "more " + std::to_string(n), twice);
  });
  EXPECT_THAT(why, HasSubstr("from more than 31 streams"));
  EXPECT_EQ(n, 29);
}

TEST_F(DerivedTest, ASourceThatWasRemoved) {
  auto old = std::make_optional<stream<int>>(mem_, "s", 16);
  auto derived = std::make_optional(old->map(mem_, "twice", twice));
  auto reader = derived->subscriber(stream_start::oldest());
  EXPECT_TRUE(old->emit(1));
  EXPECT_EQ(reader.next(), 2);
  ASSERT_TRUE(remove(mem_, "s").ok());
  // Who has it goes on with it.
  EXPECT_TRUE(old->emit(2));
  EXPECT_EQ(reader.next(), 4);
  stream<int> fresh(mem_, "s", 16);
  EXPECT_THAT(message_of([&] { fresh.map(mem_, "twice", twice); }),
              HasSubstr("is derived from another stream than"));
  // When the derived one is removed, too, it can be declared anew.
  ASSERT_TRUE(remove(mem_, "twice").ok());
  const auto anew = fresh.map(mem_, "twice", twice);
  EXPECT_TRUE(fresh.emit(3));
  EXPECT_EQ(anew.subscriber(stream_start::oldest()).next(), 6);
}

TEST_F(DerivedTest, ThePlaceOfOneThatWasRemovedHoldsNobodyUp) {
  stream<int> s(mem_, "s", 2);
  { const auto gone = s.map(mem_, "twice", twice); }
  ASSERT_TRUE(remove(mem_, "twice").ok());
  EXPECT_TRUE(s.emit(1));
  EXPECT_TRUE(s.emit(2));
  EXPECT_EQ(s.emit(3), outcome::full) << "its place is there until it is forgotten";
  EXPECT_EQ(s.forget("twice"), outcome::ok);
  EXPECT_TRUE(s.emit(3));
  EXPECT_EQ(s.forget("twice"), outcome::missing);
  // Or until there is another of that name, which begins at the oldest that is there.
  const auto one = s.map(mem_, "twice", twice);
  auto reader = one.subscriber(stream_start::oldest());
  EXPECT_EQ(reader.next(), 4);
  EXPECT_EQ(reader.next(), 6);
  EXPECT_EQ(s.forget("twice"), outcome::taken) << "it is pumped";
}

TEST_F(DerivedTest, AForkedChildPumpsNothing) {
  stream<int> s(mem_, "s", 16);
  auto doubled = std::make_optional(s.map(mem_, "twice", twice));
  auto reader = doubled->subscriber(stream_start::oldest());
  // After this the pump sleeps, and does not hold the heap's lock while we fork.
  EXPECT_TRUE(s.emit(4));
  EXPECT_EQ(reader.next(), 8);
  harness::process child([&] {
    doubled.reset();
    EXPECT_TRUE(s.emit(1));
    // Unless it says so itself.
    const auto own = s.map(mem_, "twice again", twice);
    auto all = own.subscriber(stream_start::oldest());
    EXPECT_EQ(all.next(), 8);
    EXPECT_EQ(all.next(), 2);
  });
  EXPECT_EQ(child.wait(), harness::exited(0));
  EXPECT_EQ(reader.next(), 2);
}

TEST_F(DerivedTest, SourcesInAnotherSegment) {
  const harness::unique_segment elsewhere_name;
  memory elsewhere(elsewhere_name.name(), 4 << 20);
  stream<int> a(mem_, "a", 16), b(elsewhere, "b", 16);
  const auto merged = a.merge(elsewhere, "merged", b);
  auto reader = merged.subscriber(stream_start::oldest());
  for (int i = 0; i < 10; ++i) {
    EXPECT_TRUE((is_odd(i) ? a : b).emit(i));
    EXPECT_EQ(reader.next(), i);
  }
}

TEST_F(DerivedTest, ClosingItEndsTheStage) {
  stream<int> s(mem_, "s", 16);
  auto doubled = s.map(mem_, "twice", twice);
  EXPECT_TRUE(doubled.close());
  EXPECT_TRUE(s.emit(1));
  EXPECT_TRUE(harness::eventually([&] { return s.stats().subscribers == 0; }));
  EXPECT_TRUE(doubled.pump()->ended);
  EXPECT_THAT(all_of(s.map(mem_, "twice", twice)), IsEmpty());
}

}  // namespace
}  // namespace zeroipc
