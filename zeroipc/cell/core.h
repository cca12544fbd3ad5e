// The algorithm of zeroipc::cell: one writer at a time fills the buffer that was newest the longest time ago, and then
// says that it is the newest now.
//
//   +------------------------------------------------+ 0
//   | structure_geometry                             |
//   +------------------------------------------------+ 128
//   | current        newest version; 0: none yet     |
//   | changed        who waits for the next          |
//   +------------------------------------------------+ 256
//   | writer         robust lock                     |
//   | waits, recoveries                              |
//   +------------------------------------------------+ offsets[0]
//   | buffer[4]      version, value                  |   version v lies in buffer v mod 4
//   +------------------------------------------------+
//
// Store of version v, under the lock                          killed after it
//   1  buffer.version = 0            (release)                the newest value is untouched; the next writer writes v again
//   2  the value's words             (release each)           the same
//   3  buffer.version = v            (release)                the same
//   4  current = v                   (release)                done: this is the linearisation point
//   5  changed.notify                                         sleepers wake by the segment's death epoch
// So there is nothing to repair: who inherits the lock begins at 1.
//
// Load: n = current (acquire); buffer.version is n (acquire), the words (acquire each), buffer.version is n still. If it is
// not, the writer has stored three more values meanwhile and is at the fourth: look again. A reader that met one of its words
// has also seen step 1 or a later one (word_copy.h). Linearisation point: the load of `current` that succeeded.
// Lock-free: a load is only repeated because others' stores were completed. Stores block each other.
#ifndef ZEROIPC_CELL_CORE_H_
#define ZEROIPC_CELL_CORE_H_

#include <climits>
#include <cstddef>
#include <cstdint>

#include "zeroipc/base/atomics.h"
#include "zeroipc/base/deadline.h"
#include "zeroipc/base/outcome.h"
#include "zeroipc/base/word_copy.h"
#include "zeroipc/name_table/geometry.h"
#include "zeroipc/wait/robust_hold.h"
#include "zeroipc/wait/wait.h"

namespace zeroipc {

struct cell_stats {
  uint64_t version = 0;     // values stored since creation
  uint64_t waits = 0;       // waits for a change that had to sleep or spin
  uint64_t recoveries = 0;  // writers that died inside
};

namespace internal {

template <typename P>
struct cell_header {
  template <typename T>
  using atomic = typename P::template atomic<T>;

  structure_geometry geometry;

  alignas(kApart) atomic<uint64_t> current;
  event_word<P> changed;

  alignas(kApart) robust_lock<P> writer;
  atomic<uint64_t> waits;
  atomic<uint64_t> recoveries;
};
static_assert(offsetof(cell_header<hardware>, current) == 128);
static_assert(offsetof(cell_header<hardware>, writer) == 256);

// What stands before the value in a buffer.
template <typename P>
struct cell_buffer {
  typename P::template atomic<uint64_t> version;
};

inline constexpr uint64_t kCellBuffers = 4;

constexpr uint64_t cell_value_offset(uint64_t align) { return align > 8 ? align : 8; }
constexpr uint64_t cell_stride(uint64_t size, uint64_t align) {
  // Readers of one buffer and the writer of the next do not share a line.
  return round_up(cell_value_offset(align) + round_up(size, 8),
                  align > kCacheLine ? align : kCacheLine);
}

template <typename P, typename Env, typename T>
class cell_core {
 public:
  static constexpr uint64_t kStride = cell_stride(sizeof(T), alignof(T));

  // `buffers`: of kCellBuffers.
  void bind(Env& env, cell_header<P>& header, std::byte* buffers) {
    env_ = &env;
    header_ = &header;
    buffers_ = buffers;
  }

  uint64_t version() const { return header_->current.load(std::memory_order_acquire); }

  // `empty`: nothing has been stored yet.
  outcome load(T& value, uint64_t* version) const {
    for (int i = 0; i < kTries; ++i) {
      const uint64_t n = header_->current.load(std::memory_order_acquire);
      if (n == 0) return outcome::empty;
      if (read(n, value)) {
        if (version != nullptr) *version = n;
        return outcome::ok;
      }
      // Either it is not the newest any more, or it never was.
      if (header_->current.load(std::memory_order_acquire) == n) return outcome::corrupt;
    }
    return outcome::corrupt;
  }

  // `expected`: only if that is the newest version, else `gone`; kAny for any.
  static constexpr uint64_t kAny = ~uint64_t{0};
  outcome store(const T& value, uint64_t expected, uint64_t* version, deadline until) {
    robust_hold<P, Env> hold(*env_, header_->writer, until);
    if (!hold) return hold.why();
    if (hold.inherited()) count(header_->recoveries);
    // Relaxed: only writers change it, and the lock orders them.
    const uint64_t newest = header_->current.load(std::memory_order_relaxed);
    if (version != nullptr) *version = newest;
    if (expected != kAny && newest != expected) return outcome::gone;
    publish(newest + 1, value);
    if (version != nullptr) *version = newest + 1;
    return outcome::ok;
  }

  // Replaces the newest value by what `change` makes of it; of T's zero bytes if there is none yet.
  template <typename F>
  outcome update(F&& change, T& value, uint64_t* version) {
    robust_hold<P, Env> hold(*env_, header_->writer);
    if (!hold) return hold.why();
    if (hold.inherited()) count(header_->recoveries);
    const uint64_t newest = header_->current.load(std::memory_order_relaxed);
    if (newest != 0 && !read(newest, value)) return outcome::corrupt;
    change(value);
    publish(newest + 1, value);
    if (version != nullptr) *version = newest + 1;
    return outcome::ok;
  }

  // Until the newest version is another one than `since`.
  outcome wait_for_change(uint64_t since, uint64_t& now, deadline until) {
    now = version();
    if (now != since) return outcome::ok;
    count(header_->waits);
    const bool changed = wait_until<P>(*env_, header_->changed, until, [&] {
      now = version();
      return now != since;
    });
    return changed ? outcome::ok : outcome::timed_out;
  }

  // What a change is announced by.
  event_word<P>& changed() const { return header_->changed; }
  Env& env() const { return *env_; }

  cell_stats stats() const {
    // Relaxed: figures for people.
    return {version(), header_->waits.load(std::memory_order_relaxed),
            header_->recoveries.load(std::memory_order_relaxed)};
  }

 private:
  // More would mean that a writer completes three stores in the time of each of our copies, for ever.
  static constexpr int kTries = 1'000'000;

  cell_buffer<P>& buffer(uint64_t version) const {
    return *reinterpret_cast<cell_buffer<P>*>(buffers_ + version % kCellBuffers * kStride);
  }
  std::byte* value_of(uint64_t version) const {
    return buffers_ + version % kCellBuffers * kStride + cell_value_offset(alignof(T));
  }

  bool read(uint64_t n, T& value) const {
    const cell_buffer<P>& b = buffer(n);
    // Acquire: pairs with the release in publish().
    if (b.version.load(std::memory_order_acquire) != n) return false;
    read_object<P>(&value, value_of(n), sizeof(T));
    // Acquire: if it has gone, so has n as the newest version.
    return b.version.load(std::memory_order_acquire) == n;
  }

  // REQUIRES: the lock is held, n = current + 1.
  void publish(uint64_t n, const T& value) {
    cell_buffer<P>& b = buffer(n);
    // Release: who sees it also sees that `current` is far beyond what was here.
    b.version.store(0, std::memory_order_release);
    write_object<P>(value_of(n), &value, sizeof(T));
    b.version.store(n, std::memory_order_release);
    header_->current.store(n, std::memory_order_release);
    header_->changed.notify(*env_, INT_MAX);
  }

  static void count(typename P::template atomic<uint64_t>& counter) {
    counter.fetch_add(1, std::memory_order_relaxed);  // relaxed: a figure for people
  }

  Env* env_ = nullptr;
  cell_header<P>* header_ = nullptr;
  std::byte* buffers_ = nullptr;
};

}  // namespace internal
}  // namespace zeroipc

#endif  // ZEROIPC_CELL_CORE_H_
