// The parts of the patterns' specification that use channels, as they stand there: they compile, and they work.
//
// What a pattern does beyond its sketch, and where the sketch is unsound, is its own library's affair (DESIGN.md, section 6).
#include <signal.h>

#include <atomic>
#include <chrono>
#include <map>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "testing/harness/harness.h"
#include "zeroipc/channel/channel.h"
#include "zeroipc/segment/segment.h"

namespace {

using namespace std::chrono_literals;  // NOLINT: the sketches do

using zeroipc::channel;

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
struct Result {
  int square;
  int worker_id;
};
Result process(const Task& t) { return {t.number * t.number, -1}; }

constexpr int NUM_WORKERS = 3, kTasks = 200;

// clang-format off

// Worker Process Template
void worker_main(int worker_id) {
    memory mem("/workers");
    channel<Task> task_channel(mem, "tasks");
    channel<Result> result_channel(mem, "results");
    
    while (auto task = task_channel.receive()) {
        Result r = process(*task);
        r.worker_id = worker_id;
        result_channel.send(r);
    }
}

// clang-format on

TEST(Patterns, WorkersTakeTasksFromOneChannelAndAnswerByAnother) {
  std::vector<Task> tasks;
  for (int i = 0; i < kTasks; ++i) tasks.push_back({i});
  // clang-format off
  // Manager Process
  memory mem("/workers", 100*1024*1024);
  channel<Task> task_channel(mem, "tasks", 1000);
  channel<Result> result_channel(mem, "results", 1000);
  // clang-format on
  zeroipc::harness::process workers([&]() -> int {
    // clang-format off
    // Launch workers
    for (int i = 0; i < NUM_WORKERS; i++) {
        std::thread(worker_main, i).detach();
    }
    // clang-format on
    // Somebody has to say that all results are there.
    const bool all =
        zeroipc::harness::eventually([&] { return result_channel.stats().sent == kTasks; });
    result_channel.close();
    return all ? 0 : 1;
  });
  // clang-format off
  // Submit tasks
  for (const auto& task : tasks) {
      task_channel.send(task);
  }
  task_channel.close();

  // Collect results
  std::vector<Result> results;
  while (auto result = result_channel.receive()) {
      results.push_back(*result);
  }
  // clang-format on
  EXPECT_EQ(workers.wait(), zeroipc::harness::exited(0));
  std::vector<int> times(kTasks);
  for (const Result& r : results) {
    EXPECT_TRUE(r.worker_id >= 0 && r.worker_id < NUM_WORKERS);
    for (int i = 0; i < kTasks; ++i) times[static_cast<size_t>(i)] += i * i == r.square;
  }
  for (const int n : times) EXPECT_EQ(n, 1);
}

enum Type { COMPUTE, FORWARD, STOP };
struct Message {
  Type type;
  int data = 0;
  int target = 0;
};
std::atomic<int> computed{0};
void do_computation(int data) { computed += data; }
void forward_to_actor(int target, int data);

// clang-format off

class Actor {
    memory& mem;
    std::string name;
    channel<Message> mailbox;
    std::thread worker;
    std::atomic<bool> running{true};
    
public:
    Actor(memory& m, std::string_view n) 
        : mem(m), name(n), 
          mailbox(m, std::string(n) + "_mailbox", 100) {
        worker = std::thread([this]() { run(); });
    }
    
    void send(const Message& msg) {
        mailbox.send(msg);
    }
    
private:
    void run() {
        while (running.load()) {
            if (auto msg = mailbox.receive_for(100ms)) {
                handle_message(*msg);
            }
        }
    }
    
    void handle_message(const Message& msg) {
        switch (msg.type) {
            case COMPUTE:
                do_computation(msg.data);
                break;
            case FORWARD:
                forward_to_actor(msg.target, msg.data);
                break;
            case STOP:
                running.store(false);
                break;
        }
    }
};

// clang-format on

std::vector<Actor*> actors;
void forward_to_actor(int target, int data) {
  actors[static_cast<size_t>(target)]->send({COMPUTE, data});
}

TEST(Patterns, ActorsHaveChannelsForMailboxes) {
  zeroipc::harness::shared_state<zeroipc::harness::gate> all_done;
  zeroipc::harness::process system([&] {
    const int data = 40;
    // clang-format off
    // Usage
    memory mem("/actors", 50*1024*1024);
    Actor compute_actor(mem, "compute");
    Actor storage_actor(mem, "storage");
    Actor network_actor(mem, "network");

    compute_actor.send({COMPUTE, data});
    // clang-format on
    actors = {&compute_actor, &storage_actor, &network_actor};
    network_actor.send({FORWARD, 2, 1});
    if (zeroipc::harness::eventually([] { return computed == 42; })) all_done->open();
    for (Actor* const a : actors) a->send({STOP});
    // The sketch joins no thread, so there is no orderly end to this.
    ::raise(SIGKILL);
  });
  EXPECT_TRUE(all_done->wait());
  EXPECT_EQ(system.wait(), zeroipc::harness::killed_by(SIGKILL));
}

}  // namespace
