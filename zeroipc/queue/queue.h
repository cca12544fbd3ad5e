// queue<T>: a bounded first-in-first-out queue between processes, any of which may die at any instruction.
//
//   zeroipc::memory mem("/app", 10 << 20);
//   zeroipc::queue<Task> tasks(mem, "tasks", 1000);     // opens it, or creates it with room for 1000
//   tasks.push(task);                                   // waits while it is full
//   while (auto task = tasks.pop()) run(*task);         // until it is closed and drained
//
//   while (auto job = tasks.lease()) {                  // if we die before the ack, another process gets the item
//     run(*job);
//     job.ack();
//   }
//
// When to use it: to hand each item to one of several takers, in order, with back-pressure. When not: to show every item to
// everybody, use zeroipc::stream; to keep only the newest, zeroipc::cell or zeroipc::ring; to choose between several
// sources or meet without a buffer, zeroipc::channel.
//
// What is promised when a process is killed
//   * A push that returned ok is there to be popped, once. One that did not return is there, or it is not.
//   * A pop that returned has the item; killed before that, the item is delivered to somebody else (out of order), unless the
//     kill came between the release of the slot and the return: then it went with the process. Use lease() where it must not.
//   * A lease, view or reservation of a dead process comes back, or goes away, within the time it takes to notice the death.
//   * Nobody gets stuck on what a dead process had claimed. Behind a live one that is *stopped* in the middle of an
//     operation, others wait, once the ring has come around to it: see docs/structures/queue.md, progress.
//
// Order: items pushed by one thread are popped in that order, redelivered ones excepted. With several producers the order is
// that of their claims. Closing is final; what is in the queue can still be popped.
//
// `closed` is answered to a consumer once nothing can come any more, leases of other processes included, for they may die.
// So two processes that each wait for `closed` while sitting on a lease wait for each other: acknowledge first, or use
// lease_for().
//
// Thread safety: handles are thread-safe, cheap to copy, and keep the segment mapped. With a single-producer
// (single-consumer) policy one thread at a time may use that side; a copy of a handle shares its role.
// Complexity: every operation O(1), batches O(n); after a death one pass O(capacity), and recovery of nothing costs nothing.
// Memory: 768 bytes, 8 bytes a slot beyond the element (0 with spsc), 24 a lease entry beyond the element.
#ifndef ZEROIPC_QUEUE_QUEUE_H_
#define ZEROIPC_QUEUE_QUEUE_H_

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "zeroipc/base/error.h"
#include "zeroipc/base/shareable.h"
#include "zeroipc/queue/policy.h"
#include "zeroipc/queue/queue_state.h"
#include "zeroipc/queue/sides.h"
#include "zeroipc/segment/segment.h"

namespace zeroipc {

template <typename T, typename Policy = mpmc>
class queue : public internal::push_side<T, Policy>, public internal::pop_side<T, Policy> {
  static_assert(internal::check_shareable<T>());
  static_assert(internal::queue_policy<Policy>, "zeroipc: the policy is mpmc, mpsc, spmc or spsc");

 public:
  using value_type = T;
  using policy = Policy;

  // Opens the queue, or creates it; one that exists with another capacity is an error. Throws zeroipc::error.
  queue(const memory& mem, std::string_view name, size_t capacity,
        const queue_options& options = {})
      : queue(internal::value_or_raise(open_or_create(mem, name, capacity, options))) {}
  // Opens a queue that exists. Throws zeroipc::error.
  queue(const memory& mem, std::string_view name)
      : queue(internal::value_or_raise(open(mem, name))) {}

  // Errors, here and below: InvalidArgument (capacity 0, bad name), ResourceExhausted (it does not fit), AlreadyExists,
  // NotFound, FailedPrecondition (another kind, element type, policy or capacity), DataLoss (corrupt header),
  // PermissionDenied (segment open read-only). The messages name what was expected and what was found.
  static absl::StatusOr<queue> create(const memory& mem, std::string_view name, size_t capacity,
                                      const queue_options& options = {}) {
    return make(mem, name, internal::open_mode::create, capacity, options);
  }
  static absl::StatusOr<queue> open(const memory& mem, std::string_view name) {
    return make(mem, name, internal::open_mode::open, 0, {});
  }
  static absl::StatusOr<queue> open_or_create(const memory& mem, std::string_view name,
                                              size_t capacity, const queue_options& options = {}) {
    return make(mem, name, internal::open_mode::open_or_create, capacity, options);
  }

  // Nobody can push any more; everybody who waits is woken. By anybody, any number of times.
  void close() { core().close(); }
  bool closed() const { return core().closed(); }

  size_t capacity() const { return core().capacity(); }
  size_t max_leases() const { return core().max_leases(); }
  // Items that could be popped now; what is in the middle of being pushed or popped counts, what is leased does not. A
  // snapshot: by the time it is used it is history.
  size_t size() const { return core().depth(); }
  bool empty() const { return size() == 0; }
  queue_stats stats() const { return core().stats(); }
  const std::string& name() const { return this->state().held.name(); }

  // One side only, as a type that cannot do the other. With a policy that has one producer (consumer) it holds the role
  // until it and all copies of this queue handle are gone, or release_role(). FailedPrecondition if another has the role.
  class producer_handle : public internal::push_side<T, Policy> {
   public:
    // `taken` while a reservation is out.
    outcome release_role() { return this->core().give_up_producer(); }
    void close() { this->core().close(); }

   private:
    friend class queue;
    explicit producer_handle(std::shared_ptr<internal::queue_state<T, Policy>> s)
        : internal::push_side<T, Policy>(std::move(s)) {}
  };
  class consumer_handle : public internal::pop_side<T, Policy> {
   public:
    // `taken` while a view is out.
    outcome release_role() { return this->core().give_up_consumer(); }

   private:
    friend class queue;
    explicit consumer_handle(std::shared_ptr<internal::queue_state<T, Policy>> s)
        : internal::pop_side<T, Policy>(std::move(s)) {}
  };
  absl::StatusOr<producer_handle> producer() const {
    if (const outcome r = core().take_producer(); !r) return refused("producer", r);
    return producer_handle(state_);
  }
  absl::StatusOr<consumer_handle> consumer() const {
    if (const outcome r = core().take_consumer(); !r) return refused("consumer", r);
    return consumer_handle(state_);
  }
  // Gives up whichever roles this handle has taken. `taken` while a reservation or view is out.
  outcome release_role() {
    const outcome p = core().give_up_producer();
    const outcome c = core().give_up_consumer();
    return p ? c : p;
  }

 private:
  using state_type = internal::queue_state<T, Policy>;

  explicit queue(std::shared_ptr<state_type> s)
      : internal::push_side<T, Policy>(s), internal::pop_side<T, Policy>(s), state_(std::move(s)) {}

  static absl::StatusOr<queue> make(const memory& mem, std::string_view name,
                                    internal::open_mode mode, size_t capacity,
                                    const queue_options& options) {
    auto s = internal::open_queue_state<T, Policy>(mem, name, mode, capacity, options);
    if (!s.ok()) return s.status();
    return queue(*std::move(s));
  }
  absl::Status refused(std::string_view side, outcome r) const {
    std::string message = "queue \"";
    message.append(state_->held.name()).append("\": cannot take the ").append(side);
    message.append("'s role: ").append(r.name());
    return absl::FailedPreconditionError(message);
  }
  state_type& state() const { return *state_; }
  auto& core() const { return state_->core; }

  std::shared_ptr<state_type> state_;
};

}  // namespace zeroipc

#endif  // ZEROIPC_QUEUE_QUEUE_H_
