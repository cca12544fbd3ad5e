// What is built on futures: when_any(), and then().
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/harness/harness.h"
#include "zeroipc/future/future.h"
#include "zeroipc/future/when_any.h"

namespace zeroipc {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

[[noreturn]] void pause_for_ever() {
  for (;;) ::pause();
}

class ContinuationTest : public ::testing::Test {
 protected:
  const harness::unique_segment name_;
  memory mem_{name_.name(), 4 << 20};
};

TEST_F(ContinuationTest, TheFirstThatIsSettled) {
  future<int> a(mem_, "a");
  future<double> b(mem_, "b");
  EXPECT_EQ(when_any_for(1ms, a, b), std::nullopt);
  const pid_t waiter = ::getpid();
  harness::process other([&] {
    ASSERT_TRUE(harness::wait_until_asleep(waiter));
    EXPECT_TRUE(b.set_value(1.5));
  });
  EXPECT_EQ(when_any(a, b), 1u);
  EXPECT_EQ(other.wait(), harness::exited(0));
  EXPECT_TRUE(a.set_error("no"));
  EXPECT_EQ(when_any(a, b), 0u) << "an error is an answer";
}

TEST_F(ContinuationTest, OfAList) {
  std::vector<future<int>> all;
  EXPECT_EQ(when_any(all), std::nullopt);
  for (int i = 0; i < 64; ++i) all.emplace_back(mem_, std::to_string(i));
  EXPECT_EQ(when_any_for(1ms, all), std::nullopt);
  harness::process other([&] {
    const promise<int> p = all[40].claim();
    ::raise(SIGKILL);
  });
  EXPECT_EQ(when_any(all), 40u) << "so is a broken promise";
  EXPECT_EQ(other.wait(), harness::killed_by(SIGKILL));
  all.emplace_back(mem_, "one too many");
  EXPECT_EQ(when_any(all), std::nullopt);
}

TEST_F(ContinuationTest, GoesOnWithTheValue) {
  future<int> f(mem_, "f");
  const auto text = f.then(mem_, "half", [](int x) { return x / 2.0; });
  const auto more = text.then(mem_, "more", [](double x) -> absl::StatusOr<int> {
    if (x > 100) return absl::OutOfRangeError("too much");
    return static_cast<int>(x) + 1;
  });
  EXPECT_EQ(more.try_get(), std::nullopt);
  EXPECT_TRUE(f.set_value(7));
  EXPECT_EQ(more.get(), 4);
  EXPECT_EQ(text.get(), 3.5);
  // Registered when it is settled already, and when its result is there already.
  EXPECT_EQ(f.then(mem_, "later", [](int x) { return x; }).get(), 7);
  EXPECT_EQ(f.then(mem_, "later", [](int) { return 0; }).get(), 7);
}

TEST_F(ContinuationTest, ErrorsArePassedOn) {
  future<int> f(mem_, "f"), g(mem_, "g"), broken(mem_, "broken");
  const auto fail = [](int x) -> absl::StatusOr<int> {
    if (x == 1) throw std::runtime_error("one");
    return absl::OutOfRangeError("too much");
  };
  const auto never = [](int) { return ADD_FAILURE() << "there is no value", 0; };
  const auto of_f = f.then(mem_, "of f", never);
  EXPECT_TRUE(f.set_error("disk full", 28));
  EXPECT_EQ(of_f.wait(), outcome::failed);
  EXPECT_EQ(of_f.error()->code, 28);
  EXPECT_EQ(of_f.error()->message, "disk full");
  EXPECT_TRUE(g.set_value(1));
  EXPECT_EQ(g.then(mem_, "thrown", fail).wait(), outcome::failed);
  EXPECT_EQ(future<int>(mem_, "thrown").error()->message, "one");
  future<int> two(mem_, "two");
  EXPECT_TRUE(two.set_value(2));
  const auto of_two = two.then(mem_, "status", fail);
  EXPECT_EQ(of_two.wait(), outcome::failed);
  EXPECT_TRUE(absl::IsOutOfRange(of_two.status()));
  const auto of_broken = broken.then(mem_, "of broken", never);
  EXPECT_TRUE(broken.claim()) << "and drops it";
  EXPECT_EQ(of_broken.wait(), outcome::failed);
  EXPECT_THAT(std::string(of_broken.error()->message.view()), HasSubstr("broken promise"));
}

TEST_F(ContinuationTest, RunsInOneOfThoseThatSaidSo) {
  future<int> f(mem_, "f");
  harness::shared_state<harness::tally> registered, runs;
  std::vector<std::unique_ptr<harness::process>> all;
  for (int i = 0; i < 3; ++i) {
    all.push_back(std::make_unique<harness::process>([&] {
      const auto next = f.then(mem_, "next", [&](int x) {
        runs->add();
        return x + 1;
      });
      registered->add();
      EXPECT_EQ(next.get(), 8);
    }));
  }
  ASSERT_TRUE(registered->wait_for_at_least(3));
  EXPECT_TRUE(f.set_value(7));
  EXPECT_EQ(future<int>(mem_, "next", true).get(), 8);
  for (const auto& p : all) EXPECT_EQ(p->wait(), harness::exited(0));
  EXPECT_EQ(runs->value(), 1u);
}

TEST_F(ContinuationTest, IfThatOneDiesAnotherGoesOn) {
  future<int> f(mem_, "f");
  struct meeting {
    harness::gate runs, registered;
  };
  harness::shared_state<meeting> meet;
  harness::process first([&] {
    const auto next = f.then(mem_, "next", [&](int) -> int {
      meet->runs.open();
      pause_for_ever();
    });
    pause_for_ever();
  });
  harness::process second([&] {
    ASSERT_TRUE(meet->runs.wait());
    const auto next = f.then(mem_, "next", [](int x) { return 2 * x; });
    meet->registered.open();
    EXPECT_EQ(next.get(), 14);
  });
  EXPECT_TRUE(f.set_value(7));
  ASSERT_TRUE(meet->registered.wait());
  const future<int> next(mem_, "next", true);
  EXPECT_EQ(next.get_for(1ms), std::nullopt) << "the first one is at it";
  first.kill();
  EXPECT_EQ(first.wait(), harness::killed_by(SIGKILL));
  EXPECT_EQ(next.get(), 14);
  EXPECT_EQ(second.wait(), harness::exited(0));
}

TEST_F(ContinuationTest, EndsWithItsHandle) {
  future<int> f(mem_, "f");
  {
    const auto next = f.then(mem_, "next", [](int x) { return x; });
  }
  EXPECT_TRUE(f.set_value(1));
  const future<int> next(mem_, "next", true);
  EXPECT_EQ(next.get_for(1ms), std::nullopt) << "nobody is there to run it";
  EXPECT_EQ(f.then(mem_, "next", [](int x) { return x; }).get(), 1);
}

}  // namespace
}  // namespace zeroipc
