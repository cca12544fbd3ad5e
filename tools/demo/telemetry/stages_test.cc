#include "tools/demo/telemetry/stages.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tools/demo/telemetry/machine.h"

namespace zeroipc::demo {
namespace {

using ::testing::HasSubstr;

TEST(Machine, Processors) {
  reading r;
  EXPECT_TRUE(read_cpu("cpu  100 20 30 1000 50 6 7 8 99 98\ncpu0 1 1 1 1 1 1 1 1 1 1\n", r));
  EXPECT_EQ(r.cpu_busy, 171u) << "guests are in user time already, waiting for a disk is idling";
  EXPECT_EQ(r.cpu_total, 1221u);
  EXPECT_TRUE(read_cpu("cpu 1 2 3 4 5\n", r)) << "of an old kernel";
  EXPECT_EQ(r.cpu_total, 15u);
  EXPECT_FALSE(read_cpu("", r));
  EXPECT_FALSE(read_cpu("cpu 1 2\n", r));
}

TEST(Machine, Memory) {
  reading r;
  EXPECT_TRUE(read_memory("MemTotal:  8 kB\nMemFree: 1 kB\nMemAvailable: 3 kB\n", r));
  EXPECT_EQ(r.memory_total, 8192u);
  EXPECT_EQ(r.memory_available, 3072u);
  EXPECT_FALSE(read_memory("MemTotal:  8 kB\n", r));
}

TEST(Machine, DisksAndNotTheirPartsOnceMore) {
  reading r;
  read_disks(
      "   8  0 sda 1 0 10 0 1 0 5 0 0 0 0\n"
      "   8  1 sda1 1 0 10 0 1 0 5 0 0 0 0\n"
      " 259  0 nvme0n1 1 0 1 0 1 0 1 0 0 0 0\n"
      " 259  1 nvme0n1p1 1 0 1 0 1 0 1 0 0 0 0\n"
      "   7  0 loop0 1 0 99 0 1 0 99 0 0 0 0\n"
      "short line\n",
      r);
  EXPECT_EQ(r.disk_bytes, 17u * 512);
}

TEST(Machine, NetworksWithoutTheLoopback) {
  reading r;
  read_network(
      "Inter-|   Receive                |  Transmit\n"
      " face |bytes    packets errs drop fifo frame compressed multicast|bytes packets\n"
      "    lo: 1000 1 0 0 0 0 0 0 1000 1 0 0 0 0 0 0\n"
      "  eth0: 300 1 0 0 0 0 0 0 20 1 0 0 0 0 0 0\n"
      "  eth1:5 1 0 0 0 0 0 0 1 1 0 0 0 0 0 0\n",
      r);
  EXPECT_EQ(r.network_bytes, 326u);
}

TEST(Machine, IsReadFromItsProc) {
  EXPECT_TRUE(read_machine("/proc").ok()) << read_machine("/proc").status();
  EXPECT_TRUE(absl::IsNotFound(read_machine("/does/not/exist").status()));
  const std::string dir = absl::StrCat(std::getenv("TEST_TMPDIR"), "/proc");
  std::filesystem::create_directories(dir);
  std::ofstream(dir + "/stat") << "cpu 1 2 3 4 5\n";
  EXPECT_THAT(read_machine(dir).status().message(), HasSubstr("meminfo"));
  std::ofstream(dir + "/meminfo") << "nothing\n";
  EXPECT_TRUE(absl::IsDataLoss(read_machine(dir).status()));
  std::ofstream(dir + "/meminfo") << "MemTotal: 2 kB\nMemAvailable: 1 kB\n";
  ASSERT_TRUE(read_machine(dir).ok());
  EXPECT_EQ(read_machine(dir)->disk_bytes, 0u);
  std::filesystem::remove_all(dir);
}

reading reading_at(uint64_t number, uint64_t busy) {
  reading r;
  r.number = number;
  r.at_ns = static_cast<int64_t>(1 + number) * 1'000'000'000;
  r.cpu_total = 100 * (number + 1);
  r.cpu_busy = busy;
  r.memory_total = 100;
  r.memory_available = 75;
  r.disk_bytes = 1000 * number;
  r.network_bytes = 10 * number;
  return r;
}

TEST(Stages, ALoadIsOfTheTimeBetweenTwoReadings) {
  const load l = load_between(reading_at(1, 50), reading_at(3, 100));
  EXPECT_EQ(l.number, 3u);
  EXPECT_EQ(l.cpu, 0.25);
  EXPECT_EQ(l.memory, 0.25);
  EXPECT_EQ(l.disk, 1000);
  EXPECT_EQ(l.network, 10);
  EXPECT_EQ(load_between(reading_at(1, 50), reading_at(1, 50)).cpu, 0);
}

TEST(Stages, WhatCannotBeIsLeftOut) {
  std::vector<reading> all = {reading_at(0, 0), reading_at(1, 10), reading_at(2, 20)};
  reading no_memory = reading_at(3, 30), backwards = reading_at(4, 5), busier = reading_at(5, 700);
  no_memory.memory_total = 0;
  all.insert(all.end(), {no_memory, backwards, busier, reading_at(1, 10), reading_at(6, 60)});
  const plain_telemetry plain = process_plainly(all, 2);
  EXPECT_EQ(plain.validated, (std::vector<reading>{all[0], all[1], all[2], all.back()}));
  EXPECT_EQ(plain.loads.size(), 3u);
}

TEST(Stages, WindowsAreSummedUpAndTheLastOneMayBeShorter) {
  std::vector<reading> all;
  for (uint64_t i = 0; i < 26; ++i)
    all.push_back(reading_at(i, i < 11 ? 10 * i : 100 + 90 * (i - 10)));
  const plain_telemetry plain = process_plainly(all, 0.5);
  ASSERT_EQ(plain.summaries.size(), 3u);
  EXPECT_EQ(plain.summaries[0].first, 1u);
  EXPECT_EQ(plain.summaries[0].last, 10u);
  EXPECT_NEAR(plain.summaries[0].cpu, 0.1, 1e-9);
  EXPECT_NEAR(plain.summaries[1].cpu_most, 0.9, 1e-9);
  EXPECT_EQ(plain.summaries[2].last, 25u);
  EXPECT_EQ(plain.alerts, (std::vector<summary>{plain.summaries[1], plain.summaries[2]}));
  EXPECT_TRUE(process_plainly({}, 0.5).summaries.empty());
  EXPECT_TRUE(process_plainly({all.data(), 1}, 0.5).summaries.empty());
}

}  // namespace
}  // namespace zeroipc::demo
