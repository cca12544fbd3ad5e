// The name table under the control lock: finding, creating, removing and freeing entries. See
// name_entry.h for their states, and heap/journal.h for what makes each of these steps whole.
//
// Each function that changes something is one transaction; its linearisation point is the commit.
// In between, nothing is owned by nobody: an entry that was removed but not freed is in the list of
// removed entries, and is freed by the last holder's release, or by reap() once the holders are
// dead.
//
// Holder and remover decide as in Dekker's algorithm:
//     opener                                remover
//     set its hold bit                      state = removed
//     fence                                 fence
//     state still live? else drop the bit   anybody's hold bit? else free
// and likewise the last holder: clear the bit, fence, state removed? then lock, look again, and
// free.
#ifndef ZEROIPC_NAME_TABLE_TABLE_H_
#define ZEROIPC_NAME_TABLE_TABLE_H_

#include <cstdint>
#include <optional>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "zeroipc/heap/control_plane.h"
#include "zeroipc/heap/heap.h"
#include "zeroipc/heap/journal.h"
#include "zeroipc/name_table/lookup.h"
#include "zeroipc/name_table/name_table.h"

namespace zeroipc::internal {

class table {
 public:
  // REQUIRES: `session` outlives it.
  explicit table(control_session& session)
      : session_(session), segment_(session.segment()), view_(segment_), heap_(segment_) {}

  struct position {
    uint32_t index;
    std::optional<uint32_t> before;  // the entry whose `next` leads here; none: the bucket does
  };
  // nullopt if there is none; DataLoss.
  absl::StatusOr<std::optional<position>> find(const name_key& key) const;

  // A new live entry, held by this process. REQUIRES: the name is not there.
  absl::StatusOr<uint32_t> create(const name_key& key, const structure_type& type, uint64_t bytes,
                                  uint64_t align, initializer init);
  absl::Status remove(const name_key& key, const position& p);
  // Frees entry `index` and its memory if it is removed and nobody holds it. OK too if not.
  absl::Status free_if_unheld(uint32_t index);
  // Frees what only the dead hold. Looks only if somebody came, left or died since it last looked,
  // or if `forced`. How many were freed.
  absl::StatusOr<int> reap(bool forced);

  // Sets this process's hold bit, after making sure that it has a page.
  static absl::Status hold(const attachment& segment, uint32_t index);
  // Clears it, and frees the structure if it was the last hold on a removed one.
  static void let_go(const attachment& segment, uint32_t index);

 private:
  absl::StatusOr<uint32_t> create_once(const name_key& key, const structure_type& type,
                                       uint64_t bytes, uint64_t align, initializer init);
  // Takes an entry off the free list, or a fresh one; backs its page and its bucket's.
  absl::StatusOr<uint32_t> take_entry(transaction& tx, uint64_t hash);
  absl::Status release(uint32_t index);
  absl::Status corrupt(std::string_view what) const;

  control_session& session_;
  const attachment& segment_;
  name_view view_;
  heap heap_;
};

}  // namespace zeroipc::internal

#endif  // ZEROIPC_NAME_TABLE_TABLE_H_
