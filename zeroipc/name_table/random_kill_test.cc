// A thousand short processes create, open and remove at random, and a part of them is killed at a
// random moment. What remains is exactly what is named, and when that is removed not a byte is
// lost.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "testing/chaos/chaos.h"
#include "testing/evidence/evidence.h"
#include "testing/harness/harness.h"
#include "zeroipc/name_table/audit.h"
#include "zeroipc/name_table/name_table.h"

namespace zeroipc::internal {
namespace {

constexpr int kBatches = 100;
constexpr int kBatch = 10;
const structure_type kRaw = {.what = kind::raw};

std::string name(unsigned i) { return "name" + std::to_string(i); }

// 0: all operations answered as they may.
int work_once(const memory& mem, unsigned seed, size_t part = 30'000) {
  std::mt19937 random(seed);
  std::vector<structure> held;
  for (unsigned i = 0; i < 6 + random() % 30; ++i) {
    const std::string n = name(random() % 24);
    absl::Status status;
    if (random() % 3 == 0) {
      status = remove(mem, n);
    } else {
      absl::StatusOr<structure> s =
          random() % 2 == 0 ? create_structure(mem, n, kRaw, random() % part, 64u << (random() % 7),
                                               [&](void* p) { *static_cast<unsigned*>(p) = seed; })
                            : open_structure(mem, n, kRaw);
      status = s.status();
      if (s.ok() && random() % 2 == 0) held.push_back(*std::move(s));
    }
    if (!status.ok() && !absl::IsNotFound(status) && !absl::IsAlreadyExists(status) &&
        !absl::IsResourceExhausted(status)) {
      fprintf(stderr, "%s\n", std::string(status.message()).c_str());
      return 1;
    }
    if (!held.empty() && random() % 3 == 0) held.pop_back();
  }
  return 0;
}

int work(const memory& mem, unsigned seed, bool until_killed) {
  int result = work_once(mem, seed);
  while (until_killed && result == 0) result = work_once(mem, ++seed);
  return result;
}

TEST(RandomKillTest, AThousandProcessesLoseNoByte) {
  memory mem = *memory::create_anonymous(2 << 20, {.max_participants = 64, .max_names = 64});
  std::mt19937 random(2024);
  int killed = 0, ended = 0;
  for (int batch = 0; batch < kBatches; ++batch) {
    std::vector<pid_t> children;
    std::vector<bool> victim;
    for (int i = 0; i < kBatch; ++i) {
      const unsigned seed = random();
      victim.push_back(random() % 2 == 0);
      const pid_t pid = ::fork();
      ASSERT_GE(pid, 0);
      if (pid == 0) ::_exit(work(mem, seed, victim.back()));
      children.push_back(pid);
    }
    for (int i = 0; i < kBatch; ++i) {
      if (!victim[i]) continue;
      const timespec moment{0, static_cast<long>(random() % 400'000)};
      ::nanosleep(&moment, nullptr);  // spreads the kills over the work; nothing depends on it
      ::kill(children[i], SIGKILL);
    }
    for (const pid_t pid : children) {
      int status;
      ASSERT_EQ(::waitpid(pid, &status, 0), pid);
      if (WIFSIGNALED(status)) {
        ASSERT_EQ(WTERMSIG(status), SIGKILL);
        ++killed;
      } else {
        ASSERT_EQ(WEXITSTATUS(status), 0);
        ++ended;
      }
    }
    absl::StatusOr<audit_report> report = audit(mem);
    ASSERT_TRUE(report.ok()) << report.status();
    ASSERT_TRUE(report->status.ok()) << "batch " << batch << ": " << report->status;
    ASSERT_EQ(report->removed, 0u) << "kept for the dead";
  }
  RecordProperty("killed", killed);
  RecordProperty("ended", ended);
  EXPECT_GT(killed, kBatches);
  EXPECT_GT(ended, kBatches);
  for (const structure_info& info : list(mem)) ASSERT_TRUE(remove(mem, info.name).ok());
  absl::StatusOr<audit_report> report = audit(mem);
  ASSERT_TRUE(report.ok() && report->status.ok());
  EXPECT_EQ(report->names, 0u);
  EXPECT_EQ(report->heap.used, 0u);
  EXPECT_EQ(report->heap.largest, report->heap.total - 64);
}

// Stopped, interrupted, starved and killed, in a segment that is always full, with attachments that fail for want of
// descriptors or of memory. What is left is accounted for; its memory comes back with its names. Seconds: 3; a minute for each
// with ZEROIPC_LAB=full.
void chaos_in(memory& mem, uint64_t seed, size_t part) {
  harness::shared_state<std::atomic<bool>> stop;
  harness::shared_state<std::atomic<uint64_t>> operations;
  const int seconds = zeroipc::testing::quick_or_full(3, 60);
  chaos::chaos all({.workers = 4, .seed = seed}, [&](int worker) {
    for (unsigned n = static_cast<unsigned>(worker) * 1000; !*stop; ++n) {
      EXPECT_EQ(work_once(mem, n, part), 0);
      operations->fetch_add(1);
      const chaos::low_limits few(static_cast<int>(n % 3), (n / 3 % 3) * (256 << 10));
      const absl::StatusOr<memory> anonymous =
          memory::create_anonymous(512 << 10, {.max_names = 4});
      if (!anonymous.ok()) {
        EXPECT_TRUE(absl::IsResourceExhausted(anonymous.status())) << anonymous.status();
      }
    }
  });
  all.run_for(std::chrono::seconds(seconds));
  *stop = true;
  ASSERT_TRUE(all.finish()) << all.so_far().text();
  absl::StatusOr<audit_report> report = audit(mem);
  ASSERT_TRUE(report.ok() && report->status.ok()) << all.so_far().text() << report->status;
  EXPECT_EQ(report->removed, 0u) << "kept for the dead";
  for (const structure_info& info : list(mem)) ASSERT_TRUE(remove(mem, info.name).ok());
  report = audit(mem);
  ASSERT_TRUE(report.ok() && report->status.ok());
  EXPECT_EQ(report->heap.used, 0u) << all.so_far().text();
  EXPECT_GT(*operations, 100u);
  for (const char* structure : {"names", "heap"}) {
    zeroipc::testing::evidence(structure, zeroipc::testing::instrument::chaos)
        .figure("kills", all.so_far().kills)
        .figure("stops", all.so_far().stops)
        .figure("interruptions", all.so_far().interruptions)
        .figure("rounds of operations", *operations);
  }
}

TEST(RandomKillTest, NorDoesChaosInAFullSegment) {
  harness::unique_segment segment;
  memory mem(segment.name(), 512 << 10,
             {.max_participants = 32, .max_threads = 64, .max_names = 20});
  chaos_in(mem, 3, 30'000);
}

// The same where it is the file system that is full, and the segment is not.
TEST(RandomKillTest, NorOnAFullFileSystem) {
  constexpr int kNoMount = 77;
  std::string directory = ::testing::TempDir() + "zeroipc_chaos.XXXXXX";
  ASSERT_NE(::mkdtemp(directory.data()), nullptr);
  harness::process child([&]() -> int {
    if (!harness::mount_small_file_system(directory, 2 << 20)) return kNoMount;
    memory mem = *memory::create(directory + "/full.seg", 64 << 20,
                                 {.max_participants = 32, .max_threads = 64, .max_names = 20});
    chaos_in(mem, 4, 300'000);
    return 0;
  });
  const harness::exit_state end = child.wait_for(std::chrono::hours(1));
  ::rmdir(directory.c_str());
  if (end == harness::exited(kNoMount)) {
    GTEST_SKIP() << "may not mount a small file system here";
  }
  EXPECT_EQ(end, harness::exited(0));
}

}  // namespace
}  // namespace zeroipc::internal
