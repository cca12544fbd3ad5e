// Who is a participant, under which tag, and who is dead.
#include "zeroipc/participant/participant.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/harness/harness.h"
#include "zeroipc/participant/test_support.h"

namespace zeroipc::internal {
namespace {

using harness::eventually;
using harness::exited;
using harness::gate;
using harness::killed_by;
using harness::process;
using harness::shared_state;
using harness::unique_segment;
using ::testing::HasSubstr;

// What a process tells about itself.
struct met {
  std::atomic<uint32_t> tag{0};
  std::atomic<int32_t> pid{0};
  gate there;
  gate go;

  void arrive(participant& self) {
    tag.store(self.self().bits());
    pid.store(::getpid());
    there.open();
  }
  owner_tag who() const { return owner_tag::from_bits(tag.load()); }
};

class participant_test : public ::testing::Test {
 protected:
  unique_segment name_;
  memory mem_{name_.name(), kTestSegmentBytes};
  participant& self_ = self_of(mem_);

  // A process that is attached and waits to be told to go, or to be killed.
  process member(met& at) {
    return process([this, &at] {
      at.arrive(self_);
      EXPECT_TRUE(at.go.wait());
    });
  }
};

TEST_F(participant_test, a_process_is_alive_under_its_tag_and_nobody_is_dead) {
  ASSERT_TRUE(self_.tag());
  EXPECT_FALSE(self_.is_dead(self_.tag()));
  EXPECT_TRUE(self_.is_dead(owner_tag()));
  EXPECT_TRUE(self_.alone());
  const auto all = self_.list();
  ASSERT_EQ(all.size(), 1u);
  EXPECT_TRUE(all[0].alive && all[0].self);
  EXPECT_EQ(all[0].pid, ::getpid());
  EXPECT_FALSE(all[0].name.empty());
}

TEST_F(participant_test, a_slot_is_used_again_with_a_growing_generation_and_old_tags_stay_dead) {
  unique_segment name;
  std::vector<owner_tag> old;
  memory keeper(name.name(), kTestSegmentBytes, {.max_participants = 3});
  std::map<uint32_t, uint32_t> generations;
  for (int i = 0; i < 40; ++i) {
    shared_state<met> at;
    process p([&] {
      at->arrive(self_of(keeper));
      // Every other one leaves, the rest die.
      if (i % 2 == 0) memory(std::move(keeper));
    });
    ASSERT_EQ(p.wait(), exited(0));
    ASSERT_TRUE(at->who());
    uint32_t& generation = generations[at->who().slot()];
    EXPECT_GT(at->who().generation(), generation);
    generation = at->who().generation();
    old.push_back(at->who());
    for (const owner_tag& tag : old) EXPECT_TRUE(self_of(keeper).is_dead(tag));
  }
  EXPECT_LE(generations.size(), 2u);
}

TEST_F(participant_test, the_generation_wraps_to_one_and_never_to_nobody) {
  unique_segment name;
  memory keeper(name.name(), kTestSegmentBytes);
  const uint32_t next = self_of(keeper).tag().slot() + 1;
  slot_of(keeper, next).state =
      participant_slot::pack(owner_tag::kGenerations - 1, slot_state::free);
  shared_state<met> at;
  process p([&] { at->arrive(self_of(keeper)); });
  ASSERT_EQ(p.wait(), exited(0));
  EXPECT_EQ(at->who(), owner_tag(next, 1));
}

TEST_F(participant_test, a_killed_process_is_dead_as_a_zombie_and_after_it_was_reaped) {
  shared_state<met> at;
  process p = member(*at);
  ASSERT_TRUE(at->there.wait());
  EXPECT_FALSE(self_.is_dead(at->who()));
  EXPECT_FALSE(self_.alone());
  p.kill();
  // Its main thread may be a zombie before its last thread has ended.
  EXPECT_TRUE(eventually([&] { return self_.is_dead(at->who()); }));
  EXPECT_EQ(harness::state_of(p.pid()), 'Z');
  ASSERT_EQ(p.wait(), killed_by(SIGKILL));
  EXPECT_TRUE(self_.is_dead(at->who()));
  EXPECT_TRUE(self_.alone());
}

TEST_F(participant_test, a_process_that_exits_without_detaching_is_dead) {
  shared_state<met> at;
  process p([&] {
    at->arrive(self_);
    ::_exit(3);
  });
  ASSERT_EQ(p.wait(), exited(3));
  EXPECT_TRUE(self_.is_dead(at->who()));
}

TEST_F(participant_test, a_process_that_runs_another_program_is_dead) {
  shared_state<met> at;
  process p([&] {
    at->arrive(self_);
    ::execl("/bin/sleep", "sleep", "600", nullptr);
    return 1;
  });
  ASSERT_TRUE(at->there.wait());
  EXPECT_TRUE(eventually([&] { return self_.is_dead(at->who()); }));
  EXPECT_EQ(p.poll(), harness::still_running());
}

TEST_F(participant_test, a_stopped_process_is_alive) {
  shared_state<met> at;
  process p = member(*at);
  ASSERT_TRUE(at->there.wait());
  p.stop();
  EXPECT_FALSE(self_.is_dead(at->who()));
  EXPECT_EQ(self_.notice_deaths(), 0);
  p.cont();
  at->go.open();
  EXPECT_EQ(p.wait(), exited(0));
}

// A filter, say, that forbids the question.
TEST_F(participant_test, where_the_kernel_does_not_say_nobody_is_dead) {
  const owner_tag parent = self_.self();
  process child([&] {
    sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fcntl, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args[1])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, F_OFD_GETLK, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOLCK),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const sock_fprog filter{6, program};
    EXPECT_TRUE(self_.self());
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0) {
      return 77;
    }
    EXPECT_FALSE(self_.is_dead(parent));
    return 0;
  });
  const auto end = child.wait();
  if (end == exited(77)) GTEST_SKIP() << "no seccomp filter here";
  EXPECT_EQ(end, exited(0));
}

TEST_F(participant_test, another_process_under_the_pid_of_a_dead_one_does_not_revive_it) {
  shared_state<met> at;
  process p = member(*at);
  ASSERT_TRUE(at->there.wait());
  p.kill();
  ASSERT_EQ(p.wait(), killed_by(SIGKILL));
  struct {
    uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid,
        set_tid_size, cgroup;
  } arguments{};
  pid_t wanted = at->pid.load();
  arguments.exit_signal = SIGCHLD;
  arguments.set_tid = reinterpret_cast<uint64_t>(&wanted);
  arguments.set_tid_size = 1;
  std::fflush(nullptr);
  const long reused = ::syscall(SYS_clone3, &arguments, sizeof arguments);
  if (reused == 0) {
    for (;;) ::pause();
  }
  if (reused < 0) GTEST_SKIP() << "clone3 may not choose a pid here: " << std::strerror(errno);
  EXPECT_EQ(reused, wanted);
  EXPECT_EQ(::kill(wanted, 0), 0);
  // It has a copy of all our file descriptors, as every child of clone has, but none of the dead one's.
  EXPECT_TRUE(self_.is_dead(at->who()));
  ::kill(wanted, SIGKILL);
  ::waitpid(wanted, nullptr, 0);
}

TEST_F(participant_test, life_and_death_are_seen_across_pid_namespaces) {
  struct both {
    met inside;
    std::atomic<int> refused{0};
    std::atomic<bool> outsider_seen_alive{false};
  };
  shared_state<both> at;
  const owner_tag outsider = self_.tag();
  process p([&] {
    if (::unshare(CLONE_NEWPID) != 0) {
      at->refused = errno;
      return;
    }
    const pid_t nested = ::fork();
    if (nested == 0) {
      at->outsider_seen_alive = ::getpid() == 1 && !self_.is_dead(outsider);
      at->inside.arrive(self_);
      ::_exit(at->inside.go.wait() ? 0 : 1);
    }
    ASSERT_TRUE(at->inside.go.wait());
    ::kill(nested, SIGKILL);
  });
  ASSERT_TRUE(eventually([&] { return at->inside.there.is_open() || at->refused != 0; }));
  if (at->refused != 0) GTEST_SKIP() << "no PID namespace: " << std::strerror(at->refused);
  EXPECT_TRUE(at->outsider_seen_alive);
  EXPECT_FALSE(self_.is_dead(at->inside.who()));
  at->inside.go.open();
  EXPECT_TRUE(eventually([&] { return self_.is_dead(at->inside.who()); }));
}

TEST_F(participant_test, slots_that_are_all_taken_are_an_error_that_says_so) {
  unique_segment name;
  memory first(name.name(), kTestSegmentBytes, {.max_participants = 2});
  shared_state<met> at;
  process second([&] {
    at->arrive(self_of(first));
    EXPECT_TRUE(at->go.wait());
  });
  ASSERT_TRUE(at->there.wait());
  process third([&] {
    // Forked from a participant while there was no slot left: a copy of the handle, and no member.
    EXPECT_FALSE(self_of(first).self());
    EXPECT_EQ(self_of(first).record(), nullptr);
    first = memory(name_.name());
    const auto refused = memory::open(name.name());
    EXPECT_EQ(refused.status().code(), absl::StatusCode::kResourceExhausted);
    EXPECT_THAT(refused.status().message(), HasSubstr("all 2 participant slots"));
    EXPECT_THAT(refused.status().message(), HasSubstr(name.name()));
  });
  EXPECT_EQ(third.wait(), exited(0));
  // A dead process's slot is there for the next one, even if nobody has noticed the death yet.
  second.kill();
  ASSERT_EQ(second.wait(), killed_by(SIGKILL));
  process fourth([&] { EXPECT_TRUE(self_of(first).self()); });
  EXPECT_EQ(fourth.wait(), exited(0));
}

// --- fork ---

TEST_F(participant_test, a_forked_child_is_a_participant_of_its_own_and_so_is_its_child) {
  struct family {
    met child, grandchild;
  };
  shared_state<family> at;
  const owner_tag parent = self_.tag();
  const uint32_t before = fork_generation();
  process child([&] {
    EXPECT_EQ(fork_generation(), before + 1);
    EXPECT_NE(self_.self(), parent);
    EXPECT_FALSE(self_.is_dead(parent));
    EXPECT_NE(self_.record(), nullptr);
    at->child.arrive(self_);
    process grandchild([&] {
      EXPECT_EQ(fork_generation(), before + 2);
      EXPECT_FALSE(self_.is_dead(parent));
      EXPECT_FALSE(self_.is_dead(at->child.who()));
      at->grandchild.arrive(self_);
    });
    EXPECT_EQ(grandchild.wait(), exited(0));
    EXPECT_TRUE(self_.is_dead(at->grandchild.who()));
  });
  EXPECT_EQ(child.wait(), exited(0));
  const std::set<uint32_t> tags = {parent.bits(), at->child.tag, at->grandchild.tag};
  EXPECT_EQ(tags.size(), 3u);
  EXPECT_EQ(self_.tag(), parent);
  EXPECT_FALSE(self_.is_dead(parent));
}

TEST_F(participant_test, a_forked_child_does_not_keep_its_dead_parent_alive) {
  struct family {
    met parent, child;
  };
  shared_state<family> at;
  process parent([&] {
    if (::fork() == 0) {
      at->child.arrive(self_);
      ::_exit(at->child.go.wait() ? 0 : 1);
    }
    at->parent.arrive(self_);
    EXPECT_TRUE(at->parent.go.wait());
  });
  ASSERT_TRUE(at->parent.there.wait() && at->child.there.wait());
  parent.kill();
  ASSERT_EQ(parent.wait(), killed_by(SIGKILL));
  EXPECT_TRUE(self_.is_dead(at->parent.who()));
  EXPECT_FALSE(self_.is_dead(at->child.who()));
  at->child.go.open();
  EXPECT_TRUE(eventually([&] { return self_.is_dead(at->child.who()); }));
}

TEST_F(participant_test, a_child_holds_what_its_parent_held_even_if_the_parent_lets_go_at_once) {
  constexpr uint32_t kIndex = 77;
  for (int i = 0; i < 20; ++i) {
    self_.add_hold(kIndex);
    shared_state<gate> go;
    process child([&] {
      EXPECT_TRUE(go->wait());
      EXPECT_TRUE(self_.drop_hold(kIndex));
    });
    // The child need not have run yet.
    EXPECT_TRUE(self_.drop_hold(kIndex));
    EXPECT_TRUE(self_.anyone_holds(kIndex));
    go->open();
    ASSERT_EQ(child.wait(), exited(0));
    EXPECT_FALSE(self_.anyone_holds(kIndex));
  }
}

TEST_F(participant_test, holds_are_counted_and_end_with_the_process) {
  self_.add_hold(5);
  self_.add_hold(5);
  EXPECT_FALSE(self_.drop_hold(5));
  EXPECT_TRUE(self_.anyone_holds(5));
  EXPECT_TRUE(self_.drop_hold(5));
  EXPECT_FALSE(self_.anyone_holds(5));
  EXPECT_FALSE(self_.drop_hold(5));
  process p([&] {
    self_.add_hold(700);
    ::raise(SIGKILL);
  });
  ASSERT_EQ(p.wait(), killed_by(SIGKILL));
  EXPECT_FALSE(self_.anyone_holds(700));
  // Nor does the slot's next tenant inherit them.
  shared_state<met> at;
  process next = member(*at);
  ASSERT_TRUE(at->there.wait());
  EXPECT_FALSE(self_.anyone_holds(700));
  EXPECT_FALSE(self_.anyone_holds(mem_.attachment()->geometry.max_names + 7));
  at->go.open();
  EXPECT_EQ(next.wait(), exited(0));
}

TEST_F(participant_test, a_thread_forks_a_participant_as_well) {
  const owner_tag parent = self_.tag();
  thread_record<hardware>* const record = self_.record();
  std::thread([&] {
    EXPECT_NE(self_.record(), record);
    process child([&] {
      EXPECT_NE(self_.self(), parent);
      EXPECT_NE(self_.record(), nullptr);
      EXPECT_EQ(self_.record()->owner.load(), self_.self().bits());
    });
    EXPECT_EQ(child.wait(), exited(0));
  }).join();
}

TEST_F(participant_test, forks_while_threads_attach_detach_and_use_give_whole_children) {
#if defined(__SANITIZE_ADDRESS__)
  GTEST_SKIP() << "a child forked while a thread is in AddressSanitizer's allocator hangs there";
#endif
  unique_segment other, going;
  { memory create(other.name(), kTestSegmentBytes); }
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  threads.emplace_back([&] {
    while (!stop) memory(other.name()).participants();
  });
  threads.emplace_back([&] {
    while (!stop) {
      const memory m(going.name(), kTestSegmentBytes, {.remove_with_last = true});
      self_of(m).record();
    }
  });
  threads.emplace_back([&] {
    while (!stop) std::thread([&] { EXPECT_NE(self_.record(), nullptr); }).join();
  });
  threads.emplace_back([&] {
    for (uint32_t i = 0; !stop; ++i) {
      self_.add_hold(i % 100);
      self_.drop_hold(i % 100);
      self_.list();
    }
  });
  for (int i = 0; i < 40; ++i) {
    process child([&] {
      EXPECT_TRUE(self_.self());
      EXPECT_NE(self_.record(), nullptr);
      const memory again(other.name());
      EXPECT_TRUE(self_of(again).self());
      const memory third(going.name(), kTestSegmentBytes, {.remove_with_last = true});
      EXPECT_NE(self_of(third).record(), nullptr);
#if !defined(__SANITIZE_THREAD__)
      // ThreadSanitizer cannot join a thread that got the stack of one of the parent's.
      std::thread([&] { EXPECT_NE(self_.record(), nullptr); }).join();
#endif
    });
    EXPECT_EQ(child.wait(), exited(0));
  }
  stop = true;
  for (std::thread& t : threads) t.join();
  // No child has kept a lock of ours: whatever it inherited of an attachment that was ending is free.
  const memory again(other.name());
  for (const participant_info& p : again.participants()) EXPECT_EQ(p.alive, p.self) << p.slot;
}

TEST_F(participant_test, a_fork_that_fails_leaves_no_participant_behind) {
  process p([&] {
    // As root a limit on processes does not bind; a seat in a namespace whose first process has ended does.
    if (::unshare(CLONE_NEWPID) != 0) return 77;
    const pid_t init = ::fork();
    if (init == 0) ::_exit(0);
    ::waitpid(init, nullptr, 0);
    const auto alive = [&] {
      int n = 0;
      for (const participant_info& who : self_.list()) n += who.alive;
      return n;
    };
    EXPECT_EQ(alive(), 2);
    EXPECT_EQ(::fork(), -1);
    EXPECT_EQ(alive(), 2);
    EXPECT_EQ(self_.notice_deaths(), 0);
    EXPECT_TRUE(self_.self());
    return 0;
  });
  const auto end = p.wait();
  if (end == exited(77)) GTEST_SKIP() << "no PID namespace here";
  EXPECT_EQ(end, exited(0));
}

// While a newcomer takes over the slot of a dead process, that process's tag is dead to everyone, all the time. (A waiter
// that took it for alive after its death was announced would sleep for ever.)
TEST_F(participant_test, a_newcomer_to_a_dead_slot_never_makes_the_dead_look_alive) {
  unique_segment name;
  memory mem(name.name(), kTestSegmentBytes, {.max_participants = 2});
  header_of(mem).participants_high_water = 2;
  std::atomic<uint32_t> dead{0};
  std::atomic<bool> stop{false};
  std::atomic<int> revived{0};
  std::thread observer([&] {
    while (!stop) {
      const owner_tag tag = owner_tag::from_bits(dead.load());
      if (tag && !self_of(mem).is_dead(tag)) revived.fetch_add(1);
    }
  });
  for (uint32_t i = 1; i <= 500; ++i) {
    // A tenant that died and was not noticed: it says `attached`, and its token is free.
    const uint32_t generation = 2 * i;
    const uint32_t epoch = header_of(mem).death_epoch;  // before a watcher can come by and tell
    slot_of(mem, 1).state = participant_slot::pack(generation, slot_state::attached);
    dead = owner_tag(1, generation).bits();
    // Another membership of this process will do for a newcomer: what counts is another open file.
    const auto joined =
        participant::attach(mem.attachment()->base, mem.attachment()->geometry, name.name(),
                            [&] { return ::open(name.path().c_str(), O_RDWR | O_CLOEXEC); });
    ASSERT_TRUE(joined.ok()) << joined.status();
    ASSERT_EQ((*joined)->tag(), owner_tag(1, generation + 1));
    EXPECT_NE(header_of(mem).death_epoch, epoch);
    dead = 0;
  }
  stop = true;
  observer.join();
  EXPECT_EQ(revived, 0);
}

TEST_F(participant_test, one_that_was_killed_while_leaving_is_announced_by_the_newcomer) {
  const uint32_t slot = self_.tag().slot() + 1;
  header_of(mem_).participants_high_water = slot + 1;
  const uint32_t epoch = header_of(mem_).death_epoch;
  slot_of(mem_, slot).state = participant_slot::pack(1, slot_state::leaving);
  EXPECT_LE(self_.notice_deaths(), 1);  // the watcher may have come by
  EXPECT_NE(header_of(mem_).death_epoch, epoch);
  EXPECT_EQ(state_of_slot(mem_, slot), slot_state::dead);
}

TEST_F(participant_test, leaving_tells_those_who_wait_for_what_was_held) {
  unique_segment name;
  memory keeper(name.name(), kTestSegmentBytes);
  const uint32_t epoch = self_of(keeper).death_epoch();
  process p([&] {
    EXPECT_TRUE(self_of(keeper).self());
    std::optional<memory> mine(std::move(keeper));
    mine.reset();
  });
  ASSERT_EQ(p.wait(), exited(0));
  EXPECT_NE(self_of(keeper).death_epoch(), epoch);
  EXPECT_EQ(header_of(keeper).deaths, 0u);
}

}  // namespace
}  // namespace zeroipc::internal
