// Bulkhead: a shop whose recommendations hang, and whose orders go on. Six processes want recommendations, which take all places of their
// compartment and do not come back until one of them is killed; meanwhile a hundred orders are placed.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

#include "patterns/base/example_segment.h"
#include "patterns/bulkhead/bulkhead.h"
#include "zeroipc/latch/latch.h"
#include "zeroipc/segment/segment.h"

namespace {

using namespace std::chrono_literals;
using zeroipc::memory;
using zeroipc::patterns::Bulkhead;

constexpr size_t kOrders = 0, kRecommendations = 1;
constexpr int kPlaces = 2;

void recommend(const std::string& segment) {
  const memory mem(segment);
  const auto place = Bulkhead(mem, 2, kPlaces).enter_for(kRecommendations, 1min);
  if (!place) ::_exit(1);
  zeroipc::latch(mem, "all inside", kPlaces).count_down();
  ::pause();  // the service behind does not answer
}

}  // namespace

int main() {
  const zeroipc::patterns::ExampleSegment own("bulkhead-example");
  const std::string& segment = own.name();
  int placed = 0;
  bool came_back = false;
  {
    const memory mem(segment, 1 << 20);
    std::vector<pid_t> hanging;
    for (int i = 0; i < kPlaces; ++i) {
      const pid_t pid = ::fork();
      if (pid == 0) recommend(segment);
      hanging.push_back(pid);
    }
    const Bulkhead bulkhead(mem, 2, kPlaces);
    zeroipc::latch(mem, "all inside", kPlaces).wait_for(1min);
    std::printf("%s\n", bulkhead.health().reason.c_str());
    const auto busy = bulkhead.execute_for(kRecommendations, 10ms, [](auto*) {});
    std::printf("one more: %s\n", busy.ToString().c_str());
    for (int i = 0; i < 100; ++i) {
      bulkhead.execute_in_compartment(kOrders, [&](auto*) { ++placed; });
    }
    std::printf("%d orders were placed all the same\n", placed);
    ::kill(hanging[0], SIGKILL);
    came_back = static_cast<bool>(bulkhead.enter_for(kRecommendations, 1min));
    std::printf("process %d was killed: its place has %s\n", hanging[0],
                came_back ? "come back" : "NOT come back");
    for (const pid_t pid : hanging) {
      ::kill(pid, SIGKILL);
      ::waitpid(pid, nullptr, 0);
    }
    const auto s = bulkhead.stats(kRecommendations);
    std::printf("recommendations: %llu entered, %llu refused, %llu taken from the dead\n",
                static_cast<unsigned long long>(s.entered),
                static_cast<unsigned long long>(s.refused),
                static_cast<unsigned long long>(s.recovered));
  }
  return placed == 100 && came_back ? 0 : 1;
}
