// The name table's bytes: buckets and entries.
//
//   bucket (8 bytes)    63           32 31          0
//                       +--------------+------------+
//                       |   version    | index + 1  |   0 = empty chain
//                       +--------------+------------+
//   entry (256 bytes)   the first 64 bytes answer a lookup of a name of up to 31 bytes
//
//   state     reached by                   owner          left by
//   free      -                            control lock   creation: live, generation + 1
//   live      creation, after its commit   its name       remove(), after its commit: removed
//   removed   remove()                     its holders    the last holder, or whoever finds them
//                                                         dead: free, together with the memory
//
// Invariants (between transactions)
//  1. A live entry is in the chain of its bucket, and in no other place; `next` ends every chain.
//  2. A bucket's version moves with every change of its chain, and after it.
//  3. A free entry below the high-water mark is in the list of free entries (`next`), a removed one
//     in that of removed entries (`removed_links`).
//  4. An entry's fields stand still from the commit that makes it live until it is free.
//
// All words are atomic, because lookups read them while the lock's owner writes them. Stores are
// releases and loads are acquires (free on x86): a reader that sees a word of a reused entry then
// also sees the version that moved before.
#ifndef ZEROIPC_NAME_TABLE_NAME_ENTRY_H_
#define ZEROIPC_NAME_TABLE_NAME_ENTRY_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "zeroipc/heap/control_block.h"
#include "zeroipc/segment/layout.h"

namespace zeroipc::internal {

enum class entry_state : uint32_t { free = 0, live = 1, removed = 2 };

struct name_entry {
  static constexpr size_t kNameWords = 12;
  static constexpr size_t kTypeWords = 8;

  shared_word state;  // generation << 2 | entry_state
  shared_word hash;
  shared_word next;  // index + 1: the chain of a live or removed entry, the free list of a free one
  shared_word place;             // offset of the memory
  shared_word name[kNameWords];  // NUL-padded, at least one NUL
  shared_word bytes;
  shared_word what;     // kind:8 | variant:8
  shared_word element;  // size:32 | align:32
  shared_word fingerprint;
  shared_word created_ns;             // CLOCK_REALTIME
  shared_word creator;                // pid
  shared_word removed_links;          // index + 1 of the previous:32 | of the next:32
  shared_word variant_name[1];        // up to 8 bytes, NUL-padded
  shared_word type_name[kTypeWords];  // NUL-padded, cut off where it is longer

  static uint64_t pack(uint64_t generation, entry_state s) {
    return generation << 2 | static_cast<uint64_t>(s);
  }
  static uint64_t generation_of(uint64_t word) { return word >> 2; }
  static entry_state state_of(uint64_t word) { return static_cast<entry_state>(word & 3); }
};
static_assert(sizeof(name_entry) == kNameEntryBytes);
static_assert(offsetof(name_entry, name) == 32);
static_assert(offsetof(name_entry, bytes) == 128);
static_assert(offsetof(name_entry, type_name) == 192);

// Text as the entries keep it: whole words, NUL-padded.
template <size_t N>
std::string load_text(const shared_word (&words)[N]) {
  char bytes[N * 8];
  for (size_t i = 0; i < N; ++i) {
    const uint64_t word = words[i].load(std::memory_order_acquire);
    std::memcpy(bytes + 8 * i, &word, 8);
  }
  return std::string(bytes, ::strnlen(bytes, sizeof bytes));
}
template <size_t N>
void store_text(shared_word (&words)[N], std::string_view text) {
  for (size_t i = 0; i < N; ++i) {
    uint64_t word = 0;
    if (text.size() > 8 * i) {
      std::memcpy(&word, text.data() + 8 * i, text.size() - 8 * i < 8 ? text.size() - 8 * i : 8);
    }
    words[i].store(word, std::memory_order_release);
  }
}

}  // namespace zeroipc::internal

#endif  // ZEROIPC_NAME_TABLE_NAME_ENTRY_H_
