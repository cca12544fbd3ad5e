// Microservices: a service with two instances in two processes, and a client that finds it by its name. One instance says that it is not well, and is not found
// until it is; then it is killed, disappears by itself, and the other one answers all.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>

#include "patterns/base/example_segment.h"
#include "patterns/microservices/registry.h"
#include "patterns/microservices/service.h"
#include "zeroipc/segment/segment.h"

namespace {

using namespace std::chrono_literals;
using zeroipc::memory;
using zeroipc::patterns::Service;
using zeroipc::patterns::ServiceClient;
using zeroipc::patterns::ServiceRegistry;

struct Query {
  uint32_t item;
};
struct Price {
  double euro;
  int by;  // which process
};
struct Switch {
  bool on;
};

void serve(const std::string& segment, const char* info) {
  Service shop(memory(segment), "shop", {.info = info});
  shop.on<Query, Price>("price", [](const Query& q) { return Price{1.5 * q.item, ::getpid()}; });
  shop.on<Switch, Price>("maintenance", [&](const Switch& s) {
    shop.set_health(s.on ? zeroipc::patterns::Health{false, "maintenance"}
                         : zeroipc::patterns::Health{});
    return Price{0, ::getpid()};
  });
  shop.run();
}

void show(const ServiceRegistry& registry) {
  std::printf("found:");
  for (const auto& i : registry.find("shop")) std::printf(" %s (%d)", i.info.c_str(), i.pid);
  std::printf("\n");
  std::fflush(stdout);
}

}  // namespace

int main() {
  const zeroipc::patterns::ExampleSegment own("microservices-example");
  const std::string& segment = own.name();
  int answered = 0, wrong = 0;
  {
    const memory mem(segment, 8 << 20);
    for (const char* info : {"first", "second"}) {
      if (::fork() == 0) {
        serve(segment, info);
        ::_exit(0);
      }
    }
    const ServiceClient services(mem, "services",
                                 {.when_server_dies = zeroipc::patterns::WhenServerDies::kRetry});
    const ServiceRegistry& registry = services.registry();
    const auto wait_for_number = [&](size_t n) {
      for (uint64_t seen = registry.version(); registry.find("shop").size() != n;) {
        seen = registry.wait_for_change_for(seen, 10s);
      }
      show(registry);
    };
    wait_for_number(2);
    const auto ill = services.call<Price>("shop", "maintenance", Switch{true}, 10s);
    if (!ill.ok()) {
      std::printf("WRONG: %s\n", ill.status().ToString().c_str());
      return 1;
    }
    wait_for_number(1);
    std::printf("%d says: %s\n", ill->by, registry.health().reason.c_str());
    ::kill(ill->by, SIGKILL);
    ::waitpid(ill->by, nullptr, 0);
    for (uint32_t item = 1; item <= 1000; ++item) {
      const auto p = services.call<Price>("shop", "price", Query{item}, 10s);
      answered += p.ok();
      wrong += !p.ok() || p->euro != 1.5 * item || p->by == ill->by;
    }
    wrong += registry.all().size() != 1;
    std::printf("%d was killed, and %zu instance is there; %d questions answered\n", ill->by,
                registry.all().size(), answered);
    services.client<Query, Price>("shop", "price", 10s)->stop();
    services.client<Switch, Price>("shop", "maintenance", 10s)->stop();
    while (::wait(nullptr) > 0) {
    }
    wrong += !registry.all().empty();
  }
  std::printf("the service was there all the time: %s\n", wrong == 0 ? "right" : "WRONG");
  return wrong == 0 ? 0 : 1;
}
