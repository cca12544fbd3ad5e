// How soon, and how surely, the living learn of a death.
#include <linux/futex.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "testing/harness/harness.h"
#include "zeroipc/base/deadline.h"
#include "zeroipc/participant/test_support.h"
#include "zeroipc/wait/futex.h"

namespace zeroipc::internal {
namespace {

using harness::eventually;
using harness::exited;
using harness::gate;
using harness::killed_by;
using harness::process;
using harness::shared_state;
using harness::tally;
using harness::unique_segment;

// Processes that are attached, with a watcher each, until they are killed.
class crowd {
 public:
  crowd(const memory& mem, int n) {
    for (int i = 0; i < n; ++i) add(mem);
    EXPECT_TRUE(state_->arrived.wait_for_at_least(static_cast<uint32_t>(n)));
  }
  void add(const memory& mem) {
    members_.push_back(std::make_unique<process>([this, &mem] {
      const owner_tag tag = self_of(mem).self();
      process::report(tag.bits());
      state_->arrived.add();
      EXPECT_TRUE(state_->go.wait());
    }));
  }
  size_t size() const { return members_.size(); }
  process& operator[](size_t i) { return *members_[i]; }
  owner_tag tag(size_t i) {
    return owner_tag::from_bits(members_[i]->reported_as<uint32_t>().at(0));
  }
  // All at once.
  void kill(size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) ::kill(members_[i]->pid(), SIGKILL);
    for (size_t i = begin; i < end; ++i) EXPECT_EQ(members_[i]->wait(), killed_by(SIGKILL));
  }

 private:
  struct meeting {
    tally arrived;
    gate go;
  };
  shared_state<meeting> state_;
  std::vector<std::unique_ptr<process>> members_;
};

bool sleep_until_moved(std::atomic<uint32_t>& word, uint32_t from) {
  const deadline until = deadline::after(harness::kPatience);
  while (word.load(std::memory_order_acquire) == from) {
    const futex_wait_entry entry[] = {{&word, from}};
    if (!futex_wait_any(entry, until)) return false;
  }
  return true;
}

TEST(watcher, announces_a_killed_process_soon) {
  unique_segment name;
  memory mem(name.name(), kTestSegmentBytes);
  std::vector<double> took_us;
  for (int i = 0; i < 60; ++i) {
    crowd one(mem, 1);
    const uint32_t epoch = self_of(mem).death_epoch();
    const int64_t killed = deadline::now_ns();
    ::kill(one[0].pid(), SIGKILL);
    ASSERT_TRUE(sleep_until_moved(header_of(mem).death_epoch, epoch));
    took_us.push_back(static_cast<double>(deadline::now_ns() - killed) / 1000);
    ASSERT_EQ(one[0].wait(), killed_by(SIGKILL));
    ASSERT_TRUE(
        eventually([&] { return state_of_slot(mem, one.tag(0).slot()) == slot_state::dead; }));
  }
  // The counter follows the state.
  EXPECT_TRUE(eventually([&] { return header_of(mem).deaths == 60; })) << header_of(mem).deaths;
  std::sort(took_us.begin(), took_us.end());
  std::printf("[          ] kill to death epoch: p50 %.0f us, p90 %.0f us, max %.0f us\n",
              took_us[30], took_us[54], took_us[59]);
  EXPECT_LT(took_us[30], 1e6);
}

// The kernel wakes one watcher a death. If that one is among the dead, the others must learn of both.
TEST(watcher, announces_all_of_many_that_die_at_once_the_woken_ones_among_them) {
  std::mt19937 random(7);
  for (int round = 0; round < 6; ++round) {
    unique_segment name;
    auto mem = std::make_unique<memory>(name.name(), kTestSegmentBytes);
    crowd all(*mem, 12);
    // This process looks on from outside: one of the crowd has to notice.
    memory outside = *memory::open_read_only(name.name());
    mem.reset();
    const size_t victims = 1 + random() % 11;
    all.kill(0, victims);
    EXPECT_TRUE(eventually([&] { return header_of(outside).deaths == victims; }))
        << header_of(outside).deaths << " of " << victims << " deaths announced in round " << round;
    for (size_t i = 0; i < victims; ++i) {
      EXPECT_EQ(state_of_slot(outside, all.tag(i).slot()), slot_state::dead);
    }
    for (size_t i = victims; i < all.size(); ++i) {
      EXPECT_EQ(state_of_slot(outside, all.tag(i).slot()), slot_state::attached);
    }
  }
}

TEST(watcher, more_participants_than_one_wait_can_hold_are_all_watched) {
  unique_segment name;
  memory mem(name.name(), kTestSegmentBytes);
  crowd all(mem, 140);
  // Far from the first slot in both directions, one by one: each is watched by the nearest 120 before it alone.
  for (size_t i : {70u, 139u, 0u}) all.kill(i, i + 1);
  EXPECT_TRUE(eventually([&] { return header_of(mem).deaths == 3; })) << header_of(mem).deaths;
  // All but the last few together.
  all.kill(1, 70);
  all.kill(71, 136);
  EXPECT_TRUE(eventually([&] { return header_of(mem).deaths == 137; })) << header_of(mem).deaths;
  EXPECT_EQ(self_of(mem).list().size(), 1 + 140u);
  for (size_t i = 136; i < 139; ++i) EXPECT_FALSE(self_of(mem).is_dead(all.tag(i)));
}

TEST(watcher, does_not_announce_a_stopped_process) {
  unique_segment name;
  memory mem(name.name(), kTestSegmentBytes);
  crowd two(mem, 2);
  two[0].stop();
  two.kill(1, 2);
  ASSERT_TRUE(eventually([&] { return header_of(mem).deaths == 1; }));
  EXPECT_EQ(state_of_slot(mem, two.tag(0).slot()), slot_state::attached);
  EXPECT_EQ(state_of_slot(mem, two.tag(1).slot()), slot_state::dead);
  EXPECT_FALSE(self_of(mem).is_dead(two.tag(0)));
  // Killed while it is stopped, it is dead like any other.
  two.kill(0, 1);
  EXPECT_TRUE(eventually([&] { return header_of(mem).deaths == 2; }));
}

// Nor does it hear for the others what it then does not act upon.
TEST(watcher, stopped_processes_do_not_swallow_a_death) {
  for (int round = 0; round < 5; ++round) {
    unique_segment name;
    auto mem = std::make_unique<memory>(name.name(), kTestSegmentBytes);
    crowd all(*mem, 8);
    const memory outside = *memory::open_read_only(name.name());
    mem.reset();
    // One dies, one is there to notice, all others are stopped.
    const size_t dies = static_cast<size_t>(round);
    const size_t notices = (dies + 1 + static_cast<size_t>(round) % 6) % all.size();
    for (size_t i = 0; i < all.size(); ++i) {
      if (i != dies && i != notices) all[i].stop();
    }
    all.kill(dies, dies + 1);
    EXPECT_TRUE(eventually([&] { return header_of(outside).deaths == 1; })) << "round " << round;
    // And they notice it too when they go on.
    for (size_t i = 0; i < all.size(); ++i) {
      if (i != dies && i != notices) all[i].cont();
    }
    all.kill(notices, notices + 1);
    EXPECT_TRUE(eventually([&] { return header_of(outside).deaths == 2; })) << "round " << round;
  }
}

TEST(watcher, leaving_is_not_dying) {
  unique_segment name;
  memory mem(name.name(), kTestSegmentBytes);
  for (int i = 0; i < 20; ++i) {
    process p([&] {
      EXPECT_TRUE(self_of(mem).self());
      memory mine = std::move(mem);
    });
    ASSERT_EQ(p.wait(), exited(0));
  }
  EXPECT_EQ(header_of(mem).deaths, 0u);
}

TEST(watcher, announces_one_that_is_killed_while_leaving) {
  unique_segment name;
  memory mem(name.name(), kTestSegmentBytes);
  crowd one(mem, 1);
  const owner_tag tag = one.tag(0);
  const uint32_t epoch = self_of(mem).death_epoch();
  slot_of(mem, tag.slot()).state = participant_slot::pack(tag.generation(), slot_state::leaving);
  EXPECT_TRUE(self_of(mem).is_dead(tag));
  one.kill(0, 1);
  EXPECT_TRUE(sleep_until_moved(header_of(mem).death_epoch, epoch));
  EXPECT_TRUE(eventually([&] { return state_of_slot(mem, tag.slot()) == slot_state::dead; }));
}

TEST(watcher, a_forged_hint_neither_kills_nor_blinds_nor_blocks) {
  unique_segment name;
  memory mem(name.name(), kTestSegmentBytes);
  crowd three(mem, 3);
  // Somebody writes "owner died" where the kernel would, for one that lives, and for this process.
  slot_of(mem, three.tag(0).slot()).pulse = FUTEX_OWNER_DIED | FUTEX_WAITERS;
  slot_of(mem, self_of(mem).tag().slot()).pulse = FUTEX_OWNER_DIED;
  three.kill(1, 2);
  EXPECT_TRUE(eventually([&] { return header_of(mem).deaths == 1; }));
  EXPECT_EQ(state_of_slot(mem, three.tag(0).slot()), slot_state::attached);
  EXPECT_FALSE(self_of(mem).is_dead(three.tag(0)));
  // The kernel says nothing of its real death now. It is noticed as soon as anybody comes or goes.
  three.kill(0, 1);
  crowd newcomer(mem, 1);
  EXPECT_TRUE(eventually([&] { return header_of(mem).deaths == 2; }));
  // A newcomer attaches and detaches beside it.
  process p([&] { memory mine = std::move(mem); });
  EXPECT_EQ(p.wait(), exited(0));
}

TEST(watcher, garbage_in_every_pulse_hangs_nobody) {
  unique_segment name;
  memory mem(name.name(), kTestSegmentBytes);
  for (uint32_t i = 0; i < mem.attachment()->geometry.max_participants; ++i) {
    if (i == self_of(mem).tag().slot()) continue;
    slot_of(mem, i).state = 0x1000'0000u + i * 0x01234567u;
    slot_of(mem, i).pulse = i * 0x89ab'cdefu;
  }
  header_of(mem).participants_high_water = mem.attachment()->geometry.max_participants;
  process p([&] {
    EXPECT_TRUE(self_of(mem).self());
    memory mine = std::move(mem);
  });
  EXPECT_EQ(p.wait(), exited(0));
}

// Wake-ups of all watcher threads of a process so far.
long switches(pid_t pid) {
  long sum = 0;
  std::error_code gone;
  for (const auto& task :
       std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/task", gone)) {
    std::string comm, line;
    std::getline(std::ifstream(task.path() / "comm"), comm);
    if (comm != "zeroipc-watch") continue;
    std::ifstream status(task.path() / "status");
    while (std::getline(status, line)) {
      if (line.rfind("voluntary_ctxt_switches:", 0) == 0) sum += std::stol(line.substr(24));
    }
  }
  return sum;
}

TEST(watcher, wakes_up_for_nothing_while_nobody_comes_or_goes) {
  unique_segment name;
  memory mem(name.name(), kTestSegmentBytes);
  crowd four(mem, 4);
  const auto all = [&] {
    long sum = switches(::getpid());
    for (size_t i = 0; i < four.size(); ++i) sum += switches(four[i].pid());
    return sum;
  };
  // The joining of the last one goes round for a while, on a loaded machine for a long one. After that there is a second
  // without wake-ups; to a watcher that polls it never comes.
  long during = 0;
  EXPECT_TRUE(eventually([&] {
    const long before = all();
    std::this_thread::sleep_for(std::chrono::seconds(1));
    during = all() - before;
    return before > 0 && during <= 2;
  })) << during
      << " wake-ups in the last second";
}

TEST(watcher, a_forked_child_is_watched_once_it_sleeps_or_claims) {
  unique_segment name;
  memory mem(name.name(), kTestSegmentBytes);
  shared_state<gate> slept;
  process p([&] {
    EXPECT_EQ(slot_of(mem, self_of(mem).tag().slot()).pulse, 0u);
    self_of(mem).sleep(scratch<std::atomic<uint32_t>>(mem), 1, 0,
                       deadline::after(std::chrono::milliseconds(1)));
    EXPECT_NE(slot_of(mem, self_of(mem).tag().slot()).pulse, 0u);
    slept->open();
    ::raise(SIGKILL);
  });
  ASSERT_TRUE(slept->wait());
  ASSERT_EQ(p.wait(), killed_by(SIGKILL));
  EXPECT_TRUE(eventually([&] { return header_of(mem).deaths == 1; }));
}

// On a word that nobody changes; and on words of two segments, where the death is in the second.
TEST(watcher, a_death_in_any_of_its_segments_wakes_a_sleeper) {
  unique_segment one_name, two_name;
  memory one(one_name.name(), kTestSegmentBytes), two(two_name.name(), kTestSegmentBytes);
  std::atomic<uint32_t>& in_one = scratch<std::atomic<uint32_t>>(one);
  std::atomic<uint32_t>& in_two = scratch<std::atomic<uint32_t>>(two);
  const auto sleep_in_one = [&](deadline until) {
    return self_of(one).sleep(in_one, 0, self_of(one).death_epoch(), until);
  };
  const auto sleep_in_both = [&](deadline until) {
    const participant::sleep_word words[] = {
        {&self_of(one), &in_one, 0, self_of(one).death_epoch()},
        {&self_of(two), &in_two, 0, self_of(two).death_epoch()},
        {&self_of(one), &in_one, 0, self_of(one).death_epoch()}};
    return participant::sleep_any(words, until);
  };
  const auto wakes = [&](memory& dies_in, const std::function<bool(deadline)>& sleep) {
    crowd victim(dies_in, 1);
    shared_state<gate> about_to_sleep;
    process sleeper([&] {
      const uint64_t before = header_of(dies_in).deaths;
      about_to_sleep->open();
      while (header_of(dies_in).deaths == before) {
        ASSERT_TRUE(sleep(deadline::after(harness::kPatience)));
      }
    });
    ASSERT_TRUE(about_to_sleep->wait());
    ASSERT_TRUE(harness::wait_until_asleep(sleeper.pid()));
    victim.kill(0, 1);
    EXPECT_EQ(sleeper.wait(), exited(0));
  };
  wakes(one, sleep_in_one);
  wakes(one, sleep_in_both);
  wakes(two, sleep_in_both);
}

}  // namespace
}  // namespace zeroipc::internal
