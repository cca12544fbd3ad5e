#include "zeroipc/lazy/lazy.h"

#include <algorithm>
#include <cstring>
#include <string_view>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "zeroipc/lazy/provider.h"

namespace zeroipc::internal {
namespace {

constinit thread_local const lazy_computing* innermost = nullptr;

}  // namespace

lazy_error lazy_error_of(const absl::Status& status) {
  lazy_error why{};
  why.code = static_cast<uint32_t>(status.code());
  const std::string_view text = status.message();
  why.length = static_cast<uint32_t>(std::min(text.size(), lazy_error::kTextBytes));
  std::memcpy(why.text, text.data(), why.length);
  return why;
}

absl::Status status_of(const lazy_error& why) {
  const size_t n = std::min<size_t>(why.length, lazy_error::kTextBytes);
  // A code that no program writes is still an error.
  const auto code = why.code >= 1 && why.code <= 16 ? static_cast<absl::StatusCode>(why.code)
                                                    : absl::StatusCode::kUnknown;
  return absl::Status(code, std::string_view(why.text, n));
}

lazy_computing::lazy_computing(const void* which, owner_tag who)
    : which_(which), who_(who), outer_(innermost) {
  innermost = this;
}
lazy_computing::~lazy_computing() { innermost = outer_; }

bool lazy_computing::in_this_thread(const void* which, owner_tag who) {
  for (const lazy_computing* c = innermost; c != nullptr; c = c->outer_) {
    if (c->which_ == which && c->who_ == who) return true;
  }
  return false;
}

absl::Status why_no_lazy_value(const structure& held, outcome why, const lazy_error& failure) {
  const auto say = [&](absl::StatusCode code, std::string_view what) {
    return absl::Status(code, absl::StrCat("segment ", held.env().segment_name(), ": lazy '",
                                           held.name(), "': ", what));
  };
  if (why == outcome::failed) {
    const absl::Status s = status_of(failure);
    return say(s.code(), absl::StrCat("its computation failed: ", s.message()));
  }
  if (why == outcome::taken) {
    return say(absl::StatusCode::kFailedPrecondition,
               "asked for by its own computation, which would wait for itself");
  }
  return say(absl::StatusCode::kInternal, why.name());
}

}  // namespace zeroipc::internal
