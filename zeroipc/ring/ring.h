// ring<T>: the newest N of something, for readers who each go through them at their own pace.
//
//   zeroipc::ring<Tick> ticks(mem, "ticks", 4096);      // opens it, or creates it for the newest 4096
//   ticks.push(tick);                                   // never waits for a reader: the oldest gives way
//
//   auto reader = ticks.reader();                       // from the next one on; or read_from::oldest
//   Tick t;
//   while (reader.read(t)) use(t);                      // sleeps while there is nothing new
//   if (reader.missed() != 0) ...                       // exactly how many were overwritten before it came to them
//
// When to use it: for samples, ticks, log lines: whoever is too slow loses the oldest, and knows it. When not: if nothing may
// be lost, use zeroipc::queue (to one taker) or zeroipc::stream (to all); if only the newest counts, zeroipc::cell.
//
// What is promised when a process is killed
//   * A push that returned is there for readers, until N newer ones are. One that did not return is there, whole, or is not.
//   * Readers notice nothing of dead writers or other readers; a reader's position is its own and goes with it.
//
// Order: all readers see the elements in the same order, that of the pushes. Positions count from 0 and say which element it is.
//
// Thread safety: handles are thread-safe, cheap to copy, and keep the segment mapped. A reader is for one thread at a time.
// Progress: reading is lock-free and does not slow writers down. Writers exclude each other by a robust lock; one that is
// stopped (SIGSTOP) in the middle of a push holds up other writers, no readers.
// Complexity: O(1), batches O(n). Memory: 384 bytes; 8 bytes an element, and one spare for 8 elements (1 to 64 in all).
// Source: sequence locks (Lameter 2005; Boehm 2012), one in each slot.
#ifndef ZEROIPC_RING_RING_H_
#define ZEROIPC_RING_RING_H_

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "zeroipc/base/error.h"
#include "zeroipc/base/shareable.h"
#include "zeroipc/name_table/geometry.h"
#include "zeroipc/name_table/sized_structure.h"
#include "zeroipc/participant/participant.h"
#include "zeroipc/ring/core.h"
#include "zeroipc/segment/segment.h"

namespace zeroipc {

enum class read_from { oldest, newest, next };

template <typename T>
class ring : public sized_structure<ring<T>> {
  static_assert(internal::check_shareable<T>());
  friend class sized_structure<ring>;
  using core_type = internal::ring_core<hardware, internal::participant, T>;
  struct state {
    internal::structure held;
    core_type core;
  };

 public:
  using value_type = T;

  // Opens the ring, or creates it; one that exists with another capacity is an error. Throws zeroipc::error.
  ring(const memory& mem, std::string_view name, size_t capacity)
      : ring(internal::value_or_raise(ring::open_or_create(mem, name, capacity))) {}
  // Opens a ring that exists. Throws zeroipc::error.
  ring(const memory& mem, std::string_view name)
      : ring(internal::value_or_raise(ring::open(mem, name))) {}

  // Appends. `timed_out` (or `taken`, if the time is nothing): another writer was in the middle of a push; `exhausted`: this is a forked
  // child that could not join the segment.
  outcome push(const T& value) { return core().push_n(&value, 1, deadline::never()); }
  template <typename Rep, typename Period>
  outcome push_for(const T& value, std::chrono::duration<Rep, Period> timeout) {
    return core().push_n(&value, 1, deadline::after(timeout));
  }
  // All of them, with nobody else's in between.
  outcome push_n(std::span<const T> values) {
    return core().push_n(values.data(), values.size(), deadline::never());
  }

  // Elements that can be read now, at most capacity().
  size_t size() const { return static_cast<size_t>(core().tail() - core().oldest()); }
  bool empty() const { return core().tail() == 0; }
  size_t capacity() const { return static_cast<size_t>(core().capacity()); }
  // Elements ever written: the position of the next one.
  uint64_t written() const { return core().tail(); }
  ring_stats stats() const { return core().stats(); }
  const std::string& name() const { return state_->held.name(); }

  // The newest element.
  std::optional<T> newest() const {
    std::optional<T> result;
    reader_handle r = reader(read_from::newest);
    if (storage s; r.try_read(s.value)) result.emplace(s.value);
    return result;
  }

  class reader_handle {
   public:
    // The next element, and how far it has come. Answers: `empty` (try_), `timed_out` (_for), `corrupt` (no correct participant
    // wrote this).
    outcome read(T& value) { return read_until(&value, 1, deadline::never()).why; }
    outcome try_read(T& value) { return read_until(&value, 1, deadline::at_once()).why; }
    template <typename Rep, typename Period>
    outcome read_for(T& value, std::chrono::duration<Rep, Period> timeout) {
      return internal::late(read_until(&value, 1, deadline::after(timeout)).why);
    }
    // Waits for at least one, then takes what is there, up to the size of the span.
    batch_outcome read_n(std::span<T> values) {
      return read_until(values.data(), values.size(), deadline::never());
    }
    batch_outcome try_read_n(std::span<T> values) {
      return read_until(values.data(), values.size(), deadline::at_once());
    }
    template <typename Rep, typename Period>
    batch_outcome read_n_for(std::span<T> values, std::chrono::duration<Rep, Period> timeout) {
      batch_outcome r = read_until(values.data(), values.size(), deadline::after(timeout));
      return {r.count, internal::late(r.why)};
    }

    // Of the element that is read next.
    uint64_t position() const { return position_; }
    // Goes there; to the oldest that is still there, if that has gone, and missed() says so.
    void seek(uint64_t position) { position_ = std::min(position, state_->core.tail()); }
    // Elements that were overwritten before this reader came to them, since it was made.
    uint64_t missed() const { return missed_; }
    // Elements that are waiting to be read, those included that have been overwritten.
    uint64_t lag() const { return state_->core.tail() - position_; }

   private:
    friend class ring;
    reader_handle(std::shared_ptr<state> s, uint64_t position)
        : state_(std::move(s)), position_(position) {}

    batch_outcome read_until(T* values, size_t n, deadline until) {
      if (n == 0) return {};
      for (;;) {
        uint64_t done = 0;
        const outcome r = state_->core.read_n(position_, values, n, done, missed_);
        if (r != outcome::empty || until.is_at_once()) {
          return {static_cast<size_t>(done), r};
        }
        if (const outcome w = state_->core.wait_for_more(position_, until); !w) return {0, w};
      }
    }

    std::shared_ptr<state> state_;
    uint64_t position_;
    uint64_t missed_ = 0;
  };

  reader_handle reader(read_from where = read_from::next) const {
    const uint64_t tail = core().tail();
    switch (where) {
      case read_from::oldest:
        return reader_handle(state_, core().oldest());
      case read_from::newest:
        return reader_handle(state_, tail == 0 ? 0 : tail - 1);
      case read_from::next:
        break;
    }
    return reader_handle(state_, tail);
  }

 private:
  union storage {
    storage() {}
    T value;  // which need not have a default constructor
  };

  explicit ring(std::shared_ptr<state> s) : state_(std::move(s)) {}

  static absl::StatusOr<ring> make(const memory& mem, std::string_view name,
                                   internal::open_mode mode, size_t capacity) {
    auto opened = internal::open_laid_out(
        mem, name, mode, structure_type::of<T>(kind::ring),
        {.capacity = capacity, .max_capacity = internal::kMaxRingCapacity},
        [](internal::geometry_builder& g) {
          g.header(sizeof(internal::ring_header<hardware>));
          g.part(g.capacity() + internal::ring_spare_slots(g.capacity()), core_type::kStride,
                 alignof(T));
        },
        [](void*, const internal::structure_geometry&) {});
    if (!opened.ok()) return opened.status();
    auto s = std::make_shared<state>();
    s->held = std::move(opened->held);
    void* data = s->held.data();
    s->core.bind(s->held.env(), *static_cast<internal::ring_header<hardware>*>(data),
                 internal::item_of(data, opened->geometry, 0, 0), opened->geometry.capacity);
    return ring(std::move(s));
  }
  core_type& core() const { return state_->core; }

  std::shared_ptr<state> state_;
};

}  // namespace zeroipc

#endif  // ZEROIPC_RING_RING_H_
