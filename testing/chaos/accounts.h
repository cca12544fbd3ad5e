// The account of numbered values that processes send and others receive, any of which may be killed: nothing that was acknowledged may be
// lost, and how often a value came is known.
//
//   harness::shared_state<std::array<chaos::account, 3>> books;    // one for each sender, in memory of the test's own
//   uint64_t n = mine.next();                 // a sender
//   if (c.send({me, n})) mine.acknowledge(n);
//   (*books)[x.sender].handle(x.number);      // a receiver
//   EXPECT_EQ(mine.total().lost, 0u);         // when all is over
//
// Numbers go on for as long as one likes: what is kept of a value is settled when as many others have come after it as there is room for, so
// by then it must have been received.
#ifndef ZEROIPC_TESTING_CHAOS_ACCOUNTS_H_
#define ZEROIPC_TESTING_CHAOS_ACCOUNTS_H_

#include <array>
#include <atomic>
#include <cstdint>

namespace zeroipc::chaos {

class account {
 public:
  struct sums {
    uint64_t acknowledged = 0;
    uint64_t lost = 0;   // acknowledged, and never received
    uint64_t again = 0;  // receptions beyond the first

    sums& operator+=(const sums& other) {
      acknowledged += other.acknowledged;
      lost += other.lost;
      again += other.again;
      return *this;
    }
  };

  // By one process at a time. A number whose process is killed before it is sent is nobody's.
  uint64_t next() {
    const uint64_t n = next_.fetch_add(1);
    settle(slots_[n % kKept]);
    return n;
  }
  void acknowledge(uint64_t n) { slots_[n % kKept].fetch_or(kAcknowledged); }
  void handle(uint64_t n) { slots_[n % kKept].fetch_add(kOnce); }

  // REQUIRES: nobody sends or receives any more.
  sums total() {
    for (std::atomic<uint16_t>& slot : slots_) settle(slot);
    return {acknowledged_, lost_, again_};
  }

 private:
  static constexpr uint64_t kKept = 200'000;
  static constexpr uint16_t kAcknowledged = 1, kOnce = 2;

  // In one step, for who does it may be killed.
  void settle(std::atomic<uint16_t>& slot) {
    const uint16_t was = slot.exchange(0);
    if ((was & kAcknowledged) != 0) {
      ++acknowledged_;
      if (was < kOnce) ++lost_;
    }
    if (was >= 2 * kOnce) again_ += was / kOnce - 1u;
  }

  std::atomic<uint64_t> next_{0}, acknowledged_{0}, lost_{0}, again_{0};
  std::array<std::atomic<uint16_t>, kKept> slots_{};
};

}  // namespace zeroipc::chaos

#endif  // ZEROIPC_TESTING_CHAOS_ACCOUNTS_H_
