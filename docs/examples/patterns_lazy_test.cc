// The parts of the patterns' specification that use lazy values, as they stand there: they compile, and they work.
//
// What a pattern does beyond its sketch, and where the sketch is unsound, is its own library's affair (DESIGN.md, section 6).
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "testing/harness/harness.h"
#include "zeroipc/lazy/lazy.h"
#include "zeroipc/segment/segment.h"

namespace {

using zeroipc::lazy;

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

struct Config {
  int answer = 0;
  int steps = 0;
  void parse_from_file(const char*) { answer = 42, ++steps; }
  void validate() { ++steps; }
  void resolve_dependencies() { ++steps; }
};

TEST(Patterns, AConfigurationIsComputedWhenItIsFirstAskedFor) {
  // clang-format off
  // Configuration Service
  memory mem("/config", 10*1024*1024);
  lazy<Config> config(mem, "app_config");

  config.set_computation([]() {
      // Expensive: read files, parse, validate
      Config c;
      c.parse_from_file("/etc/app.conf");
      c.validate();
      c.resolve_dependencies();
      return c;
  });
  // clang-format on
  EXPECT_FALSE(config.try_get()) << "before anybody asks";
  zeroipc::harness::process application([] {
    // clang-format off
    // Application Processes
    memory mem("/config");
    lazy<Config> config(mem, "app_config", true);

    // First access triggers computation
    Config c = config.get();  // Expensive first time

    // Subsequent accesses are instant
    Config c2 = config.get();  // Returns cached
    // clang-format on
    EXPECT_EQ(c.answer, 42);
    EXPECT_EQ(c2.steps, 3);
    EXPECT_EQ(config.stats().evaluations, 1u);
  });
  EXPECT_EQ(application.wait(), zeroipc::harness::exited(0));
  EXPECT_TRUE(config.try_get());
}

TEST(Patterns, StatisticsAreComputedAnewAfterEachEvent) {
  struct Statistics {
    uint64_t events;
  };
  struct ReadSide {
    memory read_mem;
    lazy<Statistics> stats;
    std::vector<int> applied = {};

    // clang-format off
    ReadSide()
        : read_mem("/read", 200*1024*1024),
          stats(read_mem, "stats") {}
    // clang-format on
    void update_read_model(int e) {
      applied.push_back(e);
      // clang-format off
      // Invalidate cached statistics
      stats.invalidate();
      // clang-format on
    }
  } read_side;
  read_side.stats.set_computation([&] { return Statistics{read_side.applied.size()}; });
  EXPECT_EQ(read_side.stats.get().events, 0u);
  read_side.update_read_model(5);
  EXPECT_EQ(read_side.stats.get().events, 1u);
  EXPECT_EQ(read_side.stats.get().events, 1u);
}

}  // namespace
