// A question to a service that is found by its name, with the registry in between each time and without; and what the registry itself takes, beside a file
// of a directory, in which services without a registry leave where they are.
#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "patterns/microservices/registry.h"
#include "patterns/microservices/service.h"
#include "testing/harness/harness.h"
#include "zeroipc/segment/segment.h"

namespace zeroipc::patterns {
namespace {

using namespace std::chrono_literals;

struct Number {
  uint64_t x;
};

void BM_Call(benchmark::State& state) {
  harness::unique_segment segment;
  const memory mem(segment.name(), 16 << 20);
  harness::process service([&] {
    Service s(memory(segment.name()), "next");
    s.on<Number, Number>("one", [](const Number& n) { return Number{n.x + 1}; });
    s.on<Number, Number>("other", [](const Number& n) { return Number{n.x + 2}; });
    s.run();
  });
  const ServiceClient services(mem);
  auto client = *services.client<Number, Number>("next", "one", 10s);
  Number n{0};
  if (state.range(0) != 0) {
    for (auto _ : state) n = services.call<Number>("next", "one", n, 10s).value();
  } else {
    for (auto _ : state) n = client.call(n, 10s).value();
  }
  client.stop();
  services.client<Number, Number>("next", "other", 10s)->stop();
  service.wait();
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_Call)->ArgName("by_name")->Arg(0)->Arg(1)->UseRealTime();

void BM_Pick(benchmark::State& state) {
  harness::unique_segment segment;
  const memory mem(segment.name(), 16 << 20);
  ServiceRegistry registry(mem);
  std::vector<ServiceRegistry::Registration> all;
  for (int i = 0; i < state.range(0); ++i) {
    all.push_back(*registry.register_instance("prices", "somewhere"));
  }
  for (auto _ : state) benchmark::DoNotOptimize(registry.pick("prices")->number);
}
BENCHMARK(BM_Pick)->ArgName("instances")->Arg(1)->Arg(16);

// Whether its process lives, nobody knows.
void BM_ReadAFile(benchmark::State& state) {
  std::string path = "/tmp/zeroipc-service-XXXXXX";
  const int made = ::mkstemp(path.data());
  if (made < 0 || ::write(made, "somewhere", 9) != 9) return state.SkipWithError("no file");
  ::close(made);
  char text[64];
  for (auto _ : state) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (::read(fd, text, sizeof text) != 9) state.SkipWithError("read");
    ::close(fd);
  }
  ::unlink(path.c_str());
}
BENCHMARK(BM_ReadAFile);

}  // namespace
}  // namespace zeroipc::patterns
