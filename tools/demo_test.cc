// `zeroipc demo` as a process: exact whatever is killed, and nothing left behind whatever ends it.
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/harness/harness.h"
#include "tools/tool_run.h"

namespace zeroipc::tools {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

// A tree of files whose words are known.
class tree {
 public:
  explicit tree(const std::string& name)
      : root_(absl::StrCat(std::getenv("TEST_TMPDIR"), "/", name)) {
    fs::create_directories(root_);
  }
  ~tree() {
    std::error_code ignored;
    fs::remove_all(root_, ignored);
  }
  void add(const std::string& path, const std::string& text) {
    fs::create_directories(fs::path(root_ + "/" + path).parent_path());
    std::ofstream(root_ + "/" + path) << text;
  }
  void fill(int files, int words_each) {
    std::mt19937_64 random(3);
    for (int i = 0; i < files; ++i) {
      std::string text;
      for (int w = 0; w < words_each; ++w)
        absl::StrAppend(&text, "word", random() % 5'000, w % 10 == 9 ? "\n" : " ");
      add(absl::StrCat("dir", i % 7, "/file", i), text);
    }
  }
  const std::string& path() const { return root_; }

 private:
  std::string root_;
};

nlohmann::json run_demo(std::vector<std::string> arguments, int expected_code = 0) {
  arguments.insert(arguments.begin(), "demo");
  arguments.push_back("--json");
  tool_run run(arguments);
  EXPECT_EQ(run.wait(), expected_code) << run.err() << run.out();
  return run.json();
}

// The segment of a running demo, out of the arguments of its workers: "zeroipc demo-worker /zeroipc-demo-... ...".
std::string segment_of(pid_t demo) {
  for (const pid_t worker : children_of(demo)) {
    std::ifstream in(absl::StrCat("/proc/", worker, "/cmdline"));
    const std::string line(std::istreambuf_iterator<char>(in), {});
    const std::vector<std::string> words = absl::StrSplit(line, '\0');
    if (words.size() > 2 && (words[1] == "demo-worker" || words[1] == "demo-stage"))
      return words[2];
  }
  return "";
}

bool gone(pid_t pid) {
  const char state = harness::state_of(pid);
  return state == '\0' || state == 'Z';
}

TEST(Demo, IsExactAlthoughTwentyWorkersAreKilled) {
  tree files("exact");
  files.fill(300, 400);
  for (const char* seed : {"1", "2", "3"}) {
    const nlohmann::json j = run_demo({files.path(), "--kill", "20", "--seed", seed});
    EXPECT_EQ(j["exact"], true);
    EXPECT_EQ(j["killed"], 20);
    EXPECT_EQ(j["files"], 300);
    EXPECT_EQ(j["by_workers"]["words"], 120'000);
    EXPECT_EQ(j["by_workers"], [&] {
      nlohmann::json plain = j["plain"];
      plain["seconds"] = j["by_workers"]["seconds"];
      return plain;
    }());
    EXPECT_EQ(j["died_otherwise"], 0);
  }
}

TEST(Demo, CountsWhatIsThere) {
  tree files("small");
  files.add("a", "one two\nThe three the\n");
  files.add("b/c", "the end");
  files.add(".git/ignored", "the the the");
  ASSERT_EQ(::symlink("a", (files.path() + "/link").c_str()), 0);
  const nlohmann::json j = run_demo({files.path(), "--kill", "7"});
  EXPECT_EQ(j["files"], 2);
  EXPECT_EQ(j["by_workers"]["words"], 7);
  EXPECT_EQ(j["by_workers"]["distinct_words"], 5);
  EXPECT_EQ(j["top_words"][0], (nlohmann::json{{"word", "the"}, {"count", 3}}));
  EXPECT_EQ(j["killed"], 7) << "also where there is little to do";
}

TEST(Demo, NoFilesOneFileAndAFileInsteadOfADirectory) {
  tree files("few");
  EXPECT_EQ(run_demo({files.path(), "--kill", "3"})["killed"], 3);
  files.add("only", "one\n");
  EXPECT_EQ(run_demo({files.path(), "--kill", "3"})["by_workers"]["words"], 1);
  EXPECT_EQ(
      run_demo({files.path() + "/only", "--workers", "1", "--kill", "3"})["by_workers"]["words"],
      1);
}

TEST(Demo, APathThatIsNotThereIsExitCode3) {
  const nlohmann::json j = run_demo({"/does/not/exist"}, 3);
  EXPECT_EQ(j["error"]["code"], "not_found");
  EXPECT_EQ(run_tool({"demo", "/dev/null"}).code, 4);
}

TEST(Demo, AFileThatNobodyMayReadIsNamed) {
  tree files("unreadable");
  files.add("open", "one two\n");
  files.add("secret", "three\n");
  fs::permissions(files.path() + "/secret", fs::perms::none);
  tool_run run({"demo", files.path(), "--json", "--kill", "2"}, {.as_nobody = ::geteuid() == 0});
  const int code = run.wait();
  if (code == tool_run::kCannotDrop)
    GTEST_SKIP() << "root here, and not allowed to become somebody else";
  if (code == 5 || code == 3)
    GTEST_SKIP() << "the temporary directory is closed to others: " << run.err();
  EXPECT_EQ(code, 0) << run.err();
  EXPECT_EQ(run.json()["unreadable"], nlohmann::json{"secret"});
  EXPECT_EQ(run.json()["by_workers"]["words"], 2);
}

TEST(Demo, FilesThatChangeOrVanishMeanwhileAreLeftOutAndTheRestIsExact) {
  tree files("changing");
  files.fill(200, 500);
  std::atomic<bool> stop{false};
  std::thread changer([&] {
    for (int i = 0; !stop; ++i) {
      std::ofstream(absl::StrCat(files.path(), "/dir0/file", 7 * (i % 10)), std::ios::app)
          << " more" << i << std::flush;
      fs::remove(absl::StrCat(files.path(), "/dir1/file", 1 + 7 * (i % 10)));
    }
  });
  const nlohmann::json j = run_demo({files.path(), "--kill", "10"});
  stop = true;
  changer.join();
  EXPECT_EQ(j["exact"], true);
  EXPECT_GE(j["by_workers"]["files"], 170);
}

TEST(Demo, AWorkerKilledByHandIsReplacedToo) {
  tree files("by_hand");
  files.fill(400, 400);
  tool_run run({"demo", files.path(), "--kill", "40", "--json"});
  ASSERT_TRUE(harness::eventually([&] { return !segment_of(run.process().pid()).empty(); }));
  for (const pid_t worker : children_of(run.process().pid())) ::kill(worker, SIGKILL);
  EXPECT_EQ(run.wait(), 0) << run.err();
  EXPECT_EQ(run.json()["exact"], true);
  EXPECT_EQ(run.json()["killed"], 40);
}

nlohmann::json run_telemetry(std::vector<std::string> arguments, int expected_code = 0) {
  arguments.insert(arguments.begin(), {"demo", "telemetry"});
  arguments.push_back("--json");
  tool_run run(arguments);
  EXPECT_EQ(run.wait(), expected_code) << run.err() << run.out();
  return run.json();
}

TEST(Telemetry, HasNoGapAlthoughTwentyStagesAreKilled) {
  for (const char* seed : {"1", "2"}) {
    const nlohmann::json j = run_telemetry({"--time", "1s", "--interval", "2ms", "--seed", seed});
    EXPECT_EQ(j["exact"], true) << j;
    EXPECT_EQ(j["readings"], 500);
    EXPECT_EQ(j["validated"], 500);
    EXPECT_EQ(j["summaries"], 50);
    EXPECT_EQ(j["killed"], 20);
    EXPECT_EQ(j["died_otherwise"], 0);
  }
}

TEST(Telemetry, AlertsFromItsLimitOn) {
  EXPECT_EQ(run_telemetry({"--time", "200ms", "--kill", "0", "--limit", "0"})["alerts"], 2);
  tree proc("proc");
  proc.add("stat", "cpu 1 2 3 4 5\n");
  proc.add("meminfo", "MemTotal: 4 kB\nMemAvailable: 1 kB\n");
  const auto alerts = [&](const char* limit) {
    return run_telemetry(
        {"--time", "110ms", "--kill", "3", "--limit", limit, "--proc", proc.path()})["alerts"];
  };
  EXPECT_EQ(alerts("0.75"), 1);
  EXPECT_EQ(alerts("0.76"), 0);
}

TEST(Telemetry, SaysWhatItNeeds) {
  EXPECT_EQ(run_telemetry({"--proc", "/does/not/exist"}, 3)["error"]["code"], "not_found");
  EXPECT_EQ(run_tool({"demo", "telemetry", "--time", "soon"}).code, 2);
  EXPECT_EQ(run_tool({"demo", "telemetry", "--time", "10h", "--interval", "1ms"}).code, 2);
  EXPECT_THAT(run_tool({"demo", "--list"}).out, HasSubstr("zeroipc demo telemetry"));
}

class DemoEnds : public ::testing::TestWithParam<std::tuple<int, bool>> {};

TEST_P(DemoEnds, LeavingNoProcessAndNoSegment) {
  const auto [signal, telemetry] = GetParam();
  tree files(absl::StrCat("ended", signal));
  files.fill(50, 500);
  // It runs until it is told to stop: there are more deaths than anybody has time for, or an hour to go.
  tool_run run(telemetry ? std::vector<std::string>{"demo", "telemetry", "--time", "1h", "-i", "1s"}
                         : std::vector<std::string>{"demo", files.path(), "--kill", "100000"});
  const pid_t pid = run.process().pid();
  std::string segment;
  ASSERT_TRUE(harness::eventually([&] { return !(segment = segment_of(pid)).empty(); }));
  ASSERT_EQ(::access(("/dev/shm" + segment).c_str(), F_OK), 0);
  const std::vector<pid_t> workers = children_of(pid);
  run.process().kill(signal);
  const int code = run.wait();
  EXPECT_EQ(code, signal == SIGKILL ? -SIGKILL : 128 + signal) << run.err();
  for (const pid_t worker : workers)
    EXPECT_TRUE(harness::eventually([&] { return gone(worker); })) << worker;
  EXPECT_TRUE(harness::eventually([&] {
    return ::access(("/dev/shm" + segment).c_str(), F_OK) != 0;
  })) << segment;
}

INSTANTIATE_TEST_SUITE_P(BySignal, DemoEnds,
                         ::testing::Combine(::testing::Values(SIGINT, SIGTERM, SIGHUP, SIGKILL),
                                            ::testing::Bool()),
                         [](const auto& instance) {
                           return absl::StrCat("Signal", std::get<0>(instance.param),
                                               std::get<1>(instance.param) ? "Telemetry" : "Words");
                         });

TEST(Demo, ThePlainReportSaysExact) {
  tree files("report");
  files.fill(20, 100);
  const tool_result r = run_tool({"demo", files.path(), "--kill", "2"});
  EXPECT_EQ(r.code, 0);
  EXPECT_THAT(r.out, HasSubstr("EXACT: every one of 20 files"));
  EXPECT_THAT(r.out, HasSubstr("2 workers killed"));
}

}  // namespace
}  // namespace zeroipc::tools
