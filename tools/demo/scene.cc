#include "tools/demo/scene.h"

#include <sys/random.h>
#include <unistd.h>

#include <iostream>

#include "tools/cli/command.h"
#include "tools/cli/interrupt.h"

namespace zeroipc::demo {

uint64_t seed_or_random(std::optional<uint64_t> seed) {
  if (seed) return *seed;
  uint64_t random = 0;
  if (::getrandom(&random, sizeof random, 0) == sizeof random) return random;
  return static_cast<uint64_t>(::getpid());
}

int report_failure(const absl::Status& status, bool json) {
  if (tools::interrupted() != 0) {
    if (!json) std::cerr << "zeroipc demo: interrupted; no process and no segment is left\n";
    return tools::kSignal + tools::interrupted();
  }
  return tools::fail("demo", status, json);
}

}  // namespace zeroipc::demo
