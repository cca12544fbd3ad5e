// Finding a name without the lock.
//
// Reader:  b = bucket; walk the chain; an entry whose hash and name match and whose state is live,
// and the same
//          before and after the comparison, was that name's entry at that moment: found.
//          Nothing found and the bucket still reads b: when it was first read, the name was not
//          there.
//          Otherwise look again.
// A walk that was led astray (an entry was freed and reused under it) sees the bucket's version
// moved.
//
// Progress: lock-free for readers in practice (a retry means that a writer made progress); the
// caller takes the lock after kRetries. Complexity: O(1) expected, O(names) if the segment's words
// were forged; never endless, never out of bounds.
#ifndef ZEROIPC_NAME_TABLE_LOOKUP_H_
#define ZEROIPC_NAME_TABLE_LOOKUP_H_

#include <cstdint>
#include <string_view>

#include "zeroipc/heap/control_plane.h"
#include "zeroipc/name_table/name_entry.h"
#include "zeroipc/segment/segment.h"

namespace zeroipc::internal {

// A name as entries keep it, with its hash. REQUIRES: at most kMaxNameBytes bytes.
struct name_key {
  explicit name_key(std::string_view name);
  uint64_t hash;
  uint32_t words;  // to compare; the last one holds the NUL
  uint64_t text[name_entry::kNameWords];
};

enum class lookup_result : uint8_t {
  found,
  missing,
  unsettled,  // a writer is at work, or died at it: only the lock tells
  corrupt,    // the table holds what no writer can have written
};

struct located {
  lookup_result result = lookup_result::missing;
  uint32_t index = 0;
  uint64_t state = 0;   // the entry's state word
  uint64_t offset = 0;  // as the entry says: not checked
};

class name_view {
 public:
  explicit name_view(const attachment& segment)
      : geometry_(segment.geometry),
        control_(control_of(segment)),
        buckets_(reinterpret_cast<shared_word*>(segment.base + segment.geometry.buckets_offset)),
        entries_(reinterpret_cast<name_entry*>(segment.base + segment.geometry.names_offset)) {}

  located find(const name_key& key) const;

  // REQUIRES: index < geometry.max_names.
  name_entry& entry(uint32_t index) const { return entries_[index]; }
  uint32_t bucket_of(uint64_t hash) const {
    return static_cast<uint32_t>(hash) & (geometry_.buckets - 1);
  }
  shared_word& bucket(uint32_t i) const { return buckets_[i]; }
  // Whether bucket i's page has ever been written to. Reading one that has not would make it.
  bool bucket_touched(uint32_t i) const {
    const uint32_t page = i / (kPage / kBucketBytes);
    return (head().bucket_pages[page / 64].load(std::memory_order_acquire) >> (page % 64) & 1) != 0;
  }
  name_block& head() const { return control_.names; }
  // Entries ever used, clamped.
  uint32_t used() const {
    const uint64_t n = head().high_water.load(std::memory_order_acquire);
    return n < geometry_.max_names ? static_cast<uint32_t>(n) : geometry_.max_names;
  }

 private:
  static bool same_name(const name_entry& entry, const name_key& key);

  const segment_geometry& geometry_;
  control_block& control_;
  shared_word* buckets_;
  name_entry* entries_;
};

}  // namespace zeroipc::internal

#endif  // ZEROIPC_NAME_TABLE_LOOKUP_H_
