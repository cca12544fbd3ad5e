#include "zeroipc/background/callback.h"

#include <atomic>
#include <cstdio>
#include <exception>
#include <utility>

#include "absl/strings/str_cat.h"

namespace zeroipc {
namespace {

// The ones before are kept: a thread may be in one of them.
struct handler {
  std::function<void(const callback_error&)> call;
  const handler* before;
};

// No lock, which a fork could leave locked.
std::atomic<const handler*> current{nullptr};

}  // namespace

void set_callback_error_handler(std::function<void(const callback_error&)> h) {
  const handler* before = current.load(std::memory_order_relaxed);
  auto* mine = new handler{std::move(h), before};
  // Release: pairs with the acquire in report_from_background().
  while (!current.compare_exchange_weak(before, mine, std::memory_order_release,
                                        std::memory_order_relaxed)) {
    mine->before = before;
  }
}

namespace internal {

std::optional<std::string> message_thrown_by(absl::FunctionRef<void()> callback) {
#if defined(__cpp_exceptions)
  try {
    callback();
    return std::nullopt;
  } catch (const std::exception& e) {
    return e.what();
  } catch (...) {
    return "something that is not a std::exception";
  }
#else
  callback();
  return std::nullopt;
#endif
}

void report_from_background(std::string_view where, std::string_view what,
                            std::string_view on_stderr) {
  if (const handler* h = current.load(std::memory_order_acquire); h != nullptr && h->call) {
    message_thrown_by([&] { h->call({std::string(where), std::string(what)}); });
  } else {
    const std::string line = absl::StrCat("zeroipc: ", where, on_stderr, what, "\n");
    std::fputs(line.c_str(), stderr);
  }
}

bool call_back(std::string_view where, absl::FunctionRef<void()> callback) {
  const std::optional<std::string> thrown = message_thrown_by(callback);
  if (!thrown) return true;
  report_from_background(where, *thrown, " threw: ");
  return false;
}

}  // namespace internal
}  // namespace zeroipc
