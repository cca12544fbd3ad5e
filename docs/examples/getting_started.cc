// The C++ blocks of docs/getting-started.md and docs/structures/segment.md, compiled and run.
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <optional>
#include <string>

#include "gtest/gtest.h"
#include "testing/harness/harness.h"
#include "zeroipc/base/fixed_string.h"
#include "zeroipc/name_table/name_table.h"
#include "zeroipc/queue/queue.h"

namespace {

struct order {
  uint64_t id;
  zeroipc::fixed_string<16> symbol;
  double price;
};

using namespace std::chrono_literals;

TEST(GettingStarted, Memory) {
  const zeroipc::harness::unique_segment unique;
  const std::string& name = unique.name();
  zeroipc::memory mem(name, 64 << 20);  // opens the segment, or creates it with 64 MiB
  zeroipc::memory again(name);          // opens it; throws zeroipc::error if there is none
  EXPECT_EQ(again.size(), 64u << 20);
}

TEST(GettingStarted, FirstQueue) {
  const std::string name = std::string(std::getenv("TEST_TMPDIR")) + "/orders.segment";

  zeroipc::memory mem(name, 16 << 20);  // opens the segment, or creates it with 16 MiB
  zeroipc::queue<order> orders(mem, "orders", 1000);

  orders.push({1, "ACME", 12.50});  // waits while the queue is full
  zeroipc::outcome pushed = orders.push_for({2, "ACME", 12.75}, 10ms);
  if (pushed == zeroipc::outcome::timed_out) return;  // it was full all the time

  std::optional<order> first = orders.pop();       // waits while it is empty
  std::optional<order> second = orders.try_pop();  // does not wait

  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->id, 1u);
  EXPECT_EQ(second->id, 2u);
  EXPECT_FALSE(orders.try_pop());
  EXPECT_TRUE(zeroipc::remove(mem, "orders").ok());
  EXPECT_TRUE(zeroipc::memory::unlink(name).ok());
}

TEST(GettingStarted, Roles) {
  const zeroipc::harness::unique_segment name;
  zeroipc::memory mem(name.name(), 16 << 20);

  zeroipc::queue<order, zeroipc::spsc> pipe(mem, "pipe", 1000);
  auto producer = pipe.producer();  // FailedPrecondition if another live process has the role
  if (!producer.ok()) std::abort();
  producer->push({1, "ACME", 12.50});

  EXPECT_EQ(pipe.pop()->id, 1u);
}

TEST(GettingStarted, AnonymousSegmentForAForkedChild) {
  auto mem = zeroipc::memory::create_anonymous(16 << 20);
  ASSERT_TRUE(mem.ok());
  zeroipc::queue<order> orders(*mem, "orders", 1000);
  if (fork() == 0) {
    orders.push({1, "ACME", 12.50});
    _exit(0);
  }
  std::optional<order> popped = orders.pop();

  ASSERT_TRUE(popped);
  EXPECT_EQ(popped->id, 1u);
  ::wait(nullptr);
}

}  // namespace
