// Which record a thread writes its claims to, and what becomes of it.
#include <signal.h>

#include <atomic>
#include <map>
#include <set>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "testing/harness/harness.h"
#include "zeroipc/participant/participant.h"
#include "zeroipc/participant/test_support.h"

namespace zeroipc::internal {
namespace {

using harness::exited;
using harness::gate;
using harness::killed_by;
using harness::process;
using harness::shared_state;
using harness::unique_segment;

class thread_records : public ::testing::Test {
 protected:
  unique_segment name_;
  memory mem_{name_.name(), kTestSegmentBytes, {.max_threads = 4}};
  participant& self_ = self_of(mem_);

  // The claims that a scan attributes to each participant.
  std::map<uint32_t, int> claims_by_owner() {
    std::map<uint32_t, int> claims;
    self_.for_each_record([&](const thread_record<hardware>& r, owner_tag owner) {
      for (const auto& claim : r.claims) claims[owner.bits()] += claim.what.load() != 0;
    });
    return claims;
  }
};

TEST_F(thread_records, a_thread_keeps_its_record_and_threads_do_not_share) {
  thread_record<hardware>* const mine = self_.record();
  ASSERT_NE(mine, nullptr);
  EXPECT_EQ(self_.record(), mine);
  EXPECT_EQ(mine->owner.load(), self_.tag().bits());
  std::thread([&] {
    EXPECT_NE(self_.record(), mine);
    EXPECT_NE(self_.record(), nullptr);
  }).join();
  EXPECT_EQ(self_.record(), mine);
}

TEST_F(thread_records, a_thread_has_a_record_in_each_segment_and_finds_them_again) {
  unique_segment name;
  memory other(name.name(), kTestSegmentBytes);
  thread_record<hardware>* const here = self_.record();
  thread_record<hardware>* const there = self_of(other).record();
  EXPECT_NE(here, there);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(self_.record(), here);
    EXPECT_EQ(self_of(other).record(), there);
  }
}

TEST_F(thread_records, ended_threads_give_their_records_back) {
  for (int i = 0; i < 50; ++i) {
    std::vector<std::thread> threads;
    for (int k = 0; k < 3; ++k) {
      threads.emplace_back([&] { EXPECT_NE(self_.record(), nullptr); });
    }
    for (std::thread& t : threads) t.join();
  }
  // To the segment, so that another process may have all four.
  process other([&] {
    gate all_there[3];
    std::vector<std::thread> threads;
    for (gate& g : all_there) {
      threads.emplace_back([&] {
        EXPECT_NE(self_.record(), nullptr);
        g.open();
        for (gate& each : all_there) EXPECT_TRUE(each.wait());
      });
    }
    EXPECT_NE(self_.record(), nullptr);
    for (std::thread& t : threads) t.join();
  });
  EXPECT_EQ(other.wait(), exited(0));
}

TEST_F(thread_records, a_destructor_that_runs_as_the_thread_ends_may_still_use_one) {
  struct late_user {
    participant* self = nullptr;
    ~late_user() { EXPECT_NE(self->record(), nullptr); }
  };
  for (int i = 0; i < 10; ++i) {
    std::thread([&] {
      thread_local late_user before;
      before.self = &self_;
      EXPECT_NE(self_.record(), nullptr);
    }).join();
  }
}

TEST_F(thread_records, a_thread_may_outlive_the_attachment) {
  gate used, detached;
  unique_segment name;
  auto other = std::make_unique<memory>(name.name(), kTestSegmentBytes);
  std::thread t([&] {
    EXPECT_NE(self_of(*other).record(), nullptr);
    EXPECT_NE(self_.record(), nullptr);
    used.open();
    EXPECT_TRUE(detached.wait());
    EXPECT_NE(self_.record(), nullptr);
  });
  ASSERT_TRUE(used.wait());
  other.reset();
  detached.open();
  t.join();
}

TEST_F(thread_records, records_that_are_used_up_answer_nullptr_and_come_back) {
  gate release;
  std::atomic<int> got{0}, refused{0};
  harness::tally asked;
  std::vector<std::thread> threads;
  for (int i = 0; i < 6; ++i) {
    threads.emplace_back([&] {
      (self_.record() != nullptr ? got : refused).fetch_add(1);
      asked.add();
      EXPECT_TRUE(release.wait());
    });
  }
  ASSERT_TRUE(asked.wait_for_at_least(6));
  EXPECT_EQ(got, 4);
  EXPECT_EQ(refused, 2);
  EXPECT_EQ(self_.record(), nullptr);
  release.open();
  for (std::thread& t : threads) t.join();
  EXPECT_NE(self_.record(), nullptr);
}

TEST_F(thread_records, what_a_dead_process_was_claiming_never_passes_for_the_next_owners) {
  // Four threads of a process die with claims in all of its records.
  process dead([&] {
    harness::tally ready;
    std::vector<std::thread> threads;
    for (uint32_t i = 0; i < 4; ++i) {
      threads.emplace_back([&, i] {
        thread_record<hardware>* r = self_.record();
        for (auto& claim : r->claims) claim.announce(claim_kind::push, 7, i, 1);
        ready.add();
        for (;;) ::pause();
      });
    }
    if (ready.wait_for_at_least(4)) ::raise(SIGKILL);
  });
  ASSERT_EQ(dead.wait(), killed_by(SIGKILL));
  std::atomic<bool> stop{false};
  std::atomic<int> mistaken{0};
  std::thread scan([&] {
    while (!stop) mistaken += claims_by_owner()[self_.tag().bits()];
  });
  gate release;
  harness::tally got;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      thread_record<hardware>* r = self_.record();
      EXPECT_NE(r, nullptr);
      for (auto& claim : r->claims) EXPECT_EQ(claim.what.load(), 0u);
      got.add();
      EXPECT_TRUE(release.wait());
    });
  }
  ASSERT_TRUE(got.wait_for_at_least(4));
  stop = true;
  scan.join();
  release.open();
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(mistaken, 0);
}

TEST_F(thread_records, one_that_is_claimed_but_not_yet_cleared_is_not_seen) {
  ASSERT_NE(self_.record(), nullptr);
  thread_record<hardware>& next = record_of(mem_, 1);
  header_of(mem_).threads_high_water = 2;
  next.claims[0].announce(claim_kind::pop, 1, 1, 1);
  next.owner = self_.tag().bits();  // killed here: `ready` is still the dead one's
  next.ready = owner_tag(9, 9).bits();
  EXPECT_EQ(claims_by_owner()[self_.tag().bits()], 0);
  next.ready = self_.tag().bits();
  EXPECT_EQ(claims_by_owner()[self_.tag().bits()], 1);
}

TEST_F(thread_records, a_reservation_outlives_its_thread_and_an_operation_in_progress_does_not) {
  thread_record<hardware>* left = nullptr;
  std::thread([&] {
    left = self_.record();
    ASSERT_NE(left, nullptr);
    left->claims[0].announce(claim_kind::push, 1, 1, 1);  // as if cancelled within an operation
    left->claims[3].announce(claim_kind::push, 1, 2, 1);
  }).join();
  EXPECT_EQ(left->owner.load(), self_.tag().bits());
  EXPECT_EQ(claims_by_owner()[self_.tag().bits()], 1);
  EXPECT_EQ(left->claims[0].what.load(), 0u);
  // The process's next thread goes on with it.
  std::thread([&] {
    EXPECT_EQ(self_.record(), left);
    left->claims[3].clear();
  }).join();
  EXPECT_EQ(left->owner.load(), 0u);
}

TEST_F(thread_records, detaching_gives_all_back) {
  unique_segment name;
  memory keeper(name.name(), kTestSegmentBytes);
  process p([&] {
    memory mine = std::move(keeper);
    EXPECT_NE(self_of(mine).record(), nullptr);
  });
  ASSERT_EQ(p.wait(), exited(0));
  int in_use = 0;
  self_of(keeper).for_each_record([&](const auto&, owner_tag) { ++in_use; });
  EXPECT_EQ(in_use, 0);
  EXPECT_GT(header_of(keeper).threads_high_water, 0u);
}

TEST_F(thread_records, a_forged_high_water_mark_bounds_the_scan) {
  header_of(mem_).threads_high_water = 0xffff'ffff;
  header_of(mem_).participants_high_water = 0xffff'ffff;
  EXPECT_NO_FATAL_FAILURE(claims_by_owner());
  EXPECT_EQ(self_.list().size(), 1u);
  EXPECT_TRUE(self_.alone());
}

}  // namespace
}  // namespace zeroipc::internal
