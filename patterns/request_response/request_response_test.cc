#include "patterns/request_response/request_response.h"

#include <signal.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/chaos/accounts.h"
#include "testing/chaos/chaos.h"
#include "testing/evidence/evidence.h"
#include "testing/harness/harness.h"
#include "zeroipc/latch/latch.h"
#include "zeroipc/name_table/name_table.h"

namespace zeroipc::patterns {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

using Asker = Client<int, int64_t>;
using Squarer = Server<int, int64_t>;
int64_t square(int x) { return int64_t{x} * x; }

class RequestResponseTest : public ::testing::Test {
 protected:
  Asker asker(ClientOptions options = {}) { return Asker(mem_, "squares", 4, options); }
  Squarer squarer() { return Squarer(memory(segment_.name()), "squares", 4); }
  // A server in a process of its own.
  template <typename F>
  std::unique_ptr<harness::process> serving(F f) {
    return std::make_unique<harness::process>(
        [this, f] { EXPECT_EQ(squarer().serve(f), outcome::closed); });
  }
  static std::string text(const absl::Status& s) { return std::string(s.message()); }

  harness::unique_segment segment_;
  memory mem_{segment_.name(), 8 << 20};
};

TEST_F(RequestResponseTest, EachClientGetsItsOwnAnswers) {
  Asker asking = asker();
  const auto first = serving(square), second = serving(square);
  std::vector<std::unique_ptr<harness::process>> clients;
  for (int c = 0; c < 3; ++c) {
    clients.push_back(std::make_unique<harness::process>([&, c] {
      Asker mine(memory(segment_.name()), "squares");
      for (int i = 1000 * c; i < 1000 * c + 200; ++i) EXPECT_EQ(*mine.call(i, 1min), square(i));
    }));
  }
  for (auto& c : clients) EXPECT_EQ(c->wait(), harness::exited(0));
  asking.stop();
  EXPECT_EQ(first->wait(), harness::exited(0));
  EXPECT_EQ(second->wait(), harness::exited(0));
  EXPECT_EQ(asking.stats().answered, 600u);
  EXPECT_EQ(asking.stats().calls, 600u);
}

TEST_F(RequestResponseTest, SeveralCallsOfOneClientAtATime) {
  Asker asking = asker();
  auto one = asking.start(1), two = asking.start(2);
  EXPECT_FALSE(one.ready());
  Squarer s = squarer();
  EXPECT_TRUE(s.try_serve_one(square));
  EXPECT_TRUE(s.try_serve_one(square));
  EXPECT_EQ(s.try_serve_one(square), outcome::empty);
  EXPECT_TRUE(one.ready());
  EXPECT_EQ(*two.get(), 4);
  EXPECT_EQ(*one.get(1s), 1);
  EXPECT_THAT(text(one.get().status()), HasSubstr("the call is over"));
}

TEST_F(RequestResponseTest, WhatAHandlerAnswersOrThrowsReachesTheClient) {
  Asker asking = asker();
  const auto server = serving([](int x) -> absl::StatusOr<int64_t> {
    if (x < 0) throw std::runtime_error("below zero");
    if (x == 0) return absl::NotFoundError("no such thing");
    return x;
  });
  EXPECT_EQ(asking.call(-1, 1min).status(), absl::UnknownError("below zero"));
  EXPECT_EQ(asking.call(0, 1min).status(), absl::NotFoundError("no such thing"));
  EXPECT_EQ(*asking.call(1), 1);
  EXPECT_EQ(asking.stats().failed, 2u);
  asking.stop();
  EXPECT_EQ(server->wait(), harness::exited(0));
}

TEST_F(RequestResponseTest, ATimeoutSaysWhetherAServerHadBegun) {
  Asker asking = asker();
  EXPECT_THAT(text(asking.call(1, 1ms).status()),
              HasSubstr("no server has begun in time; 0 serve"));
  EXPECT_TRUE(absl::IsDeadlineExceeded(asking.call(1, 0ms).status()));
  latch begun(mem_, "begun", 1), go_on(mem_, "go on", 1);
  const auto server = serving([&](int x) {
    begun.count_down();
    go_on.wait();
    return square(x);
  });
  auto call = asking.start(2);
  begun.wait();
  EXPECT_THAT(text(call.get(1ms).status()),
              HasSubstr("a server has begun, and is not done in time"));
  // Its answer comes late, and is nobody's.
  auto next = asking.start(3);
  go_on.count_down();
  EXPECT_EQ(*next.get(1min), 9);
  const ServiceStats s = asking.stats();
  EXPECT_EQ(s.late, 1u);
  EXPECT_EQ(s.skipped, 2u) << "the first two, which were over when a server came";
  EXPECT_EQ(s.timed_out, 3u);
  EXPECT_EQ(s.waiting + s.at_work, 0u);
  asking.stop();
  EXPECT_EQ(server->wait(), harness::exited(0));
}

TEST_F(RequestResponseTest, ACallWhoseServerDiesFails) {
  Asker asking = asker();
  harness::process server([&] {
    squarer().serve([](int) -> int64_t {
      ::raise(SIGKILL);
      return 0;
    });
  });
  const auto r = asking.call(1, 1min);
  EXPECT_TRUE(absl::IsUnavailable(r.status()));
  EXPECT_THAT(text(r.status()), HasSubstr("may have been carried out"));
  EXPECT_EQ(server.wait(), harness::killed_by(SIGKILL));
  EXPECT_EQ(asking.stats().server_deaths, 1u);
  EXPECT_THAT(asking.health().reason, HasSubstr("nobody serves, 0 calls wait"));
}

TEST_F(RequestResponseTest, OrIsGivenToAnother) {
  Asker asking = asker({.when_server_dies = WhenServerDies::kRetry});
  latch died(mem_, "died", 1);
  harness::process first([&] {
    squarer().serve([&](int) -> int64_t {
      died.count_down();
      ::raise(SIGKILL);
      return 0;
    });
  });
  auto call = asking.start(5);
  died.wait();
  const auto second = serving(square);
  EXPECT_EQ(*call.get(1min), 25);
  EXPECT_EQ(asking.stats().retried, 1u);
  EXPECT_EQ(first.wait(), harness::killed_by(SIGKILL));
  asking.stop();
  EXPECT_EQ(second->wait(), harness::exited(0));
}

TEST_F(RequestResponseTest, ACallThatKillsIsNotGivenToAllOfThem) {
  Asker asking = asker({.when_server_dies = WhenServerDies::kRetry, .most_deaths = 2});
  std::vector<std::unique_ptr<harness::process>> servers;
  for (int i = 0; i < 2; ++i) {
    servers.push_back(std::make_unique<harness::process>([&] {
      squarer().serve([&](int) -> int64_t {
        ::raise(SIGKILL);
        return 0;
      });
    }));
  }
  const auto r = asking.call(13, 1min);
  EXPECT_TRUE(absl::IsAborted(r.status()));
  EXPECT_THAT(text(r.status()), HasSubstr("2 servers have died at this call"));
  for (auto& s : servers) EXPECT_EQ(s->wait(), harness::killed_by(SIGKILL));
}

TEST_F(RequestResponseTest, WhatADeadClientHasAskedIsForgotten) {
  Asker asking = asker();
  harness::process client([&] {
    auto call = Asker(memory(segment_.name()), "squares").start(1);
    ::raise(SIGKILL);
  });
  EXPECT_EQ(client.wait(), harness::killed_by(SIGKILL));
  Squarer s = squarer();
  const auto forgotten = [&] {
    s.try_serve_one(square);
    s.try_serve_one(square);
    return asking.stats().waiting + asking.stats().at_work == 0;
  };
  EXPECT_TRUE(harness::eventually(forgotten));
  const auto served = serving(square);
  EXPECT_EQ(*asking.call(3, 1min), 9);
  asking.stop();
  EXPECT_EQ(served->wait(), harness::exited(0));
}

TEST_F(RequestResponseTest, OverloadIsRefusedInTime) {
  Asker asking = asker();
  std::vector<Asker::Pending> calls;
  for (int i = 0; i < 4; ++i) calls.push_back(asking.start(i));
  EXPECT_THAT(asking.health().reason, HasSubstr("nobody serves, 4 calls wait"));
  const auto r = asking.call(5, 1ms);
  EXPECT_TRUE(absl::IsResourceExhausted(r.status()));
  EXPECT_THAT(text(r.status()), HasSubstr("4 calls wait already, for 0 servers"));
  EXPECT_EQ(asking.stats().refused, 1u);
  auto refused = asking.start(5, 0ms);
  EXPECT_FALSE(refused);
  EXPECT_TRUE(absl::IsResourceExhausted(refused.get().status()));
}

TEST_F(RequestResponseTest, StoppingAnswersWhatWasAskedAndThenRefuses) {
  Asker asking = asker();
  auto call = asking.start(6);
  asking.stop();
  Squarer s = squarer();
  EXPECT_EQ(s.serve(square), outcome::closed);
  EXPECT_EQ(*call.get(), 36);
  EXPECT_TRUE(absl::IsUnavailable(asking.call(1).status()));
  EXPECT_THAT(asking.health().reason, HasSubstr("stopped, 0 calls left"));
}

TEST_F(RequestResponseTest, ServersComeAndGo) {
  Asker asking = asker();
  Squarer s = squarer();
  EXPECT_EQ(s.serve_for(1ms, square), outcome::timed_out);
  EXPECT_EQ(asking.stats().servers, 0u);
  EXPECT_TRUE(harness::eventually([&] { return !asking.health(); }));
  const auto server = serving(square);
  EXPECT_TRUE(harness::eventually([&] { return static_cast<bool>(asking.health()); }));
  EXPECT_EQ(asking.stats().servers, 1u);
  server->kill();
  server->wait();
  EXPECT_EQ(asking.stats().servers, 0u);
}

TEST_F(RequestResponseTest, TenMillionCallsLeaveNothingBehind) {
  Asker asking = asker();
  const auto server = serving(square);
  EXPECT_EQ(*asking.call(1, 1min), 1);
  const size_t names = list(mem_).size(), resident = mem_.resident_bytes();
  const uint64_t calls = zeroipc::testing::quick_or_full<uint64_t>(3'000, 10'000'000);
  uint64_t wrong = 0;
  for (uint64_t i = 0; i < calls; ++i) {
    const auto r = asking.call(static_cast<int>(i % 1000), 1min);
    wrong += !r.ok() || *r != square(static_cast<int>(i % 1000));
  }
  EXPECT_EQ(wrong, 0u);
  EXPECT_EQ(list(mem_).size(), names);
  // Every place of the table of calls has been used once by then, and no more memory is.
  EXPECT_LE(mem_.resident_bytes(), resident + (512 << 10));
  asking.stop();
  EXPECT_EQ(server->wait(), harness::exited(0));
}

TEST_F(RequestResponseTest, SaysWhatIsWrongAndLeavesNothing) {
  EXPECT_TRUE(absl::IsNotFound(Asker::open(mem_, "squares").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(Squarer::open_or_create(mem_, "squares", 0).status()));
  const size_t before = list(mem_).size();
  const Asker asking = asker();
  EXPECT_TRUE(absl::IsFailedPrecondition(Asker::open_or_create(mem_, "squares", 5).status()));
  const auto other = Client<int, char>::open(mem_, "squares");
  EXPECT_TRUE(absl::IsFailedPrecondition(other.status())) << other.status();
  EXPECT_TRUE(asking.remove().ok());
  EXPECT_TRUE(asking.remove().ok()) << "somebody else has done it";
  EXPECT_EQ(list(mem_).size(), before);
}

constexpr int kClients = 2, kServers = 2;

struct books {
  std::atomic<bool> stop{false};
  std::array<chaos::account, kClients> calls;
  std::atomic<uint64_t> wrong{0};
};
struct question {
  uint32_t client;
  uint64_t number;
};

void take_a_moment() {
  for (int i = 0; i < 500; ++i) hardware::pause();
}

TEST_F(RequestResponseTest, WithEverybodyKilledAtRandomNoAnswerIsWrongAndNoneIsGivenTwice) {
  harness::shared_state<books> b;
  Client<question, uint64_t> outside(mem_, "chaos", 8);
  chaos::chaos all({.workers = kClients + kServers, .seed = 11}, [&](int me) {
    if (me >= kClients) {
      Server<question, uint64_t>(mem_, "chaos", 8).serve([&](const question& q) {
        b->calls[q.client].handle(q.number);
        take_a_moment();
        return 5 * q.number + q.client;
      });
      return;
    }
    // The first one retries, the other does not.
    Client<question, uint64_t> mine(
        mem_, "chaos", 8,
        {.when_server_dies = me == 0 ? WhenServerDies::kRetry : WhenServerDies::kFail,
         .most_deaths = 1'000'000});
    chaos::account& account = b->calls[static_cast<size_t>(me)];
    while (!b->stop) {
      const uint64_t n = account.next();
      const auto r = mine.call({static_cast<uint32_t>(me), n}, 1min);
      if (!r.ok()) {
        b->wrong += me == 0 || !absl::IsUnavailable(r.status());
        continue;
      }
      account.acknowledge(n);
      b->wrong += *r != 5 * n + static_cast<uint32_t>(me);
    }
  });
  all.run_for(std::chrono::seconds(zeroipc::testing::quick_or_full(2, 60)));
  b->stop = true;
  // Clients end with the answer that they wait for, then servers with the service.
  const auto idle = [&] {
    const ServiceStats s = outside.stats();
    return s.waiting + s.at_work == 0;
  };
  EXPECT_TRUE(harness::eventually(idle));
  outside.stop();
  ASSERT_TRUE(all.finish()) << all.so_far().text();
  const chaos::account::sums retried = b->calls[0].total(), once = b->calls[1].total();
  EXPECT_EQ(retried.lost + once.lost, 0u);
  EXPECT_EQ(once.again, 0u) << "a call that is not retried is carried out once";
  EXPECT_LE(retried.again, all.so_far().kills);
  EXPECT_EQ(b->wrong, 0u);
  EXPECT_GT(retried.acknowledged, 100u);
  EXPECT_GT(once.acknowledged, 100u);
  const ServiceStats s = outside.stats();
  zeroipc::testing::evidence("pattern request-response", zeroipc::testing::instrument::chaos)
      .figure("kills", all.so_far().kills)
      .figure("stops", all.so_far().stops)
      .figure("calls answered", retried.acknowledged + once.acknowledged)
      .figure("servers that died at a call", s.server_deaths)
      .figure("answers dropped", s.late);
}

}  // namespace
}  // namespace zeroipc::patterns
