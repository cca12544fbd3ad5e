// The parts of the patterns' specification that are about failures, as they stand there: they compile, and they work.
//
// What a pattern does beyond its sketch, and where the sketch is unsound, is its own library's affair (DESIGN.md, section 6).
#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>
#include <stdexcept>

#include "gtest/gtest.h"
#include "testing/harness/harness.h"
#include "zeroipc/segment/segment.h"

namespace {

using zeroipc::memory;

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

}  // namespace
