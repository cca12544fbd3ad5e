#include "patterns/actor/supervisor.h"

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <string>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/harness/harness.h"

namespace zeroipc::patterns {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

struct books {
  std::atomic<int> runs{0}, others{0};
  std::atomic<pid_t> pid{0};
  harness::gate running;
};

TEST(Supervisor, EndsWhenAllHaveEnded) {
  harness::shared_state<books> b;
  Supervisor all;
  all.add("a", [&] { ++b->runs; });
  all.add("b", [&] { ++b->others; });
  EXPECT_TRUE(all.run().ok());
  EXPECT_EQ(b->runs, 1);
  EXPECT_EQ(b->others, 1);
  EXPECT_EQ(all.restarts(), 0u);
  EXPECT_TRUE(Supervisor().run().ok()) << "there is nothing to do";
}

TEST(Supervisor, StartsAgainWhatDies) {
  harness::shared_state<books> b;
  Supervisor all;
  all.add("killed, thrown, then well", [&] {
    const int run = ++b->runs;
    if (run == 1) ::raise(SIGKILL);
    if (run == 2) throw std::runtime_error("no");
    if (run == 3) ::_exit(7);
  });
  all.add("well", [&] { ++b->others; });
  EXPECT_TRUE(all.run().ok());
  EXPECT_EQ(b->runs, 4);
  EXPECT_EQ(b->others, 1) << "one that ended by itself is not started again";
  EXPECT_EQ(all.restarts(), 3u);
}

TEST(Supervisor, GivesUpWhenThatDoesNotHelp) {
  harness::shared_state<books> b;
  Supervisor all({.most_restarts = 3, .most_pause = 2ms});
  all.add("fine", [] { ::pause(); });
  all.add("broken", [&] {
    ++b->runs;
    ::raise(SIGABRT);
  });
  const absl::Status why = all.run();
  EXPECT_TRUE(absl::IsAborted(why));
  EXPECT_THAT(std::string(why.message()),
              HasSubstr("child 'broken' ended (signal 6) after 3 restarts within 10000 ms"));
  EXPECT_EQ(b->runs, 4);
}

TEST(Supervisor, StopEndsThoseThatRunAlsoThoseThatDoNotListen) {
  harness::shared_state<books> b;
  harness::process supervising([&] {
    Supervisor all({.patience = 10ms});
    all.add("deaf", [&] {
      ::signal(SIGTERM, SIG_IGN);
      b->pid = ::getpid();
      b->running.open();
      for (;;) ::pause();
    });
    all.add("who stops", [&] {
      if (!b->running.wait()) ::_exit(1);
      all.stop();  // the descriptor is the parent's, too
    });
    EXPECT_TRUE(all.run().ok());
    EXPECT_EQ(::kill(b->pid, 0), -1) << "it is gone";
  });
  EXPECT_EQ(supervising.wait(), harness::exited(0));
}

TEST(Supervisor, ItsChildrenDieWithIt) {
  harness::shared_state<books> b;
  harness::process supervising([&] {
    Supervisor all;
    all.add("child", [&] {
      b->pid = ::getpid();
      b->running.open();
      for (;;) ::pause();
    });
    all.run().IgnoreError();
  });
  ASSERT_TRUE(b->running.wait());
  supervising.kill();
  supervising.wait();
  // Gone, or a zombie that whoever it belongs to now has not collected: in any case it does not run.
  EXPECT_TRUE(harness::eventually([&] {
    if (::kill(b->pid, 0) != 0) return true;
    char state = 0;
    const std::string stat = "/proc/" + std::to_string(b->pid) + "/stat";
    if (FILE* f = ::fopen(stat.c_str(), "re"); f != nullptr) {
      if (::fscanf(f, "%*d (%*[^)]) %c", &state) != 1) state = 0;
      ::fclose(f);
    }
    return state == 'Z' || state == 0;
  }));
}

}  // namespace
}  // namespace zeroipc::patterns
