// Calling what a program handed in to be called in the background: a continuation, a computation, a subscriber.
//
// Nobody is there to catch what such a callback throws, and it must not end the process: it is reported, to the handler that the
// program has set, or else as a line on stderr.
#ifndef ZEROIPC_BACKGROUND_CALLBACK_H_
#define ZEROIPC_BACKGROUND_CALLBACK_H_

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"

namespace zeroipc {

struct callback_error {
  std::string where;  // "segment /app: stream 'events', subscriber"
  std::string what;   // std::exception::what(), or that it was something else
};

// From now on, for the whole process; an empty one brings back the line on stderr. Called on the thread that ran the callback.
// What it throws itself is dropped.
void set_callback_error_handler(std::function<void(const callback_error&)> handler);

namespace internal {

// Calls it. What it threw, in words; nothing where this library was built with -fno-exceptions.
std::optional<std::string> message_thrown_by(absl::FunctionRef<void()> callback);

// To that handler, or to stderr with `on_stderr` between the two.
void report_from_background(std::string_view where, std::string_view what,
                            std::string_view on_stderr = ": ");

// Calls it, and reports what it throws. Whether it returned.
bool call_back(std::string_view where, absl::FunctionRef<void()> callback);

}  // namespace internal
}  // namespace zeroipc

#endif  // ZEROIPC_BACKGROUND_CALLBACK_H_
