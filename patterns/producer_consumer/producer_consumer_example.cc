// Producer-consumer: one process makes 3,000 tasks, faster than the two that do them, one of which is killed on the way. The buffer
// holds the producer up, the killed one's task goes to the other, and all are done.
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <new>
#include <string>
#include <vector>

#include "patterns/base/example_segment.h"
#include "patterns/producer_consumer/producer_consumer.h"
#include "zeroipc/segment/segment.h"

namespace {

using zeroipc::memory;
using zeroipc::patterns::Consumer;
using zeroipc::patterns::Producer;

constexpr int kTasks = 3000, kKilledAt = 500;

struct Books {
  std::atomic<int> done[kTasks];
  std::atomic<uint64_t> worked;
};

// Something that takes a moment.
uint64_t work_on(int task) {
  auto x = static_cast<uint64_t>(task) + 1;
  for (int i = 0; i < 20'000; ++i) {
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
  }
  return x;
}

void consume(const std::string& segment, bool is_victim, Books& books) {
  Consumer<int> tasks(memory(segment), "tasks", 64);
  int mine = 0;
  tasks.run([&](int task) {
    if (is_victim && mine == kKilledAt) {
      std::printf("process %d is killed at task %d\n", ::getpid(), task);
      std::fflush(stdout);
      ::raise(SIGKILL);
    }
    books.worked.fetch_add(work_on(task), std::memory_order_relaxed);
    ++books.done[task];
    ++mine;
  });
  std::printf("process %d has done %d tasks\n", ::getpid(), mine);
  std::fflush(stdout);
}

}  // namespace

int main() {
  const zeroipc::patterns::ExampleSegment own("producer-consumer-example");
  const std::string& segment = own.name();
  void* page =
      ::mmap(nullptr, sizeof(Books), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  auto& books = *new (page) Books;
  int done = 0;
  {
    const memory mem(segment, 1 << 20);
    std::vector<pid_t> consumers;
    for (int i = 0; i < 2; ++i) {
      const pid_t pid = ::fork();
      if (pid == 0) {
        consume(segment, i == 0, books);
        ::_exit(0);
      }
      consumers.push_back(pid);
    }
    Producer<int> tasks(mem, "tasks", 64);
    for (int i = 0; i < kTasks; ++i) {
      if (!tasks.put(i)) break;
    }
    tasks.close();
    for (const pid_t pid : consumers) ::waitpid(pid, nullptr, 0);
    const auto s = tasks.stats();
    std::printf(
        "depth of the buffer: %.0f in the mean, %llu at most, of %llu; the producer was held up "
        "for %lld ms\n",
        s.mean_depth, static_cast<unsigned long long>(s.highest_depth),
        static_cast<unsigned long long>(s.capacity),
        static_cast<long long>(s.held_up.count() / 1'000'000));
    std::printf("%llu task was taken from the dead\n",
                static_cast<unsigned long long>(s.redelivered));
    for (const auto& times : books.done) done += times == 1;
  }
  std::printf("%d of %d tasks were done once: %s\n", done, kTasks,
              done == kTasks ? "right" : "WRONG");
  return done == kTasks ? 0 : 1;
}
