// CSP select: a control room that serves alarms before readings. One of the two processes that send readings is killed; all that was
// acknowledged to it is served all the same.
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <new>
#include <string>
#include <vector>

#include "patterns/base/example_segment.h"
#include "patterns/csp_select/csp_select.h"
#include "zeroipc/channel/channel.h"
#include "zeroipc/segment/segment.h"

namespace {

using zeroipc::channel;
using zeroipc::memory;

struct Reading {
  int sensor;
  int number;
};
struct Alarm {
  int number;
};

constexpr int kReadings = 2000, kAlarms = 20, kKilledAt = 700;

void send_readings(const std::string& segment, int sensor, std::atomic<int>& acknowledged) {
  channel<Reading> readings(memory(segment), "readings");
  for (int i = 0; i < kReadings; ++i) {
    if (sensor == 1 && i == kKilledAt) ::raise(SIGKILL);
    if (readings.send({sensor, i})) ++acknowledged;
  }
}

void send_alarms(const std::string& segment, std::atomic<int>& acknowledged) {
  channel<Alarm> alarms(memory(segment), "alarms");
  for (int i = 0; i < kAlarms; ++i) {
    if (alarms.send({i})) ++acknowledged;
  }
}

}  // namespace

int main() {
  const zeroipc::patterns::ExampleSegment own("csp-select-example");
  const std::string& segment = own.name();
  void* page = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  auto& acknowledged = *new (page) std::atomic<int>(0);
  int served_alarms = 0, served_readings = 0, alarms_first = 0;
  {
    const memory mem(segment, 1 << 20);
    channel<Reading> readings(mem, "readings", 64);
    channel<Alarm> alarms(mem, "alarms", 4);
    std::vector<pid_t> senders;
    for (int i = 0; i < 3; ++i) {
      const pid_t pid = ::fork();
      if (pid == 0) {
        i == 2 ? send_alarms(segment, acknowledged) : send_readings(segment, i, acknowledged);
        ::_exit(0);
      }
      senders.push_back(pid);
    }
    zeroipc::patterns::PrioritySelect room({.serve_all_every = 10});
    room.add_channel(10, alarms, [&](const Alarm&) {
      ++served_alarms;
      alarms_first += readings.size() != 0;
    });
    room.add_channel(1, readings, [&](const Reading&) { ++served_readings; });
    const int expected = kAlarms + kReadings + kKilledAt;
    while (served_alarms + served_readings < expected &&
           room.select_for(std::chrono::seconds(60))) {
    }
    for (const pid_t pid : senders) {
      int status = 0;
      ::waitpid(pid, &status, 0);
      if (WIFSIGNALED(status)) std::printf("process %d was killed\n", pid);
    }
    for (const auto& c : room.stats()) {
      std::printf("%-8s  priority %2d  %5llu served  %llu waiting\n", c.name.c_str(), c.priority,
                  static_cast<unsigned long long>(c.served),
                  static_cast<unsigned long long>(c.waiting));
    }
  }
  std::printf("%d of %d alarms were served while readings waited\n", alarms_first, served_alarms);
  const bool right = served_alarms + served_readings == acknowledged;
  std::printf("%d values were acknowledged, %d served: %s\n", acknowledged.load(),
              served_alarms + served_readings, right ? "right" : "WRONG");
  return right ? 0 : 1;
}
