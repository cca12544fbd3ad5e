#include "zeroipc/heap/journal.h"

#include "absl/strings/str_cat.h"

namespace zeroipc::internal {
namespace {

shared_word& word_at(std::byte* base, uint64_t offset) {
  return *reinterpret_cast<shared_word*>(base + offset);
}

// What transactions may change: the heap and name heads, buckets, entries, and the heap. Not the
// lock, the journal itself, the holds, or anything before the control block.
bool may_change(const segment_geometry& g, uint64_t offset) {
  if (offset % sizeof(shared_word) != 0 || offset > g.size - sizeof(shared_word)) return false;
  if (offset >= g.heap_offset) return true;
  if (offset >= g.control_offset + offsetof(control_block, heap)) {
    return offset < g.control_offset + sizeof(control_block) ||
           (offset >= g.buckets_offset && offset < g.holds_offset);
  }
  return false;
}

// Reads each entry once into private memory, because the segment is not trusted to hold still
// between check and use.
struct private_entry {
  uint64_t offset;
  uint64_t value;
};

absl::Status load(const segment_geometry& g, const journal_entry* entries, uint32_t n,
                  private_entry* out) {
  for (uint32_t i = 0; i < n; ++i) {
    out[i] = {entries[i].offset.load(std::memory_order_relaxed),
              entries[i].value.load(std::memory_order_relaxed)};
    if (!may_change(g, out[i].offset)) {
      return absl::DataLossError(absl::StrCat("corrupt journal: entry ", i, " of ", n,
                                              " names offset ", out[i].offset,
                                              ", where no transaction writes"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status recover_journal(std::byte* base, const segment_geometry& g) {
  journal_block& journal = reinterpret_cast<control_block*>(base + g.control_offset)->journal;
  // Acquire: pairs with the release stores of the owner that died.
  const uint64_t state = journal.state.load(std::memory_order_acquire);
  if (state == 0) return absl::OkStatus();
  const bool committed = (state & journal_block::kCommitted) != 0;
  const uint64_t n = state & ~journal_block::kCommitted;
  const uint64_t limit = committed ? journal_block::kRedo : journal_block::kUndo;
  if (n > limit) {
    return absl::DataLossError(
        absl::StrCat("corrupt journal: it counts ", n, " entries and holds at most ", limit));
  }
  private_entry entries[journal_block::kUndo];
  absl::Status read =
      load(g, committed ? journal.redo : journal.undo, static_cast<uint32_t>(n), entries);
  if (!read.ok()) return read;
  if (committed) {
    for (uint64_t i = 0; i < n; ++i) {
      word_at(base, entries[i].offset).store(entries[i].value, std::memory_order_release);
    }
  } else {
    // Newest first, so that a word that was set twice ends with its first value.
    for (uint64_t i = n; i-- > 0;) {
      word_at(base, entries[i].offset).store(entries[i].value, std::memory_order_release);
    }
  }
  journal.state.store(0, std::memory_order_release);
  return absl::OkStatus();
}

absl::Status transaction::commit() {
  if (overflow_) {
    rollback();
    return absl::InternalError("a control-plane transaction outgrew its journal");
  }
  finished_ = true;
  if (redo_ != 0) {
    journal_.state.store(journal_block::kCommitted | redo_, std::memory_order_release);
    for (uint32_t i = 0; i < redo_; ++i) {
      const journal_entry& entry = journal_.redo[i];
      const uint64_t offset = entry.offset.load(std::memory_order_relaxed);
      if (!may_change(geometry_, offset)) {  // scribbled on by another process since it was written
        return absl::DataLossError("corrupt journal: an entry changed while it was committed");
      }
      word_at(base_, offset)
          .store(entry.value.load(std::memory_order_relaxed), std::memory_order_release);
    }
  }
  journal_.state.store(0, std::memory_order_release);
  return absl::OkStatus();
}

void transaction::rollback() {
  finished_ = true;
  // Cannot fail unless another process scribbles on the journal; then the next session reports it.
  recover_journal(base_, geometry_).IgnoreError();
}

}  // namespace zeroipc::internal
