#include "zeroipc/name_table/name_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <stdexcept>
#include <string>

#include "testing/harness/harness.h"
#include "zeroipc/name_table/audit.h"

namespace zeroipc::internal {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

struct Task {
  uint64_t id;
  char text[40];
};

const structure_type kTasks = structure_type::of<Task>(kind::queue, 2, "mpmc");
const structure_type kRaw = {.what = kind::raw};

class NameTableTest : public testing::Test {
 protected:
  absl::StatusOr<structure> Create(std::string_view name, uint64_t bytes = 1000,
                                   const structure_type& type = kRaw) {
    return create_structure(mem_, name, type, bytes, 64, [](void*) {});
  }
  absl::StatusOr<structure> Open(std::string_view name, const structure_type& type = kRaw) {
    return open_structure(mem_, name, type);
  }
  audit_report Audit() {
    absl::StatusOr<audit_report> report = audit(mem_);
    EXPECT_TRUE(report.ok() && report->status.ok()) << report.status() << report->status;
    return *report;
  }

  const harness::unique_segment name_;
  memory mem_ = *memory::create(name_.name(), 1 << 20, {.max_names = 64});
};

TEST_F(NameTableTest, WhatOneCreatesAnotherOpens) {
  absl::StatusOr<structure> made = create_structure(mem_, "tasks", kTasks, 5000, 256, [](void* p) {
    std::strcpy(static_cast<char*>(p), "hello");
  });
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_EQ(made->bytes(), 5000u);
  EXPECT_EQ(made->offset() % 256, 0u);
  absl::StatusOr<structure> opened = Open("tasks", kTasks);
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(opened->data(), made->data());
  EXPECT_EQ(opened->id(), made->id());
  EXPECT_STREQ(static_cast<char*>(opened->data()), "hello");

  const absl::StatusOr<structure_info> info = find(mem_, "tasks");
  ASSERT_TRUE(info.ok()) << info.status();
  EXPECT_EQ(info->name, "tasks");
  EXPECT_EQ(info->what, kind::queue);
  EXPECT_EQ(info->variant, 2);
  EXPECT_EQ(info->element_size, sizeof(Task));
  EXPECT_EQ(info->element_align, alignof(Task));
  EXPECT_THAT(info->type_name, HasSubstr("Task"));
  EXPECT_EQ(info->bytes, 5000u);
  EXPECT_EQ(info->offset, made->offset());
  EXPECT_EQ(info->creator_pid, ::getpid());
  EXPECT_EQ(info->holders, 1u);
  EXPECT_GT(info->created_ns, 0);
}

TEST_F(NameTableTest, NamesOfEveryLengthAreToldApart) {
  for (size_t n = 1; n <= kMaxNameBytes; n += 3) {
    ASSERT_TRUE(Create(std::string(n, 'x'), 0).ok()) << n;
  }
  for (size_t n = 1; n <= kMaxNameBytes; ++n) {
    EXPECT_EQ(Open(std::string(n, 'x')).ok(), n % 3 == 1) << n;
  }
}

TEST_F(NameTableTest, NamesThatCannotBeAreRefused) {
  EXPECT_THAT(std::string(Create("").status().message()), HasSubstr("empty"));
  EXPECT_THAT(std::string(Create(std::string(96, 'x')).status().message()),
              AllOf(HasSubstr("96 bytes"), HasSubstr("at most 95")));
  for (const std::string_view bad : {std::string_view("a\nb"), std::string_view("a\0b", 3)}) {
    EXPECT_TRUE(absl::IsInvalidArgument(Create(bad).status()));
    EXPECT_TRUE(absl::IsInvalidArgument(Open(bad).status()));
    EXPECT_TRUE(absl::IsInvalidArgument(remove(mem_, bad)));
    EXPECT_TRUE(absl::IsInvalidArgument(find(mem_, bad).status()));
  }
}

TEST_F(NameTableTest, ErrorsNameBothSides) {
  ASSERT_TRUE(Create("tasks", 100, kTasks).ok());
  const absl::Status exists = Create("tasks").status();
  EXPECT_TRUE(absl::IsAlreadyExists(exists));
  EXPECT_THAT(std::string(exists.message()),
              AllOf(HasSubstr(name_.name()), HasSubstr("queue<"), HasSubstr("Task")));
  const absl::Status missing = Open("task").status();
  EXPECT_TRUE(absl::IsNotFound(missing));
  EXPECT_THAT(std::string(missing.message()), AllOf(HasSubstr(name_.name()), HasSubstr("'task'")));

  const struct {
    structure_type asked;
    const char* found;
    const char* expected;
  } cases[] = {
      {structure_type::of<Task>(kind::stack), "queue<", "stack<"},
      {structure_type::of<int>(kind::queue, 2, "mpmc"), "48 bytes", "4 bytes aligned to 4"},
      {structure_type::of<Task>(kind::queue, 1, "spsc"), "mpmc", "spsc"},
  };
  for (const auto& c : cases) {
    const absl::Status other = Open("tasks", c.asked).status();
    EXPECT_TRUE(absl::IsFailedPrecondition(other));
    EXPECT_THAT(std::string(other.message()), AllOf(HasSubstr(name_.name()), HasSubstr("'tasks'"),
                                                    HasSubstr(c.found), HasSubstr(c.expected)));
  }
  structure_type forged = kTasks;
  ++forged.fingerprint;
  EXPECT_THAT(std::string(Open("tasks", forged).status().message()), HasSubstr("fingerprint"));
  ASSERT_TRUE(remove(mem_, "tasks").ok());
  EXPECT_EQ(Audit().heap.used, 0u) << "a refused open must not leave a hold behind";
}

TEST_F(NameTableTest, OpenOrCreateSaysWhichItWas) {
  bool created = false;
  const auto init = [](void* p) { *static_cast<int*>(p) = 5; };
  absl::StatusOr<structure> a = open_or_create_structure(mem_, "x", kRaw, 64, 64, init, &created);
  ASSERT_TRUE(a.ok());
  EXPECT_TRUE(created);
  *static_cast<int*>(a->data()) = 6;
  absl::StatusOr<structure> b = open_or_create_structure(mem_, "x", kRaw, 64, 64, init, &created);
  ASSERT_TRUE(b.ok());
  EXPECT_FALSE(created);
  EXPECT_EQ(*static_cast<int*>(b->data()), 6);
  EXPECT_TRUE(absl::IsFailedPrecondition(
      open_or_create_structure(mem_, "x", kTasks, 64, 64, init).status()));
}

TEST_F(NameTableTest, ARemovedStructureLivesUntilItsLastHandle) {
  std::optional<structure> first = *Create("x");
  std::optional<structure> second = *Open("x");
  std::memset(first->data(), 1, 1000);
  ASSERT_TRUE(remove(mem_, "x").ok());
  EXPECT_TRUE(absl::IsNotFound(remove(mem_, "x")));
  EXPECT_TRUE(absl::IsNotFound(Open("x").status()));
  EXPECT_TRUE(absl::IsNotFound(find(mem_, "x").status()));
  EXPECT_EQ(list(mem_).size(), 0u);
  ASSERT_EQ(list(mem_, true).size(), 1u);
  EXPECT_TRUE(list(mem_, true)[0].removed);
  EXPECT_EQ(list(mem_, true)[0].holders, 1u);
  EXPECT_EQ(Audit().removed, 1u);

  // A new structure of that name has nothing to do with the old one.
  structure fresh = *Create("x");
  EXPECT_NE(fresh.data(), first->data());
  EXPECT_EQ(*static_cast<char*>(fresh.data()), 0);
  EXPECT_EQ(*static_cast<char*>(first->data()), 1);
  first.reset();
  EXPECT_EQ(Audit().removed, 1u);
  const uint64_t used = Audit().heap.used;
  second.reset();
  EXPECT_EQ(Audit().removed, 0u);
  EXPECT_LT(Audit().heap.used, used);
  EXPECT_TRUE(Open("x").ok());
}

// Forks a child that opens `name` and then waits to be killed, or ends by itself.
class holder {
 public:
  holder(const memory& mem, const char* name, bool leave) {
    int ready[2];
    EXPECT_EQ(::pipe(ready), 0);
    pid_ = ::fork();
    if (pid_ == 0) {
      absl::StatusOr<structure> s = open_structure(mem, name, kRaw);
      char ok = s.ok() ? 'y' : 'n';
      (void)!::write(ready[1], &ok, 1);
      if (!leave) {
        for (;;) ::pause();
      }
      ::_exit(0);
    }
    char answer = 0;
    EXPECT_EQ(::read(ready[0], &answer, 1), 1);
    EXPECT_EQ(answer, 'y');
    ::close(ready[0]);
    ::close(ready[1]);
    if (leave) reap();
  }
  ~holder() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    reap();
  }

 private:
  void reap() {
    int status;
    ::waitpid(pid_, &status, 0);
    pid_ = -1;
  }
  pid_t pid_ = -1;
};

TEST_F(NameTableTest, AHolderInAnotherProcessKeepsTheMemoryUntilItIsKilled) {
  ASSERT_TRUE(Create("x", 100'000).ok());
  std::optional<holder> other(std::in_place, mem_, "x", false);
  EXPECT_EQ(find(mem_, "x")->holders, 1u);
  ASSERT_TRUE(remove(mem_, "x").ok());
  EXPECT_EQ(Audit().removed, 1u) << "a live process holds it";
  EXPECT_GE(Audit().heap.used, 100'000u);
  other.reset();
  EXPECT_EQ(Audit().removed, 0u);
  EXPECT_EQ(Audit().heap.used, 0u);
}

TEST_F(NameTableTest, AHolderThatDiedBeforeTheRemovalDoesNotCount) {
  ASSERT_TRUE(Create("x").ok());
  holder gone(mem_, "x", true);  // ended without letting go
  ASSERT_TRUE(remove(mem_, "x").ok());
  EXPECT_EQ(stats(mem_).used, 0u);
}

TEST_F(NameTableTest, WhatOnlyTheDeadHoldIsFreedWhenRoomIsNeeded) {
  const uint64_t most = stats(mem_).largest;
  ASSERT_TRUE(Create("x", most).ok());
  std::optional<holder> other(std::in_place, mem_, "x", false);
  ASSERT_TRUE(remove(mem_, "x").ok());
  EXPECT_TRUE(absl::IsResourceExhausted(Create("y", most).status()));
  other.reset();
  EXPECT_TRUE(Create("y", most).ok());
}

TEST_F(NameTableTest, NoMoreNamesThanFit) {
  for (int i = 0; i < 64; ++i) ASSERT_TRUE(Create("n" + std::to_string(i), 0).ok());
  const absl::Status full = Create("one more", 0).status();
  EXPECT_TRUE(absl::IsResourceExhausted(full));
  EXPECT_THAT(std::string(full.message()), AllOf(HasSubstr("64 names"), HasSubstr("max_names")));
  ASSERT_TRUE(remove(mem_, "n17").ok());
  EXPECT_TRUE(Create("one more", 0).ok());
  EXPECT_EQ(Audit().names, 64u);
}

TEST_F(NameTableTest, AFailedCreationLeavesNothing) {
  EXPECT_TRUE(absl::IsResourceExhausted(Create("x", 10 << 20).status()));
  EXPECT_TRUE(
      absl::IsInvalidArgument(create_structure(mem_, "x", kRaw, 10, 3, [](void*) {}).status()));
#if defined(__cpp_exceptions)
  EXPECT_THROW(create_structure(mem_, "x", kRaw, 1000, 64,
                                [](void* p) {
                                  std::memset(p, 1, 1000);
                                  throw std::runtime_error("no");
                                })
                   .IgnoreError(),
               std::runtime_error);
#endif
  EXPECT_TRUE(absl::IsNotFound(Open("x").status()));
  EXPECT_EQ(Audit().heap.used, 0u);
  structure s = *Create("x");
  for (int i = 0; i < 1000; ++i) ASSERT_EQ(static_cast<char*>(s.data())[i], 0);
}

TEST_F(NameTableTest, CreatingWithinAnInitializerIsRefusedAndNotADeadlock) {
  absl::Status inner;
  structure victim = *Create("victim");
  ASSERT_TRUE(remove(mem_, "victim").ok());
  ASSERT_TRUE(create_structure(mem_, "outer", kRaw, 64, 64, [&](void*) {
                inner = Create("inner").status();
                victim = structure();  // the last handle of a removed structure
              }).ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(inner)) << inner;
  ASSERT_TRUE(remove(mem_, "outer").ok());
  EXPECT_EQ(stats(mem_).used, 0u) << "what could not be freed then is freed by the next operation";
}

TEST_F(NameTableTest, ReadOnlyMemoryIsForLooking) {
  ASSERT_TRUE(Create("x", 100, kTasks).ok());
  absl::StatusOr<memory> looking = memory::open_read_only(name_.name());
  ASSERT_TRUE(looking.ok()) << looking.status();
  EXPECT_EQ(find(*looking, "x")->bytes, 100u);
  EXPECT_TRUE(absl::IsNotFound(find(*looking, "y").status()));
  EXPECT_EQ(list(*looking).size(), 1u);
  EXPECT_EQ(stats(*looking).used_blocks, 1u);
  for (const absl::Status& status :
       {open_structure(*looking, "x", kTasks).status(), remove(*looking, "x"),
        create_structure(*looking, "y", kTasks, 1, 1, [](void*) {}).status(),
        open_or_create_structure(*looking, "y", kTasks, 1, 1, [](void*) {}).status(),
        audit(*looking).status()}) {
    EXPECT_TRUE(absl::IsPermissionDenied(status)) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("read-only"));
  }
}

TEST_F(NameTableTest, AHandleOutlivesItsMemoryObject) {
  std::optional<structure> s;
  {
    memory again = *memory::open(name_.name());
    s = *create_structure(again, "x", kRaw, 100, 64, [](void*) {});
  }
  std::memset(s->data(), 1, 100);
  s.reset();
  EXPECT_TRUE(Open("x").ok());
}

TEST_F(NameTableTest, ListShowsEveryStructureOnce) {
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(Create("n" + std::to_string(i)).ok());
  for (int i = 0; i < 20; i += 2) ASSERT_TRUE(remove(mem_, "n" + std::to_string(i)).ok());
  std::vector<std::string> names;
  for (const structure_info& info : list(mem_)) names.push_back(info.name);
  std::sort(names.begin(), names.end());
  EXPECT_THAT(
      names, testing::ElementsAre("n1", "n11", "n13", "n15", "n17", "n19", "n3", "n5", "n7", "n9"));
}

}  // namespace
}  // namespace zeroipc::internal
