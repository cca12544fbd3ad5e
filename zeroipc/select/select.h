// select: waits for the first of several things, and takes exactly that one.
//
//   zeroipc::select(
//       zeroipc::on_receive(jobs, [&](const Job& j) { run(j); }),
//       zeroipc::on_send(results, next, [&] { next = compute(); }),
//       zeroipc::on_ready(answer, [&](const Answer& a) { use(a); }),
//       zeroipc::on_next(events, [&](const Event& e) { log(e); }),
//       zeroipc::on_change(settings, seen, [&](const Settings& s) { apply(s); }),
//       zeroipc::on_death(mem, leader, [&] { elect(); }),
//       zeroipc::on_timer(1s, [&] { tick(); }));
//
//   while (zeroipc::select_by_priority(zeroipc::on_receive(urgent, f), zeroipc::on_receive(normal, g))) {}
//
//   zeroipc::selector all;                                // of which there are as many as there are at run time
//   for (auto& inbox : inboxes) all.add(zeroipc::on_receive(inbox, handle));
//   while (all.select()) {}
//
// One of them is taken, its handler is called in this thread, and its number answered. What is not taken stays as it is. The wait is
// one sleep on all of them, in any segments; nothing is polled.
//
// select() is fair: of several that could be taken at once it takes any, with the same chances. select_by_priority() takes the first
// in the order of its arguments.
//
// When to use it: in a process that serves several sources in one thread. When not: for one source, whose own operations wait.
//
// What is promised when a process is killed: what the operations promise that the cases stand for. One that dies in its handler has
// received the value; where it must not be lost, let the handler be short, or lease it elsewhere.
//
// Rendezvous channels: of the cases that send on one, the first (by number) stands with an offer while the select sleeps, and meets
// every receiver. The others meet those that wait in receive() or lease(), not those that wait in another select: give such a
// channel a buffer of one.
//
// Thread safety: a select uses what its cases name as any other operation does. A selector is for one thread at a time.
// Complexity: O(cases) for each look. At most 100 cases.
#ifndef ZEROIPC_SELECT_SELECT_H_
#define ZEROIPC_SELECT_SELECT_H_

#include <array>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "zeroipc/base/deadline.h"
#include "zeroipc/base/outcome.h"
#include "zeroipc/select/cases.h"
#include "zeroipc/select/select_case.h"

namespace zeroipc {

inline constexpr size_t kMostCases = 100;

// Which case was taken. Tests as true if one was; why() otherwise: `empty` (try_) or `timed_out` (_for); `closed`: none of them can
// happen any more; `exhausted`: there are more than kMostCases, or than 27 segments.
class selection {
 public:
  explicit selection(size_t index) : index_(index) {}
  explicit selection(outcome why) : why_(why) {}

  explicit operator bool() const { return static_cast<bool>(why_); }
  outcome why() const { return why_; }
  // Counted from 0. REQUIRES: one was taken.
  size_t index() const { return index_; }

 private:
  size_t index_ = 0;
  outcome why_;
};

namespace internal {

enum class select_order : bool { fair, by_priority };

// Takes one, if that can be done now; `closed` if none of them can happen any more. Its handler is not run.
std::optional<selection> look_at(std::span<select_case* const> cases, select_order order);

// Waits, takes one, and runs its handler.
selection select_among(std::span<select_case* const> cases, select_order order, deadline until);

template <typename... Cases>
selection select_among(select_order order, deadline until, Cases&... cases) {
  const std::array<select_case*, sizeof...(Cases)> all = {&cases...};
  return select_among(all, order, until);
}

}  // namespace internal

template <typename... Cases>
selection select(Cases... cases) {
  return internal::select_among(internal::select_order::fair, deadline::never(), cases...);
}
template <typename... Cases>
selection try_select(Cases... cases) {
  return internal::select_among(internal::select_order::fair, deadline::at_once(), cases...);
}
template <typename Rep, typename Period, typename... Cases>
selection select_for(std::chrono::duration<Rep, Period> timeout, Cases... cases) {
  return internal::select_among(internal::select_order::fair, deadline::after(timeout), cases...);
}

template <typename... Cases>
selection select_by_priority(Cases... cases) {
  return internal::select_among(internal::select_order::by_priority, deadline::never(), cases...);
}
template <typename... Cases>
selection try_select_by_priority(Cases... cases) {
  return internal::select_among(internal::select_order::by_priority, deadline::at_once(), cases...);
}
template <typename Rep, typename Period, typename... Cases>
selection select_by_priority_for(std::chrono::duration<Rep, Period> timeout, Cases... cases) {
  return internal::select_among(internal::select_order::by_priority, deadline::after(timeout),
                                cases...);
}

// The same for cases that are put together at run time, and used again and again.
class selector {
 public:
  // Its number.
  template <typename Case>
  size_t add(Case c) {
    cases_.push_back(std::make_unique<Case>(std::move(c)));
    return cases_.size() - 1;
  }
  size_t size() const { return cases_.size(); }
  void clear() { cases_.clear(); }

  selection select() { return among(internal::select_order::fair, deadline::never()); }
  selection try_select() { return among(internal::select_order::fair, deadline::at_once()); }
  template <typename Rep, typename Period>
  selection select_for(std::chrono::duration<Rep, Period> timeout) {
    return among(internal::select_order::fair, deadline::after(timeout));
  }
  selection select_by_priority() {
    return among(internal::select_order::by_priority, deadline::never());
  }
  selection try_select_by_priority() {
    return among(internal::select_order::by_priority, deadline::at_once());
  }
  template <typename Rep, typename Period>
  selection select_by_priority_for(std::chrono::duration<Rep, Period> timeout) {
    return among(internal::select_order::by_priority, deadline::after(timeout));
  }

 private:
  selection among(internal::select_order order, deadline until) {
    std::vector<select_case*> all;
    all.reserve(cases_.size());
    for (const auto& c : cases_) all.push_back(c.get());
    return internal::select_among(all, order, until);
  }

  std::vector<std::unique_ptr<select_case>> cases_;
};

}  // namespace zeroipc

#endif  // ZEROIPC_SELECT_SELECT_H_
