// Property: a file of any bytes at all can be opened as a segment, looked at, used and left: what is wrong with it is an
// error.
//
// Half of the inputs are the file. The others are changes to a good one: words of the header (with a checksum that fits or
// does not), of the tables, of the control plane and of the heap; then operations on names.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "testing/hostile/fuzz_target.h"
#include "testing/hostile/input.h"
#include "zeroipc/heap/control_plane.h"
#include "zeroipc/name_table/audit.h"
#include "zeroipc/name_table/lookup.h"
#include "zeroipc/name_table/name_table.h"

namespace zeroipc::internal {
namespace {

using testing::hostile_value;
using testing::input;

constexpr size_t kBytes = 256 * 1024;
const structure_type kRaw = {.what = kind::raw};

// What a good segment looks like, with names in it, some of them removed.
struct good_segment {
  std::vector<std::byte> bytes;
  segment_geometry geometry;

  static const good_segment& instance() {
    static const good_segment& g = *new good_segment;
    return g;
  }

 private:
  good_segment() {
    control_patience().store(1'000'000);
    memory mem = *memory::create_anonymous(
        kBytes, {.max_participants = 8, .max_threads = 16, .max_names = 64});
    geometry = mem.attachment()->geometry;
    std::vector<structure> kept;
    for (int i = 0; i < 20; ++i) {
      kept.push_back(
          *create_structure(mem, "n" + std::to_string(i), kRaw, 100 + 40 * i, 64, [](void*) {}));
    }
    for (int i = 0; i < 20; i += 3) {
      // Half of the removed ones are held.
      if (i % 2 != 0) kept[static_cast<size_t>(i)] = structure();
      remove(mem, "n" + std::to_string(i)).IgnoreError();
    }
    const auto* base = mem.attachment()->base;
    bytes.assign(base, base + kBytes);
    auto& header = *reinterpret_cast<segment_header*>(bytes.data());
    header.id = 1;
    header.created_ns = 1;
    header.checksum = header_checksum(header);
  }
};

struct memfd {
  int fd = ::memfd_create("fuzzed", MFD_CLOEXEC);
  ~memfd() { ::close(fd); }
  void write(const void* bytes, size_t n, uint64_t at = 0) {
    if (::pwrite(fd, bytes, n, static_cast<off_t>(at)) != static_cast<ssize_t>(n)) std::abort();
  }
};

std::vector<uint64_t> known() {
  const segment_geometry& g = good_segment::instance().geometry;
  return {g.size,
          g.heap_offset,
          g.names_offset,
          g.holds_offset,
          g.max_names,
          g.max_names + 1,
          journal_block::kCommitted | 2,
          name_entry::pack(1, entry_state::live),
          name_entry::pack(1, entry_state::removed),
          name_entry::pack(1, entry_state::free),
          uint64_t{1} << 32 | 1,
          uint64_t{20} << 32 | 20,
          kRemoveWithLast | kReserve,
          participant_slot::pack(1, slot_state::attached),
          participant_slot::pack(1, slot_state::leaving),
          owner_tag(0, 1).bits(),
          owner_tag(1, 1).bits(),
          0x4000'0000,
          0x8000'0001};
}

void change(input& in, std::byte* bytes) {
  const segment_geometry& g = good_segment::instance().geometry;
  const struct {
    uint64_t begin, bytes;
  } regions[] = {
      {0, sizeof(segment_header)},
      {g.participants_offset, 8 * sizeof(participant_slot)},
      {g.threads_offset, 4 * sizeof(thread_record<hardware>)},
      {g.control_offset, 512},
      {g.control_offset + offsetof(control_block, heap), 64 + 28 * 8},
      {g.control_offset + offsetof(control_block, heap) + offsetof(heap_block, lists), 12 * 256},
      {g.control_offset + offsetof(control_block, names), 72},
      {g.buckets_offset, 64 * kBucketBytes},
      {g.names_offset, 24 * kNameEntryBytes},
      {g.names_offset, 24 * kNameEntryBytes},
      {g.holds_offset, 8 * 64},
      {g.heap_offset, 20 * 640},
  };
  for (uint64_t n = in.below(24); n > 0; --n) {
    const auto& r = regions[in.below(std::size(regions))];
    auto& word = reinterpret_cast<shared_word*>(bytes + r.begin)[in.below(r.bytes / 8)];
    word.store(hostile_value(in, word.load(), known()));
  }
  if (in.below(8) != 0) {
    auto& header = *reinterpret_cast<segment_header*>(bytes);
    header.checksum = header_checksum(header);
  }
}

void look(const memory& mem) {
  list(mem, true);
  stats(mem);
  mem.participants();
  mem.resident_bytes();
  find(mem, "n1").status().IgnoreError();
  find(mem, "n3").status().IgnoreError();
}

// Whatever an operation answers with lies in the heap.
void use(const memory& mem, const structure& s) {
  const attachment& a = *mem.attachment();
  if (s.offset() < a.geometry.heap_offset || s.offset() > a.geometry.size ||
      s.bytes() > a.geometry.size - s.offset() || s.data() != a.base + s.offset()) {
    std::abort();
  }
  std::memset(s.data(), 3, s.bytes());
}

void operate(input& in, const memory& mem) {
  std::vector<structure> held;
  for (int n = 0; n < 40 && !in.at_end(); ++n) {
    const uint8_t what = in.byte();
    const std::string name = "n" + std::to_string(in.below(28));
    absl::StatusOr<structure> s = absl::NotFoundError("");
    switch (what % 9) {
      case 0:
        s = open_structure(mem, name, kRaw);
        break;
      case 1:
        s = create_structure(mem, name, kRaw, in.word(2), uint64_t{1} << in.below(13),
                             [](void* p) { *static_cast<char*>(p) = 1; });
        break;
      case 2:
        s = open_or_create_structure(mem, name, kRaw, in.below(256), 64, [](void*) {});
        break;
      case 3:
        remove(mem, name).IgnoreError();
        break;
      case 4:
        find(mem, name).status().IgnoreError();
        break;
      case 5:
        audit(mem).status().IgnoreError();
        break;
      case 6:
        if (!held.empty()) held.pop_back();
        break;
      case 7:
        look(mem);
        break;
      default:
        // Others go on writing while we look.
        change(in, mem.attachment()->base);
    }
    if (s.ok()) {
      use(mem, *s);
      held.push_back(*std::move(s));
    }
  }
}

// Mapped without permission to write, by a name that is gone again at once.
void look_read_only(const std::byte* bytes, size_t n) {
  char path[] = "/tmp/zeroipc-fuzz-XXXXXX";
  const int fd = ::mkstemp(path);
  if (fd < 0) std::abort();
  static_cast<void>(!::write(fd, bytes, n));
  static_cast<void>(!::ftruncate(fd, kBytes));
  const absl::StatusOr<memory> mem = memory::open_read_only(path);
  ::unlink(path);
  ::close(fd);
  if (mem.ok()) look(*mem);
}

void play(input& in, const uint8_t* data, size_t size) {
  const good_segment& good = good_segment::instance();
  memfd file;
  const uint8_t how = in.byte();
  if (how % 4 == 0) {
    testing::fuzzed("segment");
    // The file itself, of a length of its own choice.
    const uint64_t length = how % 16 == 0 ? in.word(2) * 16 : kBytes;
    if (::ftruncate(file.fd, static_cast<off_t>(length)) != 0) std::abort();
    if (how % 8 != 0) file.write(good.bytes.data(), 256);
    file.write(data, size, how % 8 != 0 ? in.below(256) : 0);
  } else {
    testing::fuzzed("names");
    const size_t used = good.geometry.heap_offset + 20 * 1024;
    std::vector<std::byte> bytes(good.bytes.begin(),
                                 good.bytes.begin() + static_cast<std::ptrdiff_t>(used));
    change(in, bytes.data());
    if (how % 64 == 1) return look_read_only(bytes.data(), used);
    if (::ftruncate(file.fd, kBytes) != 0) std::abort();
    file.write(bytes.data(), used);
  }
  const absl::StatusOr<memory> mem = memory::from_fd(file.fd);
  if (!mem.ok()) return;
  look(*mem);
  operate(in, *mem);
}

}  // namespace
}  // namespace zeroipc::internal

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  zeroipc::testing::input in(data, size);
  zeroipc::internal::play(in, data, size);
  return 0;
}
