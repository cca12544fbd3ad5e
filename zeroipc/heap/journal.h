// Changes of many words that happen wholly or not at all, whoever dies.
//
// A transaction belongs to the owner of the control lock. Two kinds of writes:
//   set(word, value)           now, and undone if the transaction does not commit. For words that
//                              only the lock's owner reads, or that nobody can reach yet.
//   set_on_commit(word, value) after the commit, by the owner or by whoever inherits the lock. For
//                              words by which others find something: what has become visible is
//                              never taken back.
//
//   state of the journal   owner          if it dies there
//   idle                   -              nothing to do
//   n undo entries         lock's owner   the next one writes the old values back, newest first
//   committed              lock's owner   the next one writes the new values
// The linearisation point is the one store that turns "n undo entries" into "committed" (or into
// "idle" where there is nothing left to apply). Both repairs write fixed values in a fixed order
// and may themselves be cut short and repeated.
//
// Order: an undo entry is complete before it counts, and counts before its word changes (each a
// release store). A transaction changes at most kUndo words (a creation about 40, a removal about
// 30); one more, and it refuses to commit. Complexity: O(1) per set; rollback O(words set).
#ifndef ZEROIPC_HEAP_JOURNAL_H_
#define ZEROIPC_HEAP_JOURNAL_H_

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "zeroipc/heap/control_block.h"
#include "zeroipc/segment/layout.h"

namespace zeroipc::internal {

// Settles what an earlier owner of the lock left behind. REQUIRES: the control lock.
// DataLoss, with nothing written, if the journal holds what no transaction can have written.
absl::Status recover_journal(std::byte* base, const segment_geometry& geometry);

class transaction {
 public:
  // REQUIRES: the control lock, and an idle journal.
  transaction(std::byte* base, const segment_geometry& geometry)
      : base_(base),
        geometry_(geometry),
        journal_(reinterpret_cast<control_block*>(base + geometry.control_offset)->journal) {}
  transaction(const transaction&) = delete;
  transaction& operator=(const transaction&) = delete;
  ~transaction() {
    if (!finished_) rollback();
  }

  void set(shared_word& word, uint64_t value) {
    const uint64_t old = word.load(std::memory_order_relaxed);  // only this owner writes it
    if (old == value) return;
    if (undo_ == journal_block::kUndo) {
      overflow_ = true;
      return;
    }
    journal_entry& entry = journal_.undo[undo_];
    entry.offset.store(offset_of(word), std::memory_order_relaxed);
    entry.value.store(old, std::memory_order_relaxed);
    // Release: a survivor that sees the count sees the entry, and one that sees the new word sees
    // the count.
    journal_.state.store(++undo_, std::memory_order_release);
    word.store(value, std::memory_order_release);
  }

  // Applied in the order of the calls.
  void set_on_commit(shared_word& word, uint64_t value) {
    if (redo_ == journal_block::kRedo) {
      overflow_ = true;
      return;
    }
    journal_.redo[redo_].offset.store(offset_of(word), std::memory_order_relaxed);
    journal_.redo[redo_].value.store(value, std::memory_order_relaxed);
    ++redo_;
  }

  // Everything, or an error and nothing.
  absl::Status commit();
  // Takes back what was set. Also what happens to a transaction that goes out of scope.
  void rollback();

 private:
  uint64_t offset_of(const shared_word& word) const {
    return static_cast<uint64_t>(reinterpret_cast<const std::byte*>(&word) - base_);
  }

  std::byte* const base_;
  const segment_geometry& geometry_;
  journal_block& journal_;
  uint32_t undo_ = 0;
  uint32_t redo_ = 0;
  bool overflow_ = false;
  bool finished_ = false;
};

}  // namespace zeroipc::internal

#endif  // ZEROIPC_HEAP_JOURNAL_H_
