// Property: with processes killed, stopped and starved at random, and replaced: each of many futures is settled once, whole, and by
// one alone; what was acknowledged is there; a promise is broken only by a death; and nobody waits for the dead.
//
// Runs for 3 s; for longer: --test_env=ZEROIPC_LAB=full.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>

#include "testing/chaos/chaos.h"
#include "testing/evidence/evidence.h"
#include "testing/harness/harness.h"
#include "zeroipc/future/future.h"
#include "zeroipc/name_table/name_table.h"

namespace zeroipc {
namespace {

// As far as kAhead the fast leave those behind who are stopped: there is not room for any number of names.
constexpr int kWorkers = 4, kFutures = 2'000'000, kAhead = 1'000;

struct value {
  uint64_t words[40];
  static value of(uint64_t x) {
    value v;
    for (uint64_t& w : v.words) w = x++;
    return v;
  }
  bool whole() const {
    for (uint64_t i = 0; i < 40; ++i) {
      if (words[i] != words[0] + i) return false;
    }
    return true;
  }
};

struct books {
  std::atomic<bool> over{false};
  std::atomic<int> at[kWorkers]{};
  // By worker and 1 + what it set, as soon as that was acknowledged.
  std::atomic<uint32_t> acknowledged[kFutures]{};
  std::atomic<uint64_t> set{0}, broken{0}, failed{0}, wrong{0}, stuck{0};
};

// All of them come to each future; one sets it, with or without a promise, and all wait for that.
void settle(future<value>& f, books& book, int i, int me) {
  const uint32_t mine = static_cast<uint32_t>(i * kWorkers + me);
  outcome r;
  if ((i + me) % 3 == 0) {
    promise<value> p = f.claim();
    std::this_thread::yield();  // room to be killed in
    r = p ? p.set_value(value::of(mine)) : p.why();
  } else if ((i + me) % 3 == 1) {
    r = f.set_value(value::of(mine));
  } else {
    r = f.set_error("as well", me);
    if (r) ++book.failed;
    book.wrong += !(r || r == outcome::exists || r == outcome::taken || r == outcome::broken);
    return;
  }
  if (r) {
    book.wrong += book.acknowledged[i].exchange(mine + 1) != 0;
    ++book.set;
  } else {
    book.wrong += r != outcome::exists && r != outcome::taken && r != outcome::broken;
  }
}

void work(const memory& mem, books& book, int me) {
  const auto slowest = [&book] {
    int least = kFutures;
    for (const std::atomic<int>& at : book.at) least = std::min(least, at.load());
    return least;
  };
  for (int i = book.at[me]; i < kFutures && !book.over; ++i) {
    while (i > slowest() + kAhead && !book.over) std::this_thread::yield();
    future<value> f(mem, std::to_string(i));
    settle(f, book, i, me);
    const outcome r = f.wait_for(std::chrono::seconds(60));
    book.stuck += r == outcome::timed_out;
    if (r) {
      const value* v = f.peek();
      book.wrong +=
          v == nullptr || !v->whole() || v->words[0] / kWorkers != static_cast<uint64_t>(i);
      const uint32_t said = book.acknowledged[i];
      book.wrong += v != nullptr && said != 0 && v->words[0] != said - 1;
    } else {
      book.wrong += book.acknowledged[i] != 0;
      book.broken += r == outcome::broken && me == 0;
      book.wrong += r == outcome::broken && !f.error()->died;
    }
    book.at[me] = i + 1;
    // Who is last takes the name away, unless he is killed here.
    if (slowest() > i) f.remove().IgnoreError();
  }
}

TEST(FutureKill, EachIsSettledOnceAndNobodyWaitsForTheDead) {
  const auto for_how_long = testing::quick_or_full<std::chrono::seconds>(std::chrono::seconds(3),
                                                                         std::chrono::seconds(120));
  harness::unique_segment segment;
  memory mem(segment.name(), 64 << 20);
  const auto b = std::make_unique<harness::shared_state<books>>();
  books& book = **b;
  chaos::chaos all({.workers = kWorkers, .seed = 17}, [&](int me) { work(mem, book, me); });
  all.run_for(for_how_long);
  book.over = true;
  ASSERT_TRUE(all.finish()) << "somebody is stuck; " << all.so_far().text();
  EXPECT_EQ(book.wrong, 0u);
  EXPECT_EQ(book.stuck, 0u);
  EXPECT_GT(book.set, 0u);
  // Who is killed between settling and saying so has done it all the same.
  EXPECT_LE(book.broken, all.so_far().kills);
  // Of each that was killed one may be left, and those that not all have come to.
  EXPECT_LE(list(mem, true).size(), all.so_far().kills + kAhead + kWorkers);
  testing::evidence("future", testing::instrument::chaos)
      .figure("kills", all.so_far().kills)
      .figure("stops", all.so_far().stops)
      .figure("interruptions", all.so_far().interruptions)
      .figure("values", book.set.load())
      .figure("errors", book.failed.load())
      .figure("broken promises", book.broken.load());
}

}  // namespace
}  // namespace zeroipc
