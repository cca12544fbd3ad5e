// when_all: the values of several futures, once all of them are there.
//
//   auto [price, stock] = zeroipc::when_all(price_future, stock_future);        // a tuple
//   std::vector<double> parts = zeroipc::when_all(part_futures);                // of a vector of futures
//   if (auto parts = zeroipc::when_all_for(5s, part_futures)) sum(*parts);
//
// Waits for all of them, also when one has failed, so that nobody is still at it when it returns. When not to use it: to go on with
// what there is, get() them one by one.
//
// Progress: blocking. Allocates only the vector.
#ifndef ZEROIPC_FUTURE_WHEN_ALL_H_
#define ZEROIPC_FUTURE_WHEN_ALL_H_

#include <chrono>
#include <optional>
#include <tuple>
#include <vector>

#include "zeroipc/base/deadline.h"
#include "zeroipc/base/outcome.h"
#include "zeroipc/future/future.h"

namespace zeroipc {

// Throws zeroipc::error for the first, in the order of the arguments, that has an error or a broken promise (and ends the process
// in a program without exceptions).
template <typename... Ts>
std::tuple<Ts...> when_all(const future<Ts>&... futures) {
  (futures.wait(), ...);
  return std::tuple<Ts...>{futures.get()...};  // braces: from left to right
}
template <typename T>
std::vector<T> when_all(const std::vector<future<T>>& futures) {
  for (const future<T>& f : futures) f.wait();
  std::vector<T> values;
  values.reserve(futures.size());
  for (const future<T>& f : futures) values.push_back(f.get());
  return values;
}

// Within a time for all of them together. Nothing if that passes first, or one of them has no value and will have none: the
// futures themselves tell.
template <typename Rep, typename Period, typename... Ts>
std::optional<std::tuple<Ts...>> when_all_for(std::chrono::duration<Rep, Period> timeout,
                                              const future<Ts>&... futures) {
  const deadline until = deadline::after(timeout);
  (futures.wait_until(until), ...);
  if (!(futures.has_value() && ...)) return std::nullopt;
  return std::tuple<Ts...>{futures.get()...};
}
template <typename Rep, typename Period, typename T>
std::optional<std::vector<T>> when_all_for(std::chrono::duration<Rep, Period> timeout,
                                           const std::vector<future<T>>& futures) {
  const deadline until = deadline::after(timeout);
  for (const future<T>& f : futures) f.wait_until(until);
  std::vector<T> values;
  values.reserve(futures.size());
  for (const future<T>& f : futures) {
    if (!f.has_value()) return std::nullopt;
    values.push_back(f.get());
  }
  return values;
}

}  // namespace zeroipc

#endif  // ZEROIPC_FUTURE_WHEN_ALL_H_
