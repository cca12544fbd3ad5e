#include "zeroipc/heap/heap.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "zeroipc/base/hash.h"
#include "zeroipc/heap/backing.h"

namespace zeroipc::internal {
namespace {

constexpr int kFirstProbes = 2;
constexpr int kLastProbes = 32;
// How much more than asked for is backed at a time, to save system calls.
constexpr uint64_t kBackingStep = 256 * 1024;

// Relaxed loads throughout this file: the words are written under the control lock, which the
// caller holds.
uint64_t get(const shared_word& word) { return word.load(std::memory_order_relaxed); }

}  // namespace

absl::Status heap::corrupt(uint64_t unit, const char* what) const {
  return absl::DataLossError(absl::StrCat("segment ", segment_.name, ": corrupt heap: ", what,
                                          " at offset ",
                                          segment_.geometry.heap_offset + unit * kUnit));
}

absl::Status heap::exhausted(uint64_t bytes, uint64_t align) const {
  const heap_stats s = stats();
  return absl::ResourceExhaustedError(absl::StrCat(
      "segment ", segment_.name, ": no room for ", bytes, " bytes aligned to ", align, ": ", s.free,
      " of ", s.total, " bytes are free, at least ", s.largest, " of them in one piece"));
}

absl::StatusOr<std::optional<heap::block_view>> heap::first_fit(uint64_t units) const {
  const uint64_t request = units;
  // Rounded up to the next class, every block of which is large enough.
  if (units >= heap_block::kSecondLevels) {
    units += (uint64_t{1} << (std::bit_width(units) - 1 - kSecondBits)) - 1;
  }
  if (units > units_) return std::nullopt;
  size_class c = class_of(units);
  uint64_t second = get(block_.second_level[c.first]) & (~uint64_t{0} << c.second);
  if (second == 0) {
    const uint64_t first = get(block_.first_level) & (~uint64_t{0} << (c.first + 1));
    if (first == 0) return std::nullopt;
    c.first = static_cast<uint32_t>(std::countr_zero(first));
    if (c.first >= heap_block::kFirstLevels) return corrupt(0, "bitmap");
    second = get(block_.second_level[c.first]);
  }
  c.second = static_cast<uint32_t>(std::countr_zero(second));
  if (c.second >= heap_block::kSecondLevels) return corrupt(0, "bitmap");
  const uint64_t head = get(block_.lists[c.first][c.second]);
  const std::optional<block_view> b = head == 0 ? std::nullopt : view(head - 1);
  if (!b || !b->free || b->units < request) return corrupt(head - 1, "free list");
  return b;
}

absl::StatusOr<std::optional<heap::place>> heap::probe(uint64_t request, uint64_t units,
                                                       uint64_t align, int tries) const {
  const size_class c = class_of(request);
  uint64_t next = get(block_.lists[c.first][c.second]);
  for (int i = 0; next != 0 && i < tries; ++i) {
    const std::optional<block_view> b = view(next - 1);
    if (!b || !b->free) return corrupt(next - 1, "free list");
    const uint64_t gap = gap_for(b->unit, align);
    if (gap + units <= b->units) return place{*b, gap};
    next = get(at(b->unit).next_free);
  }
  return std::nullopt;
}

absl::StatusOr<std::optional<heap::place>> heap::find(uint64_t units, uint64_t align) const {
  const uint64_t slack = align / kUnit - 1;
  // A request of a size that was freed just now finds it in its own class, or a little above.
  absl::StatusOr<std::optional<place>> found = probe(units, units, align, kFirstProbes);
  if (!found.ok() || *found) return found;
  absl::StatusOr<std::optional<block_view>> fit = first_fit(units + slack);
  if (!fit.ok()) return fit.status();
  if (*fit) return place{**fit, gap_for((*fit)->unit, align)};
  const uint64_t end = top();
  const uint64_t gap = gap_for(end, align);
  if (gap + units <= units_ - end) {
    place p;
    p.block.unit = end;
    p.gap = gap;
    return p;
  }
  // The last resort: other blocks of these classes may be large enough, or lie well.
  found = probe(units, units, align, kLastProbes);
  if (!found.ok() || *found || slack == 0) return found;
  return probe(units + slack, units, align, kLastProbes);
}

// Gets pages for what is about to be written, and makes the payload zero.
absl::Status heap::prepare(const place& p, uint64_t units) {
  const uint64_t base = segment_.geometry.heap_offset;
  const bool wild = p.block.units == 0;
  const uint64_t header = p.block.unit + p.gap;
  const uint64_t payload = base + (header + 1) * kUnit;
  const uint64_t end = base + (header + units) * kUnit;
  const uint64_t touched = base + std::min(get(block_.touched), units_) * kUnit;
  const uint64_t dirty_end = wild ? std::clamp(touched, payload, end) : end;
  bool zeroed = dirty_end == payload;
  if (!zeroed && dirty_end - payload >= kGiveBack && (wild || p.block.hollow)) {
    // Punched out again rather than written to. `backed` first: it must never say too much.
    if (wild && get(block_.backed) > payload) {
      block_.backed.store(payload, std::memory_order_release);
    }
    zeroed = punch(segment_, payload, dirty_end);
  }
  if (wild) {
    const uint64_t backed = get(block_.backed);
    if (end > backed && reserves(segment_)) {
      const uint64_t from = std::max(backed, base);
      const uint64_t generous = std::min(end + kBackingStep, segment_.geometry.size);
      uint64_t to = generous;
      absl::Status status = back(segment_, from, to, "a new structure");
      if (!status.ok()) status = back(segment_, from, to = end, "a new structure");
      if (!status.ok()) return status;
      block_.backed.store(to, std::memory_order_release);
    }
    if (header + units > get(block_.touched)) {
      block_.touched.store(header + units, std::memory_order_release);
    }
  } else if (p.block.hollow) {
    // Including the header of what remains behind it.
    const absl::Status status =
        back(segment_, base + p.block.unit * kUnit, end + kUnit, "a new structure");
    if (!status.ok()) return status;
  }
  if (!zeroed) std::memset(segment_.base + payload, 0, dirty_end - payload);
  return absl::OkStatus();
}

absl::Status heap::link(transaction& tx, const block_view& b) {
  const size_class c = class_of(b.units);
  shared_word& list = block_.lists[c.first][c.second];
  const uint64_t head = get(list);
  block_header& header = at(b.unit);
  tx.set(header.tag, pack(b.unit, b.units, true, b.hollow));
  tx.set(header.next_free, head);
  tx.set(header.prev_free, 0);
  tx.set(list, b.unit + 1);
  if (head != 0) {
    if (!view(head - 1)) return corrupt(head - 1, "free list");
    tx.set(at(head - 1).prev_free, b.unit + 1);
  } else {
    tx.set(block_.second_level[c.first],
           get(block_.second_level[c.first]) | uint64_t{1} << c.second);
    tx.set(block_.first_level, get(block_.first_level) | uint64_t{1} << c.first);
  }
  return absl::OkStatus();
}

absl::Status heap::unlink(transaction& tx, const block_view& b) {
  const size_class c = class_of(b.units);
  const uint64_t next = get(at(b.unit).next_free);
  const uint64_t prev = get(at(b.unit).prev_free);
  for (const uint64_t neighbour : {next, prev}) {
    if (neighbour == 0) continue;
    const std::optional<block_view> n = view(neighbour - 1);
    if (!n || !n->free) return corrupt(b.unit, "free list");
  }
  if (next != 0) tx.set(at(next - 1).prev_free, prev);
  if (prev != 0) {
    tx.set(at(prev - 1).next_free, next);
    return absl::OkStatus();
  }
  shared_word& list = block_.lists[c.first][c.second];
  if (get(list) != b.unit + 1) return corrupt(b.unit, "free list");
  tx.set(list, next);
  if (next == 0) {
    const uint64_t rest = get(block_.second_level[c.first]) & ~(uint64_t{1} << c.second);
    tx.set(block_.second_level[c.first], rest);
    if (rest == 0) tx.set(block_.first_level, get(block_.first_level) & ~(uint64_t{1} << c.first));
  }
  return absl::OkStatus();
}

void heap::count(transaction& tx, int64_t free_units, int32_t used_blocks, int32_t free_blocks) {
  tx.set(block_.free_units, get(block_.free_units) + static_cast<uint64_t>(free_units));
  const uint64_t blocks = get(block_.blocks);
  const uint32_t used = static_cast<uint32_t>(blocks >> 32) + static_cast<uint32_t>(used_blocks);
  const uint32_t free = static_cast<uint32_t>(blocks) + static_cast<uint32_t>(free_blocks);
  tx.set(block_.blocks, uint64_t{used} << 32 | free);
}

absl::StatusOr<uint64_t> heap::allocate(transaction& tx, uint64_t bytes, uint64_t align) {
  if (align > kMaxAlign || !std::has_single_bit(std::max<uint64_t>(align, 1))) {
    return absl::InvalidArgumentError(absl::StrCat("an alignment of ", align,
                                                   " was asked for; it "
                                                   "must be a power of two up to ",
                                                   kMaxAlign));
  }
  align = std::max(align, kUnit);
  if (bytes > segment_.geometry.heap_bytes()) return exhausted(bytes, align);
  // One unit at least, so that every allocation has an offset of its own.
  const uint64_t units = 1 + std::max<uint64_t>((bytes + kUnit - 1) / kUnit, 1);
  absl::StatusOr<std::optional<place>> found = find(units, align);
  if (!found.ok()) return found.status();
  if (!*found) return exhausted(bytes, align);
  const place p = **found;
  absl::Status status = prepare(p, units);
  if (!status.ok()) return status;

  const uint64_t unit = p.block.unit + p.gap;
  const uint64_t end = unit + units;
  uint64_t prev_units = p.block.prev_units;
  int64_t free_units = 0;
  int32_t free_blocks = 0;
  uint64_t rest = 0;
  if (p.block.units == 0) {
    prev_units = get(block_.last_units);
    // `top` first: view() of what follows must know that it lies below.
    tx.set(block_.top, end);
    tx.set(block_.last_units, units);
  } else {
    status = unlink(tx, p.block);
    if (!status.ok()) return status;
    free_units -= static_cast<int64_t>(p.block.units);
    --free_blocks;
    rest = p.block.units - p.gap - units;
    const uint64_t after = p.block.unit + p.block.units;
    // Invariant 2: a free block is never the last one, so there is one after it.
    if (!view(after)) return corrupt(after, "block header");
    tx.set(at(after).prev_units, rest != 0 ? rest : units);
  }
  if (p.gap != 0) {
    block_view before{p.block.unit, p.gap, prev_units, true, p.block.hollow};
    tx.set(at(before.unit).prev_units, prev_units);
    status = link(tx, before);
    if (!status.ok()) return status;
    prev_units = p.gap;
    free_units += static_cast<int64_t>(p.gap);
    ++free_blocks;
  }
  tx.set(at(unit).prev_units, prev_units);
  tx.set(at(unit).tag, pack(unit, units, false, false));
  if (rest != 0) {
    block_view behind{end, rest, units, true, p.block.hollow};
    tx.set(at(end).prev_units, units);
    status = link(tx, behind);
    if (!status.ok()) return status;
    free_units += static_cast<int64_t>(rest);
    ++free_blocks;
  }
  count(tx, free_units, 1, free_blocks);
  return segment_.geometry.heap_offset + (unit + 1) * kUnit;
}

absl::Status heap::free(transaction& tx, uint64_t offset) {
  const uint64_t base = segment_.geometry.heap_offset;
  if (offset < base + kUnit || offset >= segment_.geometry.size || offset % kUnit != 0) {
    return absl::DataLossError(absl::StrCat("segment ", segment_.name, ": offset ", offset,
                                            " is not that of an allocation"));
  }
  const uint64_t unit = (offset - base) / kUnit - 1;
  const std::optional<block_view> self = view(unit);
  if (!self || self->free) return corrupt(unit, "no block in use");
  block_view merged = *self;
  int64_t free_units = 0;
  int32_t free_blocks = 0;

  if (self->prev_units != 0) {
    const std::optional<block_view> before = view(unit - self->prev_units);
    if (!before || before->units != self->prev_units) return corrupt(unit, "block header");
    if (before->free) {
      const absl::Status status = unlink(tx, *before);
      if (!status.ok()) return status;
      free_units -= static_cast<int64_t>(before->units);
      --free_blocks;
      merged = {before->unit, before->units + self->units, before->prev_units, true,
                before->hollow};
    }
  }
  uint64_t end = unit + self->units;
  if (end < top()) {
    const std::optional<block_view> after = view(end);
    if (!after || after->prev_units != self->units) return corrupt(end, "block header");
    if (after->free) {
      const absl::Status status = unlink(tx, *after);
      if (!status.ok()) return status;
      free_units -= static_cast<int64_t>(after->units);
      --free_blocks;
      merged.units += after->units;
      merged.hollow |= after->hollow;
      end += after->units;
      if (end >= top() || !view(end)) return corrupt(end, "block header");
    }
  }
  const bool give_back = (self->units - 1) * kUnit >= kGiveBack;
  merged.hollow |= give_back;

  // The old header becomes payload; a stale tag there must not look like a block in use.
  if (merged.unit != unit) tx.set(at(unit).tag, 0);
  if (end == top()) {
    const uint64_t start = base + merged.unit * kUnit;
    if (merged.hollow && get(block_.backed) > start) {
      block_.backed.store(start, std::memory_order_release);
    }
    tx.set(at(merged.unit).tag, 0);
    tx.set(block_.last_units, merged.prev_units);
    tx.set(block_.top, merged.unit);
  } else {
    tx.set(at(end).prev_units, merged.units);
    const absl::Status status = link(tx, merged);
    if (!status.ok()) return status;
    free_units += static_cast<int64_t>(merged.units);
    ++free_blocks;
  }
  count(tx, free_units, -1, free_blocks);
  // Killed between here and the commit, the block is in use again with a payload of zeroes and
  // holes, which nobody looks at: the caller frees what nobody holds.
  if (give_back) punch(segment_, offset, offset + (self->units - 1) * kUnit);
  return absl::OkStatus();
}

}  // namespace zeroipc::internal
