// stack<T>: a bounded last-in-first-out stack between processes, any of which may die at any instruction.
//
//   zeroipc::stack<Block> spare(mem, "spare", 1000);    // opens it, or creates it with room for 1000
//   spare.push(block);                                  // waits while it is full
//   if (auto b = spare.try_pop()) reuse(*b);            // the one that was pushed last
//
// When to use it: for what is best used again while it is warm, and for work that unfolds depth first. When not: to hand
// things on in order, use zeroipc::queue; for memory to be borrowed and given back, zeroipc::pool.
//
// What is promised when a process is killed
//   * A push that returned ok is there to be popped, once. One that did not return is there, or it is not.
//   * A pop that returned has the element. Killed before that, the element is still there, unless the kill came between its
//     removal and the return: then it went with the process.
//   * A batch (push_n, pop_n) is one step for as much of it as there was room or there were elements.
//   * Nobody gets stuck on a dead process. Behind a live one that is *stopped* (SIGSTOP) in the middle of an operation, others
//     wait; try_ forms for no longer than 10 ms, and then answer `taken`.
//
// Closing is final; what is there can still be popped.
//
// Thread safety: handles are thread-safe, cheap to copy, and keep the segment mapped.
// Progress: blocking, by a robust lock that is held for the time of the copy.
// Complexity: O(1), batches O(n). Memory: 256 bytes, and none beyond the elements.
#ifndef ZEROIPC_STACK_STACK_H_
#define ZEROIPC_STACK_STACK_H_

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
#include "zeroipc/base/outcome.h"
#include "zeroipc/base/shareable.h"
#include "zeroipc/name_table/geometry.h"
#include "zeroipc/name_table/sized_structure.h"
#include "zeroipc/participant/participant.h"
#include "zeroipc/segment/segment.h"
#include "zeroipc/stack/core.h"

namespace zeroipc {

// Every operation has three forms: try_x (now), x (until done or closed) and x_for (at most that long). They answer:
//   ok         it took effect
//   full       try_*: no room now                      empty      try_*: nothing there now
//   timed_out  *_for: the time passed first            taken      try_*: see above
//   closed     pushing: the stack is closed; popping: it is closed, and nothing is left
//   exhausted  this process is a forked child that could not join the segment
//   corrupt    the segment holds what no correct participant can have written
template <typename T>
class stack : public sized_structure<stack<T>> {
  static_assert(internal::check_shareable<T>());
  template <typename Rep, typename Period>
  using duration = std::chrono::duration<Rep, Period>;

 public:
  using value_type = T;

  // Opens the stack, or creates it; one that exists with another capacity is an error. Throws zeroipc::error.
  stack(const memory& mem, std::string_view name, size_t capacity)
      : stack(internal::value_or_raise(stack::open_or_create(mem, name, capacity))) {}
  // Opens a stack that exists. Throws zeroipc::error.
  stack(const memory& mem, std::string_view name)
      : stack(internal::value_or_raise(stack::open(mem, name))) {}

  outcome push(const T& value) { return push_until({&value, 1}, deadline::never()).why; }
  outcome try_push(const T& value) { return push_until({&value, 1}, deadline::at_once()).why; }
  template <typename Rep, typename Period>
  outcome push_for(const T& value, duration<Rep, Period> timeout) {
    return internal::late(push_until({&value, 1}, deadline::after(timeout)).why);
  }
  // The last of them ends on top. push_n waits until all are in; the others say how many are.
  batch_outcome push_n(std::span<const T> values) { return push_until(values, deadline::never()); }
  batch_outcome try_push_n(std::span<const T> values) {
    return push_until(values, deadline::at_once());
  }
  template <typename Rep, typename Period>
  batch_outcome push_n_for(std::span<const T> values, duration<Rep, Period> timeout) {
    const batch_outcome r = push_until(values, deadline::after(timeout));
    return {r.count, internal::late(r.why)};
  }

  outcome pop(T& value) { return pop_until({&value, 1}, deadline::never()).why; }
  outcome try_pop(T& value) { return pop_until({&value, 1}, deadline::at_once()).why; }
  template <typename Rep, typename Period>
  outcome pop_for(T& value, duration<Rep, Period> timeout) {
    return internal::late(pop_until({&value, 1}, deadline::after(timeout)).why);
  }
  // The forms that return an optional have no place for the reason; ask closed(), or use the others.
  std::optional<T> pop() { return popped(deadline::never()); }
  std::optional<T> try_pop() { return popped(deadline::at_once()); }
  template <typename Rep, typename Period>
  std::optional<T> pop_for(duration<Rep, Period> timeout) {
    return popped(deadline::after(timeout));
  }
  // The newest first. Wait for at least one, then take what is there.
  batch_outcome pop_n(std::span<T> values) { return pop_until(values, deadline::never()); }
  batch_outcome try_pop_n(std::span<T> values) { return pop_until(values, deadline::at_once()); }
  template <typename Rep, typename Period>
  batch_outcome pop_n_for(std::span<T> values, duration<Rep, Period> timeout) {
    const batch_outcome r = pop_until(values, deadline::after(timeout));
    return {r.count, internal::late(r.why)};
  }

  // A copy of the newest, which stays.
  outcome try_top(T& value) const { return core().top(value, deadline::at_once()); }

  // Nobody can push any more; everybody who waits is woken. By anybody, any number of times.
  void close() { core().close(); }
  bool closed() const { return core().closed(); }

  size_t capacity() const { return static_cast<size_t>(core().capacity()); }
  // A snapshot: by the time it is used it is history.
  size_t size() const { return static_cast<size_t>(core().depth()); }
  bool empty() const { return size() == 0; }
  stack_stats stats() const { return core().stats(); }
  const std::string& name() const { return state_->held.name(); }

 private:
  friend class sized_structure<stack>;
  using core_type = internal::stack_core<hardware, internal::participant, T>;
  struct state {
    internal::structure held;
    core_type core;
  };

  explicit stack(std::shared_ptr<state> s) : state_(std::move(s)) {}

  batch_outcome push_until(std::span<const T> values, deadline until) {
    uint64_t done = 0;
    const outcome why = core().push_n(values.data(), values.size(), done, until);
    return {static_cast<size_t>(done), why};
  }
  batch_outcome pop_until(std::span<T> values, deadline until) {
    uint64_t done = 0;
    const outcome why = core().pop_n(values.data(), values.size(), done, until);
    return {static_cast<size_t>(done), why};
  }
  std::optional<T> popped(deadline until) {
    // Storage without T's constructors: an element need not have a default one.
    union storage {
      storage() {}
      T value;
    } s;
    if (!pop_until({&s.value, 1}, until)) return std::nullopt;
    return s.value;
  }

  static absl::StatusOr<stack> make(const memory& mem, std::string_view name,
                                    internal::open_mode mode, size_t capacity) {
    auto opened = internal::open_laid_out(
        mem, name, mode, structure_type::of<T>(kind::stack),
        {.capacity = capacity, .max_capacity = internal::kMaxStackCapacity},
        [](internal::geometry_builder& g) {
          g.header(sizeof(internal::stack_header<hardware>));
          g.part(g.capacity(), sizeof(T), alignof(T));
        },
        [](void*, const internal::structure_geometry&) {});
    if (!opened.ok()) return opened.status();
    auto s = std::make_shared<state>();
    s->held = std::move(opened->held);
    void* data = s->held.data();
    s->core.bind(s->held.env(), *static_cast<internal::stack_header<hardware>*>(data),
                 internal::item_of(data, opened->geometry, 0, 0), opened->geometry.capacity);
    return stack(std::move(s));
  }
  core_type& core() const { return state_->core; }

  std::shared_ptr<state> state_;
};

}  // namespace zeroipc

#endif  // ZEROIPC_STACK_STACK_H_
