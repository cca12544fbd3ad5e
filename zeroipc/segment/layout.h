// The first pages of a segment, said once: every process, tool and document reads these structs.
//
//   +--------------------------+ 0
//   | segment_header           |  geometry (written once, before the segment has a name), then shared counters
//   +--------------------------+ participants_offset
//   | participant_slot[]       |  who is attached
//   +--------------------------+ threads_offset
//   | thread_record[]          |  what their threads are claiming
//   +--------------------------+ control_offset
//   | control block            |  control lock, undo journal, heap and name table heads (zeroipc/heap, name_table)
//   +--------------------------+ buckets_offset
//   | name buckets             |
//   +--------------------------+ names_offset
//   | name entries             |
//   +--------------------------+ holds_offset
//   | hold bits                |  one row of max_names bits per participant slot
//   +--------------------------+ heap_offset
//   | heap                     |  to the end of the segment
//   +--------------------------+ size
//
// All zeroes is the initial state of everything after the geometry, so a fresh segment is sparse: a page exists once
// somebody has written to it.
#ifndef ZEROIPC_SEGMENT_LAYOUT_H_
#define ZEROIPC_SEGMENT_LAYOUT_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "zeroipc/base/asymmetric_fence.h"
#include "zeroipc/base/atomics.h"
#include "zeroipc/participant/owner_tag.h"
#include "zeroipc/participant/thread_record.h"

namespace zeroipc::internal {

inline constexpr char kSegmentMagic[8] = {'Z', 'e', 'r', 'o', 'I', 'P', 'C', '\n'};
inline constexpr uint32_t kFormatVersion = 1;
inline constexpr uint64_t kPage = 4096;
inline constexpr uint64_t kControlBytes = 64 * 1024;
inline constexpr uint64_t kBucketBytes = 8;
inline constexpr uint64_t kNameEntryBytes = 256;
inline constexpr uint32_t kMaxThreads = 1u << 16;
inline constexpr uint32_t kMaxNames = 1u << 22;
// The liveness byte of slot i is at this file offset + i: far beyond any segment's end, where locks may still be taken.
inline constexpr uint64_t kLivenessOffset = uint64_t{1} << 60;
// The byte that whoever joins or leaves a segment with kRemoveWithLast locks meanwhile (zeroipc/segment/attach.cc).
inline constexpr uint64_t kDoorOffset = kLivenessOffset + owner_tag::kMaxSlots;

// Where everything is. Read once from the file, checked, and kept in private memory from then on.
struct segment_geometry {
  uint64_t size;
  uint32_t max_participants;
  uint32_t max_threads;
  uint32_t max_names;
  uint32_t buckets;  // a power of two
  uint64_t participants_offset;
  uint64_t threads_offset;
  uint64_t control_offset;
  uint64_t buckets_offset;
  uint64_t names_offset;
  uint64_t holds_offset;
  uint64_t heap_offset;

  uint64_t heap_bytes() const { return size - heap_offset; }
  uint64_t hold_row_bytes() const { return (uint64_t{max_names} + 511) / 512 * 64; }
};

struct segment_header {
  char magic[8];
  uint32_t version;
  fence_mode fences;
  uint64_t id;         // random: tells two segments of one name apart
  int64_t created_ns;  // CLOCK_REALTIME
  segment_geometry geometry;
  uint32_t flags;     // segment_flag bits
  uint32_t reserved;  // 0
  uint64_t checksum;  // fixed_hash of all the above

  // Written by whoever notices a death, and waited for by every sleeper.
  alignas(kCacheLine) std::atomic<uint32_t> death_epoch;
  // Written by whoever attaches or detaches; waited for by the watchers.
  alignas(kCacheLine) std::atomic<uint32_t> membership_epoch;
  std::atomic<uint32_t> next_slot;                // not used; 0
  std::atomic<uint32_t> participants_high_water;  // slots ever used are below this
  std::atomic<uint32_t> threads_high_water;       // records ever used are below this
  std::atomic<uint32_t> deaths;                   // noticed since creation
};

enum segment_flag : uint32_t {
  // The last participant to leave unlinks the segment.
  kRemoveWithLast = 1,
  // Memory is backed when it is allocated, so that a full file system is an error and not SIGBUS.
  kReserve = 2,
  kKnownFlags = kRemoveWithLast | kReserve,
};

// What becomes of a slot. Its owner is whoever holds the lock on its liveness byte, which is taken only while the state is
// not `attached`.
//
//   free, dead --take_slot()--> attached --leave()--> leaving --leave()--> free
//                                   |                    |
//                                   +------ killed ------+---announce_death()--> dead
enum class slot_state : uint32_t {
  free = 0,
  attached = 1,  // alive as long as the kernel holds the lock
  dead = 2,      // its end has been announced
  leaving = 3,   // its owner holds nothing any more, but those who waited for it may not know yet
};

struct participant_slot {
  std::atomic<uint32_t> state;  // generation << 2 | slot_state
  std::atomic<uint32_t>
      pulse;                 // the watcher's thread id, a robust futex: see participant/watcher.h
  std::atomic<int32_t> pid;  // for display: liveness is the lock, never the pid
  std::atomic<uint32_t> hold_words;  // the slot's hold row is zero from this word on
  std::atomic<uint64_t> start_time;  // of the process, in clock ticks since boot; for display
  std::atomic<int64_t> attached_ns;  // CLOCK_REALTIME
  char name[32];  // of the process, NUL-padded; for display; see read_name() and write_name()

  static uint32_t pack(uint32_t generation, slot_state s) {
    return generation << 2 | static_cast<uint32_t>(s);
  }
  static uint32_t generation_of(uint32_t word) { return word >> 2; }
  static slot_state state_of(uint32_t word) { return static_cast<slot_state>(word & 3); }
  static bool is_attached(uint32_t word) { return state_of(word) == slot_state::attached; }
  // Whether the end of the slot's owner would still have to be announced.
  static bool is_unannounced(uint32_t word) {
    return is_attached(word) || state_of(word) == slot_state::leaving;
  }

  // Word by word, for a reader may look while the slot changes hands.
  std::string read_name() const;
  void write_name(std::string_view text);
};

static_assert(sizeof(segment_geometry) == 80);
static_assert(offsetof(segment_header, flags) == 112 && offsetof(segment_header, checksum) == 120);
static_assert(offsetof(segment_header, death_epoch) == 128);
static_assert(offsetof(segment_header, membership_epoch) == 192);
static_assert(sizeof(segment_header) <= kPage);
static_assert(sizeof(participant_slot) == 64);
static_assert(offsetof(participant_slot, name) == 32);

// Lays a segment of `size` bytes out; zero for a limit means the default for that size (256 participants, 1024 threads,
// a name per 8 KiB). An error says how small the size is and what is needed at least.
absl::StatusOr<segment_geometry> make_geometry(uint64_t size, uint32_t max_participants,
                                               uint32_t max_threads, uint32_t max_names);

// Checks what stands in a file of `file_size` bytes against what this library can work with; names both sides.
absl::Status check_header(const segment_header& header, uint64_t file_size, std::string_view name);

uint64_t header_checksum(const segment_header& header);

}  // namespace zeroipc::internal

#endif  // ZEROIPC_SEGMENT_LAYOUT_H_
