// What a queue promises to one process: order, room, answers, batches, access in place, leases, closing, errors, figures.
#include "zeroipc/queue/queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "testing/harness/harness.h"

namespace zeroipc {
namespace {

using ::testing::HasSubstr;
using namespace std::chrono_literals;

template <typename Policy>
class QueueOf : public ::testing::Test {
 protected:
  harness::unique_segment segment_;
  memory mem_{segment_.name(), 8 << 20};
};
using policies = ::testing::Types<mpmc, mpsc, spmc, spsc>;
TYPED_TEST_SUITE(QueueOf, policies);

TYPED_TEST(QueueOf, GivesBackInOrderAtEveryCapacityThroughManyLaps) {
  for (size_t capacity : {1, 2, 3, 5, 8, 1000}) {
    queue<uint64_t, TypeParam> q(this->mem_, "fifo" + std::to_string(capacity), capacity);
    EXPECT_EQ(q.capacity(), capacity);
    uint64_t in = 0, out = 0;
    for (int lap = 0; lap < 7; ++lap) {
      // Each lap begins somewhere else.
      const size_t n = capacity - lap % capacity;
      for (size_t i = 0; i < n; ++i) ASSERT_TRUE(q.try_push(in++));
      EXPECT_EQ(q.size(), n);
      for (size_t i = 0; i < n; ++i) ASSERT_EQ(q.try_pop(), out++);
      EXPECT_TRUE(q.empty());
    }
  }
}

TYPED_TEST(QueueOf, SaysFullAndEmptyExactlyWhenItIs) {
  for (size_t capacity : {1, 2, 3, 5, 8}) {
    queue<int, TypeParam> q(this->mem_, "room" + std::to_string(capacity), capacity);
    for (int lap = 0; lap < 3; ++lap) {
      int x;
      EXPECT_EQ(q.try_pop(x), outcome::empty);
      for (size_t i = 0; i < capacity; ++i) EXPECT_TRUE(q.try_push(1));
      EXPECT_EQ(q.try_push(2), outcome::full);
      EXPECT_EQ(q.push_for(2, 1us), outcome::timed_out);
      EXPECT_EQ(q.push_for(2, 0s), outcome::timed_out);
      for (size_t i = 0; i < capacity; ++i) EXPECT_TRUE(q.try_pop());
      EXPECT_EQ(q.pop_for(x, 1us), outcome::timed_out);
      EXPECT_EQ(q.pop_for(1us), std::nullopt);
    }
  }
}

template <size_t Bytes, size_t Align>
struct alignas(Align) element {
  unsigned char bytes[Bytes];
  explicit element(unsigned seed) {
    for (size_t i = 0; i < Bytes; ++i) bytes[i] = static_cast<unsigned char>(seed * 31 + i);
  }
  element() = default;
  friend bool operator==(const element& a, const element& b) {
    return std::memcmp(a.bytes, b.bytes, Bytes) == 0;
  }
};

template <typename T, typename Policy>
void passes_through_whole(const memory& mem, const std::string& name) {
  queue<T, Policy> q(mem, name, 3, {.max_leases = 2});
  for (unsigned i = 0; i < 8; ++i) {
    ASSERT_TRUE(q.try_push(T(i)));
    ASSERT_TRUE(q.try_push(T(i + 100)));
    EXPECT_EQ(q.try_pop(), T(i)) << name;
    auto job = q.try_lease();
    ASSERT_TRUE(job);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(&job.value()) % alignof(T), 0u) << name;
    EXPECT_EQ(*job, T(i + 100)) << name;
    EXPECT_TRUE(job.ack());
    auto place = q.try_reserve();
    ASSERT_TRUE(place);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(place.get()) % alignof(T), 0u) << name;
    *place = T(i + 200);
    EXPECT_TRUE(place.commit());
    auto seen = q.try_peek();
    ASSERT_TRUE(seen);
    EXPECT_EQ(*seen, T(i + 200)) << name;
    EXPECT_TRUE(seen.release());
  }
}

TYPED_TEST(QueueOf, CarriesElementsOfAnySizeAndAlignment) {
  passes_through_whole<element<1, 1>, TypeParam>(this->mem_, "1 byte");
  passes_through_whole<element<3, 1>, TypeParam>(this->mem_, "3 bytes");
  passes_through_whole<element<24, 8>, TypeParam>(this->mem_, "24 bytes");
  passes_through_whole<element<65536, 1>, TypeParam>(this->mem_, "64 KiB");
  passes_through_whole<element<16, 16>, TypeParam>(this->mem_, "aligned to 16");
  passes_through_whole<element<64, 64>, TypeParam>(this->mem_, "aligned to 64");
  passes_through_whole<element<200, 128>, TypeParam>(this->mem_, "aligned to 128");
}

TYPED_TEST(QueueOf, MovesBatchesInOrderAcrossTheEnd) {
  for (size_t capacity : {1, 3, 8}) {
    queue<int, TypeParam> q(this->mem_, "batch" + std::to_string(capacity), capacity);
    int in = 0, out = 0;
    for (int lap = 0; lap < 20; ++lap) {
      std::vector<int> some(1 + lap % (capacity + 2));
      for (int& x : some) x = in++;
      const batch_outcome pushed = q.try_push_n(some);
      EXPECT_EQ(pushed.count, std::min(some.size(), capacity));
      EXPECT_EQ(pushed.why, pushed.count == some.size() ? outcome::ok : outcome::full);
      in -= static_cast<int>(some.size() - pushed.count);
      std::vector<int> got(capacity + 1);
      const batch_outcome popped = q.try_pop_n(got);
      EXPECT_EQ(popped.count, pushed.count);
      for (size_t i = 0; i < popped.count; ++i) EXPECT_EQ(got[i], out++);
      EXPECT_EQ(q.try_pop_n(got).why, outcome::empty);
    }
    std::vector<int> many(capacity + 1);
    EXPECT_EQ(q.push_n_for(many, 1us).why, outcome::timed_out);
    EXPECT_EQ(q.pop_n(many).count, capacity);
    EXPECT_EQ(q.pop_n_for(many, 1us).why, outcome::timed_out);
    EXPECT_TRUE(q.push_n({}));
  }
}

TYPED_TEST(QueueOf, ABatchLargerThanTheQueueGoesThroughAsItIsTakenOut) {
  queue<int, TypeParam> q(this->mem_, "large batch", 4);
  std::thread producer([&] {
    std::vector<int> all(1000);
    for (int i = 0; i < 1000; ++i) all[i] = i;
    EXPECT_EQ(q.push_n(all).count, 1000u);
  });
  int next = 0;
  std::array<int, 3> some;
  while (next < 1000) {
    const batch_outcome got = q.pop_n(some);
    ASSERT_TRUE(got);
    for (size_t i = 0; i < got.count; ++i) EXPECT_EQ(some[i], next++);
  }
  producer.join();
}

TYPED_TEST(QueueOf, AReservationIsPushedByCommitAndByNothingElse) {
  queue<int, TypeParam> q(this->mem_, "reserve", 2);
  for (int lap = 0; lap < 5; ++lap) {
    {
      auto r = q.reserve();
      ASSERT_TRUE(r);
      *r = 1;
    }  // dropped: never pushed
    int x;
    EXPECT_EQ(q.try_pop(x), outcome::empty);
    auto r = q.try_reserve();
    *r = 2;
    EXPECT_EQ(q.try_pop(x), outcome::empty) << "popped before it was committed";
    auto moved = std::move(r);
    EXPECT_FALSE(r);
    EXPECT_TRUE(moved.commit());
    EXPECT_EQ(moved.commit(), outcome::gone);
    EXPECT_EQ(q.try_pop(), 2);
  }
  EXPECT_TRUE(q.push(1) && q.push(2));
  EXPECT_EQ(q.try_reserve().why(), outcome::full);
  EXPECT_EQ(q.reserve_for(1us).why(), outcome::timed_out);
}

TYPED_TEST(QueueOf, AViewConsumesOnReleaseAndPutsBackOtherwise) {
  queue<int, TypeParam> q(this->mem_, "peek", 2);
  EXPECT_EQ(q.try_peek().why(), outcome::empty);
  EXPECT_EQ(q.peek_for(1us).why(), outcome::timed_out);
  for (int lap = 0; lap < 5; ++lap) {
    ASSERT_TRUE(q.push(lap));
    for (int i = 0; i < 3; ++i) {
      auto v = q.peek();
      ASSERT_TRUE(v);
      EXPECT_EQ(*v, lap);
    }
    auto v = q.peek();
    EXPECT_TRUE(v.release());
    EXPECT_EQ(v.release(), outcome::gone);
    EXPECT_TRUE(q.empty());
  }
}

TYPED_TEST(QueueOf, ALeasedItemComesBackUnlessAcknowledged) {
  queue<int, TypeParam> q(this->mem_, "lease", 4);
  EXPECT_EQ(q.try_lease().why(), outcome::empty);
  EXPECT_EQ(q.lease_for(1us).why(), outcome::timed_out);
  ASSERT_TRUE(q.push(7));
  for (uint32_t times = 1; times <= 4; ++times) {
    auto job = q.lease();
    ASSERT_TRUE(job);
    EXPECT_EQ(*job, 7);
    EXPECT_EQ(job.deliveries(), times);
    EXPECT_EQ(q.stats().leased, 1u);
    if (times == 1) {
      EXPECT_TRUE(job.nack());
      EXPECT_EQ(job.ack(), outcome::gone);
    } else if (times == 4) {
      EXPECT_TRUE(job.ack());
      EXPECT_EQ(job.ack(), outcome::gone);
    }  // else dropped
  }
  EXPECT_TRUE(q.empty());
  EXPECT_EQ(q.stats().leased, 0u);
  // What a lease gave back can be popped and peeked at like anything else.
  ASSERT_TRUE(q.push(8));
  q.lease();
  EXPECT_EQ(q.try_pop(), 8);
  ASSERT_TRUE(q.push(9));
  q.lease();
  {
    auto v = q.try_peek();
    ASSERT_TRUE(v);
    EXPECT_EQ(*v, 9);
  }
  auto v = q.try_peek();
  EXPECT_TRUE(v.release());
  EXPECT_TRUE(q.empty());
}

TYPED_TEST(QueueOf, ALongLeaseDoesNotHoldUpTheRing) {
  queue<int, TypeParam> q(this->mem_, "long lease", 2, {.max_leases = 2});
  ASSERT_TRUE(q.push(0));
  auto held = q.lease();
  for (int i = 1; i < 20; ++i) {
    ASSERT_TRUE(q.try_push(i));
    ASSERT_EQ(q.try_pop(), i);
  }
  EXPECT_EQ(*held, 0);
  ASSERT_TRUE(q.push(20));
  auto other = q.lease();
  ASSERT_TRUE(q.push(21));
  EXPECT_EQ(q.try_lease().why(), outcome::exhausted);
  EXPECT_EQ(q.lease_for(1us).why(), outcome::timed_out);
  held.ack();
  EXPECT_EQ(*q.try_lease(), 21);
}

TYPED_TEST(QueueOf, ALeaseThatWaitsForAnEntryIsWokenByAnAck) {
  queue<int, TypeParam> q(this->mem_, "entry wait", 4, {.max_leases = 1});
  ASSERT_TRUE(q.push(1) && q.push(2));
  auto first = q.lease();
  std::atomic<pid_t> waiter{0};
  std::thread t([&] {
    waiter = ::gettid();
    auto second = q.lease();
    EXPECT_TRUE(second && *second == 2);
    second.ack();
  });
  while (waiter == 0) std::this_thread::yield();
  EXPECT_TRUE(harness::wait_until_asleep(waiter));
  EXPECT_TRUE(first.ack());
  t.join();
}

TYPED_TEST(QueueOf, CloseDrainsThenSaysClosed) {
  queue<int, TypeParam> q(this->mem_, "close", 4);
  ASSERT_TRUE(q.push(1) && q.push(2));
  EXPECT_FALSE(q.closed());
  q.close();
  q.close();
  EXPECT_TRUE(q.closed());
  EXPECT_EQ(q.push(3), outcome::closed);
  EXPECT_EQ(q.try_reserve().why(), outcome::closed);
  int three[] = {3, 3, 3};
  EXPECT_EQ(q.push_n(three).why, outcome::closed);
  EXPECT_EQ(q.pop(), 1);
  auto job = q.lease();
  EXPECT_EQ(*job, 2);
  job.nack();
  int x;
  EXPECT_TRUE(q.pop(x)) << "what came back after closing is delivered";
  EXPECT_EQ(q.pop(x), outcome::closed);
  EXPECT_EQ(q.peek().why(), outcome::closed);
  EXPECT_EQ(q.lease().why(), outcome::closed);
  EXPECT_EQ(q.pop_n(three).why, outcome::closed);
  EXPECT_TRUE(q.stats().closed);
}

TYPED_TEST(QueueOf, AReservationMadeBeforeCloseCountsAfterIt) {
  queue<int, TypeParam> q(this->mem_, "late commit", 4);
  auto r = q.reserve();
  *r = 5;
  q.close();
  int x;
  EXPECT_EQ(q.try_pop(x), outcome::empty) << "closed was answered before the last push was done";
  EXPECT_TRUE(r.commit());
  EXPECT_EQ(q.try_pop(), 5);
  EXPECT_EQ(q.try_pop(x), outcome::closed);
}

TYPED_TEST(QueueOf, WaitersAreWokenByAPushAPopAndAClose) {
  queue<int, TypeParam> q(this->mem_, "wake", 1);
  std::atomic<pid_t> waiter{0};
  std::thread consumer([&] {
    waiter = ::gettid();
    EXPECT_EQ(q.pop(), 1);
    EXPECT_EQ(q.pop(), std::nullopt);  // until it is closed
  });
  while (waiter == 0) std::this_thread::yield();
  EXPECT_TRUE(harness::wait_until_asleep(waiter));
  EXPECT_TRUE(q.push(1));
  EXPECT_TRUE(harness::eventually([&] { return q.empty(); }));
  EXPECT_TRUE(harness::wait_until_asleep(waiter));
  EXPECT_GE(q.stats().waits, 1u);
  q.close();
  consumer.join();

  queue<int, TypeParam> full(this->mem_, "wake full", 1);
  ASSERT_TRUE(full.push(1));
  waiter = 0;
  std::thread producer([&] {
    waiter = ::gettid();
    EXPECT_TRUE(full.push(2));
    EXPECT_EQ(full.push(3), outcome::closed);
  });
  while (waiter == 0) std::this_thread::yield();
  EXPECT_TRUE(harness::wait_until_asleep(waiter));
  EXPECT_EQ(full.pop(), 1);
  EXPECT_TRUE(harness::eventually([&] { return full.size() == 1; }));
  EXPECT_TRUE(harness::wait_until_asleep(waiter));
  full.close();
  producer.join();
}

TYPED_TEST(QueueOf, CountsWhatHappened) {
  queue<int, TypeParam> q(this->mem_, "stats", 3);
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(q.try_push(i));
  ASSERT_FALSE(q.try_push(9));
  ASSERT_TRUE(q.try_pop());
  auto job = q.try_lease();
  const queue_stats s = q.stats();
  EXPECT_EQ(s.capacity, 3u);
  EXPECT_EQ(s.pushed, 3u);
  EXPECT_EQ(s.popped, 2u);
  EXPECT_EQ(s.depth, 1u);
  EXPECT_EQ(s.refused, 1u);
  EXPECT_EQ(s.leased, 1u);
  EXPECT_EQ(s.max_leases, 3u);
  EXPECT_EQ(s.redelivered, 0u);
  EXPECT_FALSE(s.closed);
  job.nack();
  EXPECT_EQ(q.stats().redelivered, 1u);
  EXPECT_EQ(q.stats().depth, 2u);
}

TYPED_TEST(QueueOf, ARoleIsHeldByOneHandleAtATime) {
  queue<int, TypeParam> q(this->mem_, "roles", 4);
  queue<int, TypeParam> other(this->mem_, "roles");
  ASSERT_TRUE(q.push(1));
  EXPECT_EQ(other.push(2) == outcome::taken, !TypeParam::multi_producer);
  ASSERT_TRUE(q.pop());
  int x;
  EXPECT_EQ(other.try_pop(x) == outcome::taken, !TypeParam::multi_consumer);
  EXPECT_EQ(other.producer().ok(), TypeParam::multi_producer);
  EXPECT_EQ(other.consumer().ok(), TypeParam::multi_consumer);
  EXPECT_TRUE(q.release_role());
  ASSERT_TRUE(other.producer().ok());
  auto out = other.producer();
  auto in = other.consumer();
  ASSERT_TRUE(out.ok() && in.ok());
  EXPECT_TRUE(out->push(3));
  while (in->try_pop()) {
  }
  EXPECT_EQ(q.push(4) == outcome::taken, !TypeParam::multi_producer);
  if (!TypeParam::multi_producer) {
    auto r = out->reserve();
    EXPECT_EQ(out->push(5), outcome::taken) << "while a reservation is out";
    EXPECT_EQ(out->release_role(), outcome::taken);
  }
  EXPECT_TRUE(out->release_role());
  EXPECT_TRUE(q.push(4));
}

TYPED_TEST(QueueOf, HandlesKeepTheSegmentAndFindEachOther) {
  harness::unique_segment name;
  auto q = [&] {
    memory mem(name.name(), 1 << 20);
    return queue<int, TypeParam>(mem, "kept", 5);
  }();
  EXPECT_TRUE(q.push(1));
  queue<int, TypeParam> copy = q;
  EXPECT_EQ(copy.pop(), 1);
  EXPECT_EQ(copy.name(), "kept");
}

TEST(Queue, ErrorsNameWhatWasExpectedAndWhatWasFound) {
  harness::unique_segment segment;
  memory mem(segment.name(), 1 << 20);
  queue<int> q(mem, "tasks", 10);
  const auto says = [](const auto& result, absl::StatusCode code,
                       std::vector<std::string> parts = {}) {
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.status().code(), code) << result.status();
    for (const std::string& part : parts) {
      EXPECT_THAT(std::string(result.status().message()), HasSubstr(part));
    }
  };
  using S = absl::StatusCode;
  says(queue<int>::open_or_create(mem, "tasks", 20), S::kFailedPrecondition, {"tasks", "10", "20"});
  says(queue<int>::open_or_create(mem, "tasks", 10, {.max_leases = 3}), S::kFailedPrecondition,
       {"3"});
  says(queue<int>::create(mem, "tasks", 10), S::kAlreadyExists, {"tasks"});
  says(queue<int>::open(mem, "nothing"), S::kNotFound, {"nothing"});
  says(queue<double>::open(mem, "tasks"), S::kFailedPrecondition, {"int", "double"});
  says(queue<int, spsc>::open(mem, "tasks"), S::kFailedPrecondition, {"spsc"});
  says(queue<int>::create(mem, "zero", 0), S::kInvalidArgument, {"zero", "0"});
  says(queue<int>::create(mem, "", 1), S::kInvalidArgument);
  says(queue<int>::create(mem, "big", 1'000'000), S::kResourceExhausted, {"1000000", "1048576"});
  says(queue<int>::create(mem, "huge", SIZE_MAX), S::kResourceExhausted, {"18446744073709551615"});
  says(queue<int>::create(mem, "huge", SIZE_MAX / 16 + 2), S::kResourceExhausted);
  EXPECT_THROW(queue<int>(mem, "nothing"), error);
  EXPECT_TRUE(queue<int>::open(mem, "tasks").ok());
  EXPECT_TRUE(remove(mem, "tasks").ok());
  says(queue<int>::open(mem, "tasks"), S::kNotFound, {"tasks"});
  EXPECT_TRUE(q.push(1)) << "holders keep what was removed";

  auto read_only = memory::open_read_only(segment.name());
  ASSERT_TRUE(read_only.ok());
  queue<int> again(mem, "again", 1);
  says(queue<int>::open(*read_only, "again"), S::kPermissionDenied, {"read-only"});
}

TEST(Queue, AThreadMayHoldSeveralReservationsAndStillPush) {
  harness::unique_segment segment;
  memory mem(segment.name(), 1 << 20);
  queue<int> q(mem, "a", 16), p(mem, "b", 16);
  std::vector<queue<int>::reservation> held;
  for (int i = 0; i < 7; ++i) {
    held.push_back((i % 2 != 0 ? q : p).try_reserve());
    ASSERT_TRUE(held.back());
    *held.back() = i;
  }
  EXPECT_EQ(q.try_reserve().why(), outcome::exhausted);
  EXPECT_EQ(q.try_peek().why(), outcome::exhausted);
  EXPECT_TRUE(q.push(100));
  for (auto& r : held) EXPECT_TRUE(r.commit());
  for (int i : {1, 3, 5, 100}) EXPECT_EQ(q.try_pop(), i);
  for (int i : {0, 2, 4, 6}) EXPECT_EQ(p.try_pop(), i);
}

TEST(Queue, AbortedReservationsAreSteppedOver) {
  harness::unique_segment segment;
  memory mem(segment.name(), 1 << 20);
  queue<int> q(mem, "tombs", 3);
  for (int lap = 0; lap < 5; ++lap) {
    { auto dropped = q.reserve(); }
    ASSERT_TRUE(q.push(1));
    { auto dropped = q.reserve(); }
    EXPECT_EQ(q.try_pop(), 1);
    int x;
    EXPECT_EQ(q.try_pop(x), outcome::empty);
  }
  for (int i = 0; i < 3; ++i) {
    auto dropped = q.reserve();
  }
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(q.try_push(i)) << "tombs at the head take up no room";
  EXPECT_EQ(q.stats().tombstones, 13u);
  EXPECT_EQ(q.stats().pushed, 8u);
  EXPECT_EQ(q.stats().popped, 5u);
}

}  // namespace
}  // namespace zeroipc
