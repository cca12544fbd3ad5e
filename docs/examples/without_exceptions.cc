// The block of docs/getting-started.md on factories, compiled with -fno-exceptions.
#include <cstdio>
#include <optional>

#include "absl/status/status.h"
#include "zeroipc/queue/queue.h"

#if defined(__cpp_exceptions)
#error "this is to show what works without exceptions"
#endif

namespace {

absl::Status produce(std::string_view segment) {
  absl::StatusOr<zeroipc::memory> mem = zeroipc::memory::open_or_create(segment, 16 << 20);
  if (!mem.ok()) return mem.status();
  auto numbers = zeroipc::queue<int>::open_or_create(*mem, "numbers", 1000);
  if (!numbers.ok()) return numbers.status();
  zeroipc::outcome pushed = numbers->try_push(7);
  if (!pushed) return absl::UnavailableError(pushed.name());
  return absl::OkStatus();
}

}  // namespace

int main() {
  const std::string name = std::string(std::getenv("TEST_TMPDIR")) + "/numbers.segment";
  const absl::Status produced = produce(name);
  const absl::Status removed = zeroipc::memory::unlink(name);
  if (!produced.ok()) std::puts(produced.ToString().c_str());
  return produced.ok() && removed.ok() ? 0 : 1;
}
