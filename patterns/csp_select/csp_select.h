// PrioritySelect and select_loop: one thread that serves several channels, the more urgent ones first, or all alike.
//
//   patterns::PrioritySelect server;
//   server.add_channel(10, alarms, [&](const Alarm& a) { react(a); });
//   server.add_channel(1, samples, [&](const Sample& s) { store(s); });
//   while (server.select()) {}                          // until all of them are closed and drained
//
//   patterns::select_loop(requests, serve, settings, apply);   // two channels, fairly, to their end
//
// Between two values it sleeps, in one wait on all channels; nothing is polled. The channels may be those of any segments.
//
// Starvation: strictly by priority, a channel is not served as long as a more urgent one has something. With
// options.serve_all_every = n, every n-th select begins with another channel, in turn; so one that has something is served at
// least once in n times the number of channels.
//
// When to use it: where one thread keeps the state that all the values change. When not: for other things than channels, or timers beside
// them, use zeroipc::select itself; for values that need no order among each other, more takers of one channel do more.
//
// What is promised when a process is killed: who sends and dies has sent or has not, and disturbs nobody. If the process that
// selects dies, the value that it was serving goes with it, and all others wait for whoever serves the channels next.
//
// Overload: the channels' own: who sends to a full one waits, or is refused.
// Thread safety: one thread at a time; handlers run in it. What a handler throws comes out of select(), and its value is served.
// Complexity: O(channels) for each value; at most 100 channels. Memory: nothing in a segment.
#ifndef ZEROIPC_PATTERNS_CSP_SELECT_CSP_SELECT_H_
#define ZEROIPC_PATTERNS_CSP_SELECT_CSP_SELECT_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "patterns/base/health.h"
#include "zeroipc/base/outcome.h"
#include "zeroipc/channel/channel.h"
#include "zeroipc/select/select.h"

namespace zeroipc::patterns {

struct PrioritySelectOptions {
  uint32_t serve_all_every = 0;  // 0: strictly by priority
};

class PrioritySelect {
 public:
  struct ChannelStats {
    std::string name;
    int priority = 0;
    uint64_t served = 0;   // values that went to its handler
    uint64_t waiting = 0;  // values that are in it now
    bool closed = false;
  };

  explicit PrioritySelect(const PrioritySelectOptions& options = {}) : options_(options) {}

  // Higher priorities first; of equal ones, what was added first. `from` is to stay where it is; handler(const T&).
  template <typename T, typename F>
  void add_channel(int priority, channel<T>& from, F handler) {
    auto served = std::make_shared<uint64_t>(0);
    add({priority,
         [&from, served, handler = std::make_shared<F>(std::move(handler))](selector& s) {
           s.add(on_receive(from, [served, handler](const T& value) {
             ++*served;
             (*handler)(value);
           }));
         },
         [&from, served, priority] {
           return ChannelStats{from.name(), priority, *served, from.size(), from.closed()};
         }});
  }

  // Serves one value, and waits for it. `closed`: all channels are closed and drained, and always will be; `exhausted`: there are more
  // than 100, or of too many segments.
  outcome select();
  // `empty`: there is none now.
  outcome try_select();
  // `timed_out`
  template <typename Rep, typename Period>
  outcome select_for(std::chrono::duration<Rep, Period> timeout) {
    return why(next().select_by_priority_for(timeout));
  }

  // In the order of their priorities.
  std::vector<ChannelStats> stats() const;
  // Not well: there is no channel, or all are closed.
  Health health() const;

 private:
  struct source {
    int priority;
    std::function<void(selector&)> add_to;
    std::function<ChannelStats()> stats;
  };

  void add(source s);
  // The one that is to be used now.
  selector& next();
  static outcome why(const selection& s) { return s ? outcome(outcome::ok) : s.why(); }

  PrioritySelectOptions options_;
  std::vector<source> sources_;
  // Of all channels in order, each beginning with another.
  std::vector<selector> rotations_;
  uint64_t selects_ = 0;
};

// Serves all channels, fairly, until they are closed and drained: select_loop(channel, handler, channel, handler, ...).
template <typename... ChannelsAndHandlers>
void select_loop(ChannelsAndHandlers&&... all);

namespace internal {

inline void add_all(selector&) {}
template <typename T, typename F, typename... More>
void add_all(selector& s, channel<T>& from, F&& handler, More&&... more) {
  s.add(on_receive(from, std::forward<F>(handler)));
  add_all(s, std::forward<More>(more)...);
}

}  // namespace internal

template <typename... ChannelsAndHandlers>
void select_loop(ChannelsAndHandlers&&... all) {
  selector s;
  internal::add_all(s, std::forward<ChannelsAndHandlers>(all)...);
  while (s.select()) {
  }
}
// For at most that long. True if they have come to their end.
template <typename Rep, typename Period, typename... ChannelsAndHandlers>
bool select_loop_for(std::chrono::duration<Rep, Period> timeout, ChannelsAndHandlers&&... all) {
  selector s;
  internal::add_all(s, std::forward<ChannelsAndHandlers>(all)...);
  const auto until = std::chrono::steady_clock::now() + timeout;
  for (;;) {
    const selection one = s.select_for(until - std::chrono::steady_clock::now());
    if (!one) return one.why() == outcome::closed;
  }
}

}  // namespace zeroipc::patterns

#endif  // ZEROIPC_PATTERNS_CSP_SELECT_CSP_SELECT_H_
