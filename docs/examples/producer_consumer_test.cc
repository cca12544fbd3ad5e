#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <set>
#include <string>

#include "gtest/gtest.h"
#include "testing/harness/harness.h"

namespace {

using zeroipc::harness::eventually;
using zeroipc::harness::exited;
using zeroipc::harness::process;
using zeroipc::harness::unique_segment;

process run(const char* role, const unique_segment& segment, const std::string& output) {
  return process([&] {
    const int fd = ::open(output.c_str(), O_CREAT | O_WRONLY | O_APPEND, 0600);
    ::dup2(fd, STDOUT_FILENO);
    ::execl("docs/examples/producer_consumer", "producer_consumer", role, segment.name().c_str(),
            nullptr);
    return 127;
  });
}

// The numbers of the tasks that were printed whole.
std::multiset<int> tasks_in(const std::string& path) {
  std::multiset<int> numbers;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (line.ends_with(": a task")) numbers.insert(std::atoi(line.c_str()));
  }
  return numbers;
}

TEST(ProducerConsumer, EveryTaskIsDoneAlthoughAConsumerIsKilled) {
  const std::string directory = std::getenv("TEST_TMPDIR");
  const std::string first_output = directory + "/first", second_output = directory + "/second";
  unique_segment segment;

  process first = run("consume", segment, first_output);
  process producer = run("produce", segment, directory + "/producer");
  EXPECT_TRUE(eventually([&] { return tasks_in(first_output).size() >= 3; }));
  first.kill();
  first.wait();
  process second = run("consume", segment, second_output);
  EXPECT_EQ(producer.wait(), exited(0));
  EXPECT_EQ(second.wait(), exited(0));

  std::multiset<int> done = tasks_in(first_output);
  done.merge(tasks_in(second_output));
  std::set<int> expected;
  for (int i = 1; i <= 100; ++i) expected.insert(i);
  EXPECT_EQ(std::set<int>(done.begin(), done.end()), expected);
  // Only the one that it was at may have been printed and not acknowledged.
  EXPECT_LE(done.size(), 101u);
}

}  // namespace
