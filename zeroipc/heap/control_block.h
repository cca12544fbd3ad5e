// The shared state of the control plane: what allocating, naming and removing change.
//
//   control_block (at geometry.control_offset; all zero = fresh)
//   +-------------------------------+ 0
//   | lock                          |  who is changing the control plane
//   +-------------------------------+ 64
//   | journal: state, redo[], undo[]|  what to do if they die doing it (journal.h)
//   +-------------------------------+
//   | heap head                     |  two-level bitmaps and free lists, high-water marks (heap.h)
//   +-------------------------------+
//   | name head                     |  free entries, removed entries, counts (zeroipc/name_table)
//   +-------------------------------+ <= kControlBytes
//
// Every word is atomic: lookups and statistics read without the lock. Words are written by the
// owner of the lock only, through a `transaction`, except for those marked "knowledge": these
// record facts about pages (touched, backed) that stay true when a transaction is rolled back, and
// are stored directly.
#ifndef ZEROIPC_HEAP_CONTROL_BLOCK_H_
#define ZEROIPC_HEAP_CONTROL_BLOCK_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "zeroipc/base/atomics.h"
#include "zeroipc/segment/layout.h"
#include "zeroipc/wait/robust_lock.h"

namespace zeroipc::internal {

using shared_word = std::atomic<uint64_t>;

struct journal_entry {
  shared_word offset;  // of the word, from the segment's start
  shared_word value;   // undo: what it held; redo: what it shall hold
};

struct journal_block {
  static constexpr uint32_t kUndo = 512;
  static constexpr uint32_t kRedo = 8;
  static constexpr uint64_t kCommitted = uint64_t{1} << 63;

  //   state             meaning                                    left by
  //   0                 idle                                       first set(): 1
  //   n                 n undo entries hold                        set(): n + 1; rollback: 0
  //   kCommitted | n    decided; n redo entries are to be applied  commit() or a survivor: 0
  alignas(kCacheLine) shared_word state;
  alignas(kCacheLine) journal_entry redo[kRedo];
  alignas(kCacheLine) journal_entry undo[kUndo];
};

struct heap_block {
  static constexpr uint32_t kFirstLevels = 28;
  static constexpr uint32_t kSecondLevels = 32;

  alignas(kCacheLine) shared_word top;  // units carved so far; what lies above is the wilderness
  shared_word last_units;               // size of the block that ends at `top`; 0 if there is none
  shared_word free_units;               // in the free lists
  shared_word blocks;                   // in use:32 | free:32
  shared_word touched;                  // knowledge: units from here on have never been written to
  shared_word backed;                   // knowledge: see heap.h, only with segment_flag::kReserve
  shared_word first_level;              // bit i: second_level[i] != 0
  alignas(kCacheLine) shared_word second_level[kFirstLevels];
  alignas(kCacheLine)
      shared_word lists[kFirstLevels][kSecondLevels];  // unit + 1 of the first block
};

struct name_block {
  static constexpr uint32_t kBucketPageWords = kMaxNames * kBucketBytes / kPage / 64;

  alignas(kCacheLine) shared_word free_head;  // index + 1 of the first free entry
  shared_word high_water;                     // entries ever used are below this
  shared_word live;                           // entries that can be found
  shared_word removed;                        // entries without a name, kept for their holders
  shared_word removed_head;                   // index + 1 of the first of these
  shared_word reaped;  // knowledge: epochs at which dead holders were last looked for
  shared_word backed;  // knowledge: entries below this have their pages
  alignas(kCacheLine)
      shared_word bucket_pages[kBucketPageWords];  // knowledge: bit i: page i of the buckets
                                                   // has been written to
};

struct control_block {
  alignas(kCacheLine) robust_lock<hardware> lock;
  journal_block journal;
  heap_block heap;
  name_block names;
};

static_assert(sizeof(journal_entry) == 16);
static_assert(offsetof(control_block, lock) == 0);
static_assert(offsetof(control_block, journal) == 64);
static_assert(offsetof(journal_block, redo) == 64);
static_assert(offsetof(journal_block, undo) == 192);
static_assert(sizeof(journal_block) == 192 + 512 * 16);
static_assert(offsetof(control_block, heap) == 64 + sizeof(journal_block));
static_assert(offsetof(heap_block, second_level) == 64);
static_assert(offsetof(heap_block, lists) == 64 + 256);
static_assert(sizeof(heap_block) == 64 + 256 + 28 * 32 * 8);
static_assert(offsetof(control_block, names) == offsetof(control_block, heap) + sizeof(heap_block));
static_assert(sizeof(name_block) == 64 + 1024);
static_assert(sizeof(control_block) <= kControlBytes);

}  // namespace zeroipc::internal

#endif  // ZEROIPC_HEAP_CONTROL_BLOCK_H_
