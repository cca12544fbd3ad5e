// A file system without room is an error when a structure is created, and never a SIGBUS when one
// is used.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "testing/harness/harness.h"
#include "zeroipc/heap/heap.h"
#include "zeroipc/name_table/audit.h"
#include "zeroipc/name_table/name_table.h"

namespace zeroipc::internal {
namespace {

constexpr int kNoMount = 77;
const structure_type kRaw = {.what = kind::raw};

#define CHECK_THAT(condition)                                      \
  do {                                                             \
    if (!(condition)) {                                            \
      std::fprintf(stderr, "line %d: %s\n", __LINE__, #condition); \
      return 1;                                                    \
    }                                                              \
  } while (false)

// Runs in a child with a file system of its own, of 2 MiB.
int fill_it(const std::string& directory) {
  if (!harness::mount_small_file_system(directory, 2 << 20)) return kNoMount;
  const std::string path = directory + "/full.seg";
  memory mem = *memory::create(path, 64 << 20);

  const absl::Status too_large =
      create_structure(mem, "large", kRaw, 10 << 20, 64, [](void*) {}).status();
  CHECK_THAT(absl::IsResourceExhausted(too_large));
  CHECK_THAT(too_large.message().find("bytes needed") != too_large.message().npos);
  CHECK_THAT(too_large.message().find("free on its file system") != too_large.message().npos);
  CHECK_THAT(stats(mem).used == 0);

  std::vector<structure> held;
  absl::Status last;
  for (int i = 0; last.ok(); ++i) {
    absl::StatusOr<structure> s = create_structure(mem, "n" + std::to_string(i), kRaw, 50'000, 64,
                                                   [](void* p) { std::memset(p, 1, 50'000); });
    last = s.status();
    if (s.ok()) held.push_back(*std::move(s));
  }
  CHECK_THAT(absl::IsResourceExhausted(last));
  CHECK_THAT(held.size() > 10);
  for (const structure& s : held) std::memset(s.data(), 2, s.bytes());
  // Looking for names that are not there touches no page that does not exist.
  for (int i = 0; i < 100'000; ++i) {
    CHECK_THAT(absl::IsNotFound(find(mem, "absent" + std::to_string(i)).status()));
  }
  CHECK_THAT(audit(mem)->status.ok());

  // What is removed makes room again.
  const size_t most = held.size();
  held.clear();
  for (const structure_info& info : list(mem)) CHECK_THAT(remove(mem, info.name).ok());
  CHECK_THAT(stats(mem).used == 0);
  for (size_t i = 0; i < most; ++i) {
    absl::StatusOr<structure> s =
        create_structure(mem, "m" + std::to_string(i), kRaw, 50'000, 64, [](void*) {});
    CHECK_THAT(s.ok());
    std::memset(s->data(), 3, s->bytes());
  }
  return 0;
}

TEST(FullFileSystemTest, IsAnErrorAndNotASignal) {
  std::string directory = ::testing::TempDir() + "zeroipc_full.XXXXXX";
  ASSERT_NE(::mkdtemp(directory.data()), nullptr);
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(fill_it(directory));
  int status;
  ASSERT_EQ(::waitpid(pid, &status, 0), pid);
  ::rmdir(directory.c_str());
  ASSERT_TRUE(WIFEXITED(status)) << "killed by signal " << WTERMSIG(status);
  if (WEXITSTATUS(status) == kNoMount) GTEST_SKIP() << "may not mount a small file system here";
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace zeroipc::internal
