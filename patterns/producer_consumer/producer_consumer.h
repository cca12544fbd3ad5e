// Producer and Consumer: work that some processes make and others do, through a bounded buffer, with an answer for each way in which the two
// sides can get out of step.
//
//   // each producer
//   patterns::Producer<Task> tasks(mem, "tasks", 1000, {.when_full = patterns::WhenFull::kBackOff});
//   while (auto t = next_task()) {
//     if (!tasks.put(*t)) break;                        // as the policy says: waits, refuses, drops
//   }
//   tasks.close();                                      // the last one: consumers end when all is done
//
//   // each consumer
//   patterns::Consumer<Task> tasks(mem, "tasks");
//   tasks.run([](const Task& t) { process_task(t); });  // until it is closed and drained
//
// When to use it: for a flow of tasks whose results nobody waits for. When not: if somebody does, use WorkerPool or request-response; to
// show everything to everybody, pub-sub.
//
// What is promised when a process is killed
//   * What put() acknowledged is handled by somebody, unless the policy drops it, which is counted.
//   * A consumer that dies at an item, or whose handler throws, has not handled it: it is given to the next. So an item can be handled
//     more than once, if the death came between the handling and its end.
//   * An item that has been handed out options.most_deliveries times in vain is set aside, in given_up().
//
// Capacity planning: stats() has the mean and the highest depth, how long producers were held up, and what was refused or dropped. A mean
// near the capacity with producers held up says that consumers are too few; a highest depth far below it, that the buffer is too large.
//
// Thread safety: handles are thread-safe, cheap to copy, and keep the segment mapped. Nothing is polled: who waits sleeps.
// Memory: a queue<T> of the capacity, one of 64 for what is given up, and the counters.
#ifndef ZEROIPC_PATTERNS_PRODUCER_CONSUMER_PRODUCER_CONSUMER_H_
#define ZEROIPC_PATTERNS_PRODUCER_CONSUMER_PRODUCER_CONSUMER_H_

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "patterns/base/health.h"
#include "patterns/producer_consumer/flow.h"
#include "zeroipc/background/callback.h"
#include "zeroipc/base/deadline.h"
#include "zeroipc/base/error.h"
#include "zeroipc/base/outcome.h"
#include "zeroipc/queue/queue.h"
#include "zeroipc/segment/segment.h"

namespace zeroipc::patterns {

namespace internal {

// The two queues and the counters, which both sides have.
template <typename T>
class Buffer {
 public:
  static constexpr size_t kMostGivenUp = 64;

  // Items that nobody could handle, for whoever wants to see them. When it is full, they are only counted.
  const queue<T>& given_up() const { return given_up_; }

  FlowStats stats() const { return flow_.stats(items_.stats()); }
  // Not well: it is closed, or full, or items have been given up.
  Health health() const { return flow_.health(stats()); }
  // No put() from now on; consumers go on until there is nothing left. By anybody, any number of times.
  void close() { items_.close(); }
  bool closed() const { return items_.closed(); }
  // Takes its names away. Open handles go on as before.
  absl::Status remove() const { return flow_.remove(); }
  const std::string& name() const { return items_.name(); }

 protected:
  Buffer(queue<T> items, queue<T> given_up, Flow flow)
      : items_(std::move(items)), given_up_(std::move(given_up)), flow_(std::move(flow)) {}

  static absl::StatusOr<Buffer> make(const memory& mem, std::string_view name,
                                     absl::StatusOr<queue<T>> items) {
    if (!items.ok()) return items.status();
    auto given_up = queue<T>::open_or_create(mem, Flow::given_up_name(name), kMostGivenUp);
    if (!given_up.ok()) return given_up.status();
    auto flow = Flow::open_or_create(mem, name);
    if (!flow.ok()) return flow.status();
    return Buffer(*std::move(items), *std::move(given_up), *std::move(flow));
  }

  queue<T> items_, given_up_;
  Flow flow_;
};

}  // namespace internal

template <typename T>
class Producer : public internal::Buffer<T> {
  using base = internal::Buffer<T>;

 public:
  // Opens the buffer, or creates it; one that exists with another capacity is an error. Throws zeroipc::error.
  Producer(const memory& mem, std::string_view name, size_t capacity,
           const ProducerOptions& options = {})
      : Producer(zeroipc::internal::value_or_raise(open_or_create(mem, name, capacity, options))) {}
  // Errors: those of opening a queue, and InvalidArgument (a backoff without attempts, or that does not grow).
  static absl::StatusOr<Producer> open_or_create(const memory& mem, std::string_view name,
                                                 size_t capacity,
                                                 const ProducerOptions& options = {}) {
    if (absl::Status s = options.check(); !s.ok()) return s;
    auto buffer = base::make(mem, name, queue<T>::open_or_create(mem, name, capacity));
    if (!buffer.ok()) return buffer.status();
    return Producer(*std::move(buffer), options);
  }

  // `ok`: it is there, to be handled. When it is full, as the policy says: waits (kBlock, kBackOff: then `timed_out`), answers `full`
  // (kRefuse; kDropNewest, which counts it as dropped), or makes room (kDropOldest). `closed`; `exhausted`: this process is a forked
  // child that could not join the segment.
  outcome put(const T& value) {
    outcome r = this->items_.try_push(value);
    if (r == outcome::full) r = put_into_full(value);
    if (r) this->flow_.sample(this->items_, options_.sample_every);
    return r;
  }
  // Waits for room, whatever the policy; `timed_out`.
  template <typename Rep, typename Period>
  outcome put_for(const T& value, std::chrono::duration<Rep, Period> timeout) {
    const internal::HeldUp held_up(this->flow_);
    return this->items_.push_for(value, timeout);
  }

 private:
  // Others may fill what room was made; so many times is that tried again.
  static constexpr int kMostDropsForOne = 64;

  Producer(base b, const ProducerOptions& options) : base(std::move(b)), options_(options) {}

  outcome put_into_full(const T& value) {
    switch (options_.when_full) {
      case WhenFull::kRefuse:
        this->flow_.count(internal::FlowEvent::kRefused);
        return outcome::full;
      case WhenFull::kDropNewest:
        this->flow_.count(internal::FlowEvent::kDroppedNewest);
        return outcome::full;
      case WhenFull::kDropOldest:
        return make_room_for(value);
      case WhenFull::kBackOff:
        return back_off_with(value);
      case WhenFull::kBlock:
        break;
    }
    const internal::HeldUp held_up(this->flow_);
    return this->items_.push(value);
  }
  outcome make_room_for(const T& value) {
    outcome r = outcome::full;
    for (int i = 0; i < kMostDropsForOne && r == outcome::full; ++i) {
      if (this->items_.try_pop()) this->flow_.count(internal::FlowEvent::kDroppedOldest);
      r = this->items_.try_push(value);
    }
    return r;
  }
  outcome back_off_with(const T& value) {
    const internal::HeldUp held_up(this->flow_);
    std::chrono::nanoseconds wait = options_.backoff.first;
    outcome r = outcome::timed_out;
    for (uint32_t i = 0; i < options_.backoff.attempts && r == outcome::timed_out; ++i) {
      this->flow_.count(internal::FlowEvent::kBackedOff);
      r = this->items_.push_for(value, wait);
      wait = std::min(2 * wait, options_.backoff.most);
    }
    return r;
  }

  ProducerOptions options_;
};

template <typename T>
class Consumer : public internal::Buffer<T> {
  using base = internal::Buffer<T>;

 public:
  // Opens the buffer, which exists, or (the second one) creates it. Throws zeroipc::error.
  Consumer(const memory& mem, std::string_view name, const ConsumerOptions& options = {})
      : Consumer(zeroipc::internal::value_or_raise(open(mem, name, options))) {}
  Consumer(const memory& mem, std::string_view name, size_t capacity,
           const ConsumerOptions& options = {})
      : Consumer(zeroipc::internal::value_or_raise(open_or_create(mem, name, capacity, options))) {}
  static absl::StatusOr<Consumer> open(const memory& mem, std::string_view name,
                                       const ConsumerOptions& options = {}) {
    return with(base::make(mem, name, queue<T>::open(mem, name)), options);
  }
  static absl::StatusOr<Consumer> open_or_create(const memory& mem, std::string_view name,
                                                 size_t capacity,
                                                 const ConsumerOptions& options = {}) {
    return with(base::make(mem, name, queue<T>::open_or_create(mem, name, capacity)), options);
  }

  // Handles one item: handler(const T&). Waits for it. `closed`: there will be none. What the handler throws is reported
  // (set_callback_error_handler), and the item is given to whoever comes next.
  template <typename F>
  outcome consume(F&& handler) {
    return handle(this->items_.lease(), handler);
  }
  // `empty`, `timed_out`.
  template <typename F>
  outcome try_consume(F&& handler) {
    return handle(this->items_.try_lease(), handler);
  }
  template <typename Rep, typename Period, typename F>
  outcome consume_for(std::chrono::duration<Rep, Period> timeout, F&& handler) {
    return handle(this->items_.lease_for(timeout), handler);
  }
  // Handles all that comes, until it is closed and drained, other consumers' items included, for they may die. Why it ended:
  // `closed`, or as consume().
  template <typename F>
  outcome run(F&& handler) {
    outcome r;
    do {
      r = consume(handler);
    } while (r);
    return r;
  }

 private:
  Consumer(base b, const ConsumerOptions& options)
      : base(std::move(b)),
        options_(options),
        where_("buffer '" + this->items_.name() + "', consumer") {}
  static absl::StatusOr<Consumer> with(absl::StatusOr<base> b, const ConsumerOptions& options) {
    if (!b.ok()) return b.status();
    return Consumer(*std::move(b), options);
  }

  template <typename F>
  outcome handle(leased<T, mpmc> item, F& handler) {
    if (!item) return item.why();
    const bool in_vain = item.deliveries() > options_.most_deliveries;
    if (!in_vain && zeroipc::internal::call_back(where_, [&] { handler(*item); })) {
      return item.ack();
    }
    if (item.deliveries() < options_.most_deliveries) return item.nack();
    this->flow_.count(internal::FlowEvent::kGivenUp);
    this->given_up_.try_push(*item);
    return item.ack();
  }

  ConsumerOptions options_;
  std::string where_;
};

}  // namespace zeroipc::patterns

#endif  // ZEROIPC_PATTERNS_PRODUCER_CONSUMER_PRODUCER_CONSUMER_H_
