// The parts of the patterns' specification that wait for several channels, as they stand there: they compile, and they work. What does
// the same in one sleep is zeroipc::select.
#include <algorithm>
#include <chrono>
#include <functional>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "testing/harness/harness.h"
#include "zeroipc/channel/channel.h"
#include "zeroipc/segment/segment.h"
#include "zeroipc/select/select.h"

namespace {

using namespace std::chrono_literals;
using zeroipc::channel;

struct enough {};
int of_type1 = 0, of_type2 = 0;
void count(int& which) {
  ++which;
  if (of_type1 + of_type2 == 6) throw enough();
}
void handle_type1(int) { count(of_type1); }
void handle_type2(double) { count(of_type2); }

// clang-format off
template<typename T1, typename T2>
void select_loop(channel<T1>& ch1, channel<T2>& ch2) {
    while (true) {
        // Try channels in order with timeout
        if (auto v1 = ch1.receive_for(0ms)) {
            handle_type1(*v1);
            continue;
        }
        
        if (auto v2 = ch2.receive_for(0ms)) {
            handle_type2(*v2);
            continue;
        }
        
        // No data available, wait a bit
        std::this_thread::sleep_for(1ms);
    }
}

// Alternative: Priority select
class PrioritySelect {
    struct ChannelPriority {
        int priority;
        std::function<bool()> try_receive;
    };
    
    std::vector<ChannelPriority> channels;
    
public:
    void add_channel(int priority, auto& channel, auto handler) {
        channels.push_back({priority, [&]() {
            if (auto v = channel.try_receive()) {
                handler(*v);
                return true;
            }
            return false;
        }});
        
        // Sort by priority
        std::sort(channels.begin(), channels.end(),
            [](const auto& a, const auto& b) { 
                return a.priority > b.priority; 
            });
    }
    
    void select() {
        for (auto& ch : channels) {
            if (ch.try_receive()) return;
        }
    }
};
// clang-format on

class Patterns : public ::testing::Test {
 protected:
  const zeroipc::harness::unique_segment name_;
  zeroipc::memory mem_{name_.name(), 1 << 20};
  channel<int> ch1{mem_, "ch1", 8};
  channel<double> ch2{mem_, "ch2", 8};
};

TEST_F(Patterns, ASelectLoopServesTwoChannels) {
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(ch1.send(i) && ch2.send(i));
  }
  EXPECT_THROW(select_loop(ch1, ch2), enough);
  EXPECT_EQ(of_type1, 3);
  EXPECT_EQ(of_type2, 3);
}

// Compiled, and not run with a handler: the sketch keeps a reference to a handler that is gone when add_channel() returns.
TEST_F(Patterns, APrioritySelectCompiles) {
  [[maybe_unused]] const auto add = [](PrioritySelect& s, channel<int>& c) {
    s.add_channel(1, c, [](int) {});
  };
  PrioritySelect().select();
}

// The same, soundly, and without looking again and again.
TEST_F(Patterns, ASelectByPriorityServesTheMoreImportantFirst) {
  std::vector<int> order;
  EXPECT_TRUE(ch1.send(0) && ch2.send(0) && ch2.send(0));
  EXPECT_TRUE(ch1.close() && ch2.close());
  while (zeroipc::select_by_priority(zeroipc::on_receive(ch2, [&](double) { order.push_back(2); }),
                                     zeroipc::on_receive(ch1, [&](int) { order.push_back(1); }))) {
  }
  EXPECT_EQ(order, (std::vector<int>{2, 2, 1}));
}

}  // namespace
