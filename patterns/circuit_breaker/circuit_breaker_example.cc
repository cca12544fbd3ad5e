// Circuit breaker: a service that goes down for a while, and three processes that call it. One of them is killed while it probes. The others go
// on, hardly any call reaches the service while it is down, and it is called again when it is up.
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <new>
#include <string>
#include <thread>
#include <vector>

#include "patterns/base/example_segment.h"
#include "patterns/circuit_breaker/circuit_breaker.h"
#include "zeroipc/segment/segment.h"

namespace {

using namespace std::chrono_literals;
using zeroipc::memory;
using zeroipc::patterns::CircuitBreaker;
using zeroipc::patterns::CircuitBreakerOptions;

struct Service {
  std::atomic<bool> up{true}, over{false};
  std::atomic<uint64_t> calls_while_up{0}, calls_while_down{0};
  std::atomic<bool> victim_is_dead{false};

  bool handle() {
    if (up) {
      ++calls_while_up;
      return true;
    }
    ++calls_while_down;
    return false;
  }
};

CircuitBreakerOptions options() {
  CircuitBreakerOptions o;
  o.open_for = 20ms;
  o.success_threshold = 2;
  return o;
}

void call_it(const std::string& segment, Service& service, bool is_victim) {
  const CircuitBreaker breaker(memory(segment), "service", options());
  while (!service.over) {
    auto permit = breaker.try_enter();
    if (!permit) {
      std::this_thread::sleep_for(1ms);  // does something else
      continue;
    }
    if (is_victim && permit.is_probe()) {
      std::printf("process %d is killed while it probes\n", ::getpid());
      std::fflush(stdout);
      service.victim_is_dead = true;
      ::raise(SIGKILL);
    }
    service.handle() ? permit.succeeded() : permit.failed();
  }
}

}  // namespace

int main() {
  const zeroipc::patterns::ExampleSegment own("circuit-breaker-example");
  const std::string& segment = own.name();
  void* page =
      ::mmap(nullptr, sizeof(Service), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  auto& service = *new (page) Service;
  bool right = false;
  {
    const memory mem(segment, 1 << 20);
    CircuitBreaker breaker(mem, "service", options());
    std::vector<pid_t> callers;
    for (int i = 0; i < 3; ++i) {
      const pid_t pid = ::fork();
      if (pid == 0) {
        call_it(segment, service, i == 0);
        ::_exit(0);
      }
      callers.push_back(pid);
    }
    const auto wait_until = [&](auto condition) {
      const auto end = std::chrono::steady_clock::now() + 60s;
      while (!condition() && std::chrono::steady_clock::now() < end)
        std::this_thread::sleep_for(1ms);
    };
    wait_until([&] { return service.calls_while_up > 1000; });
    service.up = false;
    std::printf("the service goes down\n");
    wait_until([&] { return breaker.stats().lost_probes >= 1; });
    std::printf("%s\n", breaker.health().reason.c_str());
    service.up = true;
    std::printf("the service comes up\n");
    const bool closed = static_cast<bool>(breaker.wait_until_closed_for(60s));
    service.over = true;
    for (const pid_t pid : callers) ::waitpid(pid, nullptr, 0);
    const auto s = breaker.stats();
    std::printf("%llu calls reached the service while it was down, %llu were refused at once\n",
                static_cast<unsigned long long>(service.calls_while_down),
                static_cast<unsigned long long>(s.refused));
    std::printf("opened %llu times, %llu probes, %llu lost with their process\n",
                static_cast<unsigned long long>(s.opened),
                static_cast<unsigned long long>(s.probes),
                static_cast<unsigned long long>(s.lost_probes));
    right = closed && s.lost_probes >= 1 && service.victim_is_dead;
    std::printf("it is %s again: %s\n", closed ? "closed" : "NOT closed",
                right ? "right" : "WRONG");
  }
  return right ? 0 : 1;
}
