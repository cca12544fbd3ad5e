// Saga: 200 orders, each of which takes something from the stock, charges for it and ships it, carried out by a process that is killed in the
// middle of one, and by another that takes its place. In the end the stock, the money and the parcels agree.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>

#include "patterns/base/example_segment.h"
#include "patterns/saga/sagas.h"
#include "zeroipc/map/map.h"
#include "zeroipc/segment/segment.h"

namespace {

using zeroipc::memory;
using zeroipc::patterns::SagaState;
using zeroipc::patterns::SagaStep;

constexpr uint64_t kOrders = 200, kKilledAt = 77;

struct Order {
  int amount;
};
// What has happened for one order. Each change of it is one step, and made twice it is as if once.
struct Effects {
  int reserved, charged, shipped;
};

// Orders of more than 90 are too heavy to be shipped.
zeroipc::patterns::Sagas<Order> declare(const memory& mem, bool is_victim) {
  using Map = zeroipc::map<uint64_t, Effects>;
  zeroipc::patterns::Sagas<Order> orders(mem, "orders", kOrders);
  const auto set = [effects = std::make_shared<Map>(mem, "effects", kOrders)](
                       uint64_t order, int Effects::*what, int amount) {
    effects->insert(order, {});
    return effects->update(order, [&](Effects& e) { e.*what = amount; })
               ? absl::OkStatus()
               : absl::ResourceExhaustedError("no room for its effects");
  };
  const auto undo = [set](int Effects::*what) {
    return [set, what](const SagaStep& s, Order&) { return set(s.saga, what, 0); };
  };
  orders.add_step(
      "reserve",
      [set](const SagaStep& s, Order& o) { return set(s.saga, &Effects::reserved, o.amount); },
      undo(&Effects::reserved));
  orders.add_step(
      "charge",
      [set, is_victim](const SagaStep& s, Order& o) {
        absl::Status done = set(s.saga, &Effects::charged, o.amount);
        if (is_victim && s.saga >= kKilledAt) {
          std::printf("process %d is killed: order %llu is charged, and nobody knows\n", ::getpid(),
                      static_cast<unsigned long long>(s.saga));
          std::fflush(stdout);
          ::raise(SIGKILL);
        }
        return done;
      },
      undo(&Effects::charged));
  orders.add_step(
      "ship",
      [set](const SagaStep& s, Order& o) {
        if (o.amount > 90) return absl::Status(absl::OutOfRangeError("too heavy"));
        return set(s.saga, &Effects::shipped, o.amount);
      },
      undo(&Effects::shipped));
  return orders;
}

}  // namespace

int main() {
  const zeroipc::patterns::ExampleSegment own("saga-example");
  int wrong = 0;
  {
    const memory mem(own.name(), 4 << 20);
    auto orders = declare(mem, false);
    const auto start_worker = [&](bool is_victim) {
      const pid_t pid = ::fork();
      if (pid != 0) return pid;
      declare(memory(own.name()), is_victim).work();
      ::_exit(0);
    };
    const pid_t victim = start_worker(true);
    for (uint64_t i = 1; i <= kOrders; ++i) {
      if (!orders.start(i, {static_cast<int>(i * 37 % 100 + 1)}).ok()) ++wrong;
    }
    ::waitpid(victim, nullptr, 0);
    start_worker(false);
    zeroipc::map<uint64_t, Effects> effects(mem, "effects");
    int completed = 0, undone = 0;
    for (uint64_t i = 1; i <= kOrders; ++i) {
      const auto end = orders.wait_for(i, std::chrono::minutes(1));
      if (!end.ok()) {
        ++wrong;
        continue;
      }
      const Effects e = effects.get(i).value_or(Effects{});
      const int amount = end->completed() ? orders.data(i)->amount : 0;
      wrong += e.reserved != amount || e.charged != amount || e.shipped != amount;
      ++(end->completed() ? completed : undone);
      if (end->why.code() == absl::StatusCode::kAborted) {
        std::printf("order %llu was undone: %s\n", static_cast<unsigned long long>(i),
                    std::string(end->why.message()).c_str());
      }
    }
    orders.stop();
    while (::wait(nullptr) > 0) {
    }
    std::printf("%d orders completed, %d undone\n", completed, undone);
    wrong += completed + undone != kOrders || orders.stats().resumed != 1;
  }
  std::printf("stock, money and parcels agree: %s\n", wrong == 0 ? "right" : "WRONG");
  return wrong == 0 ? 0 : 1;
}
