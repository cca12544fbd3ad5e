// What of a producer and a consumer does not depend on what goes between them: policies, counters, and what they say.
#ifndef ZEROIPC_PATTERNS_PRODUCER_CONSUMER_FLOW_H_
#define ZEROIPC_PATTERNS_PRODUCER_CONSUMER_FLOW_H_

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "patterns/base/counters.h"
#include "patterns/base/health.h"
#include "zeroipc/base/deadline.h"
#include "zeroipc/queue/queue.h"
#include "zeroipc/segment/segment.h"

namespace zeroipc::patterns {

// What put() does when the buffer is full.
enum class WhenFull {
  kBlock,       // waits for room
  kBackOff,     // waits for a time that doubles with each attempt, then gives up
  kRefuse,      // answers `full`
  kDropOldest,  // takes the oldest item away, and counts it
  kDropNewest,  // answers `full`, and counts the item as dropped: a caller that looks away has chosen that
};

// How long the attempts of kBackOff wait; each ends at once when there is room.
struct Backoff {
  std::chrono::nanoseconds first = std::chrono::milliseconds(1);
  std::chrono::nanoseconds most = std::chrono::seconds(1);
  uint32_t attempts = 10;
};

struct ProducerOptions {
  WhenFull when_full = WhenFull::kBlock;
  Backoff backoff = {};
  uint32_t sample_every = 16;  // puts of one handle, of which one looks at the depth

  absl::Status check() const;
};

struct ConsumerOptions {
  uint32_t most_deliveries = 5;  // of one item, before it is given up
};

struct FlowStats {
  uint64_t capacity = 0, depth = 0;
  uint64_t put = 0;                    // since creation
  uint64_t at_work = 0;                // items that consumers have now
  uint64_t redelivered = 0;            // put back, or taken from the dead
  double mean_depth = 0;               // of the samples
  uint64_t highest_depth = 0;          // of the samples
  std::chrono::nanoseconds held_up{};  // all that producers have waited for room
  uint64_t backed_off = 0;             // attempts
  uint64_t refused = 0, dropped_oldest = 0, dropped_newest = 0;
  uint64_t given_up = 0;
  bool closed = false;
};

namespace internal {

enum class FlowEvent {
  kSamples,
  kDepths,  // of all samples
  kHighestDepth,
  kHeldUpNs,
  kBackedOff,
  kRefused,
  kDroppedOldest,
  kDroppedNewest,
  kGivenUp,
  kCount
};

class Flow {
 public:
  static absl::StatusOr<Flow> open_or_create(const memory& mem, std::string_view name);
  static std::string given_up_name(std::string_view name);

  void count(FlowEvent e, uint64_t n = 1) const { counters_.add(e, n); }
  template <typename Queue>
  void sample(const Queue& q, uint32_t every) const {
    // Relaxed: it matters to nobody which of the puts is sampled.
    if (every != 0 && puts_->fetch_add(1, std::memory_order_relaxed) % every == 0) note(q.size());
  }
  FlowStats stats(const queue_stats& q) const;
  Health health(const FlowStats& s) const;
  absl::Status remove() const;

 private:
  Flow(const memory& mem, std::string_view name, Counters<FlowEvent> counters)
      : mem_(mem), name_(name), counters_(std::move(counters)) {}
  void note(uint64_t depth) const;

  memory mem_;
  std::string name_;
  Counters<FlowEvent> counters_;
  std::shared_ptr<std::atomic<uint32_t>> puts_ = std::make_shared<std::atomic<uint32_t>>(0);
};

// Counts the time from here to its end as that of a producer that is held up.
class HeldUp {
 public:
  explicit HeldUp(const Flow& flow) : flow_(flow) {}
  ~HeldUp() {
    flow_.count(FlowEvent::kHeldUpNs, static_cast<uint64_t>(deadline::now_ns() - since_));
  }
  HeldUp(const HeldUp&) = delete;
  HeldUp& operator=(const HeldUp&) = delete;

 private:
  const Flow& flow_;
  const int64_t since_ = deadline::now_ns();
};

}  // namespace internal
}  // namespace zeroipc::patterns

#endif  // ZEROIPC_PATTERNS_PRODUCER_CONSUMER_FLOW_H_
