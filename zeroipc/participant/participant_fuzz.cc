// Property: whatever stands in the table of participants, in the thread records and in the rows of holds, joining, asking who
// lives, announcing deaths, taking records, holding and leaving end, and stay inside the segment.
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

#include "testing/hostile/fuzz_target.h"
#include "testing/hostile/input.h"
#include "zeroipc/participant/participant.h"
#include "zeroipc/participant/test_support.h"

namespace zeroipc::internal {
namespace {

using testing::hostile_value;
using testing::input;

constexpr size_t kBytes = 512 * 1024;
constexpr memory_options kLimits = {.max_participants = 8, .max_threads = 16, .max_names = 640};

const std::vector<std::byte>& good_segment() {
  static const auto& bytes = *[] {
    const memory mem = *memory::create_anonymous(kBytes, kLimits);
    const auto* base = mem.attachment()->base;
    return new std::vector<std::byte>(base, base + kBytes);
  }();
  return bytes;
}

std::vector<uint64_t> known() {
  std::vector<uint64_t> values = {
      0x4000'0000, 0x8000'0000,       0xc000'0000,           8, 16, owner_tag(0, 1).bits(),
      9,           uint64_t{1} << 32, owner_tag(1, 1).bits()};
  for (const slot_state s :
       {slot_state::free, slot_state::attached, slot_state::dead, slot_state::leaving}) {
    values.push_back(participant_slot::pack(1, s));
    // A pulse that beats, or died, beside it.
    values.push_back(uint64_t{0x4000'0001} << 32 | participant_slot::pack(1, s));
    values.push_back(uint64_t{77} << 32 | participant_slot::pack(owner_tag::kGenerations - 1, s));
  }
  return values;
}

void change(input& in, std::byte* bytes, uint64_t most) {
  const segment_geometry& g = reinterpret_cast<const segment_header*>(bytes)->geometry;
  const struct {
    uint64_t begin, bytes;
  } regions[] = {
      {offsetof(segment_header, death_epoch), sizeof(segment_header) - 128},
      {g.participants_offset, 8 * sizeof(participant_slot)},
      {g.participants_offset, 8 * sizeof(participant_slot)},
      {g.threads_offset, 16 * sizeof(thread_record<hardware>)},
      {g.holds_offset, 8 * g.hold_row_bytes()},
  };
  for (uint64_t n = in.below(most); n > 0; --n) {
    const auto& r = regions[in.below(std::size(regions))];
    uint64_t at = in.below(r.bytes / 8);
    // Most often the first word of a slot: its state and pulse.
    if (r.begin == g.participants_offset && in.below(2) != 0) at = at / 8 * 8;
    auto& word = reinterpret_cast<std::atomic<uint64_t>*>(bytes + r.begin)[at];
    word.store(hostile_value(in, word.load(), known()));
  }
}

void operate(input& in, const memory& mem) {
  participant& self = self_of(mem);
  const segment_geometry& g = self.geometry();
  const auto* records = &record_of(mem, 0);
  const auto check = [&](const thread_record<hardware>* record) {
    if (record != nullptr && (record < records || record >= records + g.max_threads)) std::abort();
  };
  for (int n = 0; n < 40 && !in.at_end(); ++n) {
    switch (in.below(12)) {
      case 0:
        for (const participant_info& p : self.list()) {
          if (p.slot >= g.max_participants || p.name.size() > sizeof(participant_slot::name)) {
            std::abort();
          }
        }
        break;
      case 1:
        self.alone();
        break;
      case 2:
        self.notice_deaths();
        break;
      case 3:
        self.is_dead(owner_tag::from_bits(static_cast<uint32_t>(hostile_value(in, 0, known()))));
        break;
      case 4:
        check(self.record());
        break;
      case 5:
        if (in.below(4) == 0) std::thread([&] { check(self.record()); }).join();
        break;
      case 6:
        self.for_each_record([&](const auto& record, owner_tag owner) {
          check(&record);
          self.is_dead(owner);
        });
        break;
      case 7:
        self.add_hold(static_cast<uint32_t>(in.below(g.max_names)));
        break;
      case 8:
        self.drop_hold(static_cast<uint32_t>(in.word(2)));
        break;
      case 9:
        self.anyone_holds(static_cast<uint32_t>(in.below(g.max_names)));
        break;
      case 10:
        if (in.below(32) == 0) {
          const pid_t child = ::fork();
          if (child == 0) {
            self.self();
            check(self.record());
            ::_exit(0);
          }
          int status = 0;
          pid_t ended;
          do {
            ended = ::waitpid(child, &status, 0);
          } while (ended < 0 && errno == EINTR);  // libFuzzer's own alarm
          if (child > 0 && (ended != child || status != 0)) std::abort();
        }
        break;
      default:
        change(in, mem.attachment()->base, 8);
    }
  }
}

void play(input& in) {
  testing::fuzzed("participants");
  std::vector<std::byte> bytes(good_segment());
  change(in, bytes.data(), 24);
  const int fd = ::memfd_create("fuzzed", MFD_CLOEXEC);
  const uint64_t used = reinterpret_cast<const segment_header*>(bytes.data())->geometry.heap_offset;
  if (fd < 0 || ::pwrite(fd, bytes.data(), used, 0) != static_cast<ssize_t>(used) ||
      ::ftruncate(fd, kBytes) != 0) {
    std::abort();
  }
  const absl::StatusOr<memory> mem = memory::from_fd(fd);
  ::close(fd);
  if (mem.ok()) operate(in, *mem);
}

}  // namespace
}  // namespace zeroipc::internal

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  zeroipc::testing::input in(data, size);
  zeroipc::internal::play(in);
  return 0;
}
