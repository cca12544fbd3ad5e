// Actor: an account of which one process at a time keeps the balance, under a supervisor; it is killed at its 300th and its 700th message. Two tellers make
// 1,000 deposits, and in the end the balance is what they have paid in.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "patterns/actor/actor.h"
#include "patterns/actor/supervisor.h"
#include "patterns/base/example_segment.h"
#include "zeroipc/segment/segment.h"

namespace {

using zeroipc::memory;

constexpr int64_t kDeposits = 500, kKilledAt[] = {300, 700};

struct Deposit {
  int64_t amount;
};
struct Account {
  int64_t balance, deposits;
};
using Bank = zeroipc::patterns::Actor<Deposit, Account, int64_t>;
using Teller = zeroipc::patterns::ActorRef<Deposit, int64_t>;

void keep_account(const std::string& segment) {
  Bank(memory(segment), "account", 64).run([](Bank::Self& self, Account& a, const Deposit& d) {
    a.balance += d.amount;
    ++a.deposits;
    // The first time that it comes to these, it is killed; what it has just written is its own copy.
    const bool is_one_of_them = a.deposits == kKilledAt[0] || a.deposits == kKilledAt[1];
    if (is_one_of_them && self.attempt() == 1) {
      std::printf("process %d is killed at deposit %lld\n", ::getpid(),
                  static_cast<long long>(a.deposits));
      std::fflush(stdout);
      ::raise(SIGKILL);
    }
    self.reply(a.balance);
  });
}

void deposit(const std::string& segment, int64_t amount) {
  Teller account(memory(segment), "account", 64);
  for (int64_t i = 1; i < kDeposits; ++i) account.send({amount});
  const auto balance = account.ask({amount}, std::chrono::minutes(1));
  std::printf("teller %d: %lld at my last deposit\n", ::getpid(),
              static_cast<long long>(balance.value_or(-1)));
  std::fflush(stdout);
}

template <typename F>
pid_t start(F f) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    f();
    ::_exit(0);
  }
  return pid;
}

}  // namespace

int main() {
  const zeroipc::patterns::ExampleSegment own("actor-example");
  const std::string& segment = own.name();
  bool right = false;
  {
    const memory mem(segment, 1 << 20);
    Bank account(mem, "account", 64);
    const pid_t supervisor = start([&] {
      zeroipc::patterns::Supervisor all;
      all.add("account", [&] { keep_account(segment); });
      if (const auto why = all.run(); !why.ok()) std::printf("%s\n", why.ToString().c_str());
      std::printf("the supervisor has started it again %llu times\n",
                  static_cast<unsigned long long>(all.restarts()));
      std::fflush(stdout);
    });
    const std::vector<pid_t> tellers = {start([&] { deposit(segment, 3); }),
                                        start([&] { deposit(segment, 10); })};
    for (const pid_t t : tellers) ::waitpid(t, nullptr, 0);
    Teller(mem, "account").stop();
    ::waitpid(supervisor, nullptr, 0);
    const Account a = account.state().value_or(Account{});
    right = a.balance == 13 * kDeposits && a.deposits == 2 * kDeposits;
    std::printf("%lld deposits, %lld in the account: %s\n", static_cast<long long>(a.deposits),
                static_cast<long long>(a.balance), right ? "right" : "WRONG");
  }
  return right ? 0 : 1;
}
