// One at a time, and the dead give way.
#include "zeroipc/wait/robust_lock.h"

#include <signal.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <memory>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "testing/harness/harness.h"
#include "zeroipc/participant/test_support.h"

namespace zeroipc::internal {
namespace {

using harness::exited;
using harness::gate;
using harness::killed_by;
using harness::process;
using harness::shared_state;
using harness::unique_segment;
using harness::wait_until_asleep;
using std::chrono::milliseconds;

// Plain words under the lock: two that are equal whenever nobody is inside.
struct guarded {
  robust_lock<hardware> lock;
  volatile uint64_t one;
  volatile uint64_t other;
  std::atomic<uint64_t> inherited;
  std::atomic<uint64_t> rounds;
};

class robust_lock_test : public ::testing::Test {
 protected:
  unique_segment name_;
  memory mem_{name_.name(), kTestSegmentBytes};
  participant& env_ = self_of(mem_);
  guarded& shared_ = scratch<guarded>(mem_);
  robust_lock<hardware>& lock_ = shared_.lock;

  deadline patience() { return deadline::after(harness::kPatience); }

  void go_in_and_out() {
    switch (lock_.lock(env_, patience())) {
      case lock_result::busy:
        FAIL() << "stuck";
      case lock_result::inherited:
        shared_.inherited.fetch_add(1);
        shared_.other = shared_.one;
        break;
      case lock_result::acquired:
        break;
    }
    EXPECT_EQ(shared_.one, shared_.other);
    shared_.one = shared_.one + 1;
    shared_.other = shared_.other + 1;
    lock_.unlock(env_);
    shared_.rounds.fetch_add(1);
  }
};

TEST_F(robust_lock_test, is_free_then_held_then_free) {
  EXPECT_EQ(lock_.try_lock(env_), lock_result::acquired);
  EXPECT_EQ(lock_.owner.load(), env_.tag().bits());
  EXPECT_EQ(lock_.try_lock(env_), lock_result::busy);
  EXPECT_EQ(lock_.lock(env_, deadline::after(milliseconds(5))), lock_result::busy);
  lock_.unlock(env_);
  EXPECT_EQ(lock_.lock(env_), lock_result::acquired);
  lock_.unlock(env_);
}

TEST_F(robust_lock_test, threads_of_one_process_exclude_each_other) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 5'000; ++i) go_in_and_out();
    });
  }
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(shared_.one, 15'000u);
  EXPECT_EQ(shared_.inherited, 0u);
}

TEST_F(robust_lock_test, processes_exclude_each_other) {
  std::vector<std::unique_ptr<process>> all;
  for (int t = 0; t < 3; ++t) {
    all.push_back(std::make_unique<process>([&] {
      for (int i = 0; i < 5'000; ++i) go_in_and_out();
    }));
  }
  for (auto& p : all) EXPECT_EQ(p->wait(), exited(0));
  EXPECT_EQ(shared_.one, 15'000u);
  EXPECT_EQ(shared_.inherited, 0u);
}

TEST_F(robust_lock_test, is_inherited_from_a_dead_owner_once) {
  process p([&] {
    EXPECT_EQ(lock_.lock(env_), lock_result::acquired);
    ::raise(SIGKILL);
  });
  ASSERT_EQ(p.wait(), killed_by(SIGKILL));
  EXPECT_EQ(lock_.try_lock(env_), lock_result::inherited);
  lock_.unlock(env_);
  EXPECT_EQ(lock_.try_lock(env_), lock_result::acquired);
  lock_.unlock(env_);
}

TEST_F(robust_lock_test, is_inherited_from_an_owner_that_left_and_whose_slot_has_a_new_tenant) {
  process p([&] {
    EXPECT_EQ(lock_.lock(env_), lock_result::acquired);
    memory mine = std::move(mem_);
  });
  ASSERT_EQ(p.wait(), exited(0));
  shared_state<gate> there, go;
  process tenant([&] {
    EXPECT_EQ(env_.self().slot(), owner_tag::from_bits(lock_.owner.load()).slot());
    there->open();
    EXPECT_TRUE(go->wait());
  });
  ASSERT_TRUE(there->wait());
  EXPECT_EQ(lock_.try_lock(env_), lock_result::inherited);
  lock_.unlock(env_);
  go->open();
  EXPECT_EQ(tenant.wait(), exited(0));
}

TEST_F(robust_lock_test, a_sleeper_wakes_when_the_owner_is_killed) {
  for (int i = 0; i < 20; ++i) {
    shared_state<gate> inside;
    process owner([&] {
      EXPECT_NE(lock_.lock(env_, patience()), lock_result::busy);
      inside->open();
      for (;;) ::pause();
    });
    ASSERT_TRUE(inside->wait());
    shared_state<gate> going;
    process sleeper([&] {
      EXPECT_TRUE(env_.self());  // starting the watcher is a sleep, too
      going->open();
      EXPECT_EQ(lock_.lock(env_, patience()), lock_result::inherited);
      lock_.unlock(env_);
    });
    ASSERT_TRUE(going->wait());
    ASSERT_TRUE(wait_until_asleep(sleeper.pid()));
    owner.kill();
    EXPECT_EQ(owner.wait(), killed_by(SIGKILL));
    EXPECT_EQ(sleeper.wait(), exited(0));
  }
}

TEST_F(robust_lock_test, is_not_taken_from_a_stopped_owner) {
  shared_state<gate> inside, go;
  process owner([&] {
    EXPECT_EQ(lock_.lock(env_), lock_result::acquired);
    inside->open();
    EXPECT_TRUE(go->wait());
    lock_.unlock(env_);
  });
  ASSERT_TRUE(inside->wait());
  owner.stop();
  EXPECT_EQ(lock_.lock(env_, deadline::after(milliseconds(50))), lock_result::busy);
  owner.cont();
  go->open();
  EXPECT_EQ(lock_.lock(env_, patience()), lock_result::acquired);
  lock_.unlock(env_);
  EXPECT_EQ(owner.wait(), exited(0));
}

TEST_F(robust_lock_test, what_it_guards_survives_owners_killed_at_any_moment) {
  shared_state<gate> stop;
  harness::killer chaos({.workers = 3, .seed = 11}, [&](int) {
    while (!stop->is_open()) go_in_and_out();
  });
  EXPECT_TRUE(
      chaos.run_until([&] { return chaos.kills() >= 200 && shared_.inherited.load() > 0; }));
  stop->open();
  EXPECT_TRUE(chaos.finish());
  std::printf("[          ] %d kills, %d of them inside, %d rounds\n", chaos.kills(),
              static_cast<int>(shared_.inherited.load()), static_cast<int>(shared_.rounds.load()));
  EXPECT_NE(lock_.lock(env_, patience()), lock_result::busy);
  lock_.unlock(env_);
}

// A forked child that found no slot has the tag "nobody", which is also the word of a free lock.
TEST_F(robust_lock_test, nobody_cannot_lock) {
  unique_segment name;
  memory full(name.name(), kTestSegmentBytes, {.max_participants = 1});
  auto& lock = scratch<robust_lock<hardware>>(full);
  process p([&] {
    EXPECT_FALSE(self_of(full).self());
    EXPECT_EQ(lock.try_lock(self_of(full)), lock_result::busy);
    EXPECT_EQ(lock.lock(self_of(full)), lock_result::busy);
  });
  EXPECT_EQ(p.wait(), exited(0));
  EXPECT_EQ(lock.try_lock(self_of(full)), lock_result::acquired);
  lock.unlock(self_of(full));
}

// Whether somebody lives is a system call.
TEST(robust_lock, asks_whether_the_holder_lives_once_for_each_death) {
  struct counting_env {
    int asked = 0, slept = 0;
    owner_tag self() const { return owner_tag(1, 1); }
    bool is_dead(owner_tag) {
      ++asked;
      return false;
    }
    uint32_t death_epoch() const { return slept < 5 ? 0 : 1; }
    void heavy_fence() {}
    int spins() const { return 3; }
    bool sleep(std::atomic<uint32_t>&, uint32_t, uint32_t, deadline) { return ++slept < 10; }
  } env;
  robust_lock<hardware> lock{};
  lock.owner = owner_tag(2, 1).bits();
  EXPECT_EQ(lock.lock(env), lock_result::busy);
  EXPECT_EQ(env.slept, 10);
  EXPECT_EQ(env.asked, 2);
}

}  // namespace
}  // namespace zeroipc::internal
