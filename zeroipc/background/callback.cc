#include "zeroipc/background/callback.h"

#include <atomic>
#include <cstdio>
#include <exception>
#include <utility>

#include "absl/strings/str_cat.h"

namespace zeroipc {
namespace {

using handler = std::function<void(const callback_error&)>;

// No lock, which a fork could leave locked. The ones before are never freed: a thread may be in one of them.
std::atomic<const handler*> current{nullptr};

}  // namespace

void set_callback_error_handler(std::function<void(const callback_error&)> h) {
  // Release: pairs with the acquire in call_back().
  current.store(h ? new handler(std::move(h)) : nullptr, std::memory_order_release);
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
  if (const handler* h = current.load(std::memory_order_acquire); h != nullptr) {
    message_thrown_by([&] { (*h)({std::string(where), *thrown}); });
  } else {
    const std::string line = absl::StrCat("zeroipc: ", where, " threw: ", *thrown, "\n");
    std::fputs(line.c_str(), stderr);
  }
  return false;
}

}  // namespace internal
}  // namespace zeroipc
