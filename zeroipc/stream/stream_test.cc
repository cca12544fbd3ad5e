#include "zeroipc/stream/stream.h"

#include <signal.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <numeric>
#include <optional>
#include <ranges>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/harness/harness.h"

namespace zeroipc {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

struct alignas(64) wide {
  char text[65];
};

class StreamTest : public ::testing::Test {
 protected:
  const harness::unique_segment name_;
  memory mem_{name_.name(), 16 << 20};
};

template <typename S>
std::vector<int> rest(S& s) {
  std::vector<int> all;
  for (int x; s.try_next(x);) all.push_back(x);
  return all;
}
std::vector<int> all_of(history<int> h) {
  std::vector<int> all;
  for (const int x : h) all.push_back(x);
  return all;
}
[[noreturn]] void pause_for_ever() {
  for (;;) ::pause();
}
// What a subscriber that runs in the background has been called with.
class calls {
 public:
  void add(int x) {
    const std::lock_guard lock(mutex_);
    all_.push_back(x);
  }
  std::vector<int> all() const {
    const std::lock_guard lock(mutex_);
    return all_;
  }
  bool come(size_t n) const {
    return harness::eventually([&] { return all().size() >= n; });
  }

 private:
  mutable std::mutex mutex_;
  std::vector<int> all_;
};

TEST_F(StreamTest, EverySubscriberSeesEveryElement) {
  stream<int> s(mem_, "s", 8);
  auto one = s.subscriber(), other = s.subscriber();
  EXPECT_EQ(one.try_next(), std::nullopt);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(s.emit(i));
  EXPECT_EQ(one.lag(), 3u);
  EXPECT_THAT(rest(one), ElementsAre(0, 1, 2));
  EXPECT_EQ(one.position(), 3u);
  EXPECT_EQ(one.lag(), 0u);
  EXPECT_THAT(rest(other), ElementsAre(0, 1, 2));
  EXPECT_EQ(s.emitted(), 3u);
  EXPECT_EQ(s.size(), 3u);
}

TEST_F(StreamTest, ASubscriberBeginsWhereHeWants) {
  stream<int> s(mem_, "s", 4);
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(s.emit(i));
  const auto from = [&](stream_start start) {
    auto reader = s.subscriber(start);
    return rest(reader);
  };
  EXPECT_THAT(from(stream_start::oldest()), ElementsAre(6, 7, 8, 9));
  EXPECT_THAT(from(stream_start::newest()), ElementsAre(9));
  EXPECT_THAT(from(stream_start::next()), IsEmpty());
  EXPECT_THAT(from(stream_start::last(2)), ElementsAre(8, 9));
  EXPECT_THAT(from(stream_start::last(20)), ElementsAre(6, 7, 8, 9));
  EXPECT_THAT(from(stream_start::at(7)), ElementsAre(7, 8, 9));
  EXPECT_THAT(from(stream_start::at(3)), ElementsAre(6, 7, 8, 9));
  EXPECT_THAT(from(stream_start::at(300)), IsEmpty());
}

TEST_F(StreamTest, WhoIsACapacityBehindHoldsProducersUp) {
  stream<int> s(mem_, "s", 3);
  EXPECT_EQ(s.available_space(), 3u);
  for (int i = 0; i < 7; ++i) EXPECT_TRUE(s.emit(i)) << "nobody is there to hold it up";
  auto slow = s.subscriber(stream_start::oldest());
  EXPECT_EQ(s.available_space(), 0u);
  EXPECT_EQ(s.emit(7), outcome::full);
  EXPECT_EQ(s.emit_for(7, 1ms), outcome::timed_out);
  EXPECT_EQ(slow.next(), 4);
  EXPECT_EQ(s.available_space(), 1u);
  EXPECT_TRUE(s.emit(7));
  EXPECT_EQ(s.try_emit(8), outcome::full);
  EXPECT_THAT(rest(slow), ElementsAre(5, 6, 7));
  {
    const auto goes = s.subscriber(stream_start::oldest());
    EXPECT_FALSE(s.emit(8));
  }
  EXPECT_TRUE(s.emit(8));
  EXPECT_EQ(s.stats().refused, 4u);
  EXPECT_EQ(s.stats().subscribers, 1u);
}

TEST_F(StreamTest, OneThatOverwritesTellsHowManyWereMissed) {
  stream<int> s(mem_, "s", 3, {.when_full = overflow::overwrite});
  auto slow = s.subscriber();
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(s.emit(i));
  EXPECT_EQ(s.available_space(), 3u);
  EXPECT_THAT(rest(slow), ElementsAre(7, 8, 9));
  EXPECT_EQ(slow.missed(), 7u);
  const int* element = nullptr;
  EXPECT_EQ(slow.try_peek(element), outcome::empty);
  EXPECT_TRUE(s.emit(10));
  EXPECT_TRUE(slow.peek(element));
  for (int i = 11; i < 20; ++i) EXPECT_TRUE(s.emit(i));
  EXPECT_EQ(*element, 10) << "a copy: the element has gone";
  EXPECT_TRUE(slow.release());
  EXPECT_EQ(slow.next(), 17);
  EXPECT_EQ(slow.missed(), 13u);
}

TEST_F(StreamTest, OneThatBlocksWaitsForTheSlowest) {
  stream<int> s(mem_, "s", 2, {.when_full = overflow::block});
  auto slow = s.subscriber();
  EXPECT_TRUE(s.emit(1));
  EXPECT_TRUE(s.emit(2));
  EXPECT_EQ(s.try_emit(3), outcome::full);
  harness::process producer([&] { EXPECT_TRUE(s.emit(3)); });
  ASSERT_TRUE(harness::wait_until_asleep(producer.pid()));
  EXPECT_EQ(slow.next(), 1);
  EXPECT_EQ(producer.wait(), harness::exited(0));
  EXPECT_THAT(rest(slow), ElementsAre(2, 3));
}

TEST_F(StreamTest, ADeadSubscriberHoldsNobodyUp) {
  stream<int> s(mem_, "s", 2, {.when_full = overflow::block});
  harness::shared_state<harness::gate> there;
  harness::process slow([&] {
    auto reader = s.subscriber();
    there->open();
    pause_for_ever();
  });
  ASSERT_TRUE(there->wait());
  EXPECT_TRUE(s.emit(1));
  EXPECT_TRUE(s.emit(2));
  harness::process producer([&] { EXPECT_TRUE(s.emit(3)); });
  ASSERT_TRUE(harness::wait_until_asleep(producer.pid()));
  slow.kill();
  EXPECT_EQ(producer.wait(), harness::exited(0));
  EXPECT_EQ(s.stats().subscribers, 0u);
}

TEST_F(StreamTest, ANamedPlaceOutlivesItsReader) {
  stream<int> s(mem_, "s", 4);
  {
    auto audit = s.subscriber("audit", stream_start::oldest());
    for (int i = 0; i < 4; ++i) EXPECT_TRUE(s.emit(i));
    EXPECT_EQ(audit.next(), 0);
    EXPECT_TRUE(absl::IsAlreadyExists(s.make_subscriber("audit").status()));
    EXPECT_EQ(s.forget("audit"), outcome::taken);
  }
  EXPECT_TRUE(s.emit(4));
  EXPECT_FALSE(s.emit(5)) << "it is held for the name";
  harness::process reader([&] {
    auto audit = s.subscriber("audit");
    EXPECT_EQ(audit.position(), 1u);
    EXPECT_EQ(audit.next(), 1);
    const int* element = nullptr;
    EXPECT_TRUE(audit.peek(element));
    EXPECT_EQ(*element, 2);
    ::raise(SIGKILL);
  });
  EXPECT_EQ(reader.wait(), harness::killed_by(SIGKILL));
  EXPECT_TRUE(s.emit(5));
  EXPECT_FALSE(s.emit(6));
  auto audit = s.subscriber("audit");
  EXPECT_THAT(rest(audit), ElementsAre(2, 3, 4, 5)) << "2 had not been released";
  { const auto gone = std::move(audit); }
  EXPECT_EQ(s.forget("audit"), outcome::ok);
  EXPECT_EQ(s.forget("audit"), outcome::missing);
  for (int i = 0; i < 9; ++i) EXPECT_TRUE(s.emit(i));
}

TEST_F(StreamTest, APlaceIsTakenOnceAtATime) {
  stream<int> s(mem_, "s", 4);
  harness::shared_state<harness::gate> there;
  harness::process holder([&] {
    auto reader = s.subscriber("name");
    there->open();
    pause_for_ever();
  });
  ASSERT_TRUE(there->wait());
  const auto second = s.make_subscriber("name");
  EXPECT_TRUE(absl::IsAlreadyExists(second.status()));
  EXPECT_THAT(second.status().message(), HasSubstr("reads as 'name' already"));
  holder.kill();
  EXPECT_EQ(holder.wait(), harness::killed_by(SIGKILL));
  EXPECT_TRUE(s.make_subscriber("name").ok());
  EXPECT_TRUE(absl::IsInvalidArgument(s.make_subscriber("").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(s.make_subscriber(std::string(96, 'x')).status()));
  EXPECT_TRUE(s.make_subscriber(std::string(95, 'x')).ok());
  EXPECT_EQ(s.forget(std::string(94, 'x')), outcome::missing);
  EXPECT_EQ(s.forget(std::string(95, 'x')), outcome::ok);
}

TEST_F(StreamTest, PlacesRunOutAndComeBack) {
  stream<int> s(mem_, "s", 4, {.max_subscribers = 2});
  auto one = std::make_optional(s.subscriber());
  harness::process other([&] {
    auto reader = s.subscriber();
    EXPECT_TRUE(absl::IsResourceExhausted(s.make_subscriber().status()));
    ::raise(SIGKILL);
  });
  EXPECT_EQ(other.wait(), harness::killed_by(SIGKILL));
  auto two = s.subscriber();
  const auto three = s.make_subscriber();
  EXPECT_TRUE(absl::IsResourceExhausted(three.status()));
  EXPECT_THAT(three.status().message(), HasSubstr("all 2 subscribers' places are in use"));
  one.reset();
  EXPECT_TRUE(s.make_subscriber().ok());
}

TEST_F(StreamTest, Closing) {
  stream<int> s(mem_, "s", 4);
  auto reader = s.subscriber();
  EXPECT_TRUE(s.emit(1));
  EXPECT_FALSE(s.closed());
  EXPECT_TRUE(s.close());
  EXPECT_FALSE(s.close());
  EXPECT_TRUE(s.closed());
  EXPECT_EQ(s.emit(2), outcome::closed);
  EXPECT_EQ(s.emit_for(2, 1ms), outcome::closed);
  int x = 0;
  EXPECT_TRUE(reader.next(x));
  EXPECT_EQ(reader.next(x), outcome::closed);
  EXPECT_EQ(reader.next(), std::nullopt);
  const int* element = nullptr;
  EXPECT_EQ(reader.peek(element), outcome::closed);
  auto late = s.subscriber(stream_start::oldest());
  EXPECT_THAT(rest(late), ElementsAre(1));
}

TEST_F(StreamTest, ClosingWakesThoseWhoWait) {
  stream<int> s(mem_, "s", 1, {.when_full = overflow::block});
  auto slow = s.subscriber();
  EXPECT_TRUE(s.emit(1));
  auto waits = s.subscriber();
  harness::process reader([&] {
    auto own = s.subscriber();
    int x = 0;
    EXPECT_EQ(own.next(x), outcome::closed);
  });
  harness::process producer([&] { EXPECT_EQ(s.emit(2), outcome::closed); });
  ASSERT_TRUE(harness::wait_until_asleep(reader.pid()));
  ASSERT_TRUE(harness::wait_until_asleep(producer.pid()));
  EXPECT_TRUE(s.close());
  EXPECT_EQ(reader.wait(), harness::exited(0));
  EXPECT_EQ(producer.wait(), harness::exited(0));
}

TEST_F(StreamTest, AnEmitWakesAllWhoWait) {
  stream<int> s(mem_, "s", 4);
  harness::shared_state<harness::tally> woken;
  const auto waits = [&]() -> int {
    auto own = s.subscriber();
    const bool right = own.next() == 5;
    woken->add();
    // Stays until both are: the end of one would wake the other.
    return right && woken->wait_for_at_least(2) ? 0 : 1;
  };
  harness::process one(waits), other(waits);
  ASSERT_TRUE(harness::eventually([&] { return s.stats().waits == 2; }));
  for (harness::process* p : {&one, &other}) ASSERT_TRUE(harness::wait_until_asleep(p->pid()));
  EXPECT_TRUE(s.emit(5));
  EXPECT_EQ(one.wait(), harness::exited(0));
  EXPECT_EQ(other.wait(), harness::exited(0));
}

TEST_F(StreamTest, ASubscriberIsARange) {
  static_assert(std::ranges::input_range<subscriber<int>>);
  stream<int> s(mem_, "s", 16);
  auto reader = s.subscriber();
  for (int i = 1; i <= 6; ++i) EXPECT_TRUE(s.emit(i));
  s.close();
  std::vector<int> odd;
  for (const int x : reader | std::views::filter([](int i) { return i % 2 != 0; }))
    odd.push_back(x);
  EXPECT_THAT(odd, ElementsAre(1, 3, 5));
  for (const int x : reader) ADD_FAILURE() << x << " was read before";
}

TEST_F(StreamTest, Batches) {
  stream<int> s(mem_, "s", 100);
  std::vector<int> in(250);
  std::iota(in.begin(), in.end(), 0);
  auto reader = s.subscriber();
  std::vector<int> out(300);
  EXPECT_EQ(reader.try_next_n(out).why, outcome::empty);
  EXPECT_EQ(reader.next_n_for(out, 1ms).why, outcome::timed_out);
  batch_outcome put = s.emit_n(in);
  EXPECT_EQ(put.count, 100u);
  EXPECT_EQ(put.why, outcome::full);
  batch_outcome got = reader.next_n({out.data(), 70});
  EXPECT_EQ(got.count, 70u);
  EXPECT_EQ(out[69], 69);
  put = s.try_emit_n(std::span<const int>(in).subspan(100));
  EXPECT_EQ(put.count, 70u);
  got = reader.next_n(out);
  EXPECT_EQ(got.count, 100u);
  EXPECT_EQ(out[0], 70);
  EXPECT_EQ(out[99], 169);
  EXPECT_EQ(reader.missed(), 0u);
  EXPECT_TRUE(s.emit_n({}));
  EXPECT_TRUE(reader.next_n({}));
}

TEST_F(StreamTest, ElementsMayBeLookedAtWhereTheyLie) {
  stream<wide> s(mem_, "s", 3);
  auto reader = s.subscriber();
  const wide* element = nullptr;
  EXPECT_EQ(reader.try_peek(element), outcome::empty);
  EXPECT_EQ(reader.peek_for(element, 1ms), outcome::timed_out);
  EXPECT_EQ(reader.release(), outcome::missing);
  EXPECT_TRUE(s.emit({"one"}));
  EXPECT_TRUE(s.emit({"two"}));
  EXPECT_TRUE(reader.peek(element));
  EXPECT_STREQ(element->text, "one");
  EXPECT_EQ(reinterpret_cast<uintptr_t>(element) % 64, 0u);
  EXPECT_TRUE(reader.peek(element)) << "the same one again";
  EXPECT_STREQ(element->text, "one");
  EXPECT_TRUE(reader.release());
  EXPECT_TRUE(reader.peek(element));
  EXPECT_STREQ(element->text, "two");
  EXPECT_EQ(reader.position(), 1u);
  EXPECT_STREQ(reader.next()->text, "two") << "next() after peek() takes what was peeked at";
  EXPECT_EQ(reader.release(), outcome::missing);
}

TEST_F(StreamTest, WhatIsNotThatElementIsNotGivenOut) {
  stream<int> s(mem_, "s", 4);
  auto reader = s.subscriber();
  EXPECT_TRUE(s.emit(1));
  const auto held = internal::open_structure(mem_, "s", structure_type::of<int>(kind::stream));
  ASSERT_TRUE(held.ok());
  auto& g = *static_cast<internal::structure_geometry*>(held->data());
  internal::item_of(held->data(), g, 1, 0)[0] ^= std::byte{0x55};  // its stamp
  const int* element = nullptr;
  EXPECT_EQ(reader.try_peek(element), outcome::corrupt);
  EXPECT_EQ(element, nullptr);
  int x = 0;
  EXPECT_EQ(reader.try_next(x), outcome::corrupt);
}

TEST_F(StreamTest, HistoryIsWhatIsThereAndHoldsUpNobody) {
  stream<int> s(mem_, "s", 4);
  EXPECT_THAT(all_of(s.history()), IsEmpty());
  for (int i = 0; i < 6; ++i) EXPECT_TRUE(s.emit(i));
  EXPECT_THAT(all_of(s.history()), ElementsAre(2, 3, 4, 5));
  EXPECT_THAT(all_of(s.history(stream_start::last(2))), ElementsAre(4, 5));
  auto h = s.history();
  auto it = h.begin();
  EXPECT_EQ(*it, 2);
  for (int i = 6; i < 9; ++i) EXPECT_TRUE(s.emit(i));
  ++it;
  EXPECT_EQ(*it, 5) << "the end is that of the time it was asked for";
  EXPECT_EQ(h.missed(), 2u);
  ++it;
  EXPECT_EQ(it, h.end());
}

TEST_F(StreamTest, CallsBackInTheBackground) {
  calls early, late;
  {
    stream<int> s(mem_, "s", 4, {.when_full = overflow::block});
    s.subscribe([&](const int& x) { early.add(x); });
    for (int i = 0; i < 20; ++i) EXPECT_TRUE(s.emit(i));
    EXPECT_TRUE(early.come(20));
    s.subscribe([&](const int& x) { late.add(x); }, {.from = stream_start::last(2)});
    EXPECT_TRUE(late.come(2));
    EXPECT_EQ(s.stats().subscribers, 2u);
  }
  std::vector<int> expected(20);
  std::iota(expected.begin(), expected.end(), 0);
  EXPECT_EQ(early.all(), expected);
  EXPECT_THAT(late.all(), ElementsAre(18, 19));
  EXPECT_EQ(stream<int>(mem_, "s").stats().subscribers, 0u);
}

TEST_F(StreamTest, ANamedCallbackGoesOnInAnotherProcess) {
  stream<int> s(mem_, "s", 16);
  harness::shared_state<harness::tally> seen;
  const subscribe_options named{.from = stream_start::oldest(), .name = "work"};
  harness::process worker([&] {
    stream<int> own(mem_, "s");
    own.subscribe(
        [&](const int& x) {
          if (x == 3) ::raise(SIGKILL);
          seen->add();
        },
        named);
    pause_for_ever();
  });
  for (int i = 0; i < 6; ++i) EXPECT_TRUE(s.emit(i));
  EXPECT_EQ(worker.wait(), harness::killed_by(SIGKILL));
  EXPECT_EQ(seen->value(), 3u);
  calls rest;
  s.subscribe([&](const int& x) { rest.add(x); }, named);
  EXPECT_TRUE(rest.come(3));
  EXPECT_THAT(rest.all(), ElementsAre(3, 4, 5));
  EXPECT_TRUE(absl::IsAlreadyExists(s.try_subscribe([](const int&) {}, named)));
}

TEST_F(StreamTest, ACallbackMayThrowEmitAndDropTheStream) {
  std::atomic<int> reported{0};
  set_callback_error_handler([&](const callback_error& e) {
    EXPECT_THAT(e.where, HasSubstr("stream 's', subscriber"));
    EXPECT_EQ(e.what, "no");
    ++reported;
  });
  stream<int> keeps(mem_, "s", 16);
  auto s = std::make_unique<stream<int>>(mem_, "s");
  harness::gate dropped;
  calls seen;
  s->subscribe([&](const int& x) {
    seen.add(x);
    if (x == 0) throw std::runtime_error("no");
    if (x == 1) {
      EXPECT_TRUE(s->emit(2));
    }
    if (x == 2) {
      s.reset();
      dropped.open();
    }
  });
  EXPECT_TRUE(keeps.emit(0));
  EXPECT_TRUE(keeps.emit(1));
  EXPECT_TRUE(dropped.wait());
  EXPECT_TRUE(harness::eventually([&] { return keeps.stats().subscribers == 0; }));
  EXPECT_THAT(seen.all(), ElementsAre(0, 1, 2));
  EXPECT_EQ(reported, 1);
  set_callback_error_handler({});
}

TEST_F(StreamTest, AForkedChildHasItsOwn) {
  stream<int> s(mem_, "s", 4);
  auto reader = s.subscriber();
  calls seen;
  s.subscribe([&](const int& x) { seen.add(x); });
  harness::process child([&] {
    EXPECT_EQ(reader.try_next(), std::nullopt) << "the parent's";
    EXPECT_TRUE(s.emit(1));
    int x = 0;
    EXPECT_EQ(reader.try_next(x), outcome::gone);
    auto own = s.subscriber(stream_start::oldest());
    EXPECT_EQ(own.next(), 1);
  });
  EXPECT_EQ(child.wait(), harness::exited(0));
  EXPECT_EQ(reader.next(), 1);
  EXPECT_TRUE(seen.come(1));
  EXPECT_EQ(s.stats().subscribers, 2u);
}

TEST_F(StreamTest, ElementsOfAnySizeAndAlignment) {
  stream<char> bytes(mem_, "bytes", 10);
  auto b = bytes.subscriber();
  EXPECT_TRUE(bytes.emit('x'));
  EXPECT_EQ(b.next(), 'x');
  stream<std::array<char, 4097>> pages(mem_, "pages", 5);
  auto p = pages.subscriber();
  for (int i = 0; i < 20; ++i) {
    EXPECT_TRUE(pages.emit({static_cast<char>('a' + i)}));
    EXPECT_EQ(p.next()->front(), 'a' + i);
  }
}

// Several producers and subscribers in processes of their own: all see the same, nothing is lost.
TEST_F(StreamTest, ProcessesAgreeOnOneOrder) {
  constexpr uint64_t kEach = 5'000;
  stream<uint64_t> s(mem_, "s", 64, {.when_full = overflow::block});
  harness::shared_state<harness::tally> ready;
  harness::shared_state<std::array<std::atomic<uint64_t>, 2>> digest;
  std::vector<harness::process> readers;
  for (int i = 0; i < 2; ++i) {
    readers.emplace_back([&, i] {
      auto reader = s.subscriber();
      ready->add();
      uint64_t next[2] = {}, hash = 0;
      std::array<uint64_t, 7> some;
      for (uint64_t read = 0; read < 2 * kEach;) {
        const batch_outcome got = reader.next_n(some);
        ASSERT_TRUE(got);
        for (size_t k = 0; k < got.count; ++k) {
          ASSERT_EQ(some[k] & 0xffff'ffff, next[some[k] >> 32]++);
          hash = (hash ^ some[k]) * 0x9e37'79b9'7f4a'7c15;
        }
        read += got.count;
      }
      (*digest)[static_cast<size_t>(i)] = hash;
    });
  }
  ASSERT_TRUE(ready->wait_for_at_least(2));
  std::vector<harness::process> producers;
  for (uint64_t w = 0; w < 2; ++w) {
    producers.emplace_back([&, w] {
      for (uint64_t i = 0; i < kEach; ++i) ASSERT_TRUE(s.emit(w << 32 | i));
    });
  }
  for (harness::process& p : producers) EXPECT_EQ(p.wait(), harness::exited(0));
  for (harness::process& p : readers) EXPECT_EQ(p.wait(), harness::exited(0));
  EXPECT_EQ((*digest)[0], (*digest)[1]);
}

TEST_F(StreamTest, WhatItIsNotIsRefusedAndNamed) {
  stream<int> s(mem_, "s", 4);
  const auto other = stream<int>::open_or_create(mem_, "s", 5);
  EXPECT_TRUE(absl::IsFailedPrecondition(other.status()));
  EXPECT_THAT(other.status().message(), HasSubstr("capacity 4, asked for 5"));
  const auto overwrites =
      stream<int>::open_or_create(mem_, "s", 4, {.when_full = overflow::overwrite});
  EXPECT_TRUE(absl::IsFailedPrecondition(overwrites.status()));
  EXPECT_THAT(overwrites.status().message(), HasSubstr("overflow"));
  EXPECT_TRUE(absl::IsFailedPrecondition(stream<float>::open(mem_, "s").status()));
  EXPECT_TRUE(absl::IsNotFound(stream<int>::open(mem_, "t").status()));
  EXPECT_TRUE(absl::IsAlreadyExists(stream<int>::create(mem_, "s", 4).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(stream<int>::create(mem_, "t", 0).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(stream<int>::create(mem_, "t", ~size_t{0}).status()));
  EXPECT_TRUE(
      absl::IsInvalidArgument(stream<int>::create(mem_, "t", 4, {.max_subscribers = 0}).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(
      stream<int>::create(mem_, "t", 4, {.max_subscribers = 4097}).status()));
  EXPECT_TRUE(absl::IsResourceExhausted(stream<int>::create(mem_, "t", 1 << 30).status()));
  EXPECT_THROW(stream<int>(mem_, "t"), error);
  const auto looking = *memory::open_read_only(name_.name());
  EXPECT_TRUE(absl::IsPermissionDenied(stream<int>::open(looking, "s").status()));
}

TEST_F(StreamTest, StaysWhileSomebodyHoldsIt) {
  stream<int> s(mem_, "s", 4);
  EXPECT_TRUE(s.emit(1));
  EXPECT_TRUE(remove(mem_, "s").ok());
  EXPECT_THAT(all_of(s.history()), ElementsAre(1));
  EXPECT_TRUE(stream<int>(mem_, "s", 8).empty());
}

}  // namespace
}  // namespace zeroipc
