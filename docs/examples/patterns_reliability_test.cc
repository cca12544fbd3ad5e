// The parts of the patterns' specification that are about failures, as they stand there: they compile, and they work.
//
// What a pattern does beyond its sketch, and where the sketch is unsound, is its own library's affair (DESIGN.md, section 6).
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/harness/harness.h"
#include "zeroipc/segment/segment.h"
#include "zeroipc/stream/stream.h"

namespace {

using ::testing::ElementsAre;
using zeroipc::memory;
using zeroipc::stream;

// A clock that is moved by hand.
uint64_t time_ms = 1'000'000;
uint64_t current_time_ms() { return time_ms; }

// clang-format off
class CircuitBreaker {
    enum State { CLOSED, OPEN, HALF_OPEN };
    
    memory& mem;
    std::atomic<State> state{CLOSED};
    std::atomic<int> failure_count{0};
    std::atomic<uint64_t> last_failure_time{0};
    
    const int failure_threshold = 5;
    const int timeout_ms = 5000;
    const int half_open_success_threshold = 3;
    
public:
    CircuitBreaker(memory& m) : mem(m) {}
    
    template<typename Func>
    auto call(Func func) -> std::optional<decltype(func())> {
        if (state.load() == OPEN) {
            auto now = current_time_ms();
            if (now - last_failure_time.load() > timeout_ms) {
                state.store(HALF_OPEN);
            } else {
                return std::nullopt;  // Fast fail
            }
        }
        
        try {
            auto result = func();
            
            if (state.load() == HALF_OPEN) {
                // Success in half-open state, close circuit
                state.store(CLOSED);
                failure_count.store(0);
            }
            
            return result;
            
        } catch (...) {
            failure_count.fetch_add(1);
            last_failure_time.store(current_time_ms());
            
            if (failure_count.load() >= failure_threshold) {
                state.store(OPEN);
            }
            
            return std::nullopt;
        }
    }
};

// clang-format on

TEST(Patterns, ABreakerStopsCallingWhatFails) {
  zeroipc::harness::unique_segment segment;
  memory mem(segment.name(), 1 << 20);
  bool up = true;
  int calls = 0, processed = 0, fallbacks = 0;
  const auto risky_operation = [&] {
    ++calls;
    if (!up) throw std::runtime_error("down");
    return 1;
  };
  const auto process = [&](int result) { processed += result; };
  const auto use_fallback = [&] { ++fallbacks; };
  const auto call = [&](CircuitBreaker& breaker) {
    // clang-format off
    if (auto result = breaker.call([&]() { 
        return risky_operation(); 
    })) {
        process(*result);
    } else {
        use_fallback();
    }
    // clang-format on
  };
  // clang-format off
  // Usage
  CircuitBreaker breaker(mem);
  // clang-format on
  call(breaker);
  EXPECT_EQ(processed, 1);
  up = false;
  for (int i = 0; i < 10; ++i) call(breaker);
  EXPECT_EQ(calls, 6) << "after five failures it is not called any more";
  EXPECT_EQ(fallbacks, 10);
  up = true;
  time_ms += 5001;
  call(breaker);
  call(breaker);
  EXPECT_EQ(processed, 3);
}

enum SagaEventKind {
  STEP_STARTED,
  STEP_FAILED,
  STEP_COMPLETED,
  COMPENSATION_STARTED,
  COMPENSATION_COMPLETED,
  SAGA_COMPLETED
};
struct SagaEvent {
  // The sketch counts steps in two types.
  template <typename Step>
  SagaEvent(SagaEventKind k, Step s) : kind(k), step(static_cast<uint64_t>(s)) {}
  uint64_t kind, step;
};

// clang-format off
class Saga {
    struct Step {
        std::function<bool()> action;
        std::function<void()> compensation;
        bool completed = false;
    };
    
    memory& mem;
    std::vector<Step> steps;
    stream<SagaEvent> events;
    
public:
    Saga(memory& m, std::string_view name) 
        : mem(m), events(m, std::string(name) + "_events", 1000) {}
    
    void add_step(auto action, auto compensation) {
        steps.push_back({action, compensation, false});
    }
    
    bool execute() {
        for (size_t i = 0; i < steps.size(); i++) {
            events.emit({STEP_STARTED, i});
            
            if (!steps[i].action()) {
                events.emit({STEP_FAILED, i});
                
                // Compensate completed steps in reverse
                for (int j = i - 1; j >= 0; j--) {
                    if (steps[j].completed) {
                        events.emit({COMPENSATION_STARTED, j});
                        steps[j].compensation();
                        events.emit({COMPENSATION_COMPLETED, j});
                    }
                }
                
                return false;
            }
            
            steps[i].completed = true;
            events.emit({STEP_COMPLETED, i});
        }
        
        events.emit({SAGA_COMPLETED, 0});
        return true;
    }
};
// clang-format on

TEST(Patterns, ASagaThatFailsIsUndone) {
  zeroipc::harness::unique_segment segment;
  memory mem(segment.name(), 1 << 20);
  const int order = 123;
  std::vector<std::string> log;
  bool in_stock = true, can_ship = false;
  const auto step = [&](const char* what, bool works) {
    log.emplace_back(what);
    return works;
  };
  const auto reserve_inventory = [&](int) { return step("reserve", in_stock); };
  const auto charge_payment = [&](int) { return step("charge", true); };
  const auto schedule_shipping = [&](int) { return step("ship", can_ship); };
  const auto release_inventory = [&](int) { step("release", true); };
  const auto refund_payment = [&](int) { step("refund", true); };
  const auto cancel_shipping = [&](int) { step("cancel", true); };
  const auto notify_order_failed = [&] { step("notify", true); };
  // clang-format off
// Usage: Distributed order processing
Saga order_saga(mem, "order_123");

order_saga.add_step(
    [&]() { return reserve_inventory(order); },
    [&]() { release_inventory(order); }
);

order_saga.add_step(
    [&]() { return charge_payment(order); },
    [&]() { refund_payment(order); }
);

order_saga.add_step(
    [&]() { return schedule_shipping(order); },
    [&]() { cancel_shipping(order); }
);

if (!order_saga.execute()) {
    notify_order_failed();
}
  // clang-format on
  EXPECT_THAT(log, ElementsAre("reserve", "charge", "ship", "refund", "release", "notify"));
  std::vector<uint64_t> kinds;
  for (const SagaEvent& e : zeroipc::stream<SagaEvent>(mem, "order_123_events").history()) {
    kinds.push_back(e.kind);
  }
  EXPECT_THAT(kinds,
              ElementsAre(STEP_STARTED, STEP_COMPLETED, STEP_STARTED, STEP_COMPLETED, STEP_STARTED,
                          STEP_FAILED, COMPENSATION_STARTED, COMPENSATION_COMPLETED,
                          COMPENSATION_STARTED, COMPENSATION_COMPLETED));
}

}  // namespace
