#include "testing/harness/harness.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <stdexcept>
#include <string>
#include <thread>

#include "gtest/gtest-spi.h"
#include "gtest/gtest.h"

namespace zeroipc::harness {
namespace {

using namespace std::chrono_literals;

void touch(const std::string& path) {
  const int fd = ::open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
  ASSERT_GE(fd, 0) << path;
  ::close(fd);
}

TEST(Process, ReturnsItsExitCode) {
  process p([] { return 7; });
  EXPECT_EQ(p.wait(), exited(7));
  EXPECT_EQ(p.poll(), exited(7)) << "and keeps saying so";
}

TEST(Process, TellsASignalFromAnExitCode) {
  process p([] { ::pause(); });
  EXPECT_EQ(p.poll(), still_running());
  p.kill(SIGKILL);
  EXPECT_EQ(p.wait(), killed_by(SIGKILL));
}

TEST(Process, HandsOverMoreThanAPipeHoldsBeforeItIsKilled) {
  shared_state<gate> written;
  process p([&] {
    for (uint64_t i = 0; i < 100'000; ++i) process::report(i);
    written->open();
    ::pause();
  });
  ASSERT_TRUE(written->wait());
  p.kill();
  EXPECT_EQ(p.wait(), killed_by(SIGKILL));
  const auto values = p.reported_as<uint64_t>();
  ASSERT_EQ(values.size(), 100'000u);
  EXPECT_EQ(values.back(), 99'999u);
}

TEST(Process, AFailureInTheChildFailsTheParentWithItsText) {
  process p([] { EXPECT_EQ(1, 2) << "in the child"; });
  EXPECT_NONFATAL_FAILURE(EXPECT_EQ(p.wait(), exited(process::kFailedExpectation)), "in the child");
}

TEST(Process, AFailureBeforeASigkillIsNotLost) {
  shared_state<gate> failed;
  process p([&] {
    ADD_FAILURE() << "before the end";
    failed->open();
    ::pause();
  });
  ASSERT_TRUE(failed->wait());
  p.kill();
  EXPECT_NONFATAL_FAILURE(EXPECT_EQ(p.wait(), killed_by(SIGKILL)), "before the end");
}

TEST(Process, AnExceptionInTheChildIsAFailure) {
  process p([] { throw std::runtime_error("thrown there"); });
  EXPECT_NONFATAL_FAILURE(p.wait(), "thrown there");
}

TEST(Process, StopsAndContinues) {
  shared_state<tally> turns;
  process p([&] {
    for (;;) turns->add();
  });
  ASSERT_TRUE(turns->wait_for_at_least(1));
  p.stop();
  EXPECT_EQ(state_of(p.pid()), 'T');
  const uint32_t stopped_at = turns->value();
  EXPECT_EQ(p.poll(), still_running());
  EXPECT_EQ(turns->value(), stopped_at);
  p.cont();
  EXPECT_TRUE(turns->wait_for_at_least(stopped_at + 1));
}

TEST(Process, IsKilledWhenItGoesOutOfScope) {
  pid_t pid;
  {
    process p([] { ::pause(); });
    pid = p.pid();
  }
  EXPECT_EQ(::kill(pid, 0), -1) << "reaped";
}

TEST(Process, DiesWithItsParent) {
  shared_state<std::atomic<pid_t>> grandchild;
  process parent([&] {
    process child([] { ::pause(); });
    grandchild->store(child.pid());
    ::pause();
  });
  ASSERT_TRUE(eventually([&] { return grandchild->load() != 0; }));
  parent.kill();
  parent.wait();
  EXPECT_TRUE(eventually([&] {
    const char state = state_of(grandchild->load());
    return state == '\0' || state == 'Z';
  }));
}

TEST(Process, DiesWithItsParentAlsoAsAnotherProgram) {
  shared_state<std::atomic<pid_t>> grandchild;
  process parent([&] {
    process child([] { ::execl("/bin/sleep", "sleep", "1000", nullptr); });
    grandchild->store(child.pid());
    ::pause();
  });
  ASSERT_TRUE(eventually([&] { return grandchild->load() != 0; }));
  parent.kill();
  parent.wait();
  EXPECT_TRUE(eventually([&] {
    const char state = state_of(grandchild->load());
    return state == '\0' || state == 'Z';
  }));
}

TEST(Process, OutlivesTheThreadThatStartedIt) {
  shared_state<gate> go;
  std::optional<process> p;
  std::thread([&] { p.emplace([&] { return go->wait() ? 5 : 6; }); }).join();
  go->open();
  EXPECT_EQ(p->wait(), exited(5));
}

TEST(SharedState, AGateHoldsUntilItIsOpened) {
  struct shared {
    gate go;
    std::atomic<int> value{0};
  };
  shared_state<shared> state;
  process p([&] { return state->go.wait() ? state->value.load() : -1; });
  EXPECT_TRUE(wait_until_asleep(p.pid()));
  state->value = 3;
  state->go.open();
  EXPECT_EQ(p.wait(), exited(3));
  EXPECT_FALSE(gate{}.wait(1ms));
}

TEST(WaitFor, ASpinningProcessIsNotAsleep) {
  shared_state<gate> running;
  process p([&] {
    running->open();
    for (;;) {
    }
  });
  ASSERT_TRUE(running->wait());
  EXPECT_FALSE(wait_until_asleep(p.pid(), 50ms));
}

TEST(WaitFor, SleepingInSomethingElseIsNotWaiting) {
  shared_state<gate> running;
  process p([&] {
    running->open();
    ::pause();
  });
  ASSERT_TRUE(running->wait());
  ASSERT_TRUE(eventually([&] { return state_of(p.pid()) == 'S'; }));
  EXPECT_FALSE(wait_until_asleep(p.pid(), 50ms));
}

TEST(UniqueSegment, NamesDifferAndAreRemoved) {
  std::string path;
  {
    unique_segment a, b;
    EXPECT_NE(a.name(), b.name());
    EXPECT_EQ(a.name()[0], '/');
    touch(a.path());
    EXPECT_TRUE(a.exists());
    EXPECT_FALSE(b.exists());
    path = a.path();
    process child([&] { unique_segment moved(std::move(a)); });  // a child's copy unlinks nothing
    child.wait();
    EXPECT_TRUE(a.exists());
  }
  EXPECT_NE(::access(path.c_str(), F_OK), 0);
}

TEST(UniqueSegment, IsRemovedAfterTheTestWasKilled) {
  unique_segment
      mine;  // of this test run: the child's reaper is its own only after exec, so it shares ours
  std::string path;
  shared_state<gate> made;
  // A process that has no part in this run's token: a program of its own.
  process p([&] {
    ::execl("/proc/self/exe", "harness_test", "--gtest_filter=DISABLED_Victim.*",
            "--gtest_also_run_disabled_tests", nullptr);
    return 1;
  });
  EXPECT_EQ(p.wait(), killed_by(SIGKILL));
  const char* directory = std::getenv("TEST_TMPDIR");
  ASSERT_NE(directory, nullptr);
  char left[256] = {};
  const int note = ::open((std::string(directory) + "/victim").c_str(), O_RDONLY | O_CLOEXEC);
  ASSERT_GE(note, 0);
  ASSERT_GT(::read(note, left, sizeof left - 1), 0);
  ::close(note);
  EXPECT_TRUE(eventually([&] { return ::access(left, F_OK) != 0; })) << left;
}

// Run by the test above, as a test run that is killed.
TEST(DISABLED_Victim, IsKilled) {
  unique_segment segment;
  touch(segment.path());
  const char* directory = std::getenv("TEST_TMPDIR");
  ASSERT_NE(directory, nullptr);
  const int note = ::open((std::string(directory) + "/victim").c_str(),
                          O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
  ASSERT_EQ(::write(note, segment.path().data(), segment.path().size()),
            static_cast<ssize_t>(segment.path().size()));
  ::raise(SIGKILL);
}

TEST(UniqueSegment, TheSweepTakesWhatTheDeadLeftAndNothingElse) {
  // Another test run may sweep at the same time: tokens that are only ours, and the lock before the segment.
  const unique_segment ours;
  const std::string token =
      ours.path().substr(0, ours.path().find('-', std::strlen("/dev/shm/zeroipc-test-")));
  const std::string dead = token + "dead";
  const std::string live = token + "live";
  const int lock = ::open((live + ".lock").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
  ASSERT_EQ(::flock(lock, LOCK_EX), 0);
  touch(live + "-1-0");
  touch(dead + "-1-0");
  touch(dead + ".lock");
  sweep_segments_of_the_dead();
  EXPECT_TRUE(eventually([&] { return ::access((dead + ".lock").c_str(), F_OK) != 0; }));
  EXPECT_NE(::access((dead + "-1-0").c_str(), F_OK), 0);
  EXPECT_EQ(::access((live + "-1-0").c_str(), F_OK), 0);
  ::unlink((live + "-1-0").c_str());
  ::unlink((live + ".lock").c_str());
  ::close(lock);
}

TEST(Killer, KillsAndReplacesUntilToldToStop) {
  struct shared {
    gate stop;
    tally started;
  };
  shared_state<shared> state;
  killer chaos({.workers = 3, .seed = 42, .least = 200us, .most = 2ms}, [&](int worker) {
    EXPECT_GE(worker, 0);
    EXPECT_LT(worker, 3);
    state->started.add();
    state->stop.wait();
  });
  EXPECT_TRUE(chaos.run_until([&] { return chaos.kills() >= 20; }));
  EXPECT_EQ(chaos.running(), 3);
  state->stop.open();
  EXPECT_TRUE(chaos.finish());
  EXPECT_GE(chaos.kills(), 20);
  EXPECT_GT(state->started.value(), 3u);
  EXPECT_FALSE(chaos.kill_one()) << "nobody is left";
}

TEST(Killer, AWorkerThatFailsByItselfFailsTheTest) {
  killer chaos({.workers = 1}, [](int) { EXPECT_TRUE(false) << "a worker's own failure"; });
  ::testing::TestPartResultArray failures;
  {
    ::testing::ScopedFakeTestPartResultReporter catcher(
        ::testing::ScopedFakeTestPartResultReporter::INTERCEPT_ONLY_CURRENT_THREAD, &failures);
    EXPECT_FALSE(chaos.finish());
  }
  ASSERT_GE(failures.size(), 1);
  EXPECT_NE(std::string(failures.GetTestPartResult(0).message()).find("a worker's own failure"),
            std::string::npos);
}

}  // namespace
}  // namespace zeroipc::harness
