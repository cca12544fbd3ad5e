// pool<T>: a fixed number of cells that processes borrow, and that come back when the borrower dies.
//
//   zeroipc::pool<Frame> frames(mem, "frames", 64);     // opens it, or creates it with 64 cells
//   if (Frame* f = frames.allocate()) {                 // nullptr if all are in use
//     capture(f);
//     frames.deallocate(f);
//   }
//
//   if (auto f = frames.borrow()) fill(*f);             // gives it back at the end of the scope
//
//   results.push(frames.ref(f));                        // 8 bytes that mean the cell in every process:
//   Frame* mine = frames.adopt(*results.pop());         // from here on it is the taker's
//
// When to use it: for large or scarce things that are passed by reference (images, connections, tickets of a bulkhead). When
// not: for permits without memory, use zeroipc::semaphore; for memory of any size under names, create structures.
//
// What is promised when a process is killed
//   * Its cells come back: whoever finds nothing free, or waits, takes them from it, as soon as its death is noticed. What it had
//     written to them is still there, as is whatever was in a cell when it was deallocated.
//   * A cell that was handed over belongs to the giver until the taker has adopted it.
//   * A cell is given to one process at a time; nobody gets stuck on what another one was doing, dead or stopped.
//
// Wrong pointers are told apart, and change nothing: `foreign` (not the start of a cell of this pool), `gone` (freed before),
// `taken` (another process's by now). What cannot be told: a pointer freed twice after this same process allocated the cell
// again in between. A ref or a borrowed cell knows better, by the generation.
//
// Thread safety: handles are thread-safe, cheap to copy, and keep the segment mapped. Any thread of the process that allocated
// (or adopted) a cell may deallocate it. In a forked child its parent's cells are the parent's.
// Progress: lock-free. Complexity: O(1) while there are free cells near the last one; at most capacity / 4096 loads to find
// one, or that there is none. After a death one pass over the cells, O(capacity), when nothing else is left.
// Memory: 256 bytes, and 8 bytes and a bit or so beyond each element.
#ifndef ZEROIPC_POOL_POOL_H_
#define ZEROIPC_POOL_POOL_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "zeroipc/base/error.h"
#include "zeroipc/base/outcome.h"
#include "zeroipc/base/shareable.h"
#include "zeroipc/name_table/geometry.h"
#include "zeroipc/name_table/sized_structure.h"
#include "zeroipc/participant/participant.h"
#include "zeroipc/pool/core.h"
#include "zeroipc/segment/segment.h"

namespace zeroipc {

// A cell of a pool, as other processes of the segment understand it. Can be put into queues and maps.
struct pool_ref {
  uint32_t index = 0;
  uint32_t generation = 0;  // 0: no cell
  friend bool operator==(pool_ref, pool_ref) = default;
};

template <typename T>
class pool : public sized_structure<pool<T>> {
  static_assert(internal::check_shareable<T>());
  template <typename Rep, typename Period>
  using duration = std::chrono::duration<Rep, Period>;
  struct state;

 public:
  using value_type = T;

  // Opens the pool, or creates it; one that exists with another capacity is an error. Throws zeroipc::error.
  pool(const memory& mem, std::string_view name, size_t capacity)
      : pool(internal::value_or_raise(pool::open_or_create(mem, name, capacity))) {}
  // Opens a pool that exists. Throws zeroipc::error.
  pool(const memory& mem, std::string_view name)
      : pool(internal::value_or_raise(pool::open(mem, name))) {}

  // A cell of our own, with what was left in it (zeroes at first); nullptr if there is none: now, ever, or in that time.
  T* allocate() { return cell_or_null(deadline::at_once()); }
  T* allocate_wait() { return cell_or_null(deadline::never()); }
  template <typename Rep, typename Period>
  T* allocate_for(duration<Rep, Period> timeout) {
    return cell_or_null(deadline::after(timeout));
  }
  // The same with the reason: `empty` (all are in use), `timed_out`, `exhausted` (this process is a forked child that could not
  // join the segment), `corrupt` (no correct participant wrote this).
  outcome allocate(T*& cell, deadline until = deadline::at_once()) {
    uint64_t index;
    uint32_t generation;
    const outcome r = core().allocate(index, generation, until);
    cell = r ? cell_at(index) : nullptr;
    return r;
  }
  // As many as there are, up to the size of the span.
  size_t allocate_n(std::span<T*> cells) {
    size_t n = 0;
    while (n < cells.size() && allocate(cells[n])) ++n;
    return n;
  }

  // Gives a cell back. `foreign`, `gone`, `taken`: see above. A null pointer is nothing to give back: ok.
  outcome deallocate(T* cell) {
    if (cell == nullptr) return outcome::ok;
    uint64_t index;
    if (!index_of(cell, index)) return outcome::foreign;
    return core().deallocate(index, nullptr);
  }
  // The same for all of them; how many were ours, and what the first that was not was.
  batch_outcome deallocate_n(std::span<T* const> cells) {
    batch_outcome result;
    for (T* cell : cells) {
      const outcome r = deallocate(cell);
      result.count += static_cast<bool>(r);
      if (result.why) result.why = r;
    }
    return result;
  }
  // Whether a pointer is the start of one of this pool's cells, in use or not.
  bool contains(const T* cell) const {
    uint64_t index;
    return index_of(cell, index);
  }

  // --- handing over ---

  // REQUIRES: the cell is ours. A ref of no cell (generation 0) if the pointer is foreign.
  pool_ref ref(const T* cell) const {
    uint64_t index;
    if (!index_of(cell, index)) return {};
    return {static_cast<uint32_t>(index), core().generation(index)};
  }
  // Makes it ours; nullptr if its owner has given it back, or died and had it taken back, before.
  T* adopt(pool_ref r) {
    if (r.generation == 0 || r.index >= core().capacity()) return nullptr;
    return core().adopt(r.index, r.generation) ? cell_at(r.index) : nullptr;
  }
  // `gone`: it has been given back before; `taken`: it is another process's; `foreign`: no such cell.
  outcome deallocate(pool_ref r) {
    if (r.generation == 0 || r.index >= core().capacity()) return outcome::foreign;
    return core().deallocate(r.index, &r.generation);
  }

  // A cell for the time of a scope; move-only. Tests as true while there is one.
  class borrowed {
   public:
    borrowed() = default;
    borrowed(borrowed&& other) noexcept
        : state_(std::move(other.state_)),
          cell_(std::exchange(other.cell_, nullptr)),
          ref_(other.ref_) {}
    borrowed& operator=(borrowed&& other) noexcept {
      if (this != &other) {
        give_back();
        state_ = std::move(other.state_);
        cell_ = std::exchange(other.cell_, nullptr);
        ref_ = other.ref_;
      }
      return *this;
    }
    ~borrowed() { give_back(); }

    explicit operator bool() const { return cell_ != nullptr; }
    T* get() const { return cell_; }
    T& operator*() const { return *cell_; }
    T* operator->() const { return cell_; }
    pool_ref ref() const { return ref_; }

    // `gone` if it has been given back, released or deallocated before.
    outcome give_back() {
      if (cell_ == nullptr) return outcome::gone;
      cell_ = nullptr;
      return state_->core.deallocate(ref_.index, &ref_.generation);
    }
    // Leaves the cell to the caller, or to whoever is handed the ref.
    T* release() { return std::exchange(cell_, nullptr); }

   private:
    friend class pool;
    borrowed(std::shared_ptr<state> s, T* cell, pool_ref r)
        : state_(std::move(s)), cell_(cell), ref_(r) {}

    std::shared_ptr<state> state_;
    T* cell_ = nullptr;
    pool_ref ref_;
  };
  borrowed borrow() { return borrow_until(deadline::at_once()); }
  borrowed borrow_wait() { return borrow_until(deadline::never()); }
  template <typename Rep, typename Period>
  borrowed borrow_for(duration<Rep, Period> timeout) {
    return borrow_until(deadline::after(timeout));
  }

  // Takes back what the dead hold; how many cells that was. Nobody needs to call it: who finds nothing does.
  size_t recover() { return static_cast<size_t>(core().sweep()); }

  size_t capacity() const { return static_cast<size_t>(core().capacity()); }
  // A snapshot; looks at each cell.
  pool_stats stats() const { return core().stats(); }
  const std::string& name() const { return state_->held.name(); }

 private:
  friend class sized_structure<pool>;
  using core_type = internal::pool_core<hardware, internal::participant>;
  struct state {
    internal::structure held;
    core_type core;
    std::byte* cells = nullptr;
  };

  explicit pool(std::shared_ptr<state> s) : state_(std::move(s)) {}

  T* cell_at(uint64_t index) const {
    return reinterpret_cast<T*>(state_->cells + index * sizeof(T));
  }
  bool index_of(const T* cell, uint64_t& index) const {
    // As numbers: pointers into different objects are not to be compared.
    const uintptr_t offset =
        reinterpret_cast<uintptr_t>(cell) - reinterpret_cast<uintptr_t>(state_->cells);
    index = offset / sizeof(T);
    return offset % sizeof(T) == 0 && index < core().capacity();
  }
  T* cell_or_null(deadline until) {
    T* cell;
    allocate(cell, until);
    return cell;
  }
  borrowed borrow_until(deadline until) {
    uint64_t index;
    uint32_t generation;
    if (!core().allocate(index, generation, until)) return {};
    return borrowed(state_, cell_at(index), {static_cast<uint32_t>(index), generation});
  }

  static absl::StatusOr<pool> make(const memory& mem, std::string_view name,
                                   internal::open_mode mode, size_t capacity) {
    auto opened = internal::open_laid_out(
        mem, name, mode, structure_type::of<T>(kind::pool),
        {.capacity = capacity, .max_capacity = internal::kMaxPoolCapacity},
        [](internal::geometry_builder& g) {
          const uint64_t words = internal::pool_words(g.capacity());
          g.header(sizeof(internal::pool_header<hardware>));
          g.part(internal::pool_words(words), 8, 8);
          g.part(words, 8, 8);
          g.part(g.capacity(), 8, 8);
          g.part(g.capacity(), sizeof(T), alignof(T));
        },
        [&](void* data, const internal::structure_geometry& g) {
          core_type fresh;
          fresh.bind(*mem.attachment()->self, data, g);
          fresh.open_for_business();
        });
    if (!opened.ok()) return opened.status();
    auto s = std::make_shared<state>();
    s->held = std::move(opened->held);
    s->core.bind(s->held.env(), s->held.data(), opened->geometry);
    s->cells = internal::item_of(s->held.data(), opened->geometry, 3, 0);
    return pool(std::move(s));
  }
  core_type& core() const { return state_->core; }

  std::shared_ptr<state> state_;
};

}  // namespace zeroipc

#endif  // ZEROIPC_POOL_POOL_H_
