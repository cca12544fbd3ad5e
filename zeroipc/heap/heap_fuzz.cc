// Property: whatever stands in the journal and in the heap's words, entering the control plane, allocating, freeing, rolling
// back and walking crash nothing, hand nothing out that lies outside the heap, and change nothing that is not theirs.
//
// One segment for all inputs, put back to what it was before each.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "testing/hostile/fuzz_target.h"
#include "testing/hostile/input.h"
#include "zeroipc/heap/control_plane.h"
#include "zeroipc/heap/heap.h"
#include "zeroipc/heap/journal.h"

namespace zeroipc::internal {
namespace {

using testing::hostile_value;
using testing::input;

constexpr size_t kBytes = 256 * 1024;

class fixture {
 public:
  static fixture& instance() {
    static fixture& f = *new fixture;
    return f;
  }

  void play(input& in) {
    testing::fuzzed("heap");
    restore();
    overwrite(in);
    for (int n = 0; n < 48 && !in.at_end(); ++n) {
      absl::StatusOr<control_session> session = control_session::enter(segment());
      if (!session.ok()) {
        // Only what is out of order is refused. Here nobody holds the lock but who the input says.
        if (absl::IsDataLoss(session.status())) heap(segment()).stats();
        overwrite(in);
        continue;
      }
      transact(in);
      if (in.below(8) == 0) overwrite(in);
    }
    stats(mem_);
    check_rest();
  }

 private:
  fixture()
      : mem_(*memory::create_anonymous(
            kBytes, {.max_participants = 4, .max_threads = 8, .max_names = 64})) {
    // Nobody else is there: what the lock names is dead, or this process, for which there is no point in waiting.
    control_patience().store(100'000);
    const absl::StatusOr<control_session> session = control_session::enter(segment());
    heap h(segment());
    transaction tx(base(), geometry());
    for (int i = 0; i < 24; ++i) {
      offsets_.push_back(
          *h.allocate(tx, 64 + 200 * static_cast<uint64_t>(i), i % 3 != 0 ? 64 : 512));
    }
    for (size_t i = 0; i < offsets_.size(); i += 3) h.free(tx, offsets_[i]).IgnoreError();
    tx.commit().IgnoreError();
    control_of(segment()).lock.owner.store(0);
    clean_.assign(base(), base() + kBytes);
  }

  // Not the tables of participants and records, at which the watcher is looking.
  void restore() {
    const uint64_t begin = geometry().control_offset;
    std::memcpy(base() + begin, &clean_[begin], kBytes - begin);
  }

  const attachment& segment() { return *mem_.attachment(); }
  const segment_geometry& geometry() { return segment().geometry; }
  std::byte* base() { return segment().base; }

  std::vector<uint64_t> known() {
    const segment_geometry& g = geometry();
    std::vector<uint64_t> values = {g.size,
                                    g.size - 8,
                                    g.size - 64,
                                    g.heap_offset,
                                    g.heap_offset - 8,
                                    g.names_offset,
                                    g.holds_offset,
                                    g.holds_offset - 8,
                                    g.buckets_offset,
                                    g.control_offset,
                                    g.control_offset + offsetof(control_block, heap),
                                    g.control_offset + offsetof(control_block, journal),
                                    g.control_offset + sizeof(control_block),
                                    journal_block::kUndo,
                                    journal_block::kCommitted | 1,
                                    journal_block::kCommitted | journal_block::kRedo,
                                    g.heap_bytes() / heap::kUnit,
                                    segment().self->tag().bits()};
    // Links to blocks, free and in use, as lists have them.
    for (const uint64_t offset : offsets_) values.push_back((offset - g.heap_offset) / heap::kUnit);
    return values;
  }

  void overwrite(input& in) {
    const segment_geometry& g = geometry();
    const uint64_t control = g.control_offset;
    for (uint64_t n = in.below(12); n > 0; --n) {
      const struct {
        uint64_t begin, bytes;
      } regions[] = {
          {control, 8},
          {control + offsetof(control_block, journal), 64 + 8 * 16},
          {control + offsetof(control_block, journal) + offsetof(journal_block, undo), 16 * 16},
          {control + offsetof(control_block, heap), 64},
          {control + offsetof(control_block, heap) + 64, 8 * 8},
          {control + offsetof(control_block, heap) + offsetof(heap_block, lists), 6 * 32 * 8},
      };
      const uint64_t which = in.below(10);
      shared_word* word;
      if (which < 6) {
        const auto& r = regions[which];
        word = reinterpret_cast<shared_word*>(base() + r.begin) + in.below(r.bytes / 8);
      } else {
        // A block's header: where one is, or may be.
        const uint64_t at = offsets_[in.below(offsets_.size())] - heap::kUnit;
        word = reinterpret_cast<shared_word*>(base() + at) + in.below(4);
      }
      uint64_t value = hostile_value(in, word->load(), known());
      if (which >= 8) value = with_check(word, value & ((block_header::kHollow << 1) - 1));
      word->store(value);
    }
  }

  // The tag of a block of the length and state that `value` says, with the check that vouches for it.
  uint64_t with_check(const shared_word* word, uint64_t value) {
    const uint64_t at = static_cast<uint64_t>(reinterpret_cast<const std::byte*>(word) - base());
    if (at % heap::kUnit != 0) return value;  // not a tag
    const uint64_t unit = (at - geometry().heap_offset) / heap::kUnit;
    const uint64_t low = value & ((uint64_t{1} << 48) - 1);
    return (fold_multiply(unit + kHashSeed, low ^ kHashMultiplier) & 0xffff) << 48 | low;
  }

  void transact(input& in) {
    heap h(segment());
    transaction tx(base(), geometry());
    for (uint64_t n = 1 + in.below(4); n > 0; --n) {
      switch (in.below(7)) {
        case 0:
        case 1: {
          const uint64_t bytes = in.below(4) != 0 ? in.word(2) : hostile_value(in, 0, known());
          const uint64_t align = uint64_t{1} << in.below(16);
          const absl::StatusOr<uint64_t> offset = h.allocate(tx, bytes, align);
          if (!offset.ok()) break;
          if (*offset < geometry().heap_offset || *offset > kBytes || bytes > kBytes - *offset ||
              *offset % align != 0) {
            std::abort();
          }
          std::memset(base() + *offset, 0x5a, bytes);
          break;
        }
        case 2:
        case 3:
          h.free(tx, offsets_[in.below(offsets_.size())]).IgnoreError();
          break;
        case 4:
          h.free(tx, hostile_value(in, 0, known())).IgnoreError();
          break;
        case 5: {
          // A header that was changed vouches for nothing.
          const uint64_t offset = offsets_[in.below(offsets_.size())];
          auto& tag = *reinterpret_cast<shared_word*>(base() + offset - heap::kUnit);
          const uint64_t before = tag.load();
          const uint64_t changed = before ^ uint64_t { 1 } << in.below(48);
          if (with_check(&tag, changed) == changed) break;
          tag.store(changed);
          if (h.free(tx, offset).ok()) std::abort();
          tag.store(before);
          break;
        }
        default:
          h.walk([&](const heap::block_view& b) {
             const uint64_t end = b.payload(geometry()) + (b.units - 1) * heap::kUnit;
             if (b.units == 0 || end > kBytes) std::abort();
           }).IgnoreError();
          h.stats();
      }
    }
    if (in.below(3) != 0) tx.commit().IgnoreError();
  }

  // No transaction, and no repair, writes to the geometry, to the holds, or to the records of threads.
  void check_rest() {
    const segment_geometry& g = geometry();
    const auto unchanged = [&](uint64_t begin, uint64_t end) {
      if (std::memcmp(base() + begin, &clean_[begin], end - begin) != 0) std::abort();
    };
    unchanged(0, offsetof(segment_header, death_epoch));
    unchanged(g.threads_offset, g.control_offset);
    unchanged(g.holds_offset, g.heap_offset);
  }

  memory mem_;
  std::vector<uint64_t> offsets_;
  std::vector<std::byte> clean_;
};

}  // namespace
}  // namespace zeroipc::internal

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  zeroipc::testing::input in(data, size);
  zeroipc::internal::fixture::instance().play(in);
  return 0;
}
