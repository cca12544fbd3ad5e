// Bulkhead: a limit of its own for each kind of work, over all processes, so that one kind that hangs or floods leaves the others alone.
//
//   patterns::Bulkhead bulkhead(mem, 3, 10);            // 3 compartments with 10 resources each
//   bulkhead.execute_in_compartment(0, [](auto* resource) { handle_critical_request(resource); });
//
//   if (auto permit = bulkhead.enter_for(1, 50ms)) {    // or with a time, and without an exception
//     handle_normal_request(*permit);
//   } else if (permit.why() == outcome::timed_out) {
//     answer_busy();
//   }
//
//   patterns::Bulkhead<Connection> by_backend(mem, "backends", {8, 2, 2});   // of different sizes, with something in them
//
// A resource is a cell in shared memory: what a holder leaves in it, the next one finds (all zeroes at first). Bulkhead<> has cells that only
// count their uses.
//
// When to use it: where several kinds of work share a machine, a connection or a service behind. When not: for one limit, use
// zeroipc::semaphore; to stop calling what fails, CircuitBreaker, which goes well inside a compartment.
//
// What is promised when a process is killed: the resources that it held come back, to whoever waits or comes next, as soon as its death is
// noticed. They are as it left them. A process that is stopped keeps what it has.
//
// Overload: at once `empty`, after the time `timed_out`, or waiting, as the caller chooses; refusals are counted by compartment.
// Thread safety: handles are thread-safe, cheap to copy, and keep the segment mapped. Permits are for one thread at a time.
// Complexity: O(1). Memory: that of a pool for each compartment, and 56 bytes.
#ifndef ZEROIPC_PATTERNS_BULKHEAD_BULKHEAD_H_
#define ZEROIPC_PATTERNS_BULKHEAD_BULKHEAD_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "patterns/base/health.h"
#include "patterns/bulkhead/compartment.h"
#include "zeroipc/base/deadline.h"
#include "zeroipc/base/error.h"
#include "zeroipc/base/outcome.h"
#include "zeroipc/pool/pool.h"
#include "zeroipc/segment/segment.h"

namespace zeroipc::patterns {

// What the compartments hold where nothing else is asked for.
struct BulkheadTicket {
  uint64_t uses;
};

template <typename Resource = BulkheadTicket>
class Bulkhead {
 public:
  // A place in a compartment, for as long as it is there. Tests as false, and says why(), if there is none.
  class Permit {
   public:
    Permit(Permit&&) noexcept = default;
    Permit& operator=(Permit&&) noexcept = default;

    explicit operator bool() const { return static_cast<bool>(resource_); }
    // `empty` (try_), `timed_out` (_for), `closed`: the compartments have been stopped; `missing`: there is no such compartment.
    outcome why() const { return why_; }
    Resource* operator->() const { return resource_.operator->(); }
    Resource& operator*() const { return *resource_; }
    // Before the end of its scope.
    void leave() { resource_ = {}; }

   private:
    friend class Bulkhead;
    using borrowed = typename pool<Resource>::borrowed;
    explicit Permit(outcome why) : why_(why) {}
    explicit Permit(borrowed resource) : resource_(std::move(resource)), why_(outcome::ok) {}
    borrowed resource_;
    outcome why_;
  };

  // Opens it, or creates it; one that exists otherwise is an error. Throws zeroipc::error.
  Bulkhead(const memory& mem, size_t compartments, size_t resources_per)
      : Bulkhead(mem, "bulkhead", std::vector<size_t>(compartments, resources_per)) {}
  Bulkhead(const memory& mem, std::string_view name, const std::vector<size_t>& resources)
      : Bulkhead(zeroipc::internal::value_or_raise(open_or_create(mem, name, resources))) {}
  // Errors: InvalidArgument (no compartment, or an empty one), and those of opening a pool.
  static absl::StatusOr<Bulkhead> open_or_create(const memory& mem, std::string_view name,
                                                 const std::vector<size_t>& resources) {
    if (absl::Status s = internal::check_compartments(mem, name, resources); !s.ok()) return s;
    std::vector<compartment> all;
    for (size_t i = 0; i < resources.size(); ++i) {
      auto shared = internal::Compartment::open_or_create(mem, name, i);
      if (!shared.ok()) return shared.status();
      auto cells = pool<Resource>::open_or_create(mem, shared->pool_name(), resources[i]);
      if (!cells.ok()) return cells.status();
      all.push_back({*std::move(shared), *std::move(cells)});
    }
    return Bulkhead(std::move(all));
  }

  size_t compartments() const { return compartments_.size(); }

  // A place in compartment i: waits for one, or takes one that is free now, or waits for at most that long.
  Permit enter(size_t i) const { return enter_until(i, deadline::never()); }
  Permit try_enter(size_t i) const { return enter_until(i, deadline::at_once()); }
  template <typename Rep, typename Period>
  Permit enter_for(size_t i, std::chrono::duration<Rep, Period> timeout) const {
    Permit permit = enter_until(i, deadline::after(timeout));
    permit.why_ = zeroipc::internal::late(permit.why_);
    return permit;
  }

  // func(Resource*), with a place that is free now. Throws zeroipc::error if there is none: ResourceExhausted, Unavailable (stopped),
  // OutOfRange (no such compartment). The place comes back when func has ended, by an exception, too.
  template <typename F>
  auto execute_in_compartment(size_t i, F&& func) const {
    const Permit permit = try_enter(i);
    if (!permit) zeroipc::internal::raise(refusal(i, permit.why()));
    return std::forward<F>(func)(permit.resource_.get());
  }
  // The same with a time to wait, and a status in place of the exception; DeadlineExceeded.
  template <typename Rep, typename Period, typename F>
  auto execute_for(size_t i, std::chrono::duration<Rep, Period> timeout, F&& func) const {
    using Result = std::invoke_result_t<F&, Resource*>;
    const Permit permit = enter_for(i, timeout);
    if constexpr (std::is_void_v<Result>) {
      if (!permit) return refusal(i, permit.why());
      std::forward<F>(func)(permit.resource_.get());
      return absl::OkStatus();
    } else {
      if (!permit) return absl::StatusOr<Result>(refusal(i, permit.why()));
      return absl::StatusOr<Result>(std::forward<F>(func)(permit.resource_.get()));
    }
  }

  // Nobody enters any more, and who waits is told `closed` when the next place comes free. resume() ends that.
  void stop() const { set_stopped(true); }
  void resume() const { set_stopped(false); }
  // Waits until all who are inside have left, or died. False if some are there when the time is over.
  template <typename Rep, typename Period>
  bool drain_for(std::chrono::duration<Rep, Period> timeout) const {
    const deadline until = deadline::after(timeout);
    for (const compartment& c : compartments_) {
      // All of its places at once are to be had only when nobody is inside.
      std::vector<typename pool<Resource>::borrowed> all;
      while (all.size() < c.cells.capacity()) {
        all.push_back(borrow(c, until));
        if (!all.back()) return false;
      }
    }
    return true;
  }

  // REQUIRES: i < compartments()
  CompartmentStats stats(size_t i) const {
    const compartment& c = compartments_[i];
    return c.shared.stats(c.cells.stats());
  }
  // Not well: it is stopped, or a compartment is full; the first of those is named.
  Health health() const {
    for (const compartment& c : compartments_) {
      if (Health h = c.shared.health(c.cells.stats()); !h) return h;
    }
    return {};
  }
  // Takes all names away. Open handles go on as before.
  absl::Status remove() const {
    absl::Status first;
    for (const compartment& c : compartments_) {
      if (absl::Status s = c.shared.remove(); first.ok()) first = s;
    }
    return first;
  }

 private:
  struct compartment {
    internal::Compartment shared;
    pool<Resource> cells;
  };

  explicit Bulkhead(std::vector<compartment> all) : compartments_(std::move(all)) {}

  static typename pool<Resource>::borrowed borrow(const compartment& c, deadline until) {
    pool<Resource> cells = c.cells;
    if (until.is_never()) return cells.borrow_wait();
    if (until.is_at_once()) return cells.borrow();
    return cells.borrow_for(std::chrono::nanoseconds(until.ns() - deadline::now_ns()));
  }

  Permit enter_until(size_t i, deadline until) const {
    if (i >= compartments_.size()) return Permit(outcome::missing);
    const compartment& c = compartments_[i];
    if (c.shared.stopped()) return Permit(outcome::closed);
    auto cell = borrow(c, deadline::at_once());
    if (!cell && !until.is_at_once()) {
      const internal::WaitOf wait(c.shared);
      cell = borrow(c, until);
    }
    if (!cell) {
      c.shared.refused();
      return Permit(until.is_at_once() ? outcome::empty : outcome::timed_out);
    }
    // Stopped meanwhile: the place goes back, and the next one who waits is told the same.
    if (c.shared.stopped()) return Permit(outcome::closed);
    c.shared.entered([&] { return c.cells.stats(); });
    if constexpr (std::is_same_v<Resource, BulkheadTicket>) ++cell->uses;
    return Permit(std::move(cell));
  }

  absl::Status refusal(size_t i, outcome why) const {
    if (why == outcome::missing) return internal::no_such_compartment(i, compartments_.size());
    return compartments_[i].shared.refusal(why, compartments_[i].cells.capacity());
  }
  void set_stopped(bool to) const {
    for (const compartment& c : compartments_) c.shared.set_stopped(to);
  }

  std::vector<compartment> compartments_;
};

Bulkhead(const memory&, size_t, size_t)->Bulkhead<>;
Bulkhead(const memory&, std::string_view, const std::vector<size_t>&)->Bulkhead<>;

}  // namespace zeroipc::patterns

#endif  // ZEROIPC_PATTERNS_BULKHEAD_BULKHEAD_H_
