// Property: with processes killed, stopped and starved at random, and replaced: who waits gets through when it is set, and
// nobody is stuck.
//
// Runs for 2 s; for longer: --test_env=ZEROIPC_LAB=full.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>

#include "testing/chaos/chaos.h"
#include "testing/evidence/evidence.h"
#include "testing/harness/harness.h"
#include "zeroipc/event/event.h"

namespace zeroipc {
namespace {

constexpr int kWorkers = 4;

struct books {
  std::atomic<bool> over{false};
  std::atomic<uint64_t> through{0};
};

// Hands one token around; who is killed with it takes it along, so one of them makes a new one now and then.
void work(event& token, books& book, int me) {
  while (!book.over) {
    if (me == 0) {
      if (!token.wait_for(std::chrono::milliseconds(5))) token.set();
    } else {
      token.wait();
    }
    ++book.through;
    token.set();
  }
  token.set();
}

TEST(EventKill, WhoWaitsGetsThrough) {
  const auto for_how_long = testing::quick_or_full<std::chrono::seconds>(std::chrono::seconds(2),
                                                                         std::chrono::seconds(120));
  harness::unique_segment segment;
  memory mem(segment.name(), 1 << 20);
  event token(mem, "token", event_reset::automatic);
  token.set();
  const auto b = std::make_unique<harness::shared_state<books>>();
  books& book = **b;
  chaos::chaos all({.workers = kWorkers, .seed = 17}, [&](int me) { work(token, book, me); });
  all.run_for(for_how_long);
  book.over = true;
  // Whoever is woken for the last time wakes the next.
  token.set();
  ASSERT_TRUE(all.finish()) << "somebody is stuck; " << all.so_far().text();
  EXPECT_GT(book.through, 1000u);
  testing::evidence("event", testing::instrument::chaos)
      .figure("kills", all.so_far().kills)
      .figure("stops", all.so_far().stops)
      .figure("interruptions", all.so_far().interruptions)
      .figure("passages", book.through);
}

}  // namespace
}  // namespace zeroipc
