// `zeroipc send` and `zeroipc receive` as processes: what goes in comes out, whoever is killed.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/harness/harness.h"
#include "tools/tool_run.h"
#include "zeroipc/name_table/name_table.h"
#include "zeroipc/queue/queue.h"
#include "zeroipc/segment/segment.h"

namespace zeroipc::tools {
namespace {

using ::testing::HasSubstr;

std::string numbered(int first, int count) {
  std::string text;
  for (int i = first; i < first + count; ++i) absl::StrAppend(&text, "line ", i, "\n");
  return text;
}

std::vector<std::string> sorted_lines(const std::string& text) {
  std::vector<std::string> lines = absl::StrSplit(text, '\n', absl::SkipEmpty());
  std::ranges::sort(lines);
  return lines;
}

struct pipe_ends {
  int reader = -1;
  int writer = -1;
  pipe_ends() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) std::abort();
    reader = ends[0];
    writer = ends[1];
  }
  ~pipe_ends() {
    close_reader();
    close_writer();
  }
  void close_reader() {
    if (reader >= 0) ::close(std::exchange(reader, -1));
  }
  void close_writer() {
    if (writer >= 0) ::close(std::exchange(writer, -1));
  }
  // Until not one more byte can be written.
  void fill() {
    ::fcntl(writer, F_SETFL, O_NONBLOCK);
    const std::string junk(4096, '#');
    while (::write(writer, junk.data(), junk.size()) > 0) {
    }
    while (::write(writer, "#", 1) > 0) {
    }
    ::fcntl(writer, F_SETFL, 0);
  }
};

class Lines : public ::testing::Test {
 protected:
  tool_run send(const std::string& input, std::vector<std::string> more = {}) {
    std::vector<std::string> arguments = {"send", segment_.name(), "lines"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return tool_run(arguments, {.input = input});
  }
  tool_run receive(std::vector<std::string> more = {}, const tool_io& io = {}) {
    std::vector<std::string> arguments = {"receive", segment_.name(), "lines"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return tool_run(arguments, io);
  }
  nlohmann::json queue_figures() {
    tool_run run({"show", "--json", segment_.name(), "lines"});
    if (run.wait() != 0) return nullptr;
    return run.json()["queue"];
  }
  const harness::unique_segment segment_;
};

TEST_F(Lines, ComeOutAsTheyWentIn) {
  const std::string input = numbered(0, 20'000) + "\n\nlast without its end";
  tool_run sender = send(input, {"--json"});
  tool_run receiver = receive();
  EXPECT_EQ(sender.wait(), 0) << sender.err();
  EXPECT_EQ(receiver.wait(), 0) << receiver.err();
  EXPECT_EQ(receiver.out(), input + "\n");
  EXPECT_EQ(sender.json()["lines"], 20'003);
  EXPECT_EQ(sender.json()["closed"], true);
}

TEST_F(Lines, AnEmptyInputClosesTheQueue) {
  EXPECT_EQ(send("").wait(), 0);
  tool_run receiver = receive();
  EXPECT_EQ(receiver.wait(), 0);
  EXPECT_EQ(receiver.out(), "");
}

TEST_F(Lines, OfManySendersGoToOneOfManyReceiversEach) {
  std::vector<tool_run> receivers, senders;
  for (int i = 0; i < 3; ++i) receivers.push_back(receive({"--wait", "60s"}));
  pipe_ends hold;  // a sender that ends last
  tool_run last({"send", segment_.name(), "lines"}, {.input_fd = hold.reader});
  // It is one of the senders once a line of it has come through: from here on none of the others is the last.
  std::string all = "first\n";
  ASSERT_EQ(::write(hold.writer, all.data(), all.size()), static_cast<ssize_t>(all.size()));
  ASSERT_TRUE(harness::eventually(
      [&] { return std::ranges::any_of(receivers, [&](tool_run& r) { return r.out() == all; }); }));
  for (int i = 0; i < 3; ++i) {
    const std::string part = numbered(i * 10'000, 10'000);
    all += part;
    senders.push_back(send(part, {"--batch", "3"}));
  }
  for (tool_run& s : senders) EXPECT_EQ(s.wait(), 0) << s.err();
  for (tool_run& r : receivers)
    EXPECT_EQ(r.process().poll(), harness::still_running()) << "not closed yet";
  hold.close_writer();
  EXPECT_EQ(last.wait(), 0) << last.err();
  std::string received;
  for (tool_run& r : receivers) {
    EXPECT_EQ(r.wait(), 0) << r.err();
    received += r.out();
  }
  EXPECT_EQ(sorted_lines(received), sorted_lines(all));
}

TEST_F(Lines, OfAKilledReceiverGoToAnother) {
  pipe_ends stuck;
  stuck.fill();
  tool_run victim = receive({"--wait", "60s"}, {.output_fd = stuck.writer});
  const std::string input = numbered(0, 500);
  ASSERT_EQ(send(input, {"--batch", "10"}).wait(), 0);
  // It holds lines, and cannot have written one byte of them.
  ASSERT_TRUE(harness::eventually([&] { return queue_figures()["leased"] == 16; }));
  victim.process().kill(SIGKILL);
  victim.wait();
  tool_run other = receive({"--json"});
  EXPECT_EQ(other.wait(), 0) << other.err();
  EXPECT_EQ(sorted_lines(other.out()), sorted_lines(input));
  EXPECT_THAT(other.err(), HasSubstr("\"redelivered_parcels\":16"));
}

TEST_F(Lines, OfAReceiverWhoseReaderHasGoneGoToAnother) {
  pipe_ends gone;
  gone.close_reader();
  tool_run victim = receive({"--wait", "60s"}, {.output_fd = gone.writer});
  const std::string input = numbered(0, 5'000);
  ASSERT_EQ(send(input).wait(), 0);
  EXPECT_EQ(victim.wait(), 141) << victim.err();
  tool_run other = receive();
  EXPECT_EQ(other.wait(), 0);
  EXPECT_EQ(sorted_lines(other.out()), sorted_lines(input));
}

// Receivers die every few milliseconds. Nothing may be lost; what a victim wrote and had not acknowledged comes twice.
TEST_F(Lines, SurviveAHailOfKilledReceivers) {
  const std::string input = numbered(0, 1'000'000);
  tool_run sender = send(input, {"--capacity", "64", "--batch", "20"});
  std::mt19937_64 random(7);
  std::vector<tool_run> all;
  std::vector<size_t> alive;
  int kills = 0;
  while (sender.process().poll() == harness::still_running() && kills < 300) {
    while (alive.size() < 3) {
      alive.push_back(all.size());
      all.push_back(receive({"--batch", "4"}));
    }
    ::usleep(static_cast<useconds_t>(random() % 4'000));  // the pace of the killing
    const size_t i = random() % alive.size();
    all[alive[i]].process().kill(SIGKILL);
    kills += all[alive[i]].wait() == -SIGKILL;
    alive.erase(alive.begin() + static_cast<std::ptrdiff_t>(i));
  }
  all.push_back(receive());
  EXPECT_EQ(sender.wait(), 0) << sender.err();
  std::map<std::string, int> seen;
  size_t partial = 0;
  for (tool_run& r : all) {
    r.wait();
    std::string text = r.out();
    // A write that SIGKILL cut short leaves a part of a line at the end.
    const size_t whole = text.rfind('\n') + 1;
    partial += whole != text.size();
    text.resize(whole);
    for (const auto line : absl::StrSplit(text, '\n', absl::SkipEmpty())) ++seen[std::string(line)];
  }
  const auto expected = sorted_lines(input);
  size_t twice = 0;
  for (const std::string& line : expected) {
    const auto it = seen.find(line);
    ASSERT_NE(it, seen.end()) << line << " was lost, " << kills << " kills";
    twice += static_cast<size_t>(it->second - 1);
  }
  EXPECT_EQ(seen.size(), expected.size());
  EXPECT_GE(kills, 5);
  EXPECT_LE(twice, static_cast<size_t>(kills) * 4 * 20) << "no more than the victims held";
}

TEST_F(Lines, AReceiverWaitsForSegmentAndQueueToAppear) {
  tool_run receiver = receive();
  harness::process child([&] { const memory made(segment_.name(), 1 << 20); });
  EXPECT_EQ(child.wait(), harness::exited(0));
  EXPECT_EQ(receiver.process().poll(), harness::still_running());
  EXPECT_EQ(send("a\nb\n", {"--capacity", "16"}).wait(), 0);
  EXPECT_EQ(receiver.wait(), 0) << receiver.err();
  EXPECT_EQ(receiver.out(), "a\nb\n");
}

TEST_F(Lines, WaitingEndsWithItsDeadline) {
  tool_run receiver = receive({"--wait", "50ms"});
  EXPECT_EQ(receiver.wait(), 8);
  EXPECT_THAT(receiver.err(), HasSubstr("there is none"));
  EXPECT_EQ(receive({"--wait", "0"}).wait(), 8);
}

TEST_F(Lines, AKilledSenderLeavesTheQueueOpenForAnother) {
  pipe_ends input;
  tool_run victim({"send", segment_.name(), "lines"}, {.input_fd = input.reader});
  ASSERT_EQ(::write(input.writer, "one\n", 4), 4);
  tool_run receiver = receive();
  ASSERT_TRUE(harness::eventually([&] { return receiver.out() == "one\n"; }));
  victim.process().kill(SIGKILL);
  victim.wait();
  EXPECT_EQ(receiver.process().poll(), harness::still_running());
  EXPECT_EQ(send("two\n").wait(), 0);
  EXPECT_EQ(receiver.wait(), 0);
  EXPECT_EQ(receiver.out(), "one\ntwo\n");
}

TEST_F(Lines, KeepOpenLeavesTheQueueOpen) {
  EXPECT_EQ(send("one\n", {"--keep-open"}).wait(), 0);
  EXPECT_EQ(queue_figures()["closed"], false);
  EXPECT_EQ(send("two\n").wait(), 0);
  EXPECT_EQ(queue_figures()["closed"], true);
}

TEST_F(Lines, AQueueThatIsClosedAndWorkedOffStartsAnew) {
  for (const char* text : {"first\n", "second\n"}) {
    EXPECT_EQ(send(text).wait(), 0);
    tool_run receiver = receive();
    EXPECT_EQ(receiver.wait(), 0);
    EXPECT_EQ(receiver.out(), text);
  }
  EXPECT_EQ(send("left over\n").wait(), 0);
  tool_run refused = send("more\n");
  EXPECT_EQ(refused.wait(), 1);
  EXPECT_THAT(refused.err(), HasSubstr("is closed"));
}

TEST_F(Lines, RemoveLeavesNothingBehind) {
  EXPECT_EQ(send("one\n").wait(), 0);
  EXPECT_EQ(receive({"--remove"}).wait(), 0);
  EXPECT_FALSE(segment_.exists());
}

TEST_F(Lines, RemoveSparesASegmentThatHoldsSomethingElse) {
  const memory mem(segment_.name(), 16 << 20);
  queue<int> other(mem, "other", 4);
  EXPECT_EQ(send("one\n").wait(), 0);
  EXPECT_EQ(receive({"--remove"}).wait(), 0);
  EXPECT_TRUE(segment_.exists());
  EXPECT_FALSE(find(mem, "lines").ok());
}

TEST_F(Lines, TooLongForTheQueueIsRefusedByNumber) {
  tool_run sender = send("short\n" + std::string(5'000, 'x') + "\nnever sent\n");
  EXPECT_EQ(sender.wait(), 9);
  EXPECT_THAT(sender.err(), HasSubstr("line 2 is longer than the 4087 bytes"));
  EXPECT_EQ(queue_figures()["closed"], false);
  EXPECT_EQ(queue_figures()["depth"], 1);
}

TEST_F(Lines, OfUpTo64KiBFitWhenAskedFor) {
  const std::string input = std::string(65'527, 'x') + "\ny\n";
  tool_run sender = send(input, {"--line-bytes", "65527", "--capacity", "8"});
  tool_run receiver = receive();
  EXPECT_EQ(sender.wait(), 0) << sender.err();
  EXPECT_EQ(receiver.wait(), 0);
  EXPECT_EQ(receiver.out(), input);
}

TEST_F(Lines, MayEndInZeroBytes) {
  tool_run sender = send(std::string("a\nb\0c", 5), {"--null"});
  tool_run receiver = receive();
  EXPECT_EQ(sender.wait(), 0);
  EXPECT_EQ(receiver.wait(), 0);
  EXPECT_EQ(receiver.out(), std::string("a\nb\0c\0", 6));
}

TEST_F(Lines, AQueueOfSomethingElseIsRefusedAndNamed) {
  const memory mem(segment_.name(), 1 << 20);
  queue<int> other(mem, "lines", 4);
  tool_run sender = send("one\n");
  EXPECT_EQ(sender.wait(), 4);
  EXPECT_THAT(sender.err(), HasSubstr("queue<int>"));
  tool_run receiver = receive();
  EXPECT_EQ(receiver.wait(), 4);
  EXPECT_THAT(receiver.err(), HasSubstr("queue<int>"));
}

TEST_F(Lines, ImpossibleSizesAreRefusedWithBothNumbers) {
  EXPECT_EQ(send("", {"--capacity", "0"}).wait(), 2);
  tool_run large = send("", {"--capacity", "1000000"});
  EXPECT_EQ(large.wait(), 6);
  EXPECT_THAT(large.err(), HasSubstr("1000000"));
  tool_run size = send("", {"--size", "128M"});
  EXPECT_EQ(size.wait(), 4);
  EXPECT_THAT(size.err(), HasSubstr("134217728"));
  EXPECT_EQ(send("", {"--size", "lots"}).wait(), 2);
}

TEST_F(Lines, CtrlCEndsBothSidesWithExitCode130) {
  pipe_ends input;
  tool_run sender({"send", segment_.name(), "lines"}, {.input_fd = input.reader});
  tool_run receiver = receive();
  ASSERT_EQ(::write(input.writer, "one\n", 4), 4);
  ASSERT_TRUE(harness::eventually([&] { return receiver.out() == "one\n"; }));
  receiver.process().kill(SIGINT);
  EXPECT_EQ(receiver.wait(), 130);
  sender.process().kill(SIGINT);
  EXPECT_EQ(sender.wait(), 130);
  EXPECT_EQ(queue_figures()["leased"], 0);
}

}  // namespace
}  // namespace zeroipc::tools
