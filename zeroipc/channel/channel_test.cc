#include "zeroipc/channel/channel.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <ranges>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/harness/harness.h"
#include "zeroipc/base/error.h"
#include "zeroipc/queue/queue.h"

namespace zeroipc {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct wide {
  uint64_t first = 0;
  char text[150] = {};
  uint8_t last = 0;  // so that its size is no multiple of eight
};

class ChannelTest : public ::testing::Test {
 protected:
  // Kills a process that has done `work`, and waits until everybody knows.
  template <typename F>
  void DieAfter(F&& work) {
    harness::shared_state<harness::gate> done;
    harness::process victim([&] {
      work();
      done->open();
      ::pause();
    });
    ASSERT_TRUE(done->wait());
    victim.kill();
    victim.wait();
    mem_.attachment()->self->notice_deaths();
  }
  // Until so many wait in a receive.
  template <typename T>
  [[nodiscard]] bool Waiting(const channel<T>& c, uint64_t n) {
    return harness::eventually([&] { return c.stats().waiting_receivers == n; });
  }
  // Until so many stand with an offer.
  template <typename T>
  [[nodiscard]] bool Standing(const channel<T>& c, uint64_t n) {
    return harness::eventually([&] { return c.size() == n; });
  }
  // What another process has sent.
  template <typename T>
  typename channel<T>::leased SentAndLeased(channel<T>& c, T value) {
    harness::process sender([&] { EXPECT_TRUE(c.send(value)); });
    typename channel<T>::leased held = c.lease();
    EXPECT_TRUE(held);
    EXPECT_EQ(sender.wait(), harness::exited(0));
    return held;
  }

  const harness::unique_segment name_;
  memory mem_{name_.name(), 4 << 20};
};

TEST_F(ChannelTest, ABufferedOneIsAQueue) {
  channel<int> c(mem_, "c", 2);
  EXPECT_EQ(c.capacity(), 2u);
  EXPECT_TRUE(c.send(1));
  EXPECT_TRUE(c.try_send(2));
  EXPECT_EQ(c.try_send(3), outcome::full);
  EXPECT_EQ(c.send_for(3, 1ms), outcome::timed_out);
  EXPECT_EQ(c.send_for(3, 0ms), outcome::timed_out);
  EXPECT_EQ(c.size(), 2u);
  EXPECT_EQ(c.receive(), 1);
  EXPECT_EQ(c.receive_for(0ms), 2);
  EXPECT_EQ(c.try_receive(), std::nullopt);
  int x = 0;
  EXPECT_EQ(c.try_receive(x), outcome::empty);
  EXPECT_EQ(c.receive_for(x, 1ms), outcome::timed_out);
  const std::array<int, 3> three = {4, 5, 6};
  EXPECT_EQ(c.try_send_n(three).count, 2u);
  std::array<int, 3> got = {};
  EXPECT_EQ(c.receive_n(got).count, 2u);
  EXPECT_EQ(got[1], 5);
  const channel_stats s = c.stats();
  EXPECT_EQ(s.sent, 4u);
  EXPECT_EQ(s.received, 4u);
  EXPECT_EQ(s.capacity, 2u);
}

TEST_F(ChannelTest, ABufferIsWrittenAndReadInPlace) {
  channel<wide> c(mem_, "c", 2);
  auto r = c.reserve();
  ASSERT_TRUE(r);
  r->first = 7;
  EXPECT_TRUE(r.commit());
  EXPECT_TRUE(c.try_reserve());
  {
    const auto v = c.peek();
    ASSERT_TRUE(v);
    EXPECT_EQ(v->first, 7u);
  }
  EXPECT_TRUE(c.try_peek().release());
  channel<wide> none(mem_, "none", 0);
  EXPECT_FALSE(none.reserve());
  EXPECT_EQ(none.peek().why(), outcome::gone);
}

TEST_F(ChannelTest, ABufferIsDrainedAfterTheClose) {
  static_assert(std::ranges::input_range<channel<int>>);
  channel<int> c(mem_, "c", 4);
  EXPECT_TRUE(c.send(1));
  EXPECT_TRUE(c.send(2));
  EXPECT_FALSE(c.closed());
  EXPECT_TRUE(c.close());
  EXPECT_FALSE(c.close()) << "it was closed already";
  EXPECT_TRUE(c.closed());
  EXPECT_EQ(c.send(3), outcome::closed);
  std::vector<int> all;
  for (const int x : c) all.push_back(x);
  EXPECT_THAT(all, ElementsAre(1, 2));
  int x = 0;
  EXPECT_EQ(c.receive(x), outcome::closed);
}

TEST_F(ChannelTest, ARendezvousHandsOver) {
  channel<wide> c(mem_, "c", 0);
  EXPECT_EQ(c.capacity(), 0u);
  harness::process sender([&] {
    wide w{.first = 42, .last = 9};
    w.text[149] = 'z';
    for (int i = 0; i < 100; ++i, ++w.first) EXPECT_TRUE(c.send(w));
  });
  for (uint64_t i = 0; i < 100; ++i) {
    const auto w = c.receive();
    ASSERT_TRUE(w);
    EXPECT_EQ(w->first, 42 + i);
    EXPECT_EQ(w->text[149], 'z');
    EXPECT_EQ(w->last, 9);
  }
  EXPECT_EQ(sender.wait(), harness::exited(0));
  EXPECT_EQ(c.stats().sent, 100u);
  EXPECT_EQ(c.stats().received, 100u);
}

TEST_F(ChannelTest, WithoutTheOtherSideNothingIsSent) {
  channel<int> c(mem_, "c", 0);
  EXPECT_EQ(c.try_send(1), outcome::full);
  EXPECT_EQ(c.send_for(1, 1ms), outcome::timed_out);
  EXPECT_EQ(c.send_for(1, 0ms), outcome::timed_out);
  EXPECT_EQ(c.try_receive(), std::nullopt);
  EXPECT_EQ(c.receive_for(1ms), std::nullopt);
  int x = 0;
  EXPECT_EQ(c.try_receive(x), outcome::empty);
  EXPECT_EQ(c.try_lease().why(), outcome::empty);
  EXPECT_EQ(c.lease_for(1ms).why(), outcome::timed_out);
  const std::array<int, 2> two = {1, 2};
  EXPECT_EQ(c.try_send_n(two).count, 0u);
  EXPECT_EQ(c.size(), 0u);
  EXPECT_EQ(c.stats().waiting_receivers, 0u);
}

TEST_F(ChannelTest, TryingMeetsExactlyThoseWhoWait) {
  channel<int> c(mem_, "c", 0);
  harness::process receiver([&]() -> int { return c.receive() == 7 ? 0 : 1; });
  ASSERT_TRUE(Waiting(c, 1));
  EXPECT_TRUE(c.try_send(7)) << "somebody waits";
  EXPECT_EQ(c.try_send(8), outcome::full) << "and has been served";
  EXPECT_EQ(receiver.wait(), harness::exited(0));

  harness::process sender([&]() -> int { return c.send(9) ? 0 : 1; });
  ASSERT_TRUE(Standing(c, 1));
  EXPECT_EQ(c.try_receive(), 9);
  EXPECT_EQ(c.try_receive(), std::nullopt);
  EXPECT_EQ(sender.wait(), harness::exited(0));
}

TEST_F(ChannelTest, AStoppedReceiverDelaysNobody) {
  channel<int> c(mem_, "c", 0);
  harness::process stopped([&]() -> int { return c.receive() == 1 ? 0 : 1; });
  ASSERT_TRUE(Waiting(c, 1));
  stopped.stop();
  EXPECT_TRUE(c.send(1)) << "it is handed over, and stays with the one that is stopped";
  harness::process other([&]() -> int { return c.receive() == 2 ? 0 : 1; });
  EXPECT_TRUE(c.send(2));
  EXPECT_EQ(other.wait(), harness::exited(0));
  stopped.cont();
  EXPECT_EQ(stopped.wait(), harness::exited(0));
}

TEST_F(ChannelTest, WhoHasWaitedLongestIsServedFirst) {
  channel<int> c(mem_, "c", 0);
  std::vector<harness::process> senders;
  for (int i = 0; i < 5; ++i) {
    senders.emplace_back([&, i] { EXPECT_TRUE(c.send(i)); });
    ASSERT_TRUE(Standing(c, static_cast<uint64_t>(i) + 1));
  }
  for (int i = 0; i < 5; ++i) EXPECT_EQ(c.receive(), i);
  for (auto& s : senders) EXPECT_EQ(s.wait(), harness::exited(0));
}

TEST_F(ChannelTest, ABatchGoesOneByOne) {
  channel<int> c(mem_, "c", 0);
  const std::array<int, 3> three = {1, 2, 3};
  harness::process sender([&] {
    EXPECT_EQ(c.send_n(three).count, 3u);
    EXPECT_EQ(c.send_n_for(three, 1ms).why, outcome::timed_out);
  });
  std::vector<int> all;
  while (all.size() < 3) {
    std::array<int, 3> some = {};
    const batch_outcome r = c.receive_n(std::span(some).first(3 - all.size()));
    ASSERT_TRUE(r);
    all.insert(all.end(), some.begin(), some.begin() + static_cast<long>(r.count));
  }
  EXPECT_THAT(all, ElementsAre(1, 2, 3));
  EXPECT_EQ(sender.wait(), harness::exited(0));
  std::array<int, 3> some = {};
  EXPECT_EQ(c.try_receive_n(some).why, outcome::empty);
  EXPECT_EQ(c.receive_n_for(some, 1ms).why, outcome::timed_out);
}

TEST_F(ChannelTest, ClosingTellsBothSides) {
  for (const size_t capacity : {0u, 1u}) {
    SCOPED_TRACE(capacity);
    const std::string sends = "s" + std::to_string(capacity), gets = "g" + std::to_string(capacity);
    channel<int> full(mem_, sends, capacity), idle(mem_, gets, capacity);
    if (capacity != 0) {
      EXPECT_TRUE(full.send(1));
    }
    harness::process sender([&]() -> int { return full.send(2) == outcome::closed ? 0 : 1; });
    harness::process receiver([&]() -> int {
      int x = 0;
      return idle.receive(x) == outcome::closed ? 0 : 1;
    });
    ASSERT_TRUE(harness::wait_until_asleep(sender.pid()));
    ASSERT_TRUE(harness::wait_until_asleep(receiver.pid()));
    EXPECT_TRUE(full.close());
    EXPECT_TRUE(idle.close());
    EXPECT_EQ(sender.wait(), harness::exited(0));
    EXPECT_EQ(receiver.wait(), harness::exited(0));
    EXPECT_EQ(idle.try_send(3), outcome::closed);
    EXPECT_EQ(idle.lease().why(), outcome::closed);
    EXPECT_FALSE(idle.close());
    for (const int x : idle) ADD_FAILURE() << x;
  }
}

TEST_F(ChannelTest, ALeaseReleasesTheSenderAndComesBackWithADeath) {
  for (const size_t capacity : {0u, 4u}) {
    SCOPED_TRACE(capacity);
    channel<int> c(mem_, "c" + std::to_string(capacity), capacity);
    harness::process sender([&] { EXPECT_TRUE(c.send(5)); });
    DieAfter([&] {
      auto* kept = new channel<int>::leased(c.lease());
      EXPECT_TRUE(*kept);
      EXPECT_EQ(kept->deliveries(), 1u);
    });
    EXPECT_EQ(sender.wait(), harness::exited(0));
    auto again = c.lease();
    ASSERT_TRUE(again);
    EXPECT_EQ(again.value(), 5);
    EXPECT_EQ(again.deliveries(), 2u);
    EXPECT_EQ(c.stats().leased, 1u);
    EXPECT_TRUE(again.nack());
    EXPECT_EQ(again.ack(), outcome::gone);
    again = c.try_lease();
    ASSERT_TRUE(again);
    EXPECT_EQ(again.deliveries(), 3u);
    EXPECT_TRUE(again.ack());
    EXPECT_EQ(c.try_receive(), std::nullopt);
    EXPECT_EQ(c.stats().redelivered, 2u);
    EXPECT_EQ(c.stats().leased, 0u);
  }
}

TEST_F(ChannelTest, AnOrphanComesBeforeWhatIsOffered) {
  channel<int> c(mem_, "c", 0);
  harness::process first([&] { EXPECT_TRUE(c.send(1)); });
  auto held = c.lease();
  ASSERT_TRUE(held);
  harness::process second([&] { EXPECT_TRUE(c.send(2)); });
  ASSERT_TRUE(Standing(c, 1));
  EXPECT_TRUE(held.nack());
  EXPECT_EQ(c.receive(), 1);
  EXPECT_EQ(c.receive(), 2);
  EXPECT_EQ(first.wait(), harness::exited(0));
  EXPECT_EQ(second.wait(), harness::exited(0));
}

TEST_F(ChannelTest, ClosedIsNotSaidWhileALeaseMayComeBack) {
  channel<int> c(mem_, "c", 0);
  auto held = SentAndLeased(c, 5);
  EXPECT_TRUE(c.close());
  int x = 0;
  EXPECT_EQ(c.try_receive(x), outcome::closed) << "what it has itself under lease nobody waits for";
  harness::process waits([&]() -> int {
    int y = 0;
    return c.receive(y) == outcome::closed ? 0 : 1;
  });
  harness::process gets([&]() -> int {
    int y = 0;
    return c.try_receive(y) == outcome::empty ? 0 : 1;
  });
  EXPECT_EQ(gets.wait(), harness::exited(0));
  ASSERT_TRUE(harness::wait_until_asleep(waits.pid()));
  EXPECT_TRUE(held.ack());
  EXPECT_EQ(waits.wait(), harness::exited(0));
}

TEST_F(ChannelTest, AStoppedSenderDoesNotDelayTheEnd) {
  channel<int> c(mem_, "c", 0);
  harness::process sender([&]() -> int { return c.send(5) == outcome::closed ? 0 : 1; });
  ASSERT_TRUE(Standing(c, 1));
  ASSERT_TRUE(harness::wait_until_asleep(sender.pid()));
  sender.stop();
  EXPECT_TRUE(c.close());
  int x = 0;
  EXPECT_EQ(c.receive(x), outcome::closed) << "its offer is refused without it";
  EXPECT_EQ(c.size(), 0u);
  sender.cont();
  EXPECT_EQ(sender.wait(), harness::exited(0));
}

TEST_F(ChannelTest, WhoIsStoppedWithAValueDelaysTheEnd) {
  channel<int> c(mem_, "c", 0);
  harness::process receiver([&]() -> int { return c.receive() == 5 ? 0 : 1; });
  ASSERT_TRUE(Waiting(c, 1));
  ASSERT_TRUE(harness::wait_until_asleep(receiver.pid()));
  receiver.stop();
  EXPECT_TRUE(c.try_send(5));
  EXPECT_TRUE(c.close());
  int x = 0;
  EXPECT_EQ(c.try_receive(x), outcome::empty) << "it may die, and the value come back";
  receiver.cont();
  EXPECT_EQ(c.receive(x), outcome::closed);
  EXPECT_EQ(receiver.wait(), harness::exited(0));
}

TEST_F(ChannelTest, WhoComesAfterTheCloseIsNotMet) {
  channel<int> c(mem_, "c", 0);
  auto held = SentAndLeased(c, 5);
  EXPECT_TRUE(c.close());
  harness::process late([&]() -> int { return c.receive() == 5 ? 0 : 1; });
  ASSERT_TRUE(harness::wait_until_asleep(late.pid()));
  EXPECT_EQ(c.stats().waiting_receivers, 0u) << "it waits for what may come back, not for senders";
  EXPECT_TRUE(held.nack());
  EXPECT_EQ(late.wait(), harness::exited(0));
}

TEST_F(ChannelTest, AChildOfTheHolderIsNotTheHolder) {
  for (const size_t capacity : {0u, 4u}) {
    SCOPED_TRACE(capacity);
    channel<int> c(mem_, "c" + std::to_string(capacity), capacity);
    auto held = SentAndLeased(c, 5);
    harness::process child([&]() -> int {
      if (held.ack() != outcome::gone) return 1;
      return c.try_receive() ? 2 : 0;
    });
    EXPECT_EQ(child.wait(), harness::exited(0));
    EXPECT_TRUE(held.ack()) << "the child's end took nothing from its parent";
  }
}

TEST_F(ChannelTest, WhatTheDeadLeftIsInNobodysWay) {
  channel<int> c(mem_, "c", 0);
  for (int i = 0; i < 3; ++i) {
    // More than there is room for, were it lost.
    std::vector<harness::process> all;
    for (int k = 0; k < 20; ++k) {
      all.emplace_back([&] { c.send(1); });
      ASSERT_TRUE(Standing(c, static_cast<uint64_t>(k) + 1));
    }
    for (auto& p : all) p.kill();
    for (auto& p : all) p.wait();
    mem_.attachment()->self->notice_deaths();
    EXPECT_EQ(c.try_receive(), std::nullopt)
        << "who sent it is dead, and was never told that it was sent";
    all.clear();
    for (int k = 0; k < 20; ++k) all.emplace_back([&] { c.receive(); });
    ASSERT_TRUE(Waiting(c, 20));
    for (auto& p : all) p.kill();
    for (auto& p : all) p.wait();
    mem_.attachment()->self->notice_deaths();
    EXPECT_EQ(c.try_send(1), outcome::full) << "handed over to a dead process";
    EXPECT_EQ(c.stats().waiting_receivers, 0u);
  }
}

TEST_F(ChannelTest, WhatWasHandedToOneThatDiesIsDeliveredToAnother) {
  channel<int> c(mem_, "c", 0);
  harness::process victim([&] { c.receive(); });
  ASSERT_TRUE(Waiting(c, 1));
  ASSERT_TRUE(harness::wait_until_asleep(victim.pid()));
  victim.stop();
  EXPECT_TRUE(c.send(5));
  victim.kill();
  victim.wait();
  mem_.attachment()->self->notice_deaths();
  EXPECT_EQ(c.try_receive(), 5);
  EXPECT_EQ(c.stats().redelivered, 1u);
}

TEST_F(ChannelTest, MoreSendersThanOffersAndMoreReceiversThanSeats) {
  channel<int> c(mem_, "c", 0);
  constexpr int kThreads = 150;
  static_assert(kThreads > internal::shape_of_offers(4, 4).count && kThreads > internal::kSeats);
  std::atomic<int> sum{0};
  std::vector<std::thread> all;
  for (int i = 0; i < kThreads; ++i) {
    all.emplace_back([&] { sum += c.receive().value_or(0); });
  }
  ASSERT_TRUE(Waiting(c, internal::kSeats));
  for (int i = 0; i < kThreads; ++i) EXPECT_TRUE(c.send(1));
  for (auto& t : all) t.join();
  EXPECT_EQ(sum, kThreads);
  all.clear();
  for (int i = 0; i < kThreads; ++i) {
    all.emplace_back([&] { EXPECT_TRUE(c.send(2)); });
  }
  ASSERT_TRUE(Standing(c, internal::shape_of_offers(4, 4).count));
  EXPECT_EQ(c.try_send(3), outcome::full);
  EXPECT_EQ(c.send_for(3, 1ms), outcome::timed_out);
  // Those who wait for an offer are told when one is free, and not only when somebody waits to receive.
  for (int i = 0; i < kThreads; ++i) {
    EXPECT_TRUE(harness::eventually([&] { return c.try_receive() == 2; })) << i;
  }
  for (auto& t : all) t.join();
  EXPECT_EQ(c.size(), 0u);
}

TEST_F(ChannelTest, WhoWaitsForASeatGetsOne) {
  channel<int> c(mem_, "c", 0);
  std::vector<harness::process> all;
  harness::shared_state<harness::gate> end;  // a process that ends wakes everybody
  const auto receive = [&]() -> int { return c.receive() == 1 && end->wait() ? 0 : 1; };
  for (uint64_t i = 0; i < internal::kSeats; ++i) all.emplace_back(receive);
  ASSERT_TRUE(Waiting(c, internal::kSeats));
  all.emplace_back(receive);
  ASSERT_TRUE(harness::wait_until_asleep(all.back().pid()));
  for (uint64_t i = 0; i < internal::kSeats; ++i) EXPECT_TRUE(c.try_send(1));
  ASSERT_TRUE(Waiting(c, 1)) << "it sees no offer, and it is told of a seat";
  EXPECT_TRUE(c.try_send(1));
  end->open();
  for (auto& p : all) EXPECT_EQ(p.wait(), harness::exited(0));
}

TEST_F(ChannelTest, ManyToManyEachValueArrivesOnce) {
  for (const size_t capacity : {0u, 3u}) {
    SCOPED_TRACE(capacity);
    constexpr int kEach = 500, kSenders = 3, kReceivers = 3;
    channel<int> c(mem_, "c" + std::to_string(capacity), capacity);
    harness::shared_state<std::array<std::atomic<int>, kEach * kSenders>> seen;
    std::vector<harness::process> senders, receivers;
    for (int s = 0; s < kSenders; ++s) {
      senders.emplace_back([&, s] {
        for (int i = 0; i < kEach; ++i) {
          const int x = s * kEach + i;
          if (i % 3 == 0) {
            while (!c.try_send(x)) std::this_thread::yield();
          } else {
            EXPECT_TRUE(c.send(x));
          }
        }
      });
    }
    for (int r = 0; r < kReceivers; ++r) {
      receivers.emplace_back([&, r] {
        if (r == 0) {
          while (auto one = c.lease()) {
            ++(*seen)[static_cast<size_t>(*one)];
            EXPECT_TRUE(one.ack());
          }
        } else {
          for (const int x : c) ++(*seen)[static_cast<size_t>(x)];
        }
      });
    }
    for (auto& p : senders) EXPECT_EQ(p.wait(), harness::exited(0));
    EXPECT_TRUE(c.close());
    for (auto& p : receivers) EXPECT_EQ(p.wait(), harness::exited(0));
    for (const auto& n : *seen) ASSERT_EQ(n, 1);
  }
}

TEST_F(ChannelTest, AnOfferThatThereIsNotIsNotTaken) {
  namespace offer_word = internal::offer_word;
  namespace seat_word = internal::seat_word;
  channel<int> c(mem_, "c", 0);
  harness::process receiver([&]() -> int {
    int x = 0;
    return c.receive(x) == outcome::corrupt ? 0 : 1;
  });
  ASSERT_TRUE(Waiting(c, 1));
  ASSERT_TRUE(harness::wait_until_asleep(receiver.pid()));
  // Its seat names an offer beyond the last, where another seat lies that looks like one.
  const off_t start = static_cast<off_t>(find(mem_, "c")->offset);
  internal::structure_geometry g;
  ASSERT_EQ(::pread(mem_.fd(), &g, sizeof g, start), static_cast<ssize_t>(sizeof g));
  const auto at = [&](uint64_t seat) {
    return start + static_cast<off_t>(g.offsets[1] + seat * g.strides[1]);
  };
  constexpr uint64_t kSeat = 2;
  const uint64_t beyond = (g.offsets[1] - g.offsets[0] + kSeat * g.strides[1]) / g.strides[0];
  ASSERT_EQ(g.offsets[0] + beyond * g.strides[0], g.offsets[1] + kSeat * g.strides[1]);
  ASSERT_GE(beyond, g.capacity);
  uint64_t seat = 0;
  ASSERT_EQ(::pread(mem_.fd(), &seat, sizeof seat, at(0)), 8);
  const uint64_t offer[] = {
      offer_word::next(0, internal::offer_state::handing, mem_.attachment()->self->tag()), 0,
      seat_word::place(0, seat)};
  ASSERT_EQ(::pwrite(mem_.fd(), offer, sizeof offer, at(kSeat)),
            static_cast<ssize_t>(sizeof offer));
  seat = seat_word::next(seat, internal::seat_state::given, seat_word::owner(seat), beyond);
  ASSERT_EQ(::pwrite(mem_.fd(), &seat, sizeof seat, at(0)), 8);
  EXPECT_TRUE(c.close());
  EXPECT_EQ(receiver.wait(), harness::exited(0));
}

TEST_F(ChannelTest, WhatADeadReceiverHadBeforeIsNotTakenFromItsNextSender) {
  channel<int> c(mem_, "c", 0);
  harness::shared_state<std::atomic<uint32_t>> tag;
  harness::process receiver([&] {
    EXPECT_EQ(c.receive_for(1ms), std::nullopt);
    *tag = mem_.attachment()->self->tag().bits();
    ::pause();
  });
  ASSERT_TRUE(harness::eventually([&] { return *tag != 0; }));
  harness::process sender([&]() -> int { return c.send(5) ? 0 : 1; });
  ASSERT_TRUE(Standing(c, 1));
  // As if it had received by the same offer, and died before it left its seat.
  const structure_info info = *find(mem_, "c");
  internal::structure_geometry g;
  const off_t start = static_cast<off_t>(info.offset);
  ASSERT_EQ(::pread(mem_.fd(), &g, sizeof g, start), static_cast<ssize_t>(sizeof g));
  const uint64_t seat =
      internal::seat_word::next(7, internal::seat_state::given, owner_tag::from_bits(*tag), 0);
  ASSERT_EQ(::pwrite(mem_.fd(), &seat, sizeof seat, start + static_cast<off_t>(g.offsets[1])), 8);
  receiver.kill();
  receiver.wait();
  mem_.attachment()->self->notice_deaths();
  EXPECT_EQ(c.try_receive(), 5);
  EXPECT_EQ(c.stats().redelivered, 0u);
  EXPECT_EQ(sender.wait(), harness::exited(0));
}

TEST_F(ChannelTest, ASeatThatThereIsNotIsNotLookedAt) {
  channel<int> c(mem_, "c", 0);
  harness::shared_state<std::atomic<uint32_t>> tag;
  harness::process sender([&] {
    EXPECT_EQ(c.send_for(5, 1ms), outcome::timed_out);
    *tag = mem_.attachment()->self->tag().bits();
    ::pause();
  });
  ASSERT_TRUE(harness::eventually([&] { return *tag != 0; }));
  const off_t start = static_cast<off_t>(find(mem_, "c")->offset);
  internal::structure_geometry g;
  ASSERT_EQ(::pread(mem_.fd(), &g, sizeof g, start), static_cast<ssize_t>(sizeof g));
  const uint64_t offer[] = {
      internal::offer_word::next(7, internal::offer_state::handing, owner_tag::from_bits(*tag)), 0,
      ~uint64_t{0}};
  ASSERT_EQ(::pwrite(mem_.fd(), offer, sizeof offer, start + static_cast<off_t>(g.offsets[0])),
            static_cast<ssize_t>(sizeof offer));
  sender.kill();
  sender.wait();
  mem_.attachment()->self->notice_deaths();
  EXPECT_EQ(c.try_receive(), std::nullopt);
}

TEST_F(ChannelTest, IsOpenedAsWhatItIs) {
  const channel<int> buffered(mem_, "b", 4), rendezvous(mem_, "r", 0);
  EXPECT_EQ(channel<int>(mem_, "b").capacity(), 4u);
  EXPECT_EQ(channel<int>(mem_, "r").capacity(), 0u);
  EXPECT_EQ(channel<int>(mem_, "r", 0).name(), "r");
  EXPECT_TRUE(absl::IsAlreadyExists(channel<int>::create(mem_, "r", 0).status()));
  EXPECT_TRUE(absl::IsNotFound(channel<int>::open(mem_, "n").status()));
  const auto message = [](const auto& s) { return std::string(s.status().message()); };
  EXPECT_THAT(message(channel<int>::open_or_create(mem_, "b", 5)), HasSubstr("channel \"b\""));
  EXPECT_THAT(message(channel<int>::open_or_create(mem_, "b", 5)), HasSubstr("capacity 4"));
  for (const auto& s : {message(channel<int>::open_or_create(mem_, "b", 0)),
                        message(channel<int>::open_or_create(mem_, "r", 1))}) {
    EXPECT_THAT(s, HasSubstr("direct"));
    EXPECT_THAT(s, HasSubstr("buffered"));
  }
  EXPECT_THAT(message(channel<uint64_t>::open(mem_, "b")), HasSubstr("channel<int>"));
  EXPECT_THAT(message(channel<uint64_t>::open(mem_, "r")), HasSubstr("elements of 8 bytes"));
  const queue<int> q(mem_, "q", 4);
  EXPECT_THAT(message(channel<int>::open(mem_, "q")), HasSubstr("queue<int>"));
  EXPECT_THAT(message(queue<int>::open(mem_, "b")), HasSubstr("channel<int>"));
  EXPECT_TRUE(
      absl::IsResourceExhausted(channel<int>::create(mem_, "big", size_t{1} << 40).status()));
  EXPECT_THROW(channel<int>(mem_, "n"), error);
  EXPECT_THROW(channel<int>(mem_, "", 1), error);
}

TEST_F(ChannelTest, AReadOnlySegmentIsRefused) {
  const channel<int> b(mem_, "b", 4), r(mem_, "r", 0);
  const auto look = memory::open_read_only(name_.name());
  ASSERT_TRUE(look.ok()) << look.status();
  for (const char* const name : {"b", "r"}) {
    const auto s = channel<int>::open(*look, name).status();
    EXPECT_TRUE(absl::IsPermissionDenied(s)) << s;
    EXPECT_THAT(std::string(s.message()), HasSubstr("read-only"));
  }
}

TEST_F(ChannelTest, TheEventsThatSelectSleepsOn) {
  channel<int> b(mem_, "b", 4), r(mem_, "r", 0);
  for (channel<int>* const c : {&b, &r}) {
    const internal::channel_events<int> events(*c);
    harness::process receiver([&] {
      EXPECT_TRUE(internal::wait_until<hardware>(events.env(), events.receivable(),
                                                 deadline::never(),
                                                 [&] { return c->try_receive() == 1; }));
    });
    ASSERT_TRUE(harness::wait_until_asleep(receiver.pid()));
    EXPECT_TRUE(c->send(1));
    EXPECT_EQ(receiver.wait(), harness::exited(0));
  }
  const internal::channel_events<int> events(r);
  harness::process sender([&] {
    EXPECT_TRUE(internal::wait_until<hardware>(events.env(), events.sendable(), deadline::never(),
                                               [&] { return bool(r.try_send(2)); }));
  });
  ASSERT_TRUE(harness::wait_until_asleep(sender.pid()));
  EXPECT_EQ(r.receive(), 2);
  EXPECT_EQ(sender.wait(), harness::exited(0));

  // An offer that stands while its sender does something else.
  auto* const core = events.rendezvous();
  ASSERT_NE(core, nullptr);
  std::remove_pointer_t<decltype(core)>::standing s;
  EXPECT_EQ(core->stand(3, s, true), outcome::empty);
  EXPECT_EQ(core->look_after(s), outcome::empty);
  EXPECT_EQ(r.size(), 1u);
  EXPECT_TRUE(core->withdraw(s));
  EXPECT_FALSE(core->withdraw(s));
  EXPECT_EQ(core->stand(4, s, true), outcome::empty);
  EXPECT_EQ(r.try_receive(), 4);
  EXPECT_EQ(core->look_after(s), outcome::ok);
  EXPECT_EQ(internal::channel_events<int>(b).rendezvous(), nullptr);
}

}  // namespace
}  // namespace zeroipc
