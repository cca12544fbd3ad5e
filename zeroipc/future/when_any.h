// when_any: the first of several futures that is settled.
//
//   switch (zeroipc::when_any(primary, replica)) {              // which one: its number
//     case 0: return primary.get();                             // a value, or it throws: an error is an answer, too
//     case 1: return replica.get();
//   }
//   if (auto i = zeroipc::when_any_for(5s, replies)) use(replies[*i]);
//
// Of several that are settled the first by number. Sleeps once, on all of them; they may be of different segments. Where other things
// are to be waited for, too: zeroipc::select.
//
// Progress: blocking.
#ifndef ZEROIPC_FUTURE_WHEN_ANY_H_
#define ZEROIPC_FUTURE_WHEN_ANY_H_

#include <array>
#include <chrono>
#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "zeroipc/base/deadline.h"
#include "zeroipc/future/future.h"

namespace zeroipc {

namespace internal {

// Nothing for none, or for more than kMostFutures.
std::optional<size_t> first_settled(std::span<const future_base* const> futures, deadline until);

template <typename T>
std::vector<const future_base*> addresses_of(const std::vector<future<T>>& futures) {
  std::vector<const future_base*> all;
  all.reserve(futures.size());
  for (const future<T>& f : futures) all.push_back(&f);
  return all;
}

}  // namespace internal

inline constexpr size_t kMostFutures = 64;

// At least one future, and at most 64.
template <typename... Ts>
size_t when_any(const future<Ts>&... futures) {
  static_assert(sizeof...(Ts) >= 1 && sizeof...(Ts) <= kMostFutures);
  const std::array<const internal::future_base*, sizeof...(Ts)> all = {&futures...};
  return *internal::first_settled(all, deadline::never());
}
// Nothing if none is within that time.
template <typename Rep, typename Period, typename... Ts>
std::optional<size_t> when_any_for(std::chrono::duration<Rep, Period> timeout,
                                   const future<Ts>&... futures) {
  static_assert(sizeof...(Ts) >= 1 && sizeof...(Ts) <= kMostFutures);
  const std::array<const internal::future_base*, sizeof...(Ts)> all = {&futures...};
  return internal::first_settled(all, deadline::after(timeout));
}

// Of a list: nothing, too, if that is empty, or has more than 64.
template <typename T>
std::optional<size_t> when_any(const std::vector<future<T>>& futures) {
  return internal::first_settled(internal::addresses_of(futures), deadline::never());
}
template <typename Rep, typename Period, typename T>
std::optional<size_t> when_any_for(std::chrono::duration<Rep, Period> timeout,
                                   const std::vector<future<T>>& futures) {
  return internal::first_settled(internal::addresses_of(futures), deadline::after(timeout));
}

}  // namespace zeroipc

#endif  // ZEROIPC_FUTURE_WHEN_ANY_H_
