#include "patterns/producer_consumer/flow.h"

#include <array>

#include "absl/strings/str_cat.h"
#include "patterns/base/remove_names.h"

namespace zeroipc::patterns {

absl::Status ProducerOptions::check() const {
  if (when_full != WhenFull::kBackOff) return absl::OkStatus();
  if (backoff.attempts != 0 && backoff.first.count() > 0 && backoff.most >= backoff.first) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat("a backoff has at least one attempt and waits at first for some time, but not "
                   "for more than at most; found: ",
                   backoff.attempts, " attempts, ", backoff.first.count(), " ns at first, ",
                   backoff.most.count(), " ns at most"));
}

namespace internal {
namespace {

std::string counters_name(std::string_view name) { return absl::StrCat(name, "/counters"); }

}  // namespace

std::string Flow::given_up_name(std::string_view name) { return absl::StrCat(name, "/given up"); }

absl::StatusOr<Flow> Flow::open_or_create(const memory& mem, std::string_view name) {
  auto counters = Counters<FlowEvent>::open_or_create(mem, counters_name(name));
  if (!counters.ok()) return counters.status();
  return Flow(mem, name, *std::move(counters));
}

void Flow::note(uint64_t depth) const {
  count(FlowEvent::kSamples);
  count(FlowEvent::kDepths, depth);
  counters_.raise_to(FlowEvent::kHighestDepth, depth);
}

FlowStats Flow::stats(const queue_stats& q) const {
  FlowStats s;
  s.capacity = q.capacity;
  s.depth = q.depth;
  s.put = q.pushed;
  s.at_work = q.leased;
  s.redelivered = q.redelivered;
  if (const uint64_t samples = counters_.get(FlowEvent::kSamples); samples != 0) {
    s.mean_depth =
        static_cast<double>(counters_.get(FlowEvent::kDepths)) / static_cast<double>(samples);
  }
  s.highest_depth = counters_.get(FlowEvent::kHighestDepth);
  s.held_up = std::chrono::nanoseconds(counters_.get(FlowEvent::kHeldUpNs));
  s.backed_off = counters_.get(FlowEvent::kBackedOff);
  s.refused = counters_.get(FlowEvent::kRefused);
  s.dropped_oldest = counters_.get(FlowEvent::kDroppedOldest);
  s.dropped_newest = counters_.get(FlowEvent::kDroppedNewest);
  s.given_up = counters_.get(FlowEvent::kGivenUp);
  s.closed = q.closed;
  return s;
}

Health Flow::health(const FlowStats& s) const {
  const auto ill = [&](auto... text) {
    return Health{false,
                  absl::StrCat("segment ", mem_.name(), ": buffer '", name_, "': ", text...)};
  };
  if (s.given_up != 0) return ill(s.given_up, " items could be handled by nobody");
  if (s.closed) return ill("closed, ", s.depth, " items left");
  if (s.depth >= s.capacity) return ill("full, ", s.depth, " of ", s.capacity);
  return {};
}

absl::Status Flow::remove() const {
  return remove_names(mem_, std::array{name_, given_up_name(name_), counters_name(name_)});
}

}  // namespace internal
}  // namespace zeroipc::patterns
