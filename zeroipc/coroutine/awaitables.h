// What a task can co_await: the operations that wait, of channels, streams, futures and cells, and time. Each looks once; if what it
// asks for is not there, the task is put aside, and the executor's thread goes on with another one, or sleeps.
//
//   std::optional<Job> job = co_await zeroipc::async_receive(jobs);
//   zeroipc::outcome sent = co_await zeroipc::async_send_for(results, r, 5s);
//   while (auto e = co_await zeroipc::async_next(events)) log(*e);
//   Answer a = co_await answer;                                   // a zeroipc::future<Answer>
//   seen = co_await zeroipc::async_change(settings, seen);
//   co_await zeroipc::sleep_for(1s);
//   zeroipc::selection s = co_await zeroipc::async_select(
//       zeroipc::on_receive(jobs, [&](const Job& j) { run(j); }), zeroipc::on_timer(1s, [&] { tick(); }));
//
// Each answers as the operation does that it is named after, and has the forms that this has: with an out parameter, an outcome that
// says why not; with _for, a limit. What it is given is used, not copied: it has to live until the task goes on. Values that are
// sent are copied.
//
// A task that is destroyed while it waits has taken nothing. A value that was taken is handed to the task in the same step.
//
// Rendezvous channels: as in zeroipc::select, a task that waits in async_receive() is met by those that wait in send(), not by
// try_send(), which looks for receivers in receive() and lease(). A task that waits in async_send() stands with an offer, and meets
// everybody. Tasks of one executor meet each other.
#ifndef ZEROIPC_COROUTINE_AWAITABLES_H_
#define ZEROIPC_COROUTINE_AWAITABLES_H_

#include <chrono>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "zeroipc/base/deadline.h"
#include "zeroipc/cell/cell.h"
#include "zeroipc/channel/channel.h"
#include "zeroipc/coroutine/operations.h"
#include "zeroipc/future/future.h"
#include "zeroipc/select/select.h"
#include "zeroipc/stream/subscriber.h"

namespace zeroipc {

// --- channels ---

template <typename T>
auto async_receive(channel<T>& from) {
  using op = internal::receive_operation<T, internal::into_optional<T>>;
  return internal::operation<op>(deadline::never(), from);
}
template <typename T>
auto async_receive(channel<T>& from, T& value) {
  using op = internal::receive_operation<T, internal::into_callers<T>>;
  return internal::operation<op>(deadline::never(), from, value);
}
template <typename T, typename Rep, typename Period>
auto async_receive_for(channel<T>& from, std::chrono::duration<Rep, Period> timeout) {
  using op = internal::receive_operation<T, internal::into_optional<T>>;
  return internal::operation<op>(deadline::after(timeout), from);
}
template <typename T, typename Rep, typename Period>
auto async_receive_for(channel<T>& from, T& value, std::chrono::duration<Rep, Period> timeout) {
  using op = internal::receive_operation<T, internal::into_callers<T>>;
  return internal::operation<op>(deadline::after(timeout), from, value);
}
template <typename T>
auto async_send(channel<T>& to, const std::type_identity_t<T>& value) {
  return internal::operation<internal::send_operation<T>>(deadline::never(), to, value);
}
template <typename T, typename Rep, typename Period>
auto async_send_for(channel<T>& to, const std::type_identity_t<T>& value,
                    std::chrono::duration<Rep, Period> timeout) {
  return internal::operation<internal::send_operation<T>>(deadline::after(timeout), to, value);
}

// --- streams ---

template <typename T>
auto async_next(subscriber<T>& from) {
  using op = internal::next_operation<T, internal::into_optional<T>>;
  return internal::operation<op>(deadline::never(), from);
}
template <typename T>
auto async_next(subscriber<T>& from, T& value) {
  using op = internal::next_operation<T, internal::into_callers<T>>;
  return internal::operation<op>(deadline::never(), from, value);
}
template <typename T, typename Rep, typename Period>
auto async_next_for(subscriber<T>& from, std::chrono::duration<Rep, Period> timeout) {
  using op = internal::next_operation<T, internal::into_optional<T>>;
  return internal::operation<op>(deadline::after(timeout), from);
}
template <typename T, typename Rep, typename Period>
auto async_next_for(subscriber<T>& from, T& value, std::chrono::duration<Rep, Period> timeout) {
  using op = internal::next_operation<T, internal::into_callers<T>>;
  return internal::operation<op>(deadline::after(timeout), from, value);
}

// --- futures ---

// Throws zeroipc::error for an error or a broken promise, as get() does.
template <typename T>
auto async_get(const future<T>& f) {
  return internal::operation<internal::get_operation<T>>(deadline::never(), f);
}
template <typename T>
auto operator co_await(const future<T>& f) {
  return async_get(f);
}
template <typename T>
auto async_get(const future<T>& f, T& value) {
  return internal::operation<internal::get_why_operation<T>>(deadline::never(), f, value);
}
template <typename T, typename Rep, typename Period>
auto async_get_for(const future<T>& f, std::chrono::duration<Rep, Period> timeout) {
  return internal::operation<internal::get_in_time_operation<T>>(deadline::after(timeout), f);
}
template <typename T, typename Rep, typename Period>
auto async_get_for(const future<T>& f, T& value, std::chrono::duration<Rep, Period> timeout) {
  return internal::operation<internal::get_why_operation<T>>(deadline::after(timeout), f, value);
}

// --- cells ---

// The newest version, once it is another than `since`; with a limit, 0 if that passes first.
template <typename T>
auto async_change(const cell<T>& c, uint64_t since) {
  return internal::operation<internal::change_operation<T>>(deadline::never(), c, since);
}
template <typename T, typename Rep, typename Period>
auto async_change_for(const cell<T>& c, uint64_t since,
                      std::chrono::duration<Rep, Period> timeout) {
  return internal::operation<internal::change_operation<T>>(deadline::after(timeout), c, since);
}

// --- time ---

template <typename Rep, typename Period>
auto sleep_for(std::chrono::duration<Rep, Period> time) {
  return internal::sleep_operation(deadline::after(time));
}
template <typename Clock, typename Duration>
auto sleep_until(std::chrono::time_point<Clock, Duration> when) {
  return internal::sleep_operation(deadline::at(when));
}
// Lets every other task have its turn.
inline auto yield() { return internal::yield_operation(); }

// --- the first of several ---

// As select(): takes exactly one, and runs its handler in the task when it goes on. Handlers are functions, and cannot co_await. There
// may be any number of cases.
template <typename... Cases>
auto async_select(Cases... cases) {
  return internal::select_operation<Cases...>(internal::select_order::fair, deadline::never(),
                                              std::move(cases)...);
}
template <typename Rep, typename Period, typename... Cases>
auto async_select_for(std::chrono::duration<Rep, Period> timeout, Cases... cases) {
  return internal::select_operation<Cases...>(internal::select_order::fair,
                                              deadline::after(timeout), std::move(cases)...);
}
template <typename... Cases>
auto async_select_by_priority(Cases... cases) {
  return internal::select_operation<Cases...>(internal::select_order::by_priority,
                                              deadline::never(), std::move(cases)...);
}
template <typename Rep, typename Period, typename... Cases>
auto async_select_by_priority_for(std::chrono::duration<Rep, Period> timeout, Cases... cases) {
  return internal::select_operation<Cases...>(internal::select_order::by_priority,
                                              deadline::after(timeout), std::move(cases)...);
}

}  // namespace zeroipc

#endif  // ZEROIPC_COROUTINE_AWAITABLES_H_
