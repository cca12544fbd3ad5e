// The parts of the patterns' specification that use streams, as they stand there: they compile, and they work.
//
// What a pattern does beyond its sketch, and where the sketch is unsound, is its own library's affair (DESIGN.md, section 6).
#include <algorithm>
#include <atomic>
#include <cfloat>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "testing/harness/harness.h"
#include "zeroipc/queue/queue.h"
#include "zeroipc/segment/segment.h"
#include "zeroipc/stream/stream.h"

namespace {

using zeroipc::queue;
using zeroipc::stream;
using zeroipc::harness::eventually;

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

struct Event {
  int severity;
};
constexpr int CRITICAL = 5;

TEST(Patterns, SubscribersAllSeeWhatIsPublished) {
  std::atomic<int> logged{0}, updated{0}, alerts{0};
  const auto log_to_file = [&](const Event&) { ++logged; };
  const auto update_metrics = [&](const Event&) { ++updated; };
  const auto send_alert = [&](const Event& e) { alerts += e.severity; };
  // clang-format off
// Publisher
memory mem("/events", 20*1024*1024);
stream<Event> events(mem, "event_stream", 10000);

auto publish_event = [&](const Event& e) {
    events.emit(e);
};
  // clang-format on
  {
    // clang-format off
// Subscriber A - Logging
memory mem("/events");
stream<Event> events(mem, "event_stream");

events.subscribe([&](const Event& e) {
    log_to_file(e);
});

// Subscriber B - Analytics
events.subscribe([&](const Event& e) {
    update_metrics(e);
});

// Subscriber C - Alerting
auto critical = events.filter(mem, "critical", 
    [](const Event& e) { return e.severity >= CRITICAL; });

critical.subscribe([&](const Event& e) {
    send_alert(e);
});
    // clang-format on
    for (int i = 0; i < 10; ++i) publish_event({i});
    EXPECT_TRUE(
        eventually([&] { return logged == 10 && updated == 10 && alerts == 5 + 6 + 7 + 8 + 9; }));
  }
}

struct SensorReading {
  uint64_t timestamp;
  double value;
};
struct Aggregate {
  double avg, min, max;
  size_t count;
};

TEST(Patterns, APipelineTransformsAndAggregates) {
  constexpr double THRESHOLD = 50;
  std::atomic<int> stored{0}, alerts{0};
  const auto apply_calibration = [](double x) { return x + 0.5; };
  const auto trigger_alert = [&](const Aggregate&) { ++alerts; };
  const auto store_metrics = [&](const Aggregate& a) {
    EXPECT_EQ(a.count, 50u);
    EXPECT_EQ(a.max - a.min, 49);
    ++stored;
  };
  // clang-format off
// Data Processing Pipeline
memory mem("/pipeline", 50*1024*1024);

// Raw sensor data
stream<SensorReading> raw(mem, "raw_sensors", 10000);

// Stage 1: Validation and cleaning
auto validated = raw
    .filter(mem, "validated", [](const SensorReading& r) {
        return r.timestamp > 0 && r.value >= 0;
    })
    .map(mem, "cleaned", [=](const SensorReading& r) {
        return SensorReading{
            .timestamp = r.timestamp,
            .value = apply_calibration(r.value)
        };
    });

// Stage 2: Windowing and aggregation
auto windows = validated
    .window(mem, "5sec_windows", 50)  // 50 readings per window
    .map(mem, "aggregated", [](const auto& window) {
        double sum = 0, min = DBL_MAX, max = DBL_MIN;
        for (const auto& r : window) {
            sum += r.value;
            min = std::min(min, r.value);
            max = std::max(max, r.value);
        }
        return Aggregate{
            .avg = sum / window.size(),
            .min = min,
            .max = max,
            .count = window.size()
        };
    });

// Stage 3: Alerting
windows.subscribe([&](const Aggregate& agg) {
    if (agg.avg > THRESHOLD) {
        trigger_alert(agg);
    }
    store_metrics(agg);
});
  // clang-format on
  for (uint64_t i = 0; i < 150; ++i) {
    EXPECT_TRUE(raw.emit({i + 1, static_cast<double>(i)}));
    EXPECT_TRUE(raw.emit({0, 1.0})) << "no reading";
  }
  EXPECT_TRUE(eventually([&] { return stored == 3; }));
  EXPECT_EQ(alerts, 2);
}

struct Temperature {
  double degrees;
};
struct Pressure {
  double hectopascal;
};

TEST(Patterns, StreamsAreMergedAndZipped) {
  memory mem("/merged", 10 * 1024 * 1024);
  std::atomic<int> calculated{0};
  const auto calculate_altitude = [&](const Temperature& t, const Pressure& p) {
    EXPECT_EQ(p.hectopascal, 1000 + t.degrees);
    ++calculated;
  };
  // clang-format off
// Merge Pattern - Combine streams of same type
stream<Event> ui_events(mem, "ui_events", 1000);
stream<Event> system_events(mem, "system_events", 1000);
stream<Event> network_events(mem, "network_events", 1000);

auto all_events = ui_events
    .merge(mem, "merged_1", system_events)
    .merge(mem, "all_events", network_events);

// Zip Pattern - Combine streams element-wise
stream<Temperature> temps(mem, "temperatures", 1000);
stream<Pressure> pressures(mem, "pressures", 1000);

auto combined = temps.zip(mem, "temp_pressure", pressures);
combined.subscribe([&](const auto& pair) {
    auto [temp, pressure] = pair;
    calculate_altitude(temp, pressure);
});
  // clang-format on
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(ui_events.emit({i}) && system_events.emit({i}) && network_events.emit({i}));
    EXPECT_TRUE(temps.emit({1.0 * i}));
  }
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(pressures.emit({1000.0 + i}));
  }
  EXPECT_TRUE(eventually([&] { return calculated == 5 && all_events.emitted() == 15; }));
}

struct Data {
  int number;
};

// clang-format off
class BackpressureStream {
    stream<Data> primary;
    queue<Data> overflow;
    std::atomic<bool> use_overflow{false};
    
public:
    void emit(const Data& d) {
        if (!primary.emit(d)) {
            // Primary stream full, use overflow queue
            if (!overflow.push(d)) {
                // Both full - apply backpressure strategy
                use_overflow.store(true);
                drop_oldest();  // or block, or sample
            }
        }
    }
    
    void process() {
        // Drain overflow when primary has space
        if (use_overflow.load() && primary.available_space() > 0) {
            while (auto d = overflow.pop()) {
                if (!primary.emit(*d)) break;
            }
            use_overflow.store(overflow.size() > 0);
        }
    }
  // clang-format on
  explicit BackpressureStream(const zeroipc::memory& mem)
      : primary(mem, "primary", 4), overflow(mem, "overflow", 4) {}
  void drop_oldest() {}
  void use() { use_overflow = true; }
  void close() { overflow.close(); }
  stream<Data>& own() { return primary; }
};

TEST(Patterns, WhatASlowConsumerHasNoRoomForOverflows) {
  memory mem("/backpressure", 1024 * 1024);
  BackpressureStream s(mem);
  auto reader = s.own().subscriber(zeroipc::stream_start::oldest());
  for (int i = 0; i < 8; ++i) s.emit({i});
  EXPECT_EQ(s.own().available_space(), 0u);
  s.use();
  s.close();  // so that the sketch's pop() does not wait for more
  for (int i = 0; i < 4; ++i) EXPECT_EQ(reader.next()->number, i);
  EXPECT_EQ(s.own().available_space(), 4u);
  s.process();
  for (int i = 4; i < 8; ++i) EXPECT_EQ(reader.next()->number, i);
}

}  // namespace
