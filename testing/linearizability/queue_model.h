// The sequential model of zeroipc::queue.
//
//   push       ok: at the back. full: as many as fit are in it, or a slot is in use otherwise (below). closed: it is closed
//   pop        ok: what is at the front, or one that was put back. empty: there is none. closed: closed, and none can come
//   lease      as pop; the item is out. ack: it is gone. nack, or the death of the holder (`expire`): it was put back
//   cut off    a push has happened or not; a pop has not, or has put its item back, or took it along; so has a lease
//
// Laxer than the queue, because the queue is laxer than a sequential one where operations overlap:
//  * An item is at the front from its producer's claim on, and can be popped once it is filled: until then, `empty` may be
//    answered though items that are behind it are acknowledged. So `empty` is possible at any time while a push, or a give-
//    back, is under way (marked `excused` by excuse()).
//  * A slot is free again when its consumer has copied the item out, and those of the dead when recovery has been there: so
//    is `full` while a pop or a death is under way, and while there are items that were put back, which keep their slots.
//  * A batch is as many single operations.
#ifndef ZEROIPC_TESTING_LINEARIZABILITY_QUEUE_MODEL_H_
#define ZEROIPC_TESTING_LINEARIZABILITY_QUEUE_MODEL_H_

#include <cstdint>
#include <string>
#include <vector>

#include "testing/linearizability/history.h"

namespace zeroipc::linearizability {

struct queue_operation {
  enum class kind : uint8_t { push, pop, lease, ack, nack, expire, close };
  enum class result : uint8_t { none, ok, full, empty, closed };

  kind what = kind::push;
  result how = result::none;
  uint64_t id = 0;       // of the item; 0 where there is none
  bool excused = false;  // `empty` or `full` needs no reason

  bool adds() const { return what == kind::push || what == kind::nack || what == kind::expire; }
  bool takes() const { return what == kind::pop || what == kind::lease || what == kind::ack; }
};
std::string text_of(const queue_operation& o);

class queue_model {
 public:
  explicit queue_model(uint64_t capacity) : capacity_(capacity) {}

  std::vector<queue_model> after(const recorded<queue_operation>& o) const;
  uint64_t hash() const;
  std::string text() const;

 private:
  // Takes `id` from the front or from what was put back; false if it is in neither.
  bool take(uint64_t id);
  std::vector<queue_model> cut_off(const queue_operation& o) const;

  uint64_t capacity_;
  bool closed_ = false;
  std::vector<uint64_t> items_;     // front first
  std::vector<uint64_t> returned_;  // put back; sorted
  std::vector<uint64_t> leased_;    // sorted
};

// Marks the answers that overlapping operations excuse.
void excuse(std::vector<recorded<queue_operation>>& operations);

}  // namespace zeroipc::linearizability

#endif  // ZEROIPC_TESTING_LINEARIZABILITY_QUEUE_MODEL_H_
