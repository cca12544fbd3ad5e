// One target of ZeroIPC's, used as the README shows it.
#include <unistd.h>

#include <cstdio>
#include <optional>
#include <string>

#include "zeroipc/queue/queue.h"

int main() {
  const std::string name = "/zeroipc_consumer_" + std::to_string(getpid());
  std::optional<int> popped;
  {
    zeroipc::memory mem(name, 1 << 20);
    zeroipc::queue<int> numbers(mem, "numbers", 16);
    numbers.push(7);
    popped = numbers.pop();
  }
  const bool removed = zeroipc::memory::unlink(name).ok();
  const bool right = popped == 7 && removed;
  std::puts(right ? "queue: popped what was pushed" : "queue: popped something else");
  return right ? 0 : 1;
}
