// What every co_await of this library is: a group of select cases, of which one is to be taken, and the coroutine that waits for it.
//
// It lives in the coroutine's frame, and is destroyed with it. A value is taken, and the coroutine resumed, in one step of the loop:
// none is ever taken for a coroutine that is gone.
//
//   state     left by                                                          destroyed here
//   looking   await_ready: taken or late -> over; else -> fresh                -
//   fresh     the loop looks at it: -> over; before it sleeps: -> linked       nothing to do
//   linked    a word of its has changed: looked at -> over; before the loop    its words are left; who was woken for it is told
//             sleeps: -> standing, if it has an offer to make
//   standing  looked at: the offer is taken back: -> over (somebody took it)   the same, and the offer is taken back (somebody may
//             or linked                                                        have taken it: it was sent)
//   over      the coroutine goes on                                            -
#ifndef ZEROIPC_COROUTINE_WAITING_H_
#define ZEROIPC_COROUTINE_WAITING_H_

#include <array>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <tuple>
#include <utility>
#include <vector>

#include "zeroipc/base/deadline.h"
#include "zeroipc/coroutine/hook.h"
#include "zeroipc/select/select.h"

namespace zeroipc::internal {

class event_loop;
class waiting;
struct spawned_task;
struct watched_word;

// One that waits, and one word.
struct link : hook {
  waiting* who = nullptr;
  watched_word* word = nullptr;
};

class waiting : public hook {
 public:
  waiting(const waiting&) = delete;
  waiting& operator=(const waiting&) = delete;

  bool await_ready() { return ready(); }
  void await_suspend(std::coroutine_handle<> h) { suspend(h); }

 protected:
  // REQUIRES: the cases are there when this is destroyed (held_cases).
  waiting(std::span<select_case* const> cases, deadline until,
          select_order order = select_order::fair)
      : cases_(cases), until_(until), order_(order) {}
  ~waiting();

  // Looks once.
  bool ready();
  // Hands it to the executor that runs on this thread. Throws zeroipc::error if none does.
  void suspend(std::coroutine_handle<> h);
  // Its end comes at a time, or with a task's, and not by a word.
  void is_quiet() { quiet_ = true; }

  // What came of it. `timed_out`: nothing in time.
  const selection& answer() const { return *answer_; }

 private:
  friend class event_loop;
  friend class watch_list;
  static constexpr size_t kNone = SIZE_MAX;

  const std::span<select_case* const> cases_;
  const deadline until_;
  const select_order order_;
  bool quiet_ = false;
  std::optional<selection> answer_;

  // The loop's.
  event_loop* loop_ = nullptr;  // while it waits
  std::coroutine_handle<> coroutine_;
  std::shared_ptr<spawned_task> within_;
  bool linked_ = false;
  size_t stander_ = kNone;  // which case
  bool stands_ = false;
  bool stood_ = false;
  std::multimap<deadline, waiting*>::iterator timer_;
  bool timed_ = false;
  std::vector<link> links_;
};

// The cases of a group: a base that comes before `waiting`, and so outlives it.
template <typename... Cases>
class held_cases {
 protected:
  explicit held_cases(Cases... cases) : cases_(std::move(cases)...) {}
  held_cases(const held_cases&) = delete;

  std::span<select_case* const> all() const { return all_; }

 private:
  std::tuple<Cases...> cases_;
  const std::array<select_case*, sizeof...(Cases)> all_ = std::apply(
      [](auto&... c) { return std::array<select_case*, sizeof...(Cases)>{&c...}; }, cases_);
};
// One, which is made in place.
template <typename Case>
class held_case {
 protected:
  template <typename... Args>
  explicit held_case(Args&&... args) : case_(std::forward<Args>(args)...) {}
  held_case(const held_case&) = delete;

  Case& held() { return case_; }
  const Case& held() const { return case_; }
  std::span<select_case* const> all() const { return all_; }

 private:
  Case case_;
  select_case* const all_[1] = {&case_};
};

}  // namespace zeroipc::internal

#endif  // ZEROIPC_COROUTINE_WAITING_H_
