// Sleeping on several words, with and without futex_waitv.
#include "zeroipc/wait/futex.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <vector>

#include "gtest/gtest.h"
#include "testing/harness/harness.h"

namespace zeroipc::internal {
namespace {

using harness::exited;
using harness::process;
using harness::shared_state;
using harness::wait_until_asleep;
using std::chrono::milliseconds;

#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif

struct words {
  std::array<std::atomic<uint32_t>, kMaxFutexWords> at{};
  std::atomic<uint32_t> woken{0};
};

std::vector<futex_wait_entry> all_of(words& w) {
  std::vector<futex_wait_entry> entries;
  for (auto& word : w.at) entries.push_back({&word, 0});
  return entries;
}

// From here on this process's kernel is one that lacks futex_waitv, or a filter that forbids it.
[[nodiscard]] bool refuse_waitv(int with) {
  sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_futex_waitv, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<uint32_t>(with)),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog filter{4, program};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

void waits_as_it_should() {
  shared_state<words> w;
  const auto entries = all_of(*w);
  EXPECT_FALSE(futex_wait_any(entries, deadline::at_once()));
  // Late.
  for (int ms : {1, 20}) {
    const int64_t start = deadline::now_ns();
    while (futex_wait_any(entries, deadline::after(milliseconds(ms)))) {
    }
    EXPECT_GE(deadline::now_ns() - start, int64_t{ms} * 1'000'000);
  }
  // Changed already: any of them. Late all the same, once it is.
  const deadline past = deadline::after(std::chrono::nanoseconds(1));
  while (!past.passed()) {
  }
  for (size_t i : {size_t{0}, size_t{1}, w->at.size() - 1}) {
    w->at[i] = 1;
    EXPECT_TRUE(futex_wait_any(entries, deadline::never()));
    EXPECT_FALSE(futex_wait_any(entries, past));
    w->at[i] = 0;
  }
  // Changed and woken while it sleeps: any of them.
  for (size_t i : {size_t{0}, size_t{1}, w->at.size() - 1}) {
    process sleeper([&] {
      while (w->at[i].load() == 0) futex_wait_any(entries, deadline::never());
      w->woken.fetch_add(1);
    });
    ASSERT_TRUE(wait_until_asleep(sleeper.pid()));
    w->at[i] = 1;
    futex_wake(w->at[i], 1);
    EXPECT_EQ(sleeper.wait(), exited(0));
    w->at[i] = 0;
  }
  // Woken by its first word without a change.
  process sleeper([&] { EXPECT_TRUE(futex_wait_any({entries.data(), 1}, deadline::never())); });
  ASSERT_TRUE(wait_until_asleep(sleeper.pid()));
  EXPECT_TRUE(harness::eventually([&] { return futex_wake(w->at[0], 1) == 1; }));
  EXPECT_EQ(sleeper.wait(), exited(0));
  EXPECT_EQ(futex_wake(w->at[0], 1), 0);
}

TEST(futex, sleeps_until_any_of_many_words_changes) { waits_as_it_should(); }

TEST(futex, does_so_where_the_kernel_lacks_futex_waitv) {
  process p([] {
    if (!refuse_waitv(ENOSYS)) return 77;
    waits_as_it_should();
    return 0;
  });
  const auto end = p.wait();
  if (end == exited(77)) GTEST_SKIP() << "no seccomp filter here";
  EXPECT_EQ(end, exited(0));
}

TEST(futex, does_so_where_a_filter_forbids_futex_waitv) {
  process p([] {
    if (!refuse_waitv(EPERM)) return 77;
    waits_as_it_should();
    return 0;
  });
  const auto end = p.wait();
  if (end == exited(77)) GTEST_SKIP() << "no seccomp filter here";
  EXPECT_EQ(end, exited(0));
}

}  // namespace
}  // namespace zeroipc::internal
