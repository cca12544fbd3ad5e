#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <string>

#include "gtest/gtest.h"
#include "testing/harness/harness.h"

namespace {

using zeroipc::harness::exited;
using zeroipc::harness::process;
using zeroipc::harness::unique_segment;

process run(const char* role, const unique_segment& segment, const std::string& output) {
  return process([&] {
    const int fd = ::open(output.c_str(), O_CREAT | O_WRONLY | O_APPEND, 0600);
    ::dup2(fd, STDOUT_FILENO);
    ::execl("docs/examples/coroutine_example", "coroutine_example", role, segment.name().c_str(),
            nullptr);
    return 127;
  });
}

TEST(CoroutineExample, EveryRequestIsAnswered) {
  const std::string directory = std::getenv("TEST_TMPDIR");
  unique_segment segment;
  process server = run("serve", segment, directory + "/server");
  process client = run("ask", segment, directory + "/client");
  EXPECT_EQ(client.wait(), exited(0));
  EXPECT_EQ(server.wait(), exited(0));
  std::string line;
  std::getline(std::ifstream(directory + "/client"), line);
  EXPECT_TRUE(line.starts_with("100 answers")) << line;
}

}  // namespace
