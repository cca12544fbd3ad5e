// Sagas: transactions of several steps, each with a compensation that undoes it; with a log that outlives the process that carries them out.
//
//   struct Order { uint64_t item; uint32_t amount; };
//   patterns::Sagas<Order> orders(mem, "orders", 1000);
//   orders.add_step("reserve", reserve, release);       // absl::Status reserve(const SagaStep&, Order&); release likewise
//   orders.add_step("charge", charge, refund);
//   orders.add_step("ship", ship, cancel_shipment);
//
//   auto end = orders.execute(order_number, order);     // here and now; or
//   orders.start(order_number, order);                  // by one of the processes that
//   orders.work();                                      // do what there is, until it is stopped
//   auto end = orders.wait_for(order_number, 1min);
//   orders.forget(order_number);
//
// A step that fails has done nothing, and what the steps before it did is undone, the last first. For one saga under a name, as in the
// specification, there is Saga (saga.h).
//
// When to use it: where several things must happen or none, and no lock or transaction covers them all. When not: where one does.
//
// What is promised when a process is killed
//   * A saga that was started is carried out or undone, by another process that has declared the same steps: one that works, or waits for it.
//   * Before a step begins, the log says so, and when it has ended, the log says that, with the saga's data. So an action that has
//     ended is never begun again, and one at which the process died is in doubt: it may have taken effect. As options.when_in_doubt says, it is
//     undone (its compensation is told that it is doubtful), or begun again with the same key.
//   * A compensation at which the process died is begun again, with the same key. EffectLedger (effect_ledger.h) makes an effect happen at
//     most once for each key.
//
// How it works. The log of a saga is one record in a map, under its number: the state, the step, whether it has begun, who is at it, the
// data. Each change is one step of the map's.
//
//   waiting -> running -> completed
//                 |  a step failed, was cancelled, or is in doubt
//                 +-> compensating -> compensated, or stuck: a compensation has failed options.most_attempts times
//
// Overload: start() and execute() answer ResourceExhausted when as many wait, or are not forgotten; or those that are over are forgotten then, as
// options.when_full says.
// Thread safety: handles are thread-safe once all steps are added, cheap to copy, and keep the segment mapped. Progress: blocking; nothing is
// polled. Complexity: O(steps), and O(capacity) after a death. Memory: for each of the capacity and 64 more the data and 190 bytes; 1024 events.
// Source: Garcia-Molina and Salem, Sagas, 1987.
#ifndef ZEROIPC_PATTERNS_SAGA_SAGAS_H_
#define ZEROIPC_PATTERNS_SAGA_SAGAS_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "patterns/base/health.h"
#include "patterns/saga/saga_log.h"
#include "zeroipc/background/callback.h"
#include "zeroipc/base/deadline.h"
#include "zeroipc/base/error.h"
#include "zeroipc/base/hash.h"
#include "zeroipc/base/outcome.h"
#include "zeroipc/map/map.h"
#include "zeroipc/segment/segment.h"

namespace zeroipc::patterns {

template <typename Data>
class Sagas {
 public:
  // What it changes in the data is kept with the end of the step, if that is OK. What it throws is Unknown.
  using Function = std::function<absl::Status(const SagaStep&, Data&)>;

  // Opens them, or creates them; those that exist with another capacity are an error. Throws zeroipc::error.
  Sagas(const memory& mem, std::string_view name, size_t capacity, const SagaOptions& options = {})
      : Sagas(zeroipc::internal::value_or_raise(open_or_create(mem, name, capacity, options))) {}
  // Errors: InvalidArgument (capacity or most_attempts 0), FailedPrecondition (they exist with another capacity or data), and those of
  // creating a map, a channel and a stream.
  static absl::StatusOr<Sagas> open_or_create(const memory& mem, std::string_view name,
                                              size_t capacity, const SagaOptions& options = {}) {
    absl::Status s = internal::SagaBoard::check(mem, name, capacity, options);
    if (!s.ok()) return s;
    auto log = map<uint64_t, Record>::open_or_create(mem, internal::SagaBoard::records_name(name),
                                                     internal::SagaBoard::records_for(capacity));
    if (!log.ok()) return log.status();
    auto board = internal::SagaBoard::open_or_create(mem, name, capacity, options);
    if (!board.ok()) return board.status();
    return Sagas(*std::move(log), *std::move(board));
  }

  // In each process the same ones, before anything else.
  void add_step(std::string_view name, Function action, Function compensation) {
    steps_->all.push_back({std::move(action), std::move(compensation)});
    steps_->hash = hash_words(steps_->hash, fixed_hash(name));
  }

  // Carries it out in this thread. A number is used once: of a saga that exists this is the end, for which it waits. The error of a
  // saga that could not be started: ResourceExhausted, Unavailable, FailedPrecondition (it was started with other steps).
  absl::StatusOr<SagaEnd> execute(uint64_t saga, const Data& data) {
    const outcome put = board_.waiting().closed() ? outcome::closed : insert(saga, data);
    if (put == outcome::exists) return wait_until(saga, deadline::never());
    if (!put) return board_.refused(put);
    Record r;
    if (!claim(saga, r, false)) return wait_until(saga, deadline::never());
    return drive(saga, r);
  }
  // Leaves it to a process that works. AlreadyExists is no error: it has been started.
  absl::Status start(uint64_t saga, const Data& data) {
    return start_until(saga, data, deadline::never());
  }
  template <typename Rep, typename Period>
  absl::Status start_for(uint64_t saga, const Data& data,
                         std::chrono::duration<Rep, Period> timeout) {
    return start_until(saga, data, deadline::after(timeout));
  }
  // How it ended. NotFound; DeadlineExceeded: says where it is. If its process dies, this one goes on with it.
  absl::StatusOr<SagaEnd> wait(uint64_t saga) { return wait_until(saga, deadline::never()); }
  template <typename Rep, typename Period>
  absl::StatusOr<SagaEnd> wait_for(uint64_t saga, std::chrono::duration<Rep, Period> timeout) {
    return wait_until(saga, deadline::after(timeout));
  }
  // Before its next step it is undone. `missing`; `gone`: it is over, or being undone.
  outcome cancel(uint64_t saga) {
    bool in_time = false;
    const outcome r = log_.update(saga, [&](Record& now) {
      in_time = now.state <= SagaState::kRunning;
      if (in_time) now.cancelled = 1;
    });
    return r && !in_time ? outcome(outcome::gone) : r;
  }
  // Its record is room for another one. `missing`; `taken`: it is not over.
  outcome forget(uint64_t saga) {
    Record r;
    if (const outcome got = log_.get(saga, r); !got) return got;
    return r.over() ? log_.erase(saga) : outcome(outcome::taken);
  }
  std::optional<SagaState> state(uint64_t saga) const {
    Record r;
    std::optional<SagaState> found;
    if (log_.get(saga, r)) found = r.state;
    return found;
  }
  std::optional<Data> data(uint64_t saga) const {
    std::optional<Data> found;
    if (const auto r = log_.get(saga)) found.emplace(r->data);
    return found;
  }

  // Carries out what is started, and goes on with what the dead have left, until they are stopped and nothing is left that waits: how many.
  size_t work() { return work_until(deadline::never()); }
  // The same; begins none any more once the time is over.
  template <typename Rep, typename Period>
  size_t work_for(std::chrono::duration<Rep, Period> timeout) {
    return work_until(deadline::after(timeout));
  }
  // Goes on with what the dead have left, if there is something: how many. For a process that neither works nor waits.
  size_t recover() {
    size_t n = 0;
    board_.after_deaths([&] { return look_after_the_dead(n); });
    return n;
  }

  // None is started any more, and who works ends when none waits. By anybody, any number of times.
  void stop() { board_.waiting().close(); }

  // What happens, for who wants to watch: the last 1024, and what comes.
  stream<SagaEvent>& events() { return board_.events(); }
  // O(capacity).
  SagaStats stats() const {
    SagaStats s = board_.stats();
    log_.for_each([&](uint64_t, const Record& r) {
      s.waiting += r.state == SagaState::kWaiting;
      s.running += r.state == SagaState::kRunning || r.state == SagaState::kCompensating;
      s.ended += r.over();
    });
    return s;
  }
  // Not well: one is stuck, they are stopped, or there is no room.
  Health health() const { return board_.health(stats()); }
  // Calls f(uint64_t saga, SagaState, const Data&) for each that is known, in no order.
  template <typename F>
  void for_each(F&& f) const {
    log_.for_each([&](uint64_t saga, const Record& r) { f(saga, r.state, r.data); });
  }
  // Takes their names away. Open handles go on as before.
  absl::Status remove() const { return board_.remove(); }

 private:
  using State = SagaState;
  struct Record : internal::SagaRecord {
    Data data;
  };
  struct Step {
    Function action, compensation;
  };
  struct Steps {
    std::vector<Step> all;
    uint64_t hash = 0;
  };
  using Kind = SagaEventKind;

  Sagas(map<uint64_t, Record> log, internal::SagaBoard board)
      : log_(std::move(log)), board_(std::move(board)) {}

  Record record_of(const Data& data) const {
    Record r{{}, data};
    r.owner = board_.self();
    r.steps = static_cast<uint32_t>(steps_->all.size());
    r.steps_hash = steps_->hash;
    return r;
  }
  bool has_our_steps(const Record& r) const {
    return r.steps == steps_->all.size() && r.steps_hash == steps_->hash;
  }
  // One that this process can go on with.
  bool is_orphan(const Record& r) const {
    return !r.over() && has_our_steps(r) && board_.is_dead(r.owner);
  }
  outcome insert(uint64_t saga, const Data& data) {
    outcome r = log_.insert(saga, record_of(data));
    if (r == outcome::full && board_.options().when_full == WhenLogIsFull::kForgetEnded) {
      forget_ended();
      r = log_.insert(saga, record_of(data));
    }
    if (!r) return r;
    board_.count(internal::SagaCounter::kStarted);
    board_.tell(Kind::kStarted, saga, 0);
    return r;
  }
  void forget_ended() {
    std::vector<uint64_t> found;
    log_.for_each([&](uint64_t saga, const Record& r) {
      if (r.over() && r.state != State::kStuck) found.push_back(saga);
    });
    for (const uint64_t saga : found) log_.erase(saga);
  }
  absl::Status start_until(uint64_t saga, const Data& data, deadline until) {
    // Room for the hint first: then it is never without one, but by a death.
    auto hint = until.is_never() ? board_.waiting().reserve()
                                 : board_.waiting().reserve_for(
                                       std::chrono::nanoseconds(until.ns() - deadline::now_ns()));
    if (!hint) return board_.refused(hint.why());
    const outcome put = insert(saga, data);
    if (put == outcome::exists) return absl::OkStatus();  // and the room goes back
    if (!put) return board_.refused(put);
    *hint = saga;
    hint.commit();
    return absl::OkStatus();
  }

  // For this process: one that waits, or, `inherited`, one whose process has died. Begins its next step.
  bool claim(uint64_t saga, Record& r, bool inherited) {
    bool mine = false, was_begun = false, is_over = false;
    log_.update(saga, [&](Record& now) {
      if (inherited ? !is_orphan(now) : now.state != State::kWaiting || !has_our_steps(now)) return;
      mine = true;
      was_begun = now.in_step != 0 && now.state == State::kRunning;
      if (inherited) internal::inherit(now, board_.options());
      is_over = internal::begin(now, board_.self()) == internal::SagaTurn::kEnd;
      r = now;
    });
    if (!mine) return false;
    if (inherited) {
      board_.count(internal::SagaCounter::kResumed);
      if (was_begun) board_.count(internal::SagaCounter::kDoubtful);
      board_.tell(Kind::kResumed, saga, r.step);
    }
    if (is_over) board_.ended(saga, r);
    return true;
  }
  // Of one that is claimed: to its end.
  SagaEnd drive(uint64_t saga, Record& r) {
    while (!r.over()) {
      const SagaStep step = internal::step_of(saga, r);
      board_.tell(step.compensating ? Kind::kCompensationStarted : Kind::kStepStarted, saga,
                  r.step);
      const absl::Status how = carry_out(step, r.data);
      const bool again = step.compensating && !how.ok();
      log_.update(saga, [&](Record& now) {
        internal::end(now, how, board_.options());
        if (how.ok()) now.data = r.data;
        if (!again) internal::begin(now, board_.self());
        r = now;
      });
      tell_end(step, how);
      if (again && !r.over()) {
        std::this_thread::sleep_for(pause_after(step.attempt));
        log_.update(saga, [&](Record& now) {
          internal::begin(now, board_.self());
          r = now;
        });
      }
      if (r.over()) board_.ended(saga, r);
    }
    return end_of(saga, r);
  }
  static std::chrono::milliseconds pause_after(uint32_t attempt) {
    return std::chrono::milliseconds(1 << std::min<uint32_t>(attempt, 10));
  }
  absl::Status carry_out(const SagaStep& step, Data& data) const {
    const Step& functions = steps_->all[step.step];
    absl::Status how;
    const std::optional<std::string> thrown = zeroipc::internal::message_thrown_by(
        [&] { how = (step.compensating ? functions.compensation : functions.action)(step, data); });
    return thrown ? absl::UnknownError(*thrown) : how;
  }
  void tell_end(const SagaStep& step, const absl::Status& how) {
    const Kind kind = step.compensating
                          ? (how.ok() ? Kind::kCompensationCompleted : Kind::kCompensationFailed)
                          : (how.ok() ? Kind::kStepCompleted : Kind::kStepFailed);
    board_.tell(kind, step.saga, step.step);
  }
  static SagaEnd end_of(uint64_t saga, const Record& r) {
    return {saga, r.state, r.state == State::kCompleted ? absl::OkStatus() : r.why.status()};
  }

  absl::StatusOr<SagaEnd> wait_until(uint64_t saga, deadline until) {
    const auto told = log_.waitable(saga);
    Record r;
    uint64_t seen = 0;
    const outcome got = wait_for_look(told.env, told.event, until, [&](Look look) -> outcome {
      if (look == Look::kQuick && log_.version(saga) == seen) return outcome::empty;
      if (const outcome found = log_.get(saga, r, &seen); !found) return found;
      if (look == Look::kThorough && is_orphan(r) && claim(saga, r, true)) drive(saga, r);
      return r.over() ? outcome::ok : outcome::empty;
    });
    if (got == outcome::missing) return board_.unknown(saga);
    if (got == outcome::empty || got == outcome::timed_out) return not_in_time(saga, r);
    if (!got) return board_.refused(got);
    return end_of(saga, r);
  }
  absl::Status not_in_time(uint64_t saga, const Record& r) const {
    if (board_.is_dead(r.owner) && !has_our_steps(r)) {
      return board_.other_steps(saga, r.steps, steps_->all.size());
    }
    return board_.not_in_time(saga, r);
  }

  size_t work_until(deadline until) {
    size_t n = 0;
    const zeroipc::internal::channel_events<uint64_t> hints(board_.waiting());
    const auto look = [&](Look l) {
      outcome r = carry_out_next(n);
      if (r == outcome::empty && l == Look::kThorough) {
        n += recover();
        r = carry_out_next(n);
      }
      return r;
    };
    while (!until.passed() && wait_for_look(hints.env(), hints.receivable(), until, look)) {
    }
    n += recover();
    return n;
  }
  outcome carry_out_next(size_t& n) {
    for (;;) {
      auto hint = board_.waiting().try_lease();
      // No lease entry: as many others have one, each for a moment.
      if (!hint) return hint.why() == outcome::closed ? outcome::closed : outcome::empty;
      const uint64_t saga = *hint;
      Record r;
      const bool mine = claim(saga, r, false);
      hint.ack();
      if (!mine) continue;
      drive(saga, r);
      ++n;
      return outcome::ok;
    }
  }
  // False if there are some that this process cannot carry out.
  bool look_after_the_dead(size_t& n) {
    std::vector<uint64_t> found;
    bool all = true;
    log_.for_each([&](uint64_t saga, const Record& r) {
      if (is_orphan(r)) found.push_back(saga);
      all &= r.over() || has_our_steps(r) || !board_.is_dead(r.owner);
    });
    for (const uint64_t saga : found) {
      Record r;
      if (!claim(saga, r, true)) continue;
      drive(saga, r);
      ++n;
    }
    return all;
  }

  map<uint64_t, Record> log_;
  internal::SagaBoard board_;
  std::shared_ptr<Steps> steps_ = std::make_shared<Steps>();
};

}  // namespace zeroipc::patterns

#endif  // ZEROIPC_PATTERNS_SAGA_SAGAS_H_
