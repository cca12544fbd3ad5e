#include "tools/demo/job.h"

#include <cstring>

namespace zeroipc::demo {
namespace {

constexpr size_t kEntryHead = sizeof(uint64_t) + 1;

}  // namespace

bool report::add(std::string_view word, uint64_t count) {
  if (word.size() > kMaxWordBytes || used + kEntryHead + word.size() > kTextBytes) return false;
  char* at = text + used;
  std::memcpy(at, &count, sizeof count);
  at[sizeof count] = static_cast<char>(word.size());
  std::memcpy(at + kEntryHead, word.data(), word.size());
  used += static_cast<uint32_t>(kEntryHead + word.size());
  return true;
}

bool report::each(absl::FunctionRef<void(std::string_view, uint64_t)> f) const {
  if (used > kTextBytes) return false;
  for (size_t at = 0; at < used;) {
    if (at + kEntryHead > used) return false;
    uint64_t count;
    std::memcpy(&count, text + at, sizeof count);
    const auto length = static_cast<unsigned char>(text[at + sizeof count]);
    if (length > kMaxWordBytes || at + kEntryHead + length > used) return false;
    f({text + at + kEntryHead, length}, count);
    at += kEntryHead + length;
  }
  return true;
}

}  // namespace zeroipc::demo
