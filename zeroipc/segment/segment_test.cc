// Opening and creating: what works, and what every kind of bad input is answered with.
#include "zeroipc/segment/segment.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstring>
#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/harness/harness.h"
#include "zeroipc/base/error.h"
#include "zeroipc/participant/test_support.h"

namespace zeroipc {
namespace {

using harness::exited;
using harness::process;
using harness::unique_segment;
using internal::header_of;
using internal::self_of;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr size_t kBytes = internal::kTestSegmentBytes;

std::string contents(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream all;
  all << in.rdbuf();
  return all.str();
}

#define EXPECT_REFUSED(expression, status_code, matcher)            \
  do {                                                              \
    const absl::Status refused_status = (expression).status();      \
    EXPECT_EQ(refused_status.code(), absl::StatusCode::status_code) \
        << #expression << ": " << refused_status;                   \
    EXPECT_THAT(std::string(refused_status.message()), matcher);    \
  } while (false)

TEST(segment, is_created_once_and_opened_by_name_or_by_path) {
  for (bool in_file : {false, true}) {
    const unique_segment name = in_file ? unique_segment::in_file() : unique_segment();
    EXPECT_REFUSED(memory::open(name.name()), kNotFound,
                   AllOf(HasSubstr(name.name()), HasSubstr("none")));
    auto created = memory::create(name.name(), kBytes);
    ASSERT_TRUE(created.ok()) << created.status();
    EXPECT_EQ(created->size(), kBytes);
    EXPECT_TRUE(name.exists());
    EXPECT_REFUSED(memory::create(name.name(), kBytes), kAlreadyExists, HasSubstr(name.name()));
    EXPECT_TRUE(memory::open(name.name()).ok());
    EXPECT_TRUE(memory::open_or_create(name.name(), kBytes).ok());
    EXPECT_TRUE(memory::unlink(name.name()).ok());
    EXPECT_FALSE(name.exists());
    EXPECT_TRUE(absl::IsNotFound(memory::unlink(name.name())));
    EXPECT_REFUSED(memory::open(name.name()), kNotFound, HasSubstr(name.name()));
    // Those attached keep the memory.
    EXPECT_EQ(created->participants().size(), 1u);
  }
}

TEST(segment, constructors_throw_what_the_factories_return) {
  unique_segment name;
  EXPECT_THROW(memory(name.name()), error);
  try {
    memory m(name.name());
  } catch (const error& e) {
    EXPECT_TRUE(absl::IsNotFound(e.status()));
    EXPECT_THAT(e.what(), HasSubstr(name.name()));
  }
  EXPECT_NO_THROW(memory(name.name(), kBytes));
  EXPECT_NO_THROW(memory(name.name()));
}

TEST(segment, what_was_written_is_there_for_the_next_process) {
  for (bool in_file : {false, true}) {
    const unique_segment name = in_file ? unique_segment::in_file() : unique_segment();
    process writer([&] {
      memory m(name.name(), kBytes);
      internal::scratch<uint64_t>(m) = 42;
    });
    ASSERT_EQ(writer.wait(), exited(0));
    memory m(name.name(), kBytes);
    EXPECT_EQ(internal::scratch<uint64_t>(m), 42u);
  }
}

TEST(segment, another_size_is_an_error_that_states_both) {
  unique_segment name;
  memory m(name.name(), kBytes);
  EXPECT_REFUSED(memory::open_or_create(name.name(), 2 * kBytes), kFailedPrecondition,
                 AllOf(HasSubstr(absl::StrCat(kBytes)), HasSubstr(absl::StrCat(2 * kBytes)),
                       HasSubstr(name.name())));
  process other([&] {
    memory away = std::move(m);
    EXPECT_REFUSED(memory::open_or_create(name.name(), kBytes / 2), kFailedPrecondition,
                   HasSubstr(absl::StrCat(kBytes / 2)));
  });
  EXPECT_EQ(other.wait(), exited(0));
}

TEST(segment, sizes_and_limits_that_cannot_be_are_refused_with_what_could_be) {
  unique_segment name;
  EXPECT_REFUSED(memory::create(name.name(), 0), kInvalidArgument,
                 AllOf(HasSubstr("0 bytes"), HasSubstr("at least")));
  EXPECT_REFUSED(memory::create(name.name(), 4096), kInvalidArgument, HasSubstr("too small"));
  EXPECT_REFUSED(memory::create(name.name(), size_t{1} << 60), kInvalidArgument,
                 HasSubstr("at most"));
  EXPECT_REFUSED(memory::create(name.name(), kBytes, {.max_participants = 5000}), kInvalidArgument,
                 AllOf(HasSubstr("4096"), HasSubstr("5000")));
  EXPECT_REFUSED(memory::create(name.name(), kBytes, {.max_threads = 70'000}), kInvalidArgument,
                 AllOf(HasSubstr("65536"), HasSubstr("70000")));
  EXPECT_REFUSED(memory::create(name.name(), kBytes, {.max_names = 5'000'000}), kInvalidArgument,
                 HasSubstr("5000000"));
  EXPECT_REFUSED(memory::create(name.name(), kBytes, {.max_names = 1'000'000}), kInvalidArgument,
                 AllOf(HasSubstr("too small"), HasSubstr("1000000 names")));
  for (mode_t mode : {0, 0400, 0200, 0700, 04600, 0777}) {
    EXPECT_REFUSED(memory::create(name.name(), kBytes, {.mode = mode}), kInvalidArgument,
                   HasSubstr("mode"));
  }
  EXPECT_FALSE(name.exists());
}

TEST(segment, the_smallest_size_that_a_refusal_names_works) {
  unique_segment name;
  const std::string refusal(memory::create(name.name(), 1).status().message());
  const size_t at = refusal.rfind(' ');
  ASSERT_NE(at, refusal.npos) << refusal;
  const size_t least = std::stoul(refusal.substr(at));
  EXPECT_FALSE(memory::create(name.name(), least - 1).ok());
  EXPECT_TRUE(memory::create(name.name(), least).ok());
}

TEST(segment, names_that_cannot_be_are_refused) {
  using std::string_literals::operator""s;
  for (const std::string& bad :
       {""s, "/"s, "."s, ".."s, "/."s, "/.."s, "a\0b"s, "/tmp/"s, std::string(300, 'x'),
        "/" + std::string(256, 'x'), "/tmp/" + std::string(5000, 'x')}) {
    EXPECT_REFUSED(memory::open_or_create(bad, kBytes), kInvalidArgument, HasSubstr("name"));
    EXPECT_REFUSED(memory::open(bad), kInvalidArgument, HasSubstr("name"));
    EXPECT_EQ(memory::unlink(bad).code(), absl::StatusCode::kInvalidArgument);
  }
  EXPECT_REFUSED(memory::create("/nowhere-at-all/x", kBytes), kNotFound,
                 HasSubstr("/nowhere-at-all"));
}

// --- things in the segment's place that are no segment ---

class impostor : public ::testing::Test {
 protected:
  unique_segment name_;
  const std::string& path_ = name_.path();

  void write(const std::string& bytes) {
    std::ofstream(path_, std::ios::binary) << bytes;
    ::chmod(path_.c_str(), 0600);
  }
  void expect_refused(absl::StatusCode code, const std::string& why) {
    for (const absl::Status& s :
         {memory::open(name_.name()).status(), memory::open_read_only(name_.name()).status(),
          memory::open_or_create(name_.name(), kBytes).status()}) {
      EXPECT_EQ(s.code(), code) << s;
      EXPECT_THAT(std::string(s.message()), AllOf(HasSubstr(why), HasSubstr(name_.name())));
    }
  }
  void create() {
    process p([&] { memory m(name_.name(), kBytes); });
    ASSERT_EQ(p.wait(), exited(0));
  }
  // Changes the header on the file.
  void patch(const std::function<void(internal::segment_header&)>& change) {
    const auto header = std::make_unique<internal::segment_header>();
    const int fd = ::open(path_.c_str(), O_RDWR);
    ASSERT_EQ(::pread(fd, header.get(), sizeof *header, 0), ssize_t{sizeof *header});
    change(*header);
    ASSERT_EQ(::pwrite(fd, header.get(), sizeof *header, 0), ssize_t{sizeof *header});
    ::close(fd);
  }
};

TEST_F(impostor, empty_or_short_files) {
  write("");
  expect_refused(absl::StatusCode::kFailedPrecondition, "0 bytes long, too short");
  write(std::string(100, 'x'));
  expect_refused(absl::StatusCode::kFailedPrecondition, "100 bytes long, too short");
  EXPECT_EQ(contents(path_), std::string(100, 'x'));
}

TEST_F(impostor, files_of_others) {
  for (char fill : {'x', '\0', '\xff'}) {
    const std::string bytes(kBytes, fill);
    write(bytes);
    expect_refused(absl::StatusCode::kFailedPrecondition, "not a ZeroIPC segment");
    EXPECT_EQ(contents(path_), bytes);
  }
}

TEST_F(impostor, another_version) {
  create();
  patch([](auto& h) { h.version = 7; });
  expect_refused(absl::StatusCode::kFailedPrecondition,
                 "version 7 found, this library works with version 1");
}

TEST_F(impostor, truncated_and_grown) {
  create();
  for (size_t bytes : {kBytes / 2, kBytes - 1, kBytes + 1, 2 * kBytes, size_t{4096}}) {
    ASSERT_EQ(::truncate(path_.c_str(), static_cast<off_t>(bytes)), 0);
    expect_refused(absl::StatusCode::kFailedPrecondition,
                   absl::StrCat(bytes, " bytes long, its header says ", kBytes));
  }
}

TEST_F(impostor, a_bit_that_has_flipped_anywhere_in_the_header) {
  create();
  for (size_t byte = 12; byte < offsetof(internal::segment_header, death_epoch); ++byte) {
    if (byte >= 32 && byte < 40) continue;  // the size, see above
    patch([&](auto& h) { reinterpret_cast<char*>(&h)[byte] ^= 0x10; });
    expect_refused(absl::StatusCode::kFailedPrecondition, "corrupt header");
    patch([&](auto& h) { reinterpret_cast<char*>(&h)[byte] ^= 0x10; });
  }
  EXPECT_TRUE(memory::open(name_.name()).ok());
}

TEST_F(impostor, a_geometry_that_lies_under_a_right_checksum) {
  create();
  const auto forge = [&](const std::function<void(internal::segment_header&)>& change) {
    // The part that is written once, which ends where the epochs begin.
    char before[offsetof(internal::segment_header, death_epoch)];
    patch([&](auto& h) {
      std::memcpy(before, &h, sizeof before);
      change(h);
      h.checksum = internal::header_checksum(h);
    });
    expect_refused(absl::StatusCode::kFailedPrecondition, "corrupt header");
    patch([&](auto& h) { std::memcpy(reinterpret_cast<char*>(&h), before, sizeof before); });
  };
  for (size_t field = 8; field < sizeof(internal::segment_geometry); field += 4) {
    for (uint32_t value : {0u, 1u, 0x7fff'ffffu, 0xffff'ffffu}) {
      forge([&](auto& h) {
        std::memcpy(reinterpret_cast<char*>(&h.geometry) + field, &value, sizeof value);
        // Some values happen to be right: the upper half of a small offset.
        h.geometry.buckets ^= 1;
      });
    }
  }
  forge([](auto& h) { h.geometry.max_threads += 1; });
  forge([](auto& h) { h.geometry.heap_offset -= 4096; });
  forge([](auto& h) { h.fences = fence_mode{9}; });
  forge([](auto& h) { h.flags = 0x80; });
  forge([](auto& h) { h.reserved = 1; });
  EXPECT_TRUE(memory::open(name_.name()).ok());
}

TEST_F(impostor, directories_fifos_links_sockets_and_devices) {
  ASSERT_EQ(::mkdir(path_.c_str(), 0700), 0);
  expect_refused(absl::StatusCode::kFailedPrecondition, "not a regular file");
  ASSERT_EQ(::rmdir(path_.c_str()), 0);

  ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
  expect_refused(absl::StatusCode::kFailedPrecondition, "not a regular file");
  ::unlink(path_.c_str());

  unique_segment target;
  memory m(target.name(), kBytes);
  ASSERT_EQ(::symlink(target.path().c_str(), path_.c_str()), 0);
  expect_refused(absl::StatusCode::kFailedPrecondition, "not a regular file");
  ::unlink(path_.c_str());

  const int s = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  ASSERT_LT(path_.size(), sizeof address.sun_path);
  std::memcpy(address.sun_path, path_.c_str(), path_.size());
  ASSERT_EQ(::bind(s, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  expect_refused(absl::StatusCode::kFailedPrecondition, "not a regular file");
  ::unlink(path_.c_str());
  ::close(s);

  EXPECT_REFUSED(memory::open("/dev/null"), kFailedPrecondition, HasSubstr("not a regular file"));
}

// --- one attachment per process ---

TEST(attachment, two_memory_objects_share_one_mapping_and_one_membership) {
  unique_segment name;
  memory one(name.name(), kBytes);
  memory two(name.name());
  EXPECT_EQ(one.attachment()->base, two.attachment()->base);
  EXPECT_EQ(one.participants().size(), 1u);
  memory three = *memory::from_fd(one.fd());
  EXPECT_EQ(three.attachment(), one.attachment());
  // Looking without write permission is another mapping.
  memory looking = *memory::open_read_only(name.name());
  EXPECT_NE(looking.attachment()->base, one.attachment()->base);
}

TEST(attachment, threads_that_open_at_once_share_it) {
  for (int round = 0; round < 30; ++round) {
    unique_segment name;
    std::vector<std::optional<memory>> opened(6);
    std::vector<std::thread> threads;
    for (auto& m : opened) threads.emplace_back([&] { m.emplace(name.name(), kBytes); });
    for (std::thread& t : threads) t.join();
    for (auto& m : opened) EXPECT_EQ(m->attachment(), opened[0]->attachment());
    EXPECT_EQ(opened[0]->participants().size(), 1u);
  }
}

// Another process stands in the door: the first thread waits there, the second for the first.
TEST(attachment, a_thread_that_waits_for_another_ones_attaching_goes_on) {
  unique_segment name;
  struct meeting {
    harness::gate stands, go, end;
  };
  harness::shared_state<meeting> at;
  process doorkeeper([&] {
    const memory m(name.name(), kBytes, {.remove_with_last = true});
    struct flock lock {};
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    lock.l_start = static_cast<off_t>(internal::kDoorOffset);
    lock.l_len = 1;
    const int fd = ::open(name.path().c_str(), O_RDWR | O_CLOEXEC);
    EXPECT_EQ(::fcntl(fd, F_OFD_SETLKW, &lock), 0);
    at->stands.open();
    EXPECT_TRUE(at->go.wait());
    ::close(fd);
    EXPECT_TRUE(at->end.wait());
  });
  ASSERT_TRUE(at->stands.wait());
  std::optional<memory> opened[2];
  std::atomic<pid_t> ids[2] = {0, 0};
  const auto open = [&](size_t i) {
    ids[i] = ::gettid();
    opened[i].emplace(name.name());
  };
  std::thread one([&] { open(0); }), other([&] { open(1); });
  // Whichever comes second sleeps on a futex; in the door one waits for a file lock.
  ASSERT_TRUE(harness::eventually([&] {
    for (const std::atomic<pid_t>& id : ids) {
      if (id != 0 && harness::wait_until_asleep(id, std::chrono::nanoseconds(0))) return true;
    }
    return false;
  }));
  at->go.open();
  one.join();
  other.join();
  EXPECT_EQ(opened[0]->attachment(), opened[1]->attachment());
  at->end.open();
  EXPECT_EQ(doorkeeper.wait(), exited(0));
}

TEST(attachment, outlives_the_memory_it_came_from_and_ends_with_its_last_user) {
  unique_segment name;
  std::weak_ptr<internal::attachment> gone;
  {
    std::shared_ptr<internal::attachment> structure;
    {
      memory m(name.name(), kBytes);
      memory moved = std::move(m);
      structure = moved.attachment();
    }
    structure->base[structure->geometry.heap_offset] = std::byte{1};
    EXPECT_FALSE(structure->self->is_dead(structure->self->tag()));
    gone = structure;
  }
  EXPECT_TRUE(gone.expired());
  memory again(name.name());
  EXPECT_EQ(again.participants().size(), 1u);
}

TEST(attachment, a_new_segment_of_the_same_name_is_another_one) {
  unique_segment name;
  memory old(name.name(), kBytes);
  internal::scratch<int>(old) = 1;
  ASSERT_TRUE(memory::unlink(name.name()).ok());
  memory fresh(name.name(), kBytes);
  EXPECT_EQ(internal::scratch<int>(fresh), 0);
  EXPECT_NE(header_of(fresh).id, header_of(old).id);
}

TEST(attachment, no_file_descriptor_is_left_open) {
  const auto count = [] {
    int n = 0;
    for (int fd = 0; fd < 1024; ++fd) n += ::fcntl(fd, F_GETFD) >= 0;
    return n;
  };
  unique_segment name, missing;
  { memory warm(name.name(), kBytes, {.remove_with_last = true}); }
  const int before = count();
  for (int i = 0; i < 3; ++i) {
    memory m(name.name(), kBytes, {.remove_with_last = true});
    EXPECT_FALSE(memory::create(name.name(), kBytes).ok());
    EXPECT_FALSE(memory::open_or_create(name.name(), 2 * kBytes).ok());
    EXPECT_FALSE(memory::open(missing.name()).ok());
    EXPECT_TRUE(memory::open_read_only(name.name()).ok());
    EXPECT_TRUE(memory::create_anonymous(kBytes).ok());
    process child([&] { EXPECT_TRUE(self_of(m).self()); });
    EXPECT_EQ(child.wait(), exited(0));
  }
  EXPECT_EQ(count(), before);
}

// --- options ---

TEST(options, a_fresh_segment_is_sparse) {
  unique_segment name;
  memory m(name.name(), size_t{1} << 30);
  EXPECT_EQ(m.size(), size_t{1} << 30);
  EXPECT_LT(m.resident_bytes(), size_t{1} << 20);
}

TEST(options, prefault_backs_all_of_it_for_the_creator_and_for_who_opens) {
  unique_segment name;
  memory m(name.name(), kBytes, {.prefault = true});
  EXPECT_GE(m.resident_bytes(), kBytes);
  unique_segment other;
  memory sparse(other.name(), kBytes);
  EXPECT_LT(sparse.resident_bytes(), kBytes);
  ASSERT_TRUE(memory::open(other.name(), {.prefault = true}).ok());
  EXPECT_GE(sparse.resident_bytes(), kBytes);
}

TEST(options, huge_pages_are_a_wish) {
  unique_segment name;
  memory m(name.name(), kBytes, {.prefault = true, .huge_pages = true});
  internal::scratch<int>(m) = 1;
  EXPECT_EQ(internal::scratch<int>(m), 1);
}

TEST(options, the_mode_is_what_was_asked_for_whatever_the_umask) {
  for (mode_t mask : {0000, 0022, 0077, 0777}) {
    const mode_t before = ::umask(mask);
    for (mode_t mode : {0600, 0640, 0660, 0666}) {
      unique_segment name;
      memory m(name.name(), kBytes, {.mode = mode});
      struct stat st;
      ASSERT_EQ(::stat(name.path().c_str(), &st), 0);
      EXPECT_EQ(st.st_mode & 07777, mode);
    }
    ::umask(before);
  }
}

TEST(options, an_anonymous_segment_is_handed_over_as_a_descriptor_and_cannot_be_cut_short) {
  int pair[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
  process receiver([&] {
    char byte;
    iovec data{&byte, 1};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    ASSERT_EQ(::recvmsg(pair[1], &message, 0), 1);
    int fd;
    std::memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
    auto m = memory::from_fd(fd);
    ASSERT_TRUE(m.ok()) << m.status();
    ::close(fd);
    EXPECT_EQ(m->size(), kBytes);
    EXPECT_EQ(m->participants().size(), 2u);
    internal::scratch<int>(*m) += 1;
  });
  auto m = memory::create_anonymous(kBytes);
  ASSERT_TRUE(m.ok()) << m.status();
  internal::scratch<int>(*m) = 41;
  EXPECT_EQ(::ftruncate(m->fd(), 4096), -1);
  char byte = 0;
  iovec data{&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))]{};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  const int fd = m->fd();
  std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
  ASSERT_EQ(::sendmsg(pair[0], &message, 0), 1);
  EXPECT_EQ(receiver.wait(), exited(0));
  EXPECT_EQ(internal::scratch<int>(*m), 42);
  ::close(pair[0]);
  ::close(pair[1]);
}

TEST(options, a_descriptor_of_something_else_is_refused) {
  EXPECT_REFUSED(memory::from_fd(-1), kNotFound, HasSubstr("(fd -1)"));
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  EXPECT_REFUSED(memory::from_fd(ends[0]), kFailedPrecondition, HasSubstr("not a regular file"));
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST(options, looking_writes_nothing_and_takes_no_part) {
  unique_segment name = unique_segment::in_file();
  {
    process p([&] { memory m(name.name(), kBytes); });
    ASSERT_EQ(p.wait(), exited(0));
  }
  const std::string before = contents(name.path());
  struct stat st_before, st_after;
  ASSERT_EQ(::stat(name.path().c_str(), &st_before), 0);
  {
    auto looking = memory::open_read_only(name.name());
    ASSERT_TRUE(looking.ok()) << looking.status();
    EXPECT_TRUE(looking->read_only());
    EXPECT_EQ(looking->attachment()->self, nullptr);
    EXPECT_EQ(looking->size(), kBytes);
  }
  ASSERT_EQ(::stat(name.path().c_str(), &st_after), 0);
  EXPECT_EQ(st_before.st_mtim.tv_sec, st_after.st_mtim.tv_sec);
  EXPECT_EQ(st_before.st_mtim.tv_nsec, st_after.st_mtim.tv_nsec);
  EXPECT_EQ(st_before.st_blocks, st_after.st_blocks);
  EXPECT_EQ(contents(name.path()), before);
}

TEST(options, a_relative_path_keeps_its_meaning_when_the_directory_changes) {
  process p([&] {
    unique_segment name = unique_segment::in_file();
    const size_t slash = name.path().rfind('/');
    ASSERT_EQ(::chdir(name.path().substr(0, slash).c_str()), 0);
    {
      memory m("." + name.path().substr(slash), kBytes, {.remove_with_last = true});
      EXPECT_TRUE(name.exists());
      ASSERT_EQ(::chdir("/"), 0);
    }
    EXPECT_FALSE(name.exists());
  });
  EXPECT_EQ(p.wait(), exited(0));
}

}  // namespace
}  // namespace zeroipc
