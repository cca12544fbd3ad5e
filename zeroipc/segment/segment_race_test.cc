// Many processes at once, and death at any moment: there is never half a segment, nor two.
#include <dirent.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "testing/evidence/evidence.h"
#include "testing/harness/harness.h"
#include "zeroipc/participant/test_support.h"
#include "zeroipc/segment/segment.h"

namespace zeroipc {
namespace {

using harness::exited;
using harness::gate;
using harness::killed_by;
using harness::process;
using harness::shared_state;
using harness::tally;
using harness::unique_segment;
using internal::header_of;
using internal::self_of;
using zeroipc::testing::evidence;
using zeroipc::testing::instrument;

constexpr size_t kBytes = 1 << 20;

// How many files there are whose name starts as this segment's.
int files_of(const unique_segment& name) {
  const size_t slash = name.path().rfind('/');
  DIR* dir = ::opendir(name.path().substr(0, slash).c_str());
  int n = 0;
  while (const dirent* e = ::readdir(dir)) {
    n += std::string(e->d_name).rfind(name.path().substr(slash + 1), 0) == 0;
  }
  ::closedir(dir);
  return n;
}

TEST(race, processes_that_create_one_name_at_once_end_up_in_one_segment) {
  constexpr int kProcesses = 32;
  struct meeting {
    gate go;
    tally attached;
    std::atomic<uint64_t> id;
    std::atomic<int> strangers;
    std::atomic<int> created;
  };
  for (int round = 0; round < 5; ++round) {
    unique_segment name;
    shared_state<meeting> at;
    std::vector<std::unique_ptr<process>> all;
    for (int i = 0; i < kProcesses; ++i) {
      all.push_back(std::make_unique<process>([&, i] {
        EXPECT_TRUE(at->go.wait());
        std::optional<memory> mine;
        if (i % 2 == 0) {
          mine.emplace(name.name(), kBytes, memory_options{.max_participants = 64});
        } else {
          auto created = memory::create(name.name(), kBytes, {.max_participants = 64});
          if (created.ok()) {
            at->created.fetch_add(1);
            mine = *std::move(created);
          } else {
            EXPECT_TRUE(absl::IsAlreadyExists(created.status())) << created.status();
            mine.emplace(name.name());
          }
        }
        uint64_t nobody = 0;
        const uint64_t id = header_of(*mine).id;
        if (!at->id.compare_exchange_strong(nobody, id) && nobody != id) at->strangers.fetch_add(1);
        at->attached.add();
        EXPECT_TRUE(at->attached.wait_for_at_least(kProcesses));
        int alive = 0;
        for (const auto& p : mine->participants()) alive += p.alive;
        EXPECT_EQ(alive, kProcesses);
        at->attached.add();
        EXPECT_TRUE(at->attached.wait_for_at_least(2 * kProcesses));
      }));
    }
    at->go.open();
    for (auto& p : all) EXPECT_EQ(p->wait(), exited(0));
    EXPECT_EQ(at->strangers, 0);
    EXPECT_LE(at->created, 1);
    EXPECT_EQ(files_of(name), 1);
  }
}

TEST(race, opening_beside_unlinking_finds_a_whole_segment_or_none) {
  unique_segment name;
  struct meeting {
    gate stop;
    tally opened, none;
  };
  shared_state<meeting> at;
  std::vector<std::unique_ptr<process>> all;
  for (int i = 0; i < 2; ++i) {
    all.push_back(std::make_unique<process>([&] {
      while (!at->stop.is_open()) {
        auto m = memory::open(name.name());
        if (m.ok()) {
          EXPECT_EQ(m->size(), kBytes);
          EXPECT_TRUE(self_of(*m).tag());
          at->opened.add();
        } else {
          EXPECT_TRUE(absl::IsNotFound(m.status())) << m.status();
          at->none.add();
        }
      }
    }));
  }
  for (int i = 0; i < 300 || at->opened.value() < 20; ++i) {
    auto m = memory::create(name.name(), kBytes);
    ASSERT_TRUE(m.ok()) << m.status();
    EXPECT_TRUE(memory::unlink(name.name()).ok());
  }
  at->stop.open();
  for (auto& p : all) EXPECT_EQ(p->wait(), exited(0));
}

// Stops a child before and after each of its system calls, of which alone others see anything, and calls `there` at the k-th
// stop, after which it goes on. False if it came to its end before.
bool at_stop(int k, const std::function<void()>& body, const std::function<void(pid_t)>& there) {
  std::fflush(nullptr);
  const pid_t child = ::fork();
  if (child == 0) {
    ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
    ::raise(SIGSTOP);
    body();
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  ::ptrace(PTRACE_SETOPTIONS, child, nullptr, PTRACE_O_EXITKILL);
  for (int stop = 0; stop < k && WIFSTOPPED(status); ++stop) {
    ::ptrace(PTRACE_SYSCALL, child, nullptr, nullptr);
    if (::waitpid(child, &status, 0) != child) return false;
  }
  if (!WIFSTOPPED(status)) return false;
  there(child);
  ::ptrace(PTRACE_DETACH, child, nullptr, nullptr);
  while (::waitpid(child, &status, 0) == child && WIFSTOPPED(status)) {
  }
  return true;
}

bool killed_at_stop(int k, const std::function<void()>& body) {
  return at_stop(k, body, [](pid_t child) { ::kill(child, SIGKILL); });
}

TEST(race, a_creator_killed_at_any_system_call_leaves_nothing_or_a_whole_segment) {
  int nothing = 0, whole = 0, k = 0;
  for (;; ++k) {
    unique_segment name;
    const bool killed = killed_at_stop(k, [&] {
      auto m = memory::create(name.name(), kBytes);
      if (m.ok()) (*m).attachment()->base[m->attachment()->geometry.heap_offset] = std::byte{1};
    });
    const auto found = memory::open(name.name());
    if (found.ok()) {
      ++whole;
      EXPECT_EQ(found->size(), kBytes);
      int alive = 0;
      for (const auto& p : found->participants()) alive += p.alive;
      EXPECT_EQ(alive, 1);
      EXPECT_EQ(files_of(name), 1);
    } else {
      ++nothing;
      EXPECT_TRUE(absl::IsNotFound(found.status())) << found.status();
      EXPECT_EQ(files_of(name), 0);
      EXPECT_TRUE(memory::create(name.name(), kBytes).ok());
    }
    if (!killed) break;
  }
  std::printf("[          ] %d kills: %d left nothing, %d a whole segment\n", k, nothing, whole);
  evidence("segment", instrument::kill_sweep)
      .figure("operations", 1)
      .figure("kills", static_cast<uint64_t>(k))
      .unproven(
          "creation is killed at each system call, not between: until the one that publishes "
          "it nobody else can see the segment");
  EXPECT_GT(nothing, 10);
  EXPECT_GT(whole, 1);
}

TEST(race, one_killed_at_any_system_call_of_joining_and_leaving_takes_nothing_along) {
  unique_segment name;
  memory keeper(name.name(), kBytes);
  int k = 0;
  for (;; ++k) {
    const bool killed = killed_at_stop(k, [&] {
      keeper = memory(*memory::create_anonymous(kBytes));  // lets go of what was inherited
      memory m(name.name());
      self_of(m).record();
    });
    // A newcomer finds a place, and all slots but ours are free or dead.
    process next([&] { EXPECT_NE(self_of(keeper).record(), nullptr); });
    ASSERT_EQ(next.wait(), exited(0));
    EXPECT_TRUE(self_of(keeper).alone());
    if (!killed) break;
  }
  EXPECT_GT(k, 20);
  evidence("segment", instrument::kill_sweep)
      .figure("operations", 1)
      .figure("kills", static_cast<uint64_t>(k));
  // What they left was used again by those who came after.
  EXPECT_LE(header_of(keeper).participants_high_water, 8u);
  EXPECT_LE(header_of(keeper).threads_high_water, 8u);
}

// --- the last one removes it ---

TEST(remove_with_last, the_name_goes_with_the_last_process) {
  unique_segment name;
  shared_state<gate> first_gone;
  struct meeting {
    gate there, go;
  };
  shared_state<meeting> at;
  process second([&] {
    const memory m(name.name(), kBytes, {.remove_with_last = true});
    at->there.open();
    EXPECT_TRUE(at->go.wait());
  });
  ASSERT_TRUE(at->there.wait());
  { memory m(name.name()); }
  EXPECT_TRUE(name.exists());
  at->go.open();
  EXPECT_EQ(second.wait(), exited(0));
  EXPECT_FALSE(name.exists());
}

TEST(remove_with_last, a_killed_process_does_not_count) {
  unique_segment name;
  {
    memory m(name.name(), kBytes, {.remove_with_last = true});
    process other([&] {
      EXPECT_TRUE(self_of(m).self());
      ::raise(SIGKILL);
    });
    EXPECT_EQ(other.wait(), killed_by(SIGKILL));
    EXPECT_TRUE(name.exists());
  }
  EXPECT_FALSE(name.exists());
}

TEST(remove_with_last, all_killed_leaves_it_to_the_next_one) {
  unique_segment name;
  process p([&] {
    memory m(name.name(), kBytes, {.remove_with_last = true});
    internal::scratch<int>(m) = 5;
    ::raise(SIGKILL);
  });
  EXPECT_EQ(p.wait(), killed_by(SIGKILL));
  {
    memory m(name.name(), kBytes);
    EXPECT_EQ(internal::scratch<int>(m), 5);
  }
  EXPECT_FALSE(name.exists());
}

TEST(remove_with_last, a_forked_child_counts_even_if_its_parent_leaves_at_once) {
  struct meeting {
    gate go;
    tally left;
  };
  for (int i = 0; i < 10; ++i) {
    unique_segment name;
    shared_state<meeting> at;
    process parent([&] {
      std::optional<memory> m;
      m.emplace(name.name(), kBytes, memory_options{.remove_with_last = true});
      // As a daemon does.
      if (::fork() == 0) {
        const bool told = at->go.wait();
        m.reset();
        at->left.add();
        ::_exit(told ? 0 : 1);
      }
      m.reset();
      EXPECT_TRUE(name.exists());
    });
    EXPECT_EQ(parent.wait(), exited(0));
    EXPECT_TRUE(name.exists());
    at->go.open();
    EXPECT_TRUE(at->left.wait_for_at_least(1));
    EXPECT_FALSE(name.exists());
  }
}

TEST(remove_with_last, another_segment_of_the_name_is_left_alone) {
  unique_segment name;
  std::optional<memory> old;
  old.emplace(name.name(), kBytes, memory_options{.remove_with_last = true});
  ASSERT_TRUE(memory::unlink(name.name()).ok());
  memory fresh(name.name(), kBytes);
  old.reset();
  EXPECT_TRUE(name.exists());
}

TEST(remove_with_last, comers_and_goers_never_part_company) {
  // While anybody is inside, everybody who comes gets in with them: two who are inside at one time are in one segment.
  struct meeting {
    std::atomic<uint64_t> id_and_count;  // id:48 | how many are inside:16
    std::atomic<int> parted;
    tally rounds;
  };
  unique_segment name;
  shared_state<meeting> at;
  std::vector<std::unique_ptr<process>> all;
  for (int i = 0; i < 4; ++i) {
    all.push_back(std::make_unique<process>([&] {
      for (int k = 0; k < 200; ++k) {
        auto m = memory::open_or_create(name.name(), kBytes, {.remove_with_last = true});
        ASSERT_TRUE(m.ok()) << m.status();
        const uint64_t id = header_of(*m).id << 16;
        uint64_t seen = at->id_and_count.load();
        do {
          if ((seen & 0xffff) != 0 && (seen & ~uint64_t{0xffff}) != id) at->parted.fetch_add(1);
        } while (!at->id_and_count.compare_exchange_weak(seen, id | ((seen & 0xffff) + 1)));
        at->id_and_count.fetch_sub(1);
        at->rounds.add();
      }
    }));
  }
  for (auto& p : all) EXPECT_EQ(p->wait(), exited(0));
  EXPECT_EQ(at->parted, 0);
  EXPECT_EQ(at->rounds.value(), 800u);
  EXPECT_FALSE(name.exists());
}

// The last one leaves between any two system calls of one who comes.
TEST(remove_with_last, who_comes_as_the_last_one_leaves_is_in_a_segment_that_has_its_name) {
  struct meeting {
    gate there, go;
    std::atomic<int> in_the_nameless, came;
  };
  int stops = 0, met = 0;
  for (bool stopped = true; stopped; ++stops) {
    unique_segment name;
    shared_state<meeting> at;
    process last([&] {
      const memory m(name.name(), kBytes, {.remove_with_last = true});
      at->there.open();
      EXPECT_TRUE(at->go.wait());
    });
    ASSERT_TRUE(at->there.wait());
    stopped = at_stop(
        stops,
        [&] {
          const auto m = memory::open_or_create(name.name(), kBytes, {.remove_with_last = true});
          if (!m.ok()) return;
          struct stat named;
          at->in_the_nameless +=
              ::stat(name.path().c_str(), &named) != 0 || named.st_ino != m->attachment()->inode;
          ++at->came;
        },
        [&](pid_t) {
          at->go.open();
          // Unless the other one stands in the door: then it goes once that one is in.
          last.wait_for(std::chrono::milliseconds(20));
        });
    at->go.open();
    EXPECT_EQ(last.wait(), exited(0));
    ASSERT_EQ(at->came, 1) << "at stop " << stops;
    ASSERT_EQ(at->in_the_nameless, 0) << "at stop " << stops;
    ++met;
    EXPECT_FALSE(name.exists());
  }
  EXPECT_GT(met, 50);
}

TEST(remove_with_last, survives_comers_and_goers_that_are_killed) {
  unique_segment name;
  harness::killer chaos({.workers = 3, .seed = 3}, [&](int) {
    for (int k = 0; k < 400; ++k) {
      auto m = memory::open_or_create(name.name(), kBytes, {.remove_with_last = true});
      ASSERT_TRUE(m.ok()) << m.status();
      EXPECT_NE(self_of(*m).record(), nullptr);
    }
  });
  EXPECT_TRUE(chaos.run_until([&] { return chaos.kills() >= 60; }));
  EXPECT_TRUE(chaos.finish());
  { memory last(name.name(), kBytes, {.remove_with_last = true}); }
  EXPECT_FALSE(name.exists());
}

}  // namespace
}  // namespace zeroipc
