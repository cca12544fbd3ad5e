#include <signal.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "patterns/microservices/registry.h"
#include "patterns/microservices/service.h"
#include "testing/chaos/accounts.h"
#include "testing/chaos/chaos.h"
#include "testing/evidence/evidence.h"
#include "testing/harness/harness.h"
#include "zeroipc/name_table/name_table.h"

namespace zeroipc::patterns {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<std::string> infos(const std::vector<ServiceInstance>& all) {
  std::vector<std::string> found;
  for (const ServiceInstance& i : all) found.push_back(i.info);
  return found;
}

class MicroservicesTest : public ::testing::Test {
 protected:
  harness::unique_segment segment_;
  memory mem_{segment_.name(), 16 << 20};
};

TEST_F(MicroservicesTest, AnInstanceIsFoundWhileItIsThere) {
  ServiceRegistry registry(mem_);
  EXPECT_THAT(registry.find("prices"), IsEmpty());
  {
    auto a = registry.register_instance("prices", "a");
    auto b = registry.register_instance("prices", "b");
    auto other = registry.register_instance("orders", "c");
    EXPECT_THAT(infos(ServiceRegistry(memory(segment_.name())).find("prices")),
                ElementsAre("a", "b"));
    EXPECT_TRUE(a->set_info("a2"));
    a->unregister();
    EXPECT_EQ(a->set_info("a3"), outcome::missing);
    EXPECT_THAT(infos(registry.find("prices")), ElementsAre("b"));
    EXPECT_THAT(infos(registry.all()), ElementsAre("b", "c"));
    auto moved = *std::move(b);
    EXPECT_THAT(infos(registry.find("prices")), ElementsAre("b"));
    harness::process child([&] { moved.unregister(); });
    EXPECT_EQ(child.wait(), harness::exited(0));
    EXPECT_THAT(infos(registry.find("prices")), ElementsAre("b")) << "it is not the child's";
  }
  EXPECT_THAT(registry.all(), IsEmpty());
}

TEST_F(MicroservicesTest, ADeadOneDisappearsByItself) {
  ServiceRegistry registry(mem_, "services", 1);
  harness::process service([&] {
    auto mine = ServiceRegistry(memory(segment_.name()), "services", 1).register_instance("prices");
    EXPECT_TRUE(mine.ok()) << mine.status();
    ::pause();
  });
  EXPECT_TRUE(registry.wait_for("prices", 1min).ok());
  const uint64_t version = registry.version();
  service.kill();
  service.wait();
  EXPECT_GT(registry.wait_for_change_for(version, 1min), version) << "also if it was before";
  EXPECT_THAT(registry.find("prices"), IsEmpty());
  // The dead one's place is free: there is room for a few more than asked for at most.
  std::vector<ServiceRegistry::Registration> all;
  for (int i = 0; i < 64; ++i) {
    auto one = registry.register_instance("prices");
    if (!one.ok()) {
      EXPECT_TRUE(absl::IsResourceExhausted(one.status()));
      break;
    }
    all.push_back(*std::move(one));
  }
  EXPECT_FALSE(all.empty());
}

TEST_F(MicroservicesTest, AnUnwellOneIsNotPicked) {
  ServiceRegistry registry(mem_);
  auto a = registry.register_instance("prices", "a"), b = registry.register_instance("prices", "b");
  EXPECT_TRUE(registry.health());
  EXPECT_TRUE(a->set_health({false, "no feed"}));
  EXPECT_THAT(infos(registry.find("prices")), ElementsAre("b"));
  EXPECT_THAT(infos(registry.all()), ElementsAre("a", "b"));
  EXPECT_THAT(registry.health().reason, HasSubstr("of 'prices', process"));
  EXPECT_THAT(registry.health().reason, HasSubstr("no feed"));
  EXPECT_TRUE(b->set_health({false, "no feed either"}));
  EXPECT_EQ(registry.pick("prices"), std::nullopt);
  const auto none = registry.wait_for("prices", 1ms);
  EXPECT_TRUE(absl::IsUnavailable(none.status()));
  EXPECT_THAT(std::string(none.status().message()), HasSubstr("2 are there and not well"));
  harness::process patient([&] {
    EXPECT_EQ(ServiceRegistry(memory(segment_.name())).wait_for("prices", 1min)->info, "a");
  });
  EXPECT_TRUE(a->set_health({}));
  EXPECT_EQ(patient.wait(), harness::exited(0));
}

TEST_F(MicroservicesTest, PicksInTurnOrByKey) {
  ServiceRegistry registry(mem_);
  std::vector<ServiceRegistry::Registration> all;
  for (int i = 0; i < 4; ++i) {
    all.push_back(*registry.register_instance("prices", std::to_string(i)));
  }
  std::vector<int> picked(4);
  for (int i = 0; i < 40; ++i)
    ++picked[static_cast<size_t>(std::stoi(registry.pick("prices")->info))];
  EXPECT_THAT(picked, ElementsAre(10, 10, 10, 10));
  std::vector<std::string> before;
  for (uint64_t key = 0; key < 400; ++key) before.push_back(registry.pick("prices", key)->info);
  all[2].unregister();
  int moved = 0;
  for (uint64_t key = 0; key < 400; ++key) {
    const std::string now = registry.pick("prices", key)->info;
    EXPECT_TRUE(before[key] == "2" || now == before[key]) << "it had not to move";
    moved += now != before[key];
  }
  EXPECT_GT(moved, 50);
  EXPECT_LT(moved, 150);
}

struct Query {
  int x;
};
struct Answer {
  int64_t y;
};
struct Update {
  int64_t add;
};

class Squares : public RequestService<Query, Answer> {
 public:
  explicit Squares(const memory& mem) : RequestService(mem, "squares") {}
  Answer handle_request(const Query& q) override { return {int64_t{q.x} * q.x}; }
};

TEST_F(MicroservicesTest, AServiceAnswersItsKindsOfQuestions) {
  harness::process service([&] {
    Service s(memory(segment_.name()), "sum", {.info = "v1"});
    int64_t sum = 0;
    s.on<Update, Answer>("add", [&](const Update& u) { return Answer{sum += u.add}; });
    s.on<Query, Answer>("times", [&](const Query& q) -> absl::StatusOr<Answer> {
      if (q.x == 0) return absl::InvalidArgumentError("times nothing");
      return Answer{sum * q.x};
    });
    EXPECT_EQ(s.run(), outcome::closed);
  });
  const ServiceClient services(mem_);
  EXPECT_EQ(services.call<Answer>("sum", "add", Update{5}, 1min)->y, 5) << "waits for it, too";
  EXPECT_EQ(services.call<Answer>("sum", "add", Update{2}, 1min)->y, 7);
  EXPECT_EQ(services.call<Answer>("sum", "times", Query{3}, 1min)->y, 21);
  EXPECT_EQ(services.call<Answer>("sum", "times", Query{0}, 1min).status(),
            absl::InvalidArgumentError("times nothing"));
  EXPECT_TRUE(absl::IsNotFound(services.call<Answer>("sum", "minus", Query{0}, 1min).status()));
  EXPECT_TRUE(
      absl::IsFailedPrecondition(services.call<Answer>("sum", "add", Query{0}, 1min).status()));
  EXPECT_TRUE(absl::IsUnavailable(services.call<Answer>("other", "add", Query{0}, 1ms).status()));
  EXPECT_EQ(services.registry().find("sum").at(0).info, "v1");
  Service outside(mem_, "sum");
  outside.on<Update, Answer>("add", [](const Update&) { return Answer{}; });
  outside.on<Query, Answer>("times", [](const Query&) { return Answer{}; });
  EXPECT_TRUE(outside.health()) << outside.health().reason;
  EXPECT_EQ(outside.stats().at(0).second.answered, 2u);
  outside.stop();
  EXPECT_EQ(service.wait(), harness::exited(0));
  EXPECT_THAT(outside.health().reason, HasSubstr("method 'add': stopped, 0 calls left"));
  EXPECT_THAT(services.registry().find("sum"), IsEmpty());
}

TEST_F(MicroservicesTest, AServiceIsABaseClass) {
  harness::process service([&] { Squares(memory(segment_.name())).run(); });
  const auto client = ServiceClient(mem_).client<Query, Answer>("squares", Squares::kMethod, 1min);
  ASSERT_TRUE(client.ok()) << client.status();
  auto squares = *client;
  for (int i = 0; i < 100; ++i) EXPECT_EQ(squares.call({i}, 1min)->y, i * i);
  squares.stop();
  EXPECT_EQ(service.wait(), harness::exited(0));
}

TEST_F(MicroservicesTest, SaysWhatIsWrongAndLeavesNothing) {
  const size_t before = list(mem_).size();
  {
    ServiceRegistry registry(mem_, "services", 8);
    EXPECT_TRUE(absl::IsInvalidArgument(registry.register_instance("").status()));
    EXPECT_TRUE(absl::IsInvalidArgument(registry.register_instance(std::string(49, 'x')).status()));
    EXPECT_TRUE(
        absl::IsFailedPrecondition(ServiceRegistry::open_or_create(mem_, "services", 9).status()));
    EXPECT_TRUE(registry.remove().ok());
  }
  Squares s(mem_);
  EXPECT_EQ(s.run_for(1ms), outcome::timed_out);
  EXPECT_THAT(s.health().reason, HasSubstr("no instance runs"));
  const auto twice = [&] {
    s.on<Query, Answer>(Squares::kMethod, [](const Query&) { return Answer{}; });
  };
  EXPECT_THROW(twice(), error);
  Service empty(mem_, "empty");
  EXPECT_EQ(empty.run(), outcome::missing);
  EXPECT_TRUE(s.remove().ok());
  EXPECT_TRUE(s.registry().remove().ok());
  EXPECT_EQ(list(mem_).size(), before);
}

struct books {
  std::atomic<bool> stop{false};
  chaos::account asked;
  std::atomic<uint64_t> wrong{0}, unavailable{0};
};
struct Numbered {
  uint64_t number;
};
void take_a_moment() {
  for (int i = 0; i < 500; ++i) hardware::pause();
}

TEST_F(MicroservicesTest, WithInstancesKilledAtRandomThereIsAlwaysAnAnswer) {
  harness::shared_state<books> b;
  const ServiceRegistry registry(mem_);
  chaos::chaos all({.workers = 4, .seed = 41}, [&](int me) {
    if (me < 3) {
      Service s(mem_, "echo", {.capacity = 16});
      s.on<Numbered, Numbered>("one", [&](const Numbered& n) {
        b->asked.handle(n.number);
        take_a_moment();
        return n;
      });
      s.on<Numbered, Numbered>("two", [&](const Numbered& n) {
        b->asked.handle(n.number);
        take_a_moment();
        return Numbered{2 * n.number};
      });
      s.run();
      return;
    }
    const ServiceClient services(
        mem_, "services", {.when_server_dies = WhenServerDies::kRetry, .most_deaths = 1'000'000});
    while (!b->stop) {
      const uint64_t n = b->asked.next();
      const bool two = n % 2 == 0;
      const auto r = services.call<Numbered>("echo", two ? "two" : "one", Numbered{n}, 1min);
      if (r.ok()) b->asked.acknowledge(n);
      b->wrong += !r.ok() || r->number != (two ? 2 * n : n);
    }
  });
  all.run_for(std::chrono::seconds(zeroipc::testing::quick_or_full(2, 60)));
  b->stop = true;
  // The client ends with its answer; who serves, with the service.
  Service outside(mem_, "echo", {.capacity = 16});
  outside.on<Numbered, Numbered>("one", [](const Numbered& n) { return n; });
  outside.on<Numbered, Numbered>("two", [](const Numbered& n) { return n; });
  const auto idle = [&] {
    uint64_t left = 0;
    for (const auto& [name, s] : outside.stats()) left += s.waiting + s.at_work;
    return left == 0;
  };
  EXPECT_TRUE(harness::eventually(idle));
  outside.stop();
  ASSERT_TRUE(all.finish()) << all.so_far().text();
  EXPECT_EQ(b->wrong, 0u);
  const chaos::account::sums sum = b->asked.total();
  EXPECT_EQ(sum.lost, 0u);
  EXPECT_LE(sum.again, all.so_far().kills);
  EXPECT_GT(sum.acknowledged, 100u);
  EXPECT_THAT(registry.find("echo"), IsEmpty());
  zeroipc::testing::evidence("pattern microservices", zeroipc::testing::instrument::chaos)
      .figure("kills", all.so_far().kills)
      .figure("stops", all.so_far().stops)
      .figure("questions answered", sum.acknowledged)
      .figure("asked again", sum.again);
}

}  // namespace
}  // namespace zeroipc::patterns
