// The part of the patterns' specification that uses a queue alone, as it stands there: it compiles, and it works.
//
// What the pattern does beyond its sketch is its own library's affair: //patterns/producer_consumer.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <thread>

#include "gtest/gtest.h"
#include "testing/harness/harness.h"
#include "zeroipc/queue/queue.h"
#include "zeroipc/segment/segment.h"

namespace {

using namespace std::chrono_literals;
using zeroipc::queue;

// The sketches name their segments; tests that run side by side must not meet in one.
class memory : public zeroipc::memory {
 public:
  memory(const std::string& name, size_t size) : zeroipc::memory(of_this_test(name), size) {}
  explicit memory(const std::string& name) : zeroipc::memory(of_this_test(name)) {}

 private:
  static std::string of_this_test(const std::string& name) {
    static auto& names = *new std::map<std::string, zeroipc::harness::unique_segment>;
    return names[name].name();
  }
};

struct Task {
  int number;
};

constexpr int kTasks = 5000;  // more than there is room for

TEST(Patterns, AConsumerDoesWhatAProducerMakes) {
  bool running = true;
  int made = 0;
  const auto generate_task = [&] {
    running = ++made < kTasks;
    return Task{made};
  };
  // clang-format off
  // Producer Process
  memory mem("/app", 10*1024*1024);
  queue<Task> task_queue(mem, "tasks", 1000);
  // clang-format on
  zeroipc::harness::process consumer([] {
    bool running = true;
    int done = 0;
    const auto process_task = [&](const Task& t) {
      EXPECT_EQ(t.number, ++done);
      running = done < kTasks;
    };
    // clang-format off
    // Consumer Process
    memory mem("/app");
    queue<Task> task_queue(mem, "tasks");

    while (running) {
        if (auto task = task_queue.pop()) {
            process_task(*task);
        } else {
            // Queue empty, wait
            std::this_thread::sleep_for(1ms);
        }
    }
    // clang-format on
    EXPECT_EQ(done, kTasks);
  });
  // clang-format off
  while (running) {
      Task t = generate_task();
      if (!task_queue.push(t)) {
          // Handle backpressure
          std::this_thread::sleep_for(10ms);
      }
  }
  // clang-format on
  EXPECT_EQ(consumer.wait(), zeroipc::harness::exited(0));
  EXPECT_EQ(task_queue.stats().pushed, static_cast<uint64_t>(kTasks));
}

}  // namespace
