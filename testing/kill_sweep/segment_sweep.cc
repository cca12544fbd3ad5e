#include "testing/kill_sweep/segment_sweep.h"

#include <sys/mman.h>
#include <unistd.h>

#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "zeroipc/name_table/audit.h"

namespace zeroipc::testing {
namespace {

std::span<const std::byte> bytes_of(const memory& mem) {
  return {mem.attachment()->base, mem.attachment()->geometry.size};
}

std::function<void()> first_steps(const memory& mem) {
  return [&mem] {
    mem.attachment()->self->self();
    mem.attachment()->self->record();
  };
}

// What a victim does before it is traced, where its first steps as a participant are to be swept if there is time.
std::function<void()> nothing_or_first_steps([[maybe_unused]] const memory& mem) {
#if defined(__SANITIZE_THREAD__)
  return first_steps(mem);
#else
  return [] {};
#endif
}

}  // namespace

std::string moment::text() const {
  std::string where = absl::StrCat("killed at instruction ", first, returned ? " (returned)" : "");
  if (second >= 0) absl::StrAppend(&where, ", the recoverer at ", second);
  return where;
}

memory copy_of(const memory& mem) {
  const int fd = ::memfd_create("copy", MFD_CLOEXEC);
  const std::vector<std::byte> all = snapshot(bytes_of(mem));
  EXPECT_EQ(::write(fd, all.data(), all.size()), static_cast<ssize_t>(all.size()));
  absl::StatusOr<memory> copy = memory::from_fd(fd);
  ::close(fd);
  EXPECT_TRUE(copy.ok()) << copy.status();
  copy->attachment()->self->notice_deaths();
  return *std::move(copy);
}

void expect_clean_audit(const memory& mem, const moment& at) {
  const absl::StatusOr<audit_report> report = audit(mem);
  ASSERT_TRUE(report.ok()) << at.text() << ": " << report.status();
  EXPECT_TRUE(report->status.ok()) << at.text() << ": " << report->status;
}

void segment_sweep::step(const memory& mem, const operation& victim, const operation& prepare,
                         const moment& start, bool second,
                         const std::function<void(const moment&)>& at) {
  const sweep_result whole = step_through(
      bytes_of(mem), victim,
      [&](long instruction, bool returned) {
        moment now = start;
        (second ? now.second : now.first) = instruction;
        if (!second) now.returned = returned;
        at(now);
      },
      prepare);
  EXPECT_FALSE(whole.broken) << "the operation went astray after " << whole.steps
                             << " instructions";
  instructions_ += whole.steps;
}

void segment_sweep::every_instruction(const operation& victim, const judge& verdict, long stride) {
  long state = 0;
  step(mem_, victim, nothing_or_first_steps(mem_), {}, false, [&](const moment& at) {
    if (state++ % stride != 0 && !at.returned) return;
    ++states_;
    const memory copy = copy_of(mem_);
    verdict(copy, at);
    expect_clean_audit(copy, at);
  });
}

void segment_sweep::recoverer_too(const operation& victim, const make_recoverer& recoverer,
                                  const judge& verdict, const sample& which) {
  long state = 0;
  step(mem_, victim, first_steps(mem_), {}, false, [&](const moment& at) {
    if (state++ % which.stride != which.first % which.stride || ::testing::Test::HasFailure())
      return;
    const memory between = copy_of(mem_);
    long second = 0;
    step(between, recoverer(between), nothing_or_first_steps(between), at, true,
         [&](const moment& both) {
           if (second++ % which.second_stride != 0) return;
           ++states_;
           const memory copy = copy_of(between);
           verdict(copy, both);
           expect_clean_audit(copy, both);
         });
  });
}

std::vector<long> segment_sweep::turning_points(const operation& victim) const {
  const testing::turning_points found =
      find_turning_points(bytes_of(mem_), victim, nothing_or_first_steps(mem_));
  EXPECT_FALSE(found.broken) << "the operation went astray after " << found.steps
                             << " instructions";
  return found.at;
}

kill_result segment_sweep::kill_after(long k, const operation& victim) const {
  return testing::kill_after(k, victim, nothing_or_first_steps(mem_));
}

}  // namespace zeroipc::testing
