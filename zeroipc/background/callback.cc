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
  // Release: pairs with the acquire in call_back().
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

bool call_back(std::string_view where, absl::FunctionRef<void()> callback) {
  const std::optional<std::string> thrown = message_thrown_by(callback);
  if (!thrown) return true;
  if (const handler* h = current.load(std::memory_order_acquire); h != nullptr && h->call) {
    message_thrown_by([&] { h->call({std::string(where), *thrown}); });
  } else {
    const std::string line = absl::StrCat("zeroipc: ", where, " threw: ", *thrown, "\n");
    std::fputs(line.c_str(), stderr);
  }
  return false;
}

}  // namespace internal
}  // namespace zeroipc
