// Compiled with -fno-exceptions: factories in place of constructors that throw.
#include <unistd.h>

#include <cstdio>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "zeroipc/queue/queue.h"

#if defined(__cpp_exceptions)
#error "this is to show what works without exceptions"
#endif

int main() {
  const std::string name = "/zeroipc_consumer_" + std::to_string(getpid());
  std::optional<int> popped;
  absl::StatusOr<zeroipc::memory> mem = zeroipc::memory::open_or_create(name, 1 << 20);
  if (mem.ok()) {
    auto numbers = zeroipc::queue<int>::open_or_create(*mem, "numbers", 16);
    if (numbers.ok() && numbers->try_push(7)) popped = numbers->try_pop();
  }
  const bool removed = zeroipc::memory::unlink(name).ok();
  const bool right = popped == 7 && removed;
  std::puts(right ? "queue without exceptions: popped what was pushed"
                  : mem.status().ToString().c_str());
  return right ? 0 : 1;
}
