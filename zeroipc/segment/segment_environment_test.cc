// Other users, other kernels, and no room: what a segment does where the world is not as usual. What a test needs
// privileges for it does in a process of its own, and skips itself where they are refused.
#include <fcntl.h>
#include <grp.h>
#include <linux/filter.h>
#include <linux/membarrier.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/harness/harness.h"
#include "zeroipc/participant/test_support.h"
#include "zeroipc/segment/segment.h"

namespace zeroipc {
namespace {

using harness::exited;
using harness::process;
using harness::unique_segment;
using internal::self_of;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr size_t kBytes = internal::kTestSegmentBytes;
constexpr uid_t kSomebody = 65534;
constexpr int kRefused = 77;

// Runs `body` in a process; it answers kRefused if it may not do what the test is about.
#define IN_A_PROCESS(what, ...)                                          \
  do {                                                                   \
    process p(__VA_ARGS__);                                              \
    const auto end = p.wait();                                           \
    if (end == exited(kRefused)) GTEST_SKIP() << "not permitted: " what; \
    EXPECT_EQ(end, exited(0));                                           \
  } while (false)

bool become(uid_t user) {
  return ::setgroups(0, nullptr) == 0 && ::setresgid(user, user, user) == 0 &&
         ::setresuid(user, user, user) == 0;
}

// --- whose it is ---

TEST(trust, a_segment_of_another_user_is_refused_unless_it_is_meant_to_be_shared) {
  unique_segment name;
  { memory m(name.name(), kBytes); }
  if (::chown(name.path().c_str(), kSomebody, kSomebody) != 0) {
    GTEST_SKIP() << "not permitted: chown: " << std::strerror(errno);
  }
  // Even root, who could open it.
  const absl::Status refused = memory::open(name.name()).status();
  EXPECT_TRUE(absl::IsPermissionDenied(refused)) << refused;
  EXPECT_THAT(std::string(refused.message()),
              AllOf(HasSubstr("user 65534"), HasSubstr("mode 0600"), HasSubstr("runs as user 0"),
                    HasSubstr(name.name())));
  EXPECT_TRUE(absl::IsPermissionDenied(memory::open_or_create(name.name(), kBytes).status()));
  EXPECT_TRUE(absl::IsPermissionDenied(memory::open(name.name(), {.mode = 0660}).status()));
  EXPECT_TRUE(memory::open(name.name(), {.mode = 0666}).ok());
  EXPECT_TRUE(memory::open_read_only(name.name()).ok());
  // Shared with the group, and the group is ours.
  ASSERT_EQ(::chown(name.path().c_str(), kSomebody, ::getegid()), 0);
  EXPECT_TRUE(memory::open(name.name(), {.mode = 0660}).ok());
  EXPECT_TRUE(absl::IsPermissionDenied(memory::open(name.name()).status()));
}

TEST(trust, one_that_everyone_may_write_to_is_refused_unless_it_is_meant_to_be_shared) {
  unique_segment name;
  memory m(name.name(), kBytes, {.mode = 0666});
  const absl::Status refused = memory::open(name.name()).status();
  EXPECT_TRUE(absl::IsPermissionDenied(refused)) << refused;
  EXPECT_THAT(std::string(refused.message()),
              AllOf(HasSubstr("everyone may write"), HasSubstr("0666")));
  EXPECT_TRUE(memory::open(name.name(), {.mode = 0666}).ok());
  EXPECT_TRUE(memory::open_or_create(name.name(), kBytes, {.mode = 0666}).ok());
}

TEST(trust, a_private_segment_is_closed_to_others_and_the_message_says_whose_it_is) {
  unique_segment name;
  memory m(name.name(), kBytes);
  IN_A_PROCESS("becoming another user", [&] {
    { memory away = std::move(m); }
    if (!become(kSomebody)) return kRefused;
    const absl::Status refused = memory::open(name.name()).status();
    EXPECT_TRUE(absl::IsPermissionDenied(refused)) << refused;
    EXPECT_THAT(
        std::string(refused.message()),
        AllOf(HasSubstr("belongs to user 0"), HasSubstr("mode 0600"), HasSubstr("user 65534")));
    EXPECT_TRUE(absl::IsPermissionDenied(memory::open_read_only(name.name()).status()));
    EXPECT_TRUE(absl::IsPermissionDenied(memory::open_or_create(name.name(), kBytes).status()));
    return 0;
  });
}

TEST(trust, users_who_share_by_mode_meet_in_one_segment) {
  unique_segment name;
  memory m(name.name(), kBytes, {.mode = 0666});
  IN_A_PROCESS("becoming another user", [&] {
    { memory away = std::move(m); }
    if (!become(kSomebody)) return kRefused;
    auto mine = memory::open_or_create(name.name(), kBytes, {.mode = 0666});
    EXPECT_TRUE(mine.ok()) << mine.status();
    EXPECT_EQ(mine.ok() ? mine->participants().size() : 0u, 2u);
    return 0;
  });
}

TEST(trust, a_file_without_write_permission_is_refused_for_writing) {
  unique_segment name;
  { memory m(name.name(), kBytes); }
  IN_A_PROCESS("becoming another user", [&] {
    ::chmod(name.path().c_str(), 0400);
    if (::chown(name.path().c_str(), kSomebody, kSomebody) != 0 || !become(kSomebody))
      return kRefused;
    const absl::Status refused = memory::open(name.name()).status();
    EXPECT_TRUE(absl::IsPermissionDenied(refused)) << refused;
    EXPECT_THAT(std::string(refused.message()), HasSubstr("mode 0400"));
    EXPECT_TRUE(memory::open_read_only(name.name()).ok());
    return 0;
  });
}

TEST(trust, a_child_that_drops_its_privileges_stays_the_participant_it_was) {
  unique_segment name;
  memory m(name.name(), kBytes);
  IN_A_PROCESS("becoming another user", [&] {
    const owner_tag before = self_of(m).self();
    if (!become(kSomebody)) return kRefused;
    EXPECT_EQ(self_of(m).self(), before);
    EXPECT_NE(self_of(m).record(), nullptr);
    // A child of it cannot open the file, and so is nobody; that must be plain to see, and harm nobody.
    process child([&] {
      EXPECT_FALSE(self_of(m).self());
      EXPECT_EQ(self_of(m).record(), nullptr);
    });
    EXPECT_EQ(child.wait(), exited(0));
    return 0;
  });
}

// --- no room ---

// Mounts a file system of `bytes` for the calling process alone; empty if that is not permitted.
std::string small_file_system(size_t bytes) {
  const char* tmp = ::getenv("TEST_TMPDIR");
  std::string place = absl::StrCat(tmp != nullptr ? tmp : "/tmp", "/small-XXXXXX");
  if (::mkdtemp(place.data()) == nullptr || ::unshare(CLONE_NEWNS) != 0 ||
      ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
      ::mount("none", place.c_str(), "tmpfs", 0, absl::StrCat("size=", bytes).c_str()) != 0) {
    return {};
  }
  return place;
}

TEST(no_room, a_file_system_that_is_full_is_an_error_at_creation_and_leaves_nothing) {
  IN_A_PROCESS("mounting a tmpfs", [] {
    const std::string place = small_file_system(64 * 1024);
    if (place.empty()) return kRefused;
    const absl::Status refused = memory::create(place + "/x", kBytes).status();
    EXPECT_TRUE(absl::IsResourceExhausted(refused)) << refused;
    EXPECT_THAT(std::string(refused.message()),
                AllOf(HasSubstr("no room"), HasSubstr("free on its file system")));
    EXPECT_NE(::access((place + "/x").c_str(), F_OK), 0);
    return 0;
  });
}

TEST(no_room, prefault_is_refused_where_it_does_not_fit_and_leaves_nothing) {
  IN_A_PROCESS("mounting a tmpfs", [] {
    const std::string place = small_file_system(kBytes / 2);
    if (place.empty()) return kRefused;
    const absl::Status refused = memory::create(place + "/x", kBytes, {.prefault = true}).status();
    EXPECT_TRUE(absl::IsResourceExhausted(refused)) << refused;
    EXPECT_THAT(std::string(refused.message()), HasSubstr(absl::StrCat(kBytes)));
    EXPECT_NE(::access((place + "/x").c_str(), F_OK), 0);
    // Sparse, it fits; and joining, records and dying touch nothing that was not had at creation.
    auto m = memory::create(place + "/x", kBytes);
    EXPECT_TRUE(m.ok()) << m.status();
    if (!m.ok()) return 1;
    const int filler = ::open((place + "/filler").c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    char page[4096]{};
    while (::write(filler, page, sizeof page) > 0) {
    }
    ::close(filler);
    for (int i = 0; i < 20; ++i) {
      process user([&] {
        EXPECT_NE(self_of(*m).record(), nullptr);
        if (i % 2 == 0) ::raise(SIGKILL);
      });
      EXPECT_EQ(user.wait(), i % 2 == 0 ? harness::killed_by(SIGKILL) : exited(0));
    }
    return 0;
  });
}

TEST(no_room, a_limit_on_file_sizes_is_an_error_and_not_a_signal) {
  IN_A_PROCESS("limits", [] {
    unique_segment name;
    const rlimit limit{1 << 20, 1 << 20};
    if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) return kRefused;
    for (const absl::Status& refused : {memory::create(name.name(), kBytes).status(),
                                        memory::create_anonymous(kBytes).status()}) {
      EXPECT_TRUE(absl::IsResourceExhausted(refused)) << refused;
      EXPECT_THAT(std::string(refused.message()),
                  AllOf(HasSubstr(absl::StrCat(kBytes)), HasSubstr(absl::StrCat(1 << 20))));
    }
    EXPECT_TRUE(memory::create(name.name(), 1 << 20).ok());
    return 0;
  });
}

TEST(no_room, no_descriptors_left_is_an_error) {
  IN_A_PROCESS("limits", [] {
    unique_segment name;
    { memory m(name.name(), kBytes); }
    int free_fd = ::dup(0);
    ::close(free_fd);
    // From none free to a few: whatever step it fails at, it says so and gives all back.
    for (int spare = 0; spare < 4; ++spare) {
      rlimit limit;
      ::getrlimit(RLIMIT_NOFILE, &limit);
      limit.rlim_cur = static_cast<rlim_t>(free_fd + spare);
      ::setrlimit(RLIMIT_NOFILE, &limit);
      const auto m = memory::open(name.name());
      EXPECT_TRUE(m.ok() || absl::IsResourceExhausted(m.status())) << m.status();
      EXPECT_TRUE(m.ok() || spare < 3) << m.status();
      EXPECT_FALSE(m.ok() && spare == 0);
    }
    return 0;
  });
}

// --- other kernels ---

struct refusal {
  int call;
  int argument;   // which one decides; -1 for none
  uint32_t bits;  // its bits that must all be set
  bool exactly;   // nothing else may be
  int error;
};

// From here on the kernel refuses this one thing to the process, as older ones and filters do.
[[nodiscard]] bool refuse(const refusal& r) {
  const auto argument = static_cast<uint32_t>(offsetof(seccomp_data, args) +
                                              8 * static_cast<size_t>(std::max(r.argument, 0)));
  sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<uint32_t>(r.call), 0, 4),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, argument),
      BPF_STMT(BPF_ALU | BPF_AND | BPF_K, r.argument < 0 ? 0
                                          : r.exactly    ? ~0u
                                                         : r.bits),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, r.argument < 0 ? 0 : r.bits, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<uint32_t>(r.error)),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog filter{7, program};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

TEST(other_kernels, without_populate_write_prefault_backs_all_pages_too) {
  IN_A_PROCESS("seccomp", [] {
    if (!refuse({SYS_madvise, 2, 23, true, EINVAL})) return kRefused;
    unique_segment name;
    auto m = memory::create(name.name(), kBytes, {.prefault = true});
    EXPECT_TRUE(m.ok()) << m.status();
    EXPECT_GE(m.ok() ? m->resident_bytes() : 0, kBytes);
    return 0;
  });
}

TEST(other_kernels, without_nameless_files_creation_is_as_whole) {
  IN_A_PROCESS("seccomp", [] {
    if (!refuse({SYS_openat, 2, O_TMPFILE, false, EOPNOTSUPP})) return kRefused;
    unique_segment name = unique_segment::in_file();
    {
      auto m = memory::create(name.name(), kBytes);
      EXPECT_TRUE(m.ok()) << m.status();
    }
    EXPECT_TRUE(absl::IsAlreadyExists(memory::create(name.name(), kBytes).status()));
    EXPECT_TRUE(memory::open(name.name()).ok());
    EXPECT_NE(::access(absl::StrCat(name.path(), ".new-", ::getpid(), "-0").c_str(), F_OK), 0);
    EXPECT_NE(::access(absl::StrCat(name.path(), ".new-", ::getpid(), "-1").c_str(), F_OK), 0);
    struct stat st;
    EXPECT_EQ(::stat(name.path().c_str(), &st), 0);
    EXPECT_EQ(st.st_nlink, 1u);
    EXPECT_EQ(st.st_mode & 0777, 0600u);
    return 0;
  });
}

TEST(other_kernels, a_process_that_may_not_call_membarrier_is_refused_where_others_rely_on_it) {
  unique_segment asymmetric, symmetric;
  { memory m(asymmetric.name(), kBytes); }
  { memory m(symmetric.name(), kBytes, {.symmetric_fences = true}); }
  if (internal::supported_fence_mode() != fence_mode::asymmetric)
    GTEST_SKIP() << "no membarrier here";
  IN_A_PROCESS("seccomp", [&] {
    if (!refuse({SYS_membarrier, -1, 0, false, EPERM})) return kRefused;
    const absl::Status refused = memory::open(asymmetric.name()).status();
    EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition) << refused;
    EXPECT_THAT(std::string(refused.message()), HasSubstr("symmetric_fences"));
    EXPECT_TRUE(memory::open(symmetric.name()).ok());
    return 0;
  });
}

TEST(other_kernels, without_proc_the_message_asks_for_it) {
  unique_segment name;
  { memory m(name.name(), kBytes); }
  IN_A_PROCESS("hiding /proc", [&] {
    if (::unshare(CLONE_NEWNS) != 0 ||
        ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("none", "/proc", "tmpfs", 0, nullptr) != 0) {
      return kRefused;
    }
    const absl::Status refused = memory::open(name.name()).status();
    EXPECT_FALSE(refused.ok());
    EXPECT_THAT(std::string(refused.message()), HasSubstr("is /proc mounted?"));
    EXPECT_THAT(std::string(memory::create(name.name() + "2", kBytes).status().message()),
                HasSubstr("is /proc mounted?"));
    EXPECT_TRUE(memory::open_read_only(name.name()).ok());
    return 0;
  });
}

}  // namespace
}  // namespace zeroipc
