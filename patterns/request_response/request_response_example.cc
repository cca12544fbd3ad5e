// Request-response: a server answers the questions of two clients, 3,000 in all, is killed on the way, and another one takes its place. The client that
// retries notices nothing; the other one is told so if it was its call.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "patterns/base/example_segment.h"
#include "patterns/request_response/request_response.h"
#include "zeroipc/segment/segment.h"

namespace {

using zeroipc::memory;
using zeroipc::patterns::Client;
using zeroipc::patterns::Server;
using zeroipc::patterns::WhenServerDies;

constexpr int kCalls = 1500, kKilledAt = 400;

// What the capital of so much is after so many years at 3 %.
struct Question {
  double capital;
  int years;
};

void serve(const std::string& segment, bool is_victim) {
  int mine = 0;
  Server<Question, double>(memory(segment), "interest", 16).serve([&](const Question& q) {
    if (is_victim && ++mine == kKilledAt) {
      std::printf("server %d is killed at a call\n", ::getpid());
      std::fflush(stdout);
      ::raise(SIGKILL);
    }
    double c = q.capital;
    for (int i = 0; i < q.years; ++i) c *= 1.03;
    return c;
  });
}

// 0 if all is as it must be.
int ask(const std::string& segment, WhenServerDies policy) {
  using namespace std::chrono_literals;
  Client<Question, double> interest(memory(segment), "interest", 16, {.when_server_dies = policy});
  int right = 0, unavailable = 0;
  for (int i = 0; i < kCalls; ++i) {
    const auto r = interest.call({1000.0 + i, 10}, 30s);
    if (r.ok()) {
      const double expected = (1000.0 + i) * 1.343916;
      right += *r > expected - 0.01 && *r < expected + 0.01;
    } else {
      std::printf("client %d: call %d: %s\n", ::getpid(), i, r.status().ToString().c_str());
      unavailable += absl::IsUnavailable(r.status());
    }
  }
  std::printf("client %d: %d of %d answered\n", ::getpid(), right, kCalls);
  std::fflush(stdout);
  const bool may_fail = policy == WhenServerDies::kFail;
  return right + unavailable == kCalls && unavailable <= (may_fail ? 1 : 0) ? 0 : 1;
}

template <typename F>
pid_t start(F f) {
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(f());
  return pid;
}

}  // namespace

int main() {
  const zeroipc::patterns::ExampleSegment own("request-response-example");
  const std::string& segment = own.name();
  int wrong = 0;
  {
    const memory mem(segment, 1 << 20);
    Client<Question, double> interest(mem, "interest", 16);
    std::vector<pid_t> clients;
    const auto start_server = [&](bool is_victim) {
      return start([&] {
        serve(segment, is_victim);
        return 0;
      });
    };
    const pid_t victim = start_server(true);
    for (const auto policy : {WhenServerDies::kRetry, WhenServerDies::kFail}) {
      clients.push_back(start([&] { return ask(segment, policy); }));
    }
    ::waitpid(victim, nullptr, 0);
    start_server(false);
    for (const pid_t pid : clients) {
      int status = 0;
      ::waitpid(pid, &status, 0);
      wrong += status != 0;
    }
    interest.stop();
    while (::wait(nullptr) > 0) {
    }
    const auto s = interest.stats();
    std::printf("%llu calls, %llu servers died at one, %llu given to the other\n",
                static_cast<unsigned long long>(s.calls),
                static_cast<unsigned long long>(s.server_deaths),
                static_cast<unsigned long long>(s.retried));
    wrong += s.server_deaths != 1;
  }
  std::printf("each call was answered, or its client told that it may not have been: %s\n",
              wrong == 0 ? "right" : "WRONG");
  return wrong == 0 ? 0 : 1;
}
