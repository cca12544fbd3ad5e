// `zeroipc ls`, `show` and `rm` as processes, on segments that are well, foreign, damaged or in use.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <fstream>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/harness/harness.h"
#include "tools/tool_run.h"
#include "zeroipc/array/array.h"
#include "zeroipc/barrier/barrier.h"
#include "zeroipc/cell/cell.h"
#include "zeroipc/channel/channel.h"
#include "zeroipc/event/event.h"
#include "zeroipc/future/future.h"
#include "zeroipc/latch/latch.h"
#include "zeroipc/lazy/lazy.h"
#include "zeroipc/map/map.h"
#include "zeroipc/mutex/mutex.h"
#include "zeroipc/name_table/name_table.h"
#include "zeroipc/once/once.h"
#include "zeroipc/pool/pool.h"
#include "zeroipc/queue/queue.h"
#include "zeroipc/ring/ring.h"
#include "zeroipc/rwlock/rwlock.h"
#include "zeroipc/segment/layout.h"
#include "zeroipc/segment/segment.h"
#include "zeroipc/semaphore/semaphore.h"
#include "zeroipc/set/set.h"
#include "zeroipc/stack/stack.h"
#include "zeroipc/stream/stream.h"

namespace zeroipc::tools {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr size_t kSize = 1 << 20;

// The entry for `name` in `ls --json`, or null.
nlohmann::json listed(const std::string& name) {
  tool_run run({"ls", "--json", name});
  run.wait();
  const nlohmann::json all = run.json();
  for (const auto& entry : all["segments"]) {
    if (entry["name"] == name) return entry;
  }
  return nullptr;
}

void patch(const std::string& path, off_t offset, uint32_t value) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
  ASSERT_EQ(::pwrite(fd, &value, sizeof value, offset), ssize_t{sizeof value});
  ::close(fd);
}

TEST(Usage, HelpNamesEveryCommandAndEveryExitCode) {
  const tool_result help = run_tool({"--help"});
  EXPECT_EQ(help.code, 0);
  for (const char* word : {"demo", "ls", "show", "rm", "send", "receive", "Exit codes", "130"}) {
    EXPECT_THAT(help.out, HasSubstr(word));
  }
  EXPECT_THAT(help.out, Not(HasSubstr("demo-worker")));
  for (const char* command : {"demo", "ls", "show", "rm", "send", "receive"}) {
    const tool_result one = run_tool({command, "--help"});
    EXPECT_EQ(one.code, 0) << command;
    EXPECT_THAT(one.out, AllOf(HasSubstr("Examples:"), HasSubstr("--json"))) << command;
  }
}

TEST(Usage, ACommandLineThatMakesNoSenseIsExitCode2) {
  for (const auto& arguments :
       std::vector<std::vector<std::string>>{{},
                                             {"frobnicate"},
                                             {"ls", "--colour"},
                                             {"show"},
                                             {"rm"},
                                             {"send", "/x"},
                                             {"demo", "--workers", "0"},
                                             {"demo", "--kill", "many"},
                                             {"receive", "/x", "q", "--wait", "soon"}}) {
    const tool_result r = run_tool(arguments);
    EXPECT_EQ(r.code, 2) << ::testing::PrintToString(arguments);
    EXPECT_NE(r.err, "") << ::testing::PrintToString(arguments);
  }
}

// A process that makes a segment, does something with it, and stays. This test's own process must not be attached where
// participants are counted: the tool is forked from it, and a forked child takes part until it becomes the tool.
template <typename Body>
harness::process owner_of(const std::string& segment, size_t bytes, Body body) {
  harness::shared_state<harness::gate> ready;
  harness::process owner([&] {
    const memory mem(segment, bytes);
    body(mem, [&] {
      ready->open();
      ::pause();
    });
  });
  EXPECT_TRUE(ready->wait());
  return owner;
}
constexpr auto kJustStay = [](const memory&, auto stay) { stay(); };

TEST(Ls, CountsTheLiveTheDeadAndTheNames) {
  const harness::unique_segment segment;
  const auto owner = owner_of(segment.name(), kSize, [](const memory& mem, auto stay) {
    const queue<int> numbers(mem, "numbers", 16);
    stay();
  });
  auto a = owner_of(segment.name(), kSize, kJustStay);
  const auto b = owner_of(segment.name(), kSize, kJustStay);
  nlohmann::json entry = listed(segment.name());
  EXPECT_EQ(entry["standing"], "usable");
  EXPECT_EQ(entry["live"], 3);
  EXPECT_EQ(entry["dead"], 0);
  EXPECT_EQ(entry["names"], 1);
  EXPECT_EQ(entry["bytes"], kSize);
  EXPECT_GT(entry["heap"]["used"], 0);
  a.kill();
  a.wait();
  entry = listed(segment.name());
  EXPECT_EQ(entry["live"], 2);
  EXPECT_EQ(entry["dead"], 1);
  EXPECT_THAT(run_tool({"ls"}).out, HasSubstr(segment.name()));
}

TEST(Ls, LookingJoinsNothingAndTouchesNoPage) {
  const harness::unique_segment segment;
  const auto owner = owner_of(segment.name(), size_t{1} << 30, kJustStay);
  const absl::StatusOr<memory> mem = memory::open_read_only(segment.name());
  ASSERT_TRUE(mem.ok());
  const auto& header = *reinterpret_cast<const internal::segment_header*>(mem->attachment()->base);
  const size_t resident = mem->resident_bytes();
  const uint32_t membership = header.membership_epoch.load();
  EXPECT_EQ(listed(segment.name())["live"], 1);
  EXPECT_EQ(run_tool({"show", segment.name()}).code, 0);
  EXPECT_EQ(listed(segment.name())["dead"], 0);
  EXPECT_EQ(header.membership_epoch.load(), membership);
  EXPECT_EQ(mem->resident_bytes(), resident);
}

TEST(Ls, LookingDoesNotEndTheLifeOfASegmentThatItsLastParticipantRemoves) {
  const harness::unique_segment segment;
  harness::process dead([&] {
    const memory mem(segment.name(), kSize, {.remove_with_last = true});
    ::raise(SIGKILL);
  });
  dead.wait();
  EXPECT_EQ(listed(segment.name())["dead"], 1);
  EXPECT_EQ(run_tool({"show", segment.name()}).code, 0);
  EXPECT_TRUE(segment.exists());
}

TEST(Ls, TellsForeignFilesFromDamagedSegments) {
  const harness::unique_segment foreign, cut_short, other_version;
  std::ofstream(foreign.path()) << std::string(10'000, 'x');
  { const memory mem(cut_short.name(), kSize); }
  ASSERT_EQ(::truncate(cut_short.path().c_str(), 8192), 0);
  { const memory mem(other_version.name(), kSize); }
  patch(other_version.path(), 8, 99);

  EXPECT_EQ(listed(foreign.name())["standing"], "foreign");
  nlohmann::json entry = listed(cut_short.name());
  EXPECT_EQ(entry["standing"], "unusable");
  EXPECT_THAT(entry["why"].get<std::string>(), AllOf(HasSubstr("8192"), HasSubstr("1048576")));
  entry = listed(other_version.name());
  EXPECT_EQ(entry["standing"], "unusable");
  EXPECT_THAT(entry["why"].get<std::string>(), AllOf(HasSubstr("99"), HasSubstr("version 1")));

  EXPECT_THAT(run_tool({"ls"}).out,
              AllOf(HasSubstr(cut_short.name()), HasSubstr(other_version.name()),
                    Not(HasSubstr(foreign.name()))));
  EXPECT_THAT(run_tool({"ls", "--all"}).out, HasSubstr(foreign.name()));
}

TEST(Ls, ANameThatWasAskedForAndIsNotThereIsExitCode3) {
  const harness::unique_segment segment;
  EXPECT_EQ(run_tool({"ls", segment.name()}).code, 3);
}

TEST(Show, WhatCannotBeOpenedSaysWhatWasExpectedAndFound) {
  const harness::unique_segment missing, foreign, tiny, fifo;
  std::ofstream(foreign.path()) << std::string(10'000, 'x');
  std::ofstream(tiny.path()) << "x";
  ASSERT_EQ(::mkfifo(fifo.path().c_str(), 0600), 0);
  struct {
    std::string name;
    int code;
    const char* says;
  } const cases[] = {{missing.name(), 3, "there is none"},
                     {foreign.name(), 4, "no magic number"},
                     {tiny.name(), 4, "1 bytes long"},
                     {fifo.name(), 4, "not a regular file"},
                     {"/dev", 3, "there is none"},
                     {"/usr/bin", 4, "not a regular file"},
                     {"", 2, "not a name"}};
  for (const auto& c : cases) {
    const tool_result r = run_tool({"show", c.name});
    EXPECT_EQ(r.code, c.code) << c.name << ": " << r.err;
    EXPECT_THAT(r.err, HasSubstr(c.says)) << c.name;
    const tool_result j = run_tool({"show", "--json", c.name});
    EXPECT_EQ(nlohmann::json::parse(j.out)["error"]["exit_code"], c.code) << c.name;
  }
}

TEST(Show, SomebodyElsesSegmentIsPermissionDenied) {
  const harness::unique_segment segment;
  const memory mem(segment.name(), kSize);
  const tool_result r = run_tool({"show", segment.name()}, {.as_nobody = true});
  if (r.code == tool_run::kCannotDrop)
    GTEST_SKIP() << "not root here, or not allowed to become somebody else";
  EXPECT_EQ(r.code, 5) << r.err;
}

TEST(Show, ShowsParticipantsStructuresAndAQueuesFigures) {
  const harness::unique_segment segment;
  const auto owner = owner_of(segment.name(), kSize, [](const memory& mem, auto stay) {
    queue<int> numbers(mem, "numbers", 100);
    for (int i = 0; i < 7; ++i) EXPECT_TRUE(numbers.push(i));
    EXPECT_TRUE(numbers.pop());
    const auto lease = numbers.lease();
    numbers.close();
    stay();
  });

  tool_run run({"show", "--json", segment.name()});
  EXPECT_EQ(run.wait(), 0);
  const nlohmann::json j = run.json();
  EXPECT_EQ(j["participants"][0]["pid"], owner.pid());
  EXPECT_EQ(j["participants"][0]["alive"], true);
  const nlohmann::json& q = j["structures"][0];
  EXPECT_EQ(q["kind"], "queue");
  EXPECT_EQ(q["type"], "int");
  EXPECT_EQ(q["policy"], "mpmc");
  EXPECT_EQ(q["holders"], 1);
  EXPECT_EQ(q["queue"]["capacity"], 100);
  EXPECT_EQ(q["queue"]["depth"], 5);
  EXPECT_EQ(q["queue"]["pushed"], 7);
  EXPECT_EQ(q["queue"]["popped"], 2);
  EXPECT_EQ(q["queue"]["leased"], 1);
  EXPECT_EQ(q["queue"]["closed"], true);

  const tool_result one = run_tool({"show", segment.name(), "numbers"});
  EXPECT_EQ(one.code, 0);
  EXPECT_THAT(one.out, AllOf(HasSubstr("queue<int> mpmc"), HasSubstr("5 of 100 queued, closed")));
  EXPECT_EQ(run_tool({"show", segment.name(), "letters"}).code, 3);
}

TEST(Show, AQueueWhoseHeaderWasScribbledOnIsReportedAndNotFollowed) {
  const harness::unique_segment segment;
  const memory mem(segment.name(), kSize);
  queue<int> numbers(mem, "numbers", 100);
  const absl::StatusOr<structure_info> info = find(mem, "numbers");
  ASSERT_TRUE(info.ok());
  patch(segment.path(), static_cast<off_t>(info->offset) + 8, 0xffff'ffff);  // the capacity
  tool_run run({"show", "--json", segment.name()});
  EXPECT_EQ(run.wait(), 0);
  EXPECT_TRUE(run.json()["structures"][0].contains("damaged"));
}

TEST(Show, TheAuditAccountsForEverything) {
  const harness::unique_segment segment;
  const memory mem(segment.name(), kSize);
  queue<int> numbers(mem, "numbers", 100);
  tool_run run({"show", "--audit", "--json", segment.name()});
  EXPECT_EQ(run.wait(), 0);
  EXPECT_EQ(run.json()["audit"]["ok"], true);
}

TEST(Rm, RefusesWhatLiveProcessesUseAndSaysWhoTheyAre) {
  const harness::unique_segment segment;
  const memory mem(segment.name(), kSize);
  const tool_result refused = run_tool({"rm", segment.name()});
  EXPECT_EQ(refused.code, 7);
  EXPECT_THAT(refused.err, HasSubstr(absl::StrCat("pid ", ::getpid())));
  EXPECT_TRUE(segment.exists());
  EXPECT_EQ(run_tool({"rm", "--force", segment.name()}).code, 0);
  EXPECT_FALSE(segment.exists());
}

TEST(Rm, RemovesWhatOnlyTheDeadUsed) {
  const harness::unique_segment segment;
  harness::process dead([&] {
    const memory mem(segment.name(), kSize);
    ::raise(SIGKILL);
  });
  dead.wait();
  EXPECT_EQ(run_tool({"rm", segment.name()}).code, 0);
  EXPECT_FALSE(segment.exists());
  EXPECT_EQ(run_tool({"rm", segment.name()}).code, 3);
}

TEST(Rm, NeverRemovesAFileThatIsNoSegment) {
  const harness::unique_segment segment;
  std::ofstream(segment.path()) << std::string(10'000, 'x');
  EXPECT_EQ(run_tool({"rm", segment.name()}).code, 4);
  EXPECT_EQ(run_tool({"rm", "--force", segment.name()}).code, 4);
  EXPECT_TRUE(segment.exists());
}

TEST(Rm, RemovesDamagedSegmentsWhenForced) {
  const harness::unique_segment segment;
  { const memory mem(segment.name(), kSize); }
  ASSERT_EQ(::truncate(segment.path().c_str(), 8192), 0);
  EXPECT_EQ(run_tool({"rm", segment.name()}).code, 4);
  EXPECT_EQ(run_tool({"rm", "-f", segment.name()}).code, 0);
  EXPECT_FALSE(segment.exists());
}

TEST(Rm, RemovesNamesAllOrNone) {
  const harness::unique_segment segment;
  const memory mem(segment.name(), kSize);
  { queue<int> one(mem, "one", 4), two(mem, "two", 4); }
  queue<int> held(mem, "held", 4);
  EXPECT_EQ(run_tool({"rm", segment.name(), "one", "held"}).code, 7);
  EXPECT_EQ(run_tool({"rm", segment.name(), "one", "three"}).code, 3);
  EXPECT_TRUE(find(mem, "one").ok());
  EXPECT_EQ(run_tool({"rm", segment.name(), "one", "two"}).code, 0);
  EXPECT_FALSE(find(mem, "one").ok());
  EXPECT_EQ(run_tool({"rm", "--force", segment.name(), "held"}).code, 0);
  EXPECT_TRUE(held.push(1)) << "its holder keeps it";
}

TEST(Show, SaysHowEachKindOfLockStands) {
  const harness::unique_segment segment;
  const memory mem(segment.name(), kSize);
  barrier b(mem, "barrier", 3);
  event e(mem, "event", event_reset::automatic);
  latch l(mem, "latch", 2);
  mutex m(mem, "mutex");
  once o(mem, "once");
  rwlock r(mem, "rwlock");
  semaphore s(mem, "semaphore", 5);
  barrier::phase k = 0;
  EXPECT_TRUE(b.join() && b.arrive(k) && b.join() && l.count_down() && m.lock() && s.acquire());
  EXPECT_TRUE(r.lock_shared() && r.lock_shared() && o.call([] {}));
  e.set();
  tool_run all({"show", segment.name()});
  EXPECT_EQ(all.wait(), 0);
  for (const char* note : {"1 of 2 arrived in phase 1", "set, automatic", "1 of 2 settled",
                           "held by slot 0", "done", "2 readers", "1 of 5 taken"}) {
    EXPECT_THAT(all.out(), HasSubstr(note));
  }
  tool_run one({"show", "--json", segment.name(), "barrier"});
  EXPECT_EQ(one.wait(), 0);
  EXPECT_EQ(one.json()["barrier"]["joined"], 2);
}

TEST(Show, SaysWhatIsInEachKindOfStructure) {
  const harness::unique_segment segment;
  const memory mem(segment.name(), kSize);
  array<int> a(mem, "array", 5);
  cell<int> c(mem, "cell");
  pool<int> p(mem, "pool", 4);
  ring<int> r(mem, "ring", 3);
  stack<int> s(mem, "stack", 6);
  stream<int> u(mem, "stream", 3);
  map<int, int> m(mem, "map", 8);
  set<int> t(mem, "set", 9);
  lazy<int> computed(mem, "lazy"), wanted(mem, "wanted");
  EXPECT_TRUE(computed.set_computation([] { return 1; }) && computed.get() == 1);
  wanted.refresh();
  channel<int> b(mem, "buffered", 7), d(mem, "direct", 0);
  EXPECT_TRUE(b.send(1) && b.send(2));
  harness::process receiver([&] { d.receive(); });
  ASSERT_TRUE(harness::eventually([&] { return d.stats().waiting_receivers == 1; }));
  future<int> there(mem, "future"), failed(mem, "failed"), none(mem, "none"),
      claimed(mem, "claimed"), broken(mem, "broken");
  EXPECT_TRUE(there.set_value(1) && failed.set_error("disk full", 28));
  const promise<int> promised = claimed.claim();
  EXPECT_TRUE(broken.claim()) << "and drops it";
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(c.store(i) && r.push(i) && s.push(i) && m.insert(i, i));
  }
  s.pop();
  p.allocate();
  const auto passing = u.subscriber();
  auto audit = u.subscriber("audit");
  EXPECT_TRUE(u.emit(0) && u.emit(1) && audit.next());
  tool_run all({"show", segment.name()});
  EXPECT_EQ(all.wait(), 0);
  for (const char* note :
       {"5 elements", "version 5", "1 of 4 in use", "newest 3 of 5", "4 of 6 stacked",
        "newest 2 of 2, 2 subscribers", "a value, 1 provider", "asked for, 0 providers",
        "2 of 7 buffered", "0 offered, 1 receiver waits", "a value", "an error, code 28",
        "no value", "claimed by slot 0", "a broken promise of slot 0", "5 keys, room for 8",
        "0 keys, room for 9"}) {
    EXPECT_THAT(all.out(), HasSubstr(note));
  }
  const auto figure = [&](const char* name, const char* of) {
    tool_run one({"show", "--json", segment.name(), name});
    EXPECT_EQ(one.wait(), 0);
    const nlohmann::json j = one.json();
    return j[std::string(j["kind"])][of];
  };
  EXPECT_EQ(figure("array", "elements"), 5);
  EXPECT_EQ(figure("cell", "version"), 5);
  EXPECT_EQ(figure("buffered", "sent"), 2);
  EXPECT_EQ(figure("direct", "waiting_receivers"), 1);
  EXPECT_TRUE(d.close());
  EXPECT_EQ(receiver.wait(), harness::exited(0));
  EXPECT_EQ(figure("direct", "closed"), 1);
  EXPECT_EQ(figure("future", "has_value"), 1);
  EXPECT_EQ(figure("lazy", "evaluations"), 1);
  EXPECT_EQ(figure("pool", "in_use"), 1);
  EXPECT_EQ(figure("ring", "written"), 5);
  EXPECT_EQ(figure("stack", "popped"), 1);
  EXPECT_EQ(figure("stream", "subscribers")[1]["name"], "audit");
  EXPECT_EQ(figure("stream", "subscribers")[1]["behind"], 1);
  tool_run subscribers({"show", segment.name(), "stream"});
  EXPECT_EQ(subscribers.wait(), 0);
  EXPECT_THAT(subscribers.out(), AllOf(HasSubstr("passing at 0, 2 behind, of slot 0"),
                                       HasSubstr("audit at 1, 1 behind, of slot 0")));
  tool_run one({"show", segment.name(), "pool"});
  EXPECT_EQ(one.wait(), 0);
  EXPECT_THAT(one.out(), AllOf(HasSubstr("pool<int>"), HasSubstr("in_use        1")));

  // Bytes that cannot be a pool's.
  const structure_info info = *find(mem, "pool");
  patch(segment.path(), static_cast<off_t>(info.offset), 0);
  tool_run damaged({"show", segment.name(), "pool"});
  EXPECT_EQ(damaged.wait(), 0);
  EXPECT_THAT(damaged.out(), HasSubstr("DAMAGED"));
}

}  // namespace
}  // namespace zeroipc::tools
