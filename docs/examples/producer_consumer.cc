#include <iostream>
#include <string_view>

#include "zeroipc/base/fixed_string.h"
#include "zeroipc/queue/queue.h"

struct task {
  int number;
  zeroipc::fixed_string<40> text;
};

int main(int argc, char** argv) {
  // Both open what is there already, and create what is not: a segment of 1 MiB, a queue of 1000.
  zeroipc::memory mem(argc > 2 ? argv[2] : "/readme", 1 << 20);
  zeroipc::queue<task> tasks(mem, "tasks", 1000);

  if (argc > 1 && std::string_view(argv[1]) == "produce") {
    for (int i = 1; i <= 100; ++i) tasks.push({i, "a task"});  // waits while the queue is full
    tasks.close();
    return 0;
  }
  while (auto leased = tasks.lease()) {  // waits for a task; ends once all are done
    std::cout << leased->number << ": " << leased->text << std::endl;
    leased.ack();  // killed before this line, another process gets the task
  }
}
