// Many waits at once: more than one thread can sleep on.
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <iterator>
#include <memory>
#include <numeric>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "testing/harness/harness.h"
#include "zeroipc/base/error.h"
#include "zeroipc/channel/channel.h"
#include "zeroipc/coroutine/coroutine.h"
#include "zeroipc/future/future.h"

namespace zeroipc {
namespace {

using namespace std::chrono_literals;

class ManyWaitsTest : public ::testing::Test {
 protected:
  const harness::unique_segment name_;
  memory mem_{name_.name(), 64 << 20};
};

template <typename T>
std::vector<T> make_many(const memory& mem, int n, auto... args) {
  std::vector<T> all;
  for (int i = 0; i < n; ++i) {
    all.emplace_back(mem, "m" + std::to_string(i), args...);
  }
  return all;
}

std::vector<size_t> shuffled(size_t n) {
  std::vector<size_t> order(n);
  std::iota(order.begin(), order.end(), 0);
  std::shuffle(order.begin(), order.end(), std::mt19937(1));
  return order;
}

TEST_F(ManyWaitsTest, AThousandFuturesThatAreSetInAnyOrder) {
  constexpr size_t kMany = 1000;
  auto all = make_many<future<uint64_t>>(mem_, kMany);
  std::vector<size_t> seen;
  const auto gets = [&](size_t i) -> task<> {
    EXPECT_EQ(co_await all[i], i);
    seen.push_back(i);
  };
  const pid_t waiter = ::getpid();
  harness::process sets([&] {
    ASSERT_TRUE(harness::wait_until_asleep(waiter));
    for (const size_t i : shuffled(kMany)) EXPECT_TRUE(all[i].set_value(i));
  });
  executor ex;
  for (size_t i = 0; i < kMany; ++i) ex.spawn(gets(i));
  EXPECT_TRUE(ex.run());
  EXPECT_EQ(sets.wait(), harness::exited(0));
  std::sort(seen.begin(), seen.end());
  EXPECT_EQ(seen.size(), kMany);
  EXPECT_EQ(std::unique(seen.begin(), seen.end()), seen.end());
}

// Each is woken by itself, wherever its word is slept on.
TEST_F(ManyWaitsTest, EveryOneOfAThousandIsWokenByItself) {
  constexpr size_t kMany = 1000;
  auto all = make_many<future<uint64_t>>(mem_, kMany);
  harness::shared_state<harness::tally> got;
  const auto gets = [&](size_t i) -> task<> {
    EXPECT_EQ(co_await all[i], i);
    got->add();
  };
  harness::process sets([&] {
    uint32_t n = 0;
    for (const size_t i : shuffled(kMany)) {
      EXPECT_TRUE(all[i].set_value(i));
      ASSERT_TRUE(got->wait_for_at_least(++n)) << i;
    }
  });
  executor ex;
  for (size_t i = 0; i < kMany; ++i) ex.spawn(gets(i));
  EXPECT_TRUE(ex.run());
  EXPECT_EQ(sets.wait(), harness::exited(0));
}

// From here on this process's kernel is one that lacks futex_waitv.
[[nodiscard]] bool refuse_futex_waitv() {
  constexpr uint32_t kFutexWaitv = 449;
  sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kFutexWaitv, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog filter{4, program};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

TEST_F(ManyWaitsTest, SoItIsWhereTheKernelCannotWaitForSeveralWords) {
  harness::process probe([] { return refuse_futex_waitv() ? 0 : 77; });
  if (probe.wait() != harness::exited(0)) GTEST_SKIP() << "seccomp filters are not to be had here";
  constexpr size_t kMany = 300;
  auto all = make_many<future<uint64_t>>(mem_, kMany);
  harness::shared_state<harness::gate> all_wait;
  harness::process gets([&] {
    EXPECT_TRUE(refuse_futex_waitv());
    executor ex;
    size_t got = 0;
    const auto waits = [&](size_t i) -> task<> {
      EXPECT_EQ(co_await async_get_for(all[i], 1ms), std::nullopt);
      if (i + 1 == kMany) all_wait->open();
      EXPECT_EQ(co_await all[i], i);
      ++got;
    };
    for (size_t i = 0; i < kMany; ++i) ex.spawn(waits(i));
    EXPECT_TRUE(ex.run());
    EXPECT_EQ(got, kMany);
  });
  EXPECT_TRUE(all_wait->wait());
  for (const size_t i : shuffled(kMany)) {
    if (i % 10 == 0) {
      ASSERT_TRUE(harness::wait_until_asleep(gets.pid()));
    }
    EXPECT_TRUE(all[i].set_value(i));
  }
  EXPECT_EQ(gets.wait(), harness::exited(0));
}

TEST_F(ManyWaitsTest, ThreeHundredChannelsAreServedForLong) {
  constexpr size_t kMany = 300, kEach = 20;
  auto all = make_many<channel<uint64_t>>(mem_, kMany, 2);
  std::vector<uint64_t> next(kMany);
  const auto receives = [&](size_t i) -> task<> {
    while (const auto x = co_await async_receive(all[i])) EXPECT_EQ(*x, next[i]++);
  };
  harness::process sends([&] {
    for (uint64_t x = 0; x < kEach; ++x) {
      for (const size_t i : shuffled(kMany)) EXPECT_TRUE(all[i].send(x));
    }
    for (auto& c : all) c.close();
  });
  executor ex;
  for (size_t i = 0; i < kMany; ++i) ex.spawn(receives(i));
  EXPECT_TRUE(ex.run());
  EXPECT_EQ(sends.wait(), harness::exited(0));
  EXPECT_EQ(next, std::vector<uint64_t>(kMany, kEach));
}

// Limits that pass, and cancels, while helpers sleep on the words; nothing is lost by it.
TEST_F(ManyWaitsTest, WaitsThatGiveUpLeaveTheirWords) {
  constexpr size_t kMany = 300;
  auto all = make_many<channel<uint64_t>>(mem_, kMany, 2);
  size_t late = 0, got = 0;
  const auto gives_up = [&](size_t i) -> task<> {
    if (co_await async_receive_for(all[i], std::chrono::milliseconds(1 + i % 7))) ADD_FAILURE();
    ++late;
    while (co_await async_receive(all[i])) ++got;
  };
  executor ex;
  std::vector<spawned> idle;
  const auto for_ever = [&](size_t i) -> task<> { co_await async_receive(all[i]); };
  for (size_t i = 0; i < kMany; ++i) idle.push_back(ex.spawn(for_ever(i)));
  for (size_t i = 0; i < kMany; ++i) ex.spawn(gives_up(i));
  while (late < kMany) ASSERT_FALSE(ex.run_for(1ms));
  for (size_t i = 0; i < kMany; i += 2) idle[i].cancel();
  const auto cancels = [&]() -> task<> {
    co_await sleep_for(2ms);
    for (size_t i = 1; i < kMany; i += 2) idle[i].cancel();
    for (auto& c : all) {
      EXPECT_TRUE(c.send(1));
      c.close();
    }
  };
  ex.spawn(cancels());
  EXPECT_TRUE(ex.run());
  EXPECT_EQ(got, kMany);
}

int64_t cpu_us(const rusage& u) {
  return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1'000'000 + u.ru_utime.tv_usec +
         u.ru_stime.tv_usec;
}

TEST_F(ManyWaitsTest, AHundredThatWaitCostNothing) {
  auto channels = make_many<channel<uint64_t>>(mem_, 100, 2);
  channel<uint64_t> direct(mem_, "direct", 0);
  const auto receives = [&](size_t i) -> task<> { co_await async_receive(channels[i]); };
  const auto sends = [&]() -> task<> { co_await async_send(direct, 1); };
  executor ex;
  for (size_t i = 0; i < 100; ++i) ex.spawn(receives(i));
  ex.spawn(sends());
  EXPECT_FALSE(ex.run_for(1ms));  // all have come to wait
  rusage before, after;
  ::getrusage(RUSAGE_THREAD, &before);
  EXPECT_FALSE(ex.run_for(300ms));
  ::getrusage(RUSAGE_THREAD, &after);
  EXPECT_LE(after.ru_nvcsw - before.ru_nvcsw, 5);
  EXPECT_LT(cpu_us(after) - cpu_us(before), 30'000) << "us of processor time";
}

std::ptrdiff_t threads() {
  return std::distance(std::filesystem::directory_iterator("/proc/self/task"), {});
}

TEST_F(ManyWaitsTest, ABusyExecutorLeavesItsColdWordsToAHelper) {
  mem_.attachment()->self->set_spins(0);
  auto cold = make_many<future<uint64_t>>(mem_, 60);
  channel<uint64_t> there(mem_, "there", 1), back(mem_, "back", 1);
  harness::process other([&] {
    for (const uint64_t x : there) EXPECT_TRUE(back.send(x));
    for (const size_t i : shuffled(cold.size())) EXPECT_TRUE(cold[i].set_value(i));
  });
  size_t got = 0;
  const auto waits = [&](size_t i) -> task<> {
    EXPECT_EQ(co_await cold[i], i);
    ++got;
  };
  const std::ptrdiff_t before = threads();
  const auto is_busy = [&]() -> task<> {
    for (uint64_t x = 0; x < 20; ++x) {
      EXPECT_TRUE(co_await async_send(there, x));
      EXPECT_EQ(co_await async_receive(back), x);
    }
    EXPECT_EQ(threads(), before) << "one thread sleeps for all";
    for (uint64_t x = 0; threads() == before; ++x) {
      EXPECT_TRUE(co_await async_send(there, x));
      EXPECT_EQ(co_await async_receive(back), x);
      if (x == 100'000) {
        ADD_FAILURE() << "no helper came";
        break;
      }
    }
    EXPECT_EQ(threads(), before + 1);
    there.close();
  };
  executor ex;
  for (size_t i = 0; i < cold.size(); ++i) ex.spawn(waits(i));
  ex.spawn(is_busy());
  EXPECT_TRUE(ex.run());
  EXPECT_EQ(got, cold.size());
  EXPECT_EQ(other.wait(), harness::exited(0));
}

// One is woken for each value of a buffered channel. No wake-up is lost with a wait that is cancelled: after a helper was woken for it and before it was looked at, or before that, when no helper may
// be woken for it any more.
TEST_F(ManyWaitsTest, NoWakeUpIsLostWithAWaitThatIsCancelled) {
  for (const bool before : {false, true}) {
    channel<int> a(mem_, before ? "before" : "after", 4);
    auto idle = make_many<future<uint64_t>>(mem_, 300);
    harness::shared_state<harness::gate> go;
    harness::process receives([&] {
      EXPECT_TRUE(go->wait());
      EXPECT_EQ(a.receive(), 1);
    });
    executor ex;
    const auto waits_for_a = [&]() -> task<> { co_await async_receive(a); };
    const auto waits = [&](size_t i) -> task<> { co_await idle[i]; };
    const auto cancels = [&](spawned t) -> task<> {
      co_await sleep_for(1ms);
      co_await sleep_for(
          1ms);  // nothing else happens meanwhile, so the loop sleeps, and helpers do
      if (before) t.cancel();
      go->open();
      EXPECT_TRUE(harness::wait_until_asleep(receives.pid()));
      EXPECT_TRUE(a.send(1));  // this wakes one: who sleeps for longest
      t.cancel();
      ex.stop();
    };
    // The word that has been there for longest is a helper's.
    ex.spawn(cancels(ex.spawn(waits_for_a())));
    for (size_t i = 0; i < idle.size(); ++i) ex.spawn(waits(i));
    EXPECT_FALSE(ex.run());
    EXPECT_EQ(receives.wait(), harness::exited(0));
  }
}

TEST_F(ManyWaitsTest, ADeathWakesWhoWaitsForThePromiseOfTheDead) {
  constexpr size_t kMany = 200;
  auto all = make_many<future<uint64_t>>(mem_, kMany);
  harness::shared_state<harness::gate> claimed;
  const pid_t waiter = ::getpid();
  harness::process promises([&] {
    std::vector<promise<uint64_t>> mine;
    for (auto& f : all) mine.push_back(f.claim());
    claimed->open();
    for (;;) ::pause();
  });
  ASSERT_TRUE(claimed->wait());
  const pid_t victim = promises.pid();
  harness::process killer([=] {
    ASSERT_TRUE(harness::wait_until_asleep(waiter));
    ::kill(victim, SIGKILL);
  });
  size_t broken = 0;
  const auto gets = [&](size_t i) -> task<> {
    uint64_t x = 0;
    if (co_await async_get(all[i], x) == outcome::broken) ++broken;
  };
  executor ex;
  for (size_t i = 0; i < kMany; ++i) ex.spawn(gets(i));
  EXPECT_TRUE(ex.run_for(harness::kPatience));
  EXPECT_EQ(broken, kMany);
  EXPECT_EQ(promises.wait(), harness::killed_by(SIGKILL));
  EXPECT_EQ(killer.wait(), harness::exited(0));
}

}  // namespace
}  // namespace zeroipc
