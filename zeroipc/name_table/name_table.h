// The names of a segment's structures: what each is, where it lies, who made it and who holds it.
//
// Lookup takes no lock and is O(1): a bucket word carries a version and the head of a chain; a
// reader that sees the version move looks again. Creating, removing and freeing are the control
// plane: one robust lock and one undo journal (zeroipc/heap/journal.h), so that a name and its
// memory appear and vanish together, whoever dies.
//
// A handle *holds* its structure: one bit per process, so nothing needs repair when the holder
// dies. remove() takes the name away at once; the memory is freed when the last live holder lets
// go.
#ifndef ZEROIPC_NAME_TABLE_NAME_TABLE_H_
#define ZEROIPC_NAME_TABLE_NAME_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "zeroipc/base/shareable.h"
#include "zeroipc/segment/segment.h"

namespace zeroipc {

enum class kind : uint8_t {
  none,
  array,
  queue,
  stack,
  ring,
  map,
  set,
  pool,
  cell,
  mutex,
  rwlock,
  semaphore,
  barrier,
  latch,
  once,
  event,
  future,
  lazy,
  stream,
  channel,
  raw,
};
std::string_view kind_name(kind k);

inline constexpr size_t kMaxNameBytes = 95;

// What an opener must agree on with the creator.
struct structure_type {
  kind what = kind::none;
  uint8_t variant = 0;                 // e.g. a queue's concurrency policy; must agree
  std::string_view variant_name = {};  // for messages: "mpmc"
  uint32_t element_size = 0;
  uint32_t element_align = 0;
  uint64_t fingerprint = 0;
  std::string_view type_name = {};  // for messages and listings: "Task"

  template <typename T>
  static structure_type of(kind what, uint8_t variant = 0, std::string_view variant_name = {}) {
    return {what,
            variant,
            variant_name,
            sizeof(T),
            alignof(T),
            internal::type_fingerprint<T>(),
            internal::type_name<T>()};
  }
};

struct structure_info {
  std::string name;
  kind what = kind::none;
  uint8_t variant = 0;
  uint32_t element_size = 0;
  uint32_t element_align = 0;
  std::string type_name;
  uint64_t offset = 0;  // of the structure's memory in the segment
  uint64_t bytes = 0;
  int32_t creator_pid = 0;
  int64_t created_ns = 0;  // CLOCK_REALTIME
  uint32_t holders = 0;    // live processes with a handle
  bool removed = false;    // name gone, memory kept for its holders
};

namespace internal {

// A process's hold on one structure; the memory stays while any copy of it lives. Copies are cheap
// (shared).
class structure {
 public:
  structure() = default;
  void* data() const { return state_->data; }
  uint64_t bytes() const { return state_->bytes; }
  uint64_t offset() const { return state_->offset; }
  // Unique among the structures that exist at one time: what claim words carry.
  uint32_t id() const { return static_cast<uint32_t>(state_->offset / kCacheLine); }
  const std::string& name() const { return state_->name; }
  participant& env() const { return *state_->segment->self; }
  const std::shared_ptr<attachment>& segment() const { return state_->segment; }
  explicit operator bool() const { return state_ != nullptr; }

  struct state {
    std::shared_ptr<attachment> segment;
    std::string name;
    uint32_t index = 0;
    uint32_t generation = 0;
    void* data = nullptr;
    uint64_t offset = 0;
    uint64_t bytes = 0;
    ~state();  // lets go of the hold
  };
  explicit structure(std::shared_ptr<state> s) : state_(std::move(s)) {}

 private:
  std::shared_ptr<state> state_;
};

// Called with the zeroed memory of a structure that no other process can see yet.
using initializer = absl::FunctionRef<void(void* memory)>;

// Errors: InvalidArgument (name empty, longer than 95 bytes or with control characters),
// AlreadyExists, NotFound, FailedPrecondition (another kind or type; the message names both),
// ResourceExhausted (no room for the memory or for one more name; says what is left),
// PermissionDenied (read-only segment), DataLoss (the table is corrupt).
absl::StatusOr<structure> create_structure(const memory& mem, std::string_view name,
                                           const structure_type& type, uint64_t bytes,
                                           uint64_t align, initializer init);
absl::StatusOr<structure> open_structure(const memory& mem, std::string_view name,
                                         const structure_type& type);
// `created` tells which of the two it was.
absl::StatusOr<structure> open_or_create_structure(const memory& mem, std::string_view name,
                                                   const structure_type& type, uint64_t bytes,
                                                   uint64_t align, initializer init,
                                                   bool* created = nullptr);

}  // namespace internal

// Takes the name away; NotFound if there is none.
absl::Status remove(const memory& mem, std::string_view name);
// What stands under `name`, without holding it.
absl::StatusOr<structure_info> find(const memory& mem, std::string_view name);
// Everything there is, in no particular order; consistent per entry. With `removed`, also what only
// its holders keep.
std::vector<structure_info> list(const memory& mem, bool removed = false);

}  // namespace zeroipc

#endif  // ZEROIPC_NAME_TABLE_NAME_TABLE_H_
