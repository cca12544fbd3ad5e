// cell<T>: the newest value of something, for any number of readers in any processes (a blackboard).
//
//   zeroipc::cell<Pose> pose(mem, "pose");              // opens it, or creates it
//   pose.store(estimate);                               // in one process
//
//   if (auto now = pose.load()) steer(*now);            // in any other: whole, and the newest
//   for (uint64_t seen = 0;;) {
//     seen = pose.wait_for_change(seen);                // sleeps until there is a newer one
//     show(pose.load());
//   }
//
// When to use it: for state of which only the present value matters: positions, prices, settings, health. When not: to see
// each value, use zeroipc::ring (the newest N) or zeroipc::stream; for values under keys, zeroipc::map.
//
// What is promised when a process is killed
//   * A store that returned is what loads find, until the next one. Killed before that, a store happened or did not: the value
//     found is the old one or the new one, whole.
//   * Nobody waits for a dead writer longer than it takes to see that it is dead, and readers not at all.
//
// Order: versions are 1, 2, 3, ... in the order of the stores. A reader never sees an older version after a newer one.
//
// Thread safety: handles are thread-safe, cheap to copy, and keep the segment mapped.
// Progress: load() is lock-free: it looks again only if writers completed three stores and began a fourth while it copied. It
// does not slow writers down. Writers exclude each other by a robust lock; one that is stopped (SIGSTOP) in the middle of a
// store holds up other writers, no readers.
// Complexity: O(sizeof(T)). Memory: 384 bytes and four buffers of sizeof(T) + 8, rounded up to cache lines.
// Source: sequence locks (Lameter 2005; Boehm 2012) over several buffers, so that a writer does not disturb the reader
// of the value before (Kopetz and Reisinger's non-blocking write protocol, 1993).
#ifndef ZEROIPC_CELL_CELL_H_
#define ZEROIPC_CELL_CELL_H_

#include <chrono>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "zeroipc/base/error.h"
#include "zeroipc/base/shareable.h"
#include "zeroipc/cell/core.h"
#include "zeroipc/name_table/geometry.h"
#include "zeroipc/name_table/plain_structure.h"
#include "zeroipc/participant/participant.h"
#include "zeroipc/segment/segment.h"

namespace zeroipc {

template <typename T>
class cell : public plain_structure<cell<T>> {
  static_assert(internal::check_shareable<T>());

 public:
  using value_type = T;

  // Opens the cell, or creates it without a value. Throws zeroipc::error.
  cell(const memory& mem, std::string_view name)
      : cell(internal::value_or_raise(cell::open_or_create(mem, name))) {}

  // The newest value, if there is one. `empty`: none was stored yet; `corrupt`: no correct participant wrote this.
  outcome load(T& value, uint64_t* version = nullptr) const { return core().load(value, version); }
  std::optional<T> load(uint64_t* version = nullptr) const {
    std::optional<T> result;
    storage s;
    if (core().load(s.value, version)) result.emplace(s.value);
    return result;
  }

  // Replaces it. `exhausted`: this process is a forked child that could not join the segment. The version that it became, or
  // that stands in the way, is left in *version.
  outcome store(const T& value, uint64_t* version = nullptr) {
    return core().store(value, core_type::kAny, version, deadline::never());
  }
  // The same within a time, for another writer may be stopped in the middle of a store: `timed_out`, or `taken` if the time is
  // nothing.
  template <typename Rep, typename Period>
  outcome store_for(const T& value, std::chrono::duration<Rep, Period> timeout,
                    uint64_t* version = nullptr) {
    return core().store(value, core_type::kAny, version, deadline::after(timeout));
  }
  // Only if `expected` is the newest version (0: there is none yet); `gone` otherwise.
  outcome store_if(uint64_t expected, const T& value, uint64_t* version = nullptr) {
    return core().store(value, expected, version, deadline::never());
  }
  // Calls change(T&) on a copy of the newest value, all zeroes if there is none, and stores that; no other store comes in
  // between. `change` must not use this cell's stores.
  template <typename F>
  outcome update(F&& change, uint64_t* version = nullptr) {
    storage s;
    std::memset(static_cast<void*>(&s), 0, sizeof s);
    return core().update(std::forward<F>(change), s.value, version);
  }

  // The version of the newest value; 0 if there is none.
  uint64_t version() const { return core().version(); }
  // Waits until the newest version is another than `since`, and returns it; with a limit, 0 if that passes first.
  uint64_t wait_for_change(uint64_t since) {
    uint64_t now = 0;
    core().wait_for_change(since, now, deadline::never());
    return now;
  }
  template <typename Rep, typename Period>
  uint64_t wait_for_change_for(uint64_t since, std::chrono::duration<Rep, Period> timeout) {
    uint64_t now = 0;
    return core().wait_for_change(since, now, deadline::after(timeout)) ? now : 0;
  }

  cell_stats stats() const { return core().stats(); }
  // For what waits for several things at once: its env() and its changed().
  const auto& waitable() const { return core(); }
  const std::string& name() const { return state_->held.name(); }

 private:
  friend class plain_structure<cell>;
  using core_type = internal::cell_core<hardware, internal::participant, T>;
  struct state {
    internal::structure held;
    core_type core;
  };
  // Room for a T, which need not have a default constructor, or may have one that does something.
  union storage {
    storage() {}
    T value;
  };

  explicit cell(std::shared_ptr<state> s) : state_(std::move(s)) {}

  static absl::StatusOr<cell> make(const memory& mem, std::string_view name,
                                   internal::open_mode mode) {
    auto opened = internal::open_laid_out(
        mem, name, mode, structure_type::of<T>(kind::cell), {},
        [](internal::geometry_builder& g) {
          g.header(sizeof(internal::cell_header<hardware>));
          g.part(internal::kCellBuffers, core_type::kStride, alignof(T));
        },
        [](void*, const internal::structure_geometry&) {});
    if (!opened.ok()) return opened.status();
    auto s = std::make_shared<state>();
    s->held = std::move(opened->held);
    void* data = s->held.data();
    s->core.bind(s->held.env(), *static_cast<internal::cell_header<hardware>*>(data),
                 internal::item_of(data, opened->geometry, 0, 0));
    return cell(std::move(s));
  }
  core_type& core() const { return state_->core; }

  std::shared_ptr<state> state_;
};

}  // namespace zeroipc

#endif  // ZEROIPC_CELL_CELL_H_
