// The segment alone, without any structure in it.
#include <unistd.h>

#include <cstdio>
#include <string>

#include "zeroipc/segment/segment.h"

int main() {
  const std::string name = "/zeroipc_consumer_" + std::to_string(getpid());
  { zeroipc::memory mem(name, 1 << 20); }
  const bool kept = zeroipc::memory::open_or_create(name, 1 << 20).ok();
  const bool removed = zeroipc::memory::unlink(name).ok();
  const bool right = kept && removed;
  std::puts(right ? "segment: was still there when opened again" : "segment: was lost, or stayed");
  return right ? 0 : 1;
}
