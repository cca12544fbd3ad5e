// Looking at the heap as a whole: statistics and the check of its invariants.
#include <algorithm>
#include <bit>
#include <optional>
#include <unordered_set>

#include "absl/strings/str_cat.h"
#include "zeroipc/heap/heap.h"

namespace zeroipc {

heap_stats stats(const memory& mem) { return internal::heap(*mem.attachment()).stats(); }

namespace internal {

heap_stats heap::stats() const {
  // Relaxed: each counter by itself.
  const auto get = [](const shared_word& w) { return w.load(std::memory_order_relaxed); };
  heap_stats s;
  s.total = units_ * kUnit;
  const uint64_t end = std::min(get(block_.top), units_);
  const uint64_t listed = std::min(get(block_.free_units), end);
  s.used = (end - listed) * kUnit;
  s.free = s.total - s.used;
  s.used_blocks = get(block_.blocks) >> 32;
  s.free_blocks = get(block_.blocks) & 0xffff'ffffu;
  uint64_t units = units_ - end;
  // The smallest block that the highest class in use can hold.
  const uint64_t first = get(block_.first_level) & ((uint64_t{1} << heap_block::kFirstLevels) - 1);
  if (first != 0) {
    const auto f = static_cast<uint32_t>(std::bit_width(first)) - 1;
    const uint64_t second = get(block_.second_level[f]) & 0xffff'ffffu;
    if (second != 0) {
      const auto bit = static_cast<uint64_t>(std::bit_width(second)) - 1;
      units = std::max(units, f == 0 ? bit : (heap_block::kSecondLevels + bit) << (f - 1));
    }
  }
  s.largest = units > 1 ? (units - 1) * kUnit : 0;
  return s;
}

absl::Status heap::walk(absl::FunctionRef<void(const block_view&)> f) const {
  const auto get = [](const shared_word& w) { return w.load(std::memory_order_relaxed); };
  if (get(block_.top) > units_) return corrupt(units_, "end of the blocks beyond the segment");
  std::unordered_set<uint64_t> free_blocks;  // units
  uint64_t used = 0;
  uint64_t free_units = 0;
  uint64_t prev_units = 0;
  bool prev_free = false;
  // Ends: every block has at least one unit.
  for (uint64_t unit = 0; unit < top();) {
    const std::optional<block_view> b = view(unit);
    if (!b) return corrupt(unit, "block header");
    if (b->prev_units != prev_units) return corrupt(unit, "length of the block before the one");
    if (b->free && prev_free) return corrupt(unit, "two free neighbours");
    if (b->free) {
      free_blocks.insert(unit);
      free_units += b->units;
    } else {
      ++used;
    }
    f(*b);
    prev_units = b->units;
    prev_free = b->free;
    unit += b->units;
  }
  if (prev_free) return corrupt(top(), "free block at the end of the blocks");
  if (get(block_.last_units) != prev_units) return corrupt(top(), "length of the last block");
  if (get(block_.free_units) != free_units) return corrupt(0, "count of free bytes");
  if (get(block_.blocks) != (used << 32 | free_blocks.size())) return corrupt(0, "count of blocks");

  for (uint32_t i = 0; i < heap_block::kFirstLevels; ++i) {
    uint64_t second = 0;
    for (uint32_t j = 0; j < heap_block::kSecondLevels; ++j) {
      uint64_t prev = 0;
      uint64_t next = get(block_.lists[i][j]);
      if (next != 0) second |= uint64_t{1} << j;
      while (next != 0) {
        // Ends: a block that is met is taken out of the set.
        if (free_blocks.erase(next - 1) == 0) return corrupt(next - 1, "free list");
        // Looked at anew: somebody may have scribbled on it since the first pass.
        const std::optional<block_view> b = view(next - 1);
        if (!b) return corrupt(next - 1, "free list");
        const size_class c = class_of(b->units);
        if (c.first != i || c.second != j || get(at(b->unit).prev_free) != prev) {
          return corrupt(b->unit, "free list");
        }
        prev = next;
        next = get(at(b->unit).next_free);
      }
    }
    if (get(block_.second_level[i]) != second) return corrupt(0, "bitmap");
    const bool bit = (get(block_.first_level) >> i & 1) != 0;
    if (bit != (second != 0)) return corrupt(0, "bitmap");
  }
  if (!free_blocks.empty()) return corrupt(*free_blocks.begin(), "free block in no list");
  return absl::OkStatus();
}

}  // namespace internal
}  // namespace zeroipc
