#include "zeroipc/heap/journal.h"

#include <gtest/gtest.h>

#include <new>
#include <vector>

#include "zeroipc/heap/control_plane.h"

namespace zeroipc::internal {
namespace {

class JournalTest : public testing::Test {
 protected:
  JournalTest() : mem_(*memory::create_anonymous(1 << 20)), a_(*mem_.attachment()) {}

  control_block& block() { return control_of(a_); }
  shared_word& word(size_t i) { return block().heap.lists[0][i]; }
  // A transaction that is never finished: what a process leaves that dies in it.
  transaction& abandoned() { return *new (storage_) transaction(a_.base, a_.geometry); }
  uint64_t state() { return block().journal.state.load(); }

  memory mem_;
  attachment& a_;
  alignas(transaction) std::byte storage_[sizeof(transaction)];
};

TEST_F(JournalTest, RollsBackFromEveryNumberOfEntries) {
  for (uint32_t n = 0; n <= journal_block::kUndo; ++n) {
    for (size_t i = 0; i < 16; ++i) word(i).store(100 + i);
    transaction& tx = abandoned();
    for (uint32_t i = 0; i < n; ++i) tx.set(word(i % 16), 1000 + i);
    ASSERT_EQ(state(), n);
    if (n > 0) {
      ASSERT_EQ(word((n - 1) % 16).load(), 1000 + n - 1);
    }
    ASSERT_TRUE(recover_journal(a_.base, a_.geometry).ok());
    ASSERT_EQ(state(), 0u);
    for (size_t i = 0; i < 16; ++i) ASSERT_EQ(word(i).load(), 100 + i) << "after " << n;
  }
}

TEST_F(JournalTest, RollbackCutShortIsRepeated) {
  for (size_t i = 0; i < 8; ++i) word(i).store(i);
  transaction& tx = abandoned();
  for (size_t i = 0; i < 32; ++i) tx.set(word(i % 8), 50 + i);
  // A recoverer that died after its first writes: the newest entries are restored already.
  const journal_block& journal = block().journal;
  for (size_t i = 31; i > 10; --i) {
    reinterpret_cast<shared_word*>(a_.base + journal.undo[i].offset.load())
        ->store(journal.undo[i].value.load());
  }
  ASSERT_TRUE(recover_journal(a_.base, a_.geometry).ok());
  for (size_t i = 0; i < 8; ++i) EXPECT_EQ(word(i).load(), i);
}

TEST_F(JournalTest, WhatIsSetOnCommitIsInvisibleBeforeAndCompletedAfter) {
  {
    transaction tx(a_.base, a_.geometry);
    tx.set(word(0), 1);
    tx.set_on_commit(word(1), 2);
    EXPECT_EQ(word(0).load(), 1u);
    EXPECT_EQ(word(1).load(), 0u);
    ASSERT_TRUE(tx.commit().ok());
  }
  EXPECT_EQ(word(0).load(), 1u);
  EXPECT_EQ(word(1).load(), 2u);
  EXPECT_EQ(state(), 0u);

  // Died right after the commit store.
  transaction& tx = abandoned();
  tx.set(word(0), 10);
  tx.set_on_commit(word(1), 20);
  tx.set_on_commit(word(2), 30);
  block().journal.state.store(journal_block::kCommitted | 2);
  ASSERT_TRUE(recover_journal(a_.base, a_.geometry).ok());
  EXPECT_EQ(word(0).load(), 10u);
  EXPECT_EQ(word(1).load(), 20u);
  EXPECT_EQ(word(2).load(), 30u);
  EXPECT_EQ(state(), 0u);
}

TEST_F(JournalTest, GoingOutOfScopeTakesEverythingBack) {
  word(3).store(7);
  {
    transaction tx(a_.base, a_.geometry);
    tx.set(word(3), 8);
    tx.set_on_commit(word(4), 9);
  }
  EXPECT_EQ(word(3).load(), 7u);
  EXPECT_EQ(word(4).load(), 0u);
}

TEST_F(JournalTest, ATransactionThatIsTooLargeDoesNotCommit) {
  {
    transaction tx(a_.base, a_.geometry);
    for (uint32_t i = 0; i <= journal_block::kUndo; ++i) tx.set(word(i % 16), 1 + i);
    EXPECT_TRUE(absl::IsInternal(tx.commit()));
  }
  for (size_t i = 0; i < 16; ++i) EXPECT_EQ(word(i).load(), 0u);
  {
    transaction tx(a_.base, a_.geometry);
    for (uint32_t i = 0; i <= journal_block::kRedo; ++i) tx.set_on_commit(word(i % 16), 1 + i);
    EXPECT_TRUE(absl::IsInternal(tx.commit()));
  }
  for (size_t i = 0; i < 16; ++i) EXPECT_EQ(word(i).load(), 0u);
}

TEST_F(JournalTest, ForgedJournalsAreRefusedAndWriteNothing) {
  const segment_geometry& g = a_.geometry;
  const uint64_t bad_offsets[] = {0,
                                  g.participants_offset,
                                  g.control_offset,
                                  g.control_offset + offsetof(control_block, journal),
                                  g.control_offset + sizeof(control_block),
                                  g.holds_offset,
                                  g.heap_offset + 4,
                                  g.size,
                                  g.size - 4,
                                  ~uint64_t{0},
                                  ~uint64_t{7}};
  journal_block& journal = block().journal;
  for (const uint64_t offset : bad_offsets) {
    for (const uint64_t phase : {uint64_t{0}, journal_block::kCommitted}) {
      const uint64_t good = g.control_offset + offsetof(control_block, heap.lists);
      for (auto* entries : {journal.undo, journal.redo}) {
        entries[0].offset.store(good);
        entries[0].value.store(42);
        entries[1].offset.store(offset);
        entries[1].value.store(43);
      }
      journal.state.store(phase | 2);
      EXPECT_TRUE(absl::IsDataLoss(recover_journal(a_.base, g))) << offset;
      EXPECT_EQ(word(0).load(), 0u);
      EXPECT_TRUE(absl::IsDataLoss(control_session::enter(a_).status()));
    }
  }
  // The count alone is wrong: entries that could be made use of follow.
  const uint64_t good = g.control_offset + offsetof(control_block, heap.lists);
  for (journal_entry& entry : journal.redo) entry.offset.store(good);
  for (journal_entry& entry : journal.undo) entry.offset.store(good);
  for (const uint64_t count : {uint64_t{journal_block::kUndo} + 1, ~uint64_t{0},
                               journal_block::kCommitted | (journal_block::kRedo + 1)}) {
    journal.state.store(count);
    EXPECT_TRUE(absl::IsDataLoss(recover_journal(a_.base, g))) << count;
  }
  journal.state.store(0);
  EXPECT_TRUE(control_session::enter(a_).ok());
}

}  // namespace
}  // namespace zeroipc::internal
