// WorkerPool: tasks that some processes submit, workers in any number of others do, and whose results come back, each once.
//
//   // who has the tasks
//   patterns::WorkerPool<Task, Result> pool(mem, "renders", 1000);
//   for (const Task& t : tasks) pool.submit(t);          // waits while 1000 tasks wait
//   pool.close();
//   while (auto done = pool.collect()) {                 // ends when all that was submitted is collected
//     if (done->result.ok()) use(*done->result);
//   }
//
//   // each worker; as many as there are, and they may come and go
//   patterns::WorkerPool<Task, Result> pool(mem, "renders");
//   pool.work([](const Task& t) { return render(t); });  // until it is closed and nothing is left
//
// When to use it: for tasks whose results somebody wants, in any order. When not: for one piece of work in known shares, use ForkJoin; for a
// flow without results, producer-consumer; for a question that is answered to who asked it, request-response.
//
// What is promised when a process is killed
//   * A task that was submitted has one result, and that is collected once. One whose submit() did not return may have been submitted.
//   * A worker's task is begun again by another, as soon as the death is noticed: what the function had done elsewhere is done again. A
//     task at which options.most_deaths workers have died has failed: it is collected as an error, with the task.
//   * Who dies after collect() returned has the result; who dies in the handler of collect(f) has not, and another one gets it.
// Nobody waits for a task that nobody can finish, but where no worker is left, for one.
//
// How it works. The truth is one record for each task, in a map: the task, its state, its result, and who is to see to it that others learn
// of that state. Each change is one step:
//
//   submit -> waiting -> at work -> done or failed -> [collecting ->] erased
//               ^           |            ^                |
//               +-----------+ death      +----------------+ death, or a handler that throws
//
// Two channels of numbers tell workers and collectors which records to look at. They are hints: a number may come twice, or for nothing. If a
// process dies between a change and its hint, whoever notices the death looks at all records, and gives the hint.
//
// Overload: submit() waits, try_submit() refuses, submit_for() does the one and then the other. Workers wait while as many results are
// uncollected; so who submits and collects in one thread collects in between, or has room for all.
// Thread safety: handles are thread-safe, cheap to copy, and keep the segment mapped. Up to 256 workers, and as many collectors, at a time.
// Progress: blocking; nothing is polled. Complexity: O(1), and O(capacity) after a death and at the end.
// Memory: twice the capacity and 512 records of a task, a result and 128 bytes; 32 bytes for each of the capacity.
#ifndef ZEROIPC_PATTERNS_WORKER_POOL_WORKER_POOL_H_
#define ZEROIPC_PATTERNS_WORKER_POOL_WORKER_POOL_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "patterns/base/health.h"
#include "patterns/worker_pool/task_board.h"
#include "zeroipc/background/callback.h"
#include "zeroipc/base/deadline.h"
#include "zeroipc/base/error.h"
#include "zeroipc/base/outcome.h"
#include "zeroipc/map/map.h"
#include "zeroipc/segment/segment.h"

namespace zeroipc::patterns {

// Whether a task was submitted, and then its number.
class Submission {
 public:
  explicit Submission(uint64_t number) : number_(number) {}
  explicit Submission(outcome why) : why_(why) {}

  explicit operator bool() const { return static_cast<bool>(why_); }
  // `full` (try_, and where results are left uncollected), `timed_out` (_for), `closed`, `exhausted`.
  outcome why() const { return why_; }
  // Counted from 1. REQUIRES: it was submitted.
  uint64_t number() const { return number_; }

 private:
  uint64_t number_ = 0;
  outcome why_;
};

template <typename Task, typename Result>
struct TaskResult {
  uint64_t number;
  Task task;
  // Aborted: most_deaths workers have died at it; Cancelled; what its function returned, or Unknown with what it threw.
  absl::StatusOr<Result> result;
  uint32_t deaths;  // workers that have died at it
};

template <typename Task, typename Result>
class WorkerPool {
 public:
  using Collected = TaskResult<Task, Result>;

  // Opens the pool, or creates it; one that exists with another capacity is an error. Throws zeroipc::error.
  WorkerPool(const memory& mem, std::string_view name, size_t capacity,
             const WorkerPoolOptions& options = {})
      : WorkerPool(
            zeroipc::internal::value_or_raise(open_or_create(mem, name, capacity, options))) {}
  // Opens one that exists. Throws zeroipc::error.
  WorkerPool(const memory& mem, std::string_view name, const WorkerPoolOptions& options = {})
      : WorkerPool(zeroipc::internal::value_or_raise(open(mem, name, options))) {}
  // Errors: InvalidArgument (capacity or most_deaths 0), FailedPrecondition (it exists with another capacity or other types), NotFound, and
  // those of creating a map and channels.
  static absl::StatusOr<WorkerPool> open_or_create(const memory& mem, std::string_view name,
                                                   size_t capacity,
                                                   const WorkerPoolOptions& options = {}) {
    const absl::Status s = internal::TaskBoard::check(mem, name, capacity, options);
    if (!s.ok()) return s;
    auto records = map<uint64_t, Record>::open_or_create(
        mem, internal::TaskBoard::records_name(name), internal::TaskBoard::records_for(capacity));
    return with(std::move(records),
                internal::TaskBoard::open_or_create(mem, name, capacity, options));
  }
  static absl::StatusOr<WorkerPool> open(const memory& mem, std::string_view name,
                                         const WorkerPoolOptions& options = {}) {
    const absl::Status s = internal::TaskBoard::check(mem, name, 1, options);
    if (!s.ok()) return s;
    auto board = internal::TaskBoard::open(mem, name, options);
    if (!board.ok()) return board.status();
    return with(map<uint64_t, Record>::open(mem, internal::TaskBoard::records_name(name)),
                std::move(board));
  }

  // --- who has tasks ---

  Submission submit(const Task& task) { return submit_until(task, deadline::never()); }
  Submission try_submit(const Task& task) { return submit_until(task, deadline::at_once()); }
  template <typename Rep, typename Period>
  Submission submit_for(const Task& task, std::chrono::duration<Rep, Period> timeout) {
    return submit_until(task, deadline::after(timeout));
  }
  // No task from now on. Workers end when all are done, collectors when all are collected. By anybody, any number of times.
  void close() {
    board_.set_closing();
    end_if_over();
  }
  // Closes it, and those that nobody has begun fail with Cancelled and this text. How many.
  size_t cancel(std::string_view why) {
    board_.set_closing();
    size_t n = 0;
    Taken t;
    while (take(t, deadline::at_once())) {
      finish(t.number, deadline::at_once(), [&](Record& r) { r.fail(absl::CancelledError(why)); });
      ++n;
    }
    end_if_over();
    return n;
  }

  // --- workers ---

  // Does tasks: f(const Task&), which returns a Result or an absl::StatusOr<Result>. What it throws is the task's error. Until the pool is
  // closed and nothing is left, others' tasks included, for they may die; or retire() sends this worker away. How many it has done.
  template <typename F>
  size_t work(F&& f) {
    return work_until(f, deadline::never(), [] { return deadline::never(); });
  }
  // The same; takes no task any more once the time is over.
  template <typename Rep, typename Period, typename F>
  size_t work_for(std::chrono::duration<Rep, Period> timeout, F&& f) {
    const deadline until = deadline::after(timeout);
    return work_until(f, until, [&] { return until; });
  }
  // The same; leaves when no task has come for that long: for workers that are started when there is much to do.
  template <typename Rep, typename Period, typename F>
  size_t work_until_idle_for(std::chrono::duration<Rep, Period> idle, F&& f) {
    return work_until(f, deadline::never(), [&] { return deadline::after(idle); });
  }
  // So many workers leave, each when it has done what it is at, after the tasks that wait now. How many could be told: fewer when it is full.
  size_t retire(size_t workers) {
    size_t n = 0;
    while (n < workers && board_.todo().try_send(internal::TaskBoard::kRetire)) ++n;
    return n;
  }

  // --- who wants results ---

  // The next one, in the order in which they are done. None: it is closed and all are collected, or not now, or not in that time.
  std::optional<Collected> collect() { return collect_until(deadline::never()); }
  std::optional<Collected> try_collect() { return collect_until(deadline::at_once()); }
  template <typename Rep, typename Period>
  std::optional<Collected> collect_for(std::chrono::duration<Rep, Period> timeout) {
    return collect_until(deadline::after(timeout));
  }
  // The same with f(const Collected&): it has been collected when that has returned. What it throws is reported
  // (set_callback_error_handler), and the result is there again. `closed`; `empty` (try_), `timed_out` (_for).
  template <typename F>
  outcome collect(F&& f) {
    return collect_with(f, deadline::never());
  }
  template <typename F>
  outcome try_collect(F&& f) {
    return collect_with(f, deadline::at_once());
  }
  template <typename Rep, typename Period, typename F>
  outcome collect_for(std::chrono::duration<Rep, Period> timeout, F&& f) {
    return collect_with(f, deadline::after(timeout));
  }

  // O(capacity).
  WorkerPoolStats stats() const {
    WorkerPoolStats s = board_.stats();
    records_.for_each([&](uint64_t, const Record& r) {
      s.waiting += r.state == State::kWaiting;
      s.at_work += r.state == State::kAtWork;
      s.uncollected += r.state > State::kAtWork;
    });
    return s;
  }
  // Not well: closed, full of tasks or results, a task was given up, or tasks wait and nobody is at work.
  Health health() const { return board_.health(stats()); }
  // Takes its names away. Open handles go on as before.
  absl::Status remove() const { return board_.remove(); }
  const std::string& name() const { return board_.name(); }

 private:
  using State = internal::TaskState;
  struct Record : internal::TaskRecord {
    Task task;
    alignas(Result) std::byte result[sizeof(Result)];  // kDone; need not have a default constructor
  };
  // What a worker has begun.
  struct Taken {
    uint64_t number = 0;
    std::optional<Task> task;
  };

  WorkerPool(map<uint64_t, Record> records, internal::TaskBoard board)
      : records_(std::move(records)),
        board_(std::move(board)),
        where_("worker pool '" + board_.name() + "', collector") {}
  static absl::StatusOr<WorkerPool> with(absl::StatusOr<map<uint64_t, Record>> records,
                                         absl::StatusOr<internal::TaskBoard> board) {
    if (!records.ok()) return records.status();
    if (!board.ok()) return board.status();
    return WorkerPool(*std::move(records), *std::move(board));
  }

  Submission submit_until(const Task& task, deadline until) {
    // Room for the hint first: from then on who closes the pool waits for it.
    auto hint = reserve_until(until);
    if (!hint) return Submission(hint.why());
    if (board_.closing()) {
      hint.abort();
      end_if_over();
      return Submission(outcome::closed);
    }
    const uint64_t number = board_.next_number();
    const outcome r = records_.insert(number, waiting(task));
    if (!r) return Submission(r);
    *hint = number;
    hint.commit();
    board_.count(internal::PoolEvent::kSubmitted);
    return Submission(number);
  }
  typename channel<uint64_t>::reservation reserve_until(deadline until) {
    if (until.is_never()) return board_.todo().reserve();
    if (until.is_at_once()) return board_.todo().try_reserve();
    return board_.todo().reserve_for(std::chrono::nanoseconds(until.ns() - deadline::now_ns()));
  }
  Record waiting(const Task& task) const {
    Record r{{}, task, {}};
    r.who = board_.self();
    return r;
  }

  // A task for this worker: waiting -> at work. `closed`; `gone`: it is to leave; `empty` or `timed_out`.
  outcome take(Taken& t, deadline until) {
    return board_.wait(board_.todo(), until, [&](Look look) {
      const outcome r = take_now(t);
      if (r != outcome::empty || look == Look::kQuick) return r;
      repair();
      end_if_over();
      return take_now(t);
    });
  }
  outcome take_now(Taken& t) {
    for (;;) {
      auto hint = board_.todo().try_lease();
      // No lease entry: 256 others have one, each for a moment.
      if (!hint) return hint.why() == outcome::closed ? outcome::closed : outcome::empty;
      const uint64_t number = *hint;
      bool mine = false;
      if (number != internal::TaskBoard::kRetire) {
        records_.update(number, [&](Record& r) {
          if (r.state != State::kWaiting) return;
          begin(r, State::kAtWork);
          t.number = number;
          t.task.emplace(r.task);
          mine = true;
        });
      }
      hint.ack();
      if (number == internal::TaskBoard::kRetire) return outcome::gone;
      if (mine) return outcome::ok;
    }
  }

  void begin(Record& r, State as) const {
    r.state = as;
    r.who = board_.self();
    r.unannounced = 0;
  }

  // at work -> what `set` makes of it, and tells a collector.
  template <typename F>
  void finish(uint64_t number, deadline until, F&& set) {
    records_.update(number, [&](Record& r) {
      if (r.state == State::kAtWork && r.who == board_.self()) set(r);
    });
    if (!send_until(board_.done(), number, until)) leave_unannounced(number);
  }
  static outcome send_until(channel<uint64_t>& to, uint64_t number, deadline until) {
    if (until.is_never()) return to.send(number);
    return to.send_for(number, std::chrono::nanoseconds(until.ns() - deadline::now_ns()));
  }
  // Whoever looks at all records next gives the hint.
  void leave_unannounced(uint64_t number) {
    records_.update(number, [](Record& r) { r.unannounced = 1; });
    board_.ask_for_look();
  }

  // `waits_until()`: how long it may wait for the next one.
  template <typename F, typename Until>
  size_t work_until(F& f, deadline last, Until&& waits_until) {
    size_t done = 0;
    Taken t;
    while (!last.passed() && take(t, waits_until())) {
      std::optional<absl::StatusOr<Result>> made;
      const std::optional<std::string> thrown =
          zeroipc::internal::message_thrown_by([&] { made.emplace(f(std::as_const(*t.task))); });
      if (thrown) made.emplace(absl::UnknownError(*thrown));
      finish(t.number, waits_until(), [&](Record& r) {
        if (!made->ok()) return r.fail(made->status());
        r.state = State::kDone;
        std::memcpy(r.result, &**made, sizeof(Result));
      });
      ++done;
    }
    end_if_over();
    return done;
  }

  // done or failed -> collecting. `closed`, `empty`, `timed_out`.
  outcome take_result(std::optional<Collected>& c, deadline until) {
    return board_.wait(board_.done(), until, [&](Look look) {
      const outcome r = take_result_now(c);
      if (r != outcome::empty || look == Look::kQuick) return r;
      repair();
      end_if_over();
      return take_result_now(c);
    });
  }
  outcome take_result_now(std::optional<Collected>& c) {
    for (;;) {
      auto hint = board_.done().try_lease();
      if (!hint) return hint.why() == outcome::closed ? outcome::closed : outcome::empty;
      bool mine = false;
      records_.update(*hint, [&](Record& r) {
        if (r.state != State::kDone && r.state != State::kFailed) return;
        c.emplace(*hint, r.task, result_of(r), r.deaths);
        begin(r, State::kCollecting);
        mine = true;
      });
      hint.ack();
      if (mine) return outcome::ok;
    }
  }
  static absl::StatusOr<Result> result_of(const Record& r) {
    if (r.state == State::kFailed) return r.failure.status();
    return *reinterpret_cast<const Result*>(r.result);
  }
  void collected(const Collected& c) {
    records_.erase(c.number);
    board_.count(internal::PoolEvent::kCollected);
    if (!c.result.ok()) board_.count(internal::PoolEvent::kFailedOnes);
    if (board_.closing()) end_if_over();
  }
  std::optional<Collected> collect_until(deadline until) {
    std::optional<Collected> c;
    if (!take_result(c, until)) return std::nullopt;
    collected(*c);
    return c;
  }
  template <typename F>
  outcome collect_with(F& f, deadline until) {
    std::optional<Collected> c;
    if (const outcome r = take_result(c, until); !r) return r;
    if (zeroipc::internal::call_back(where_, [&] { f(std::as_const(*c)); })) {
      collected(*c);
    } else {
      records_.update(c->number, [&](Record& r) { back_from_collector(r); });
      leave_unannounced(c->number);
    }
    return outcome::ok;
  }
  // The result is as it was.
  static void back_from_collector(Record& r) {
    r.state = r.failure ? State::kFailed : State::kDone;
  }

  // After a death: what the dead one was at goes on, and what it was to announce is announced.
  void repair() {
    board_.after_deaths([&] {
      std::vector<uint64_t> found;
      records_.for_each([&](uint64_t number, const Record& r) {
        if (r.unannounced != 0 || board_.is_dead(r.who)) found.push_back(number);
      });
      bool all = true;
      for (const uint64_t number : found) all &= repair(number);
      return all;
    });
  }
  // False if there is no room for the hint now.
  bool repair(uint64_t number) {
    State state{};
    bool begun_again = false, poisoned = false;
    records_.update(number, [&](Record& r) {
      if (board_.is_dead(r.who)) {
        if (r.state == State::kAtWork) {
          poisoned = ++r.deaths >= board_.most_deaths();
          begun_again = !poisoned;
          r.state = State::kWaiting;
          if (poisoned) r.fail(internal::TaskBoard::poisoned(r.deaths));
        } else if (r.state == State::kCollecting) {
          back_from_collector(r);
        }
        r.unannounced = 1;
      }
      if (r.unannounced != 0) state = r.state;
    });
    if (begun_again) board_.count(internal::PoolEvent::kRetried);
    if (poisoned) board_.count(internal::PoolEvent::kPoisoned);
    if (state == State{}) return true;  // another one has done it
    channel<uint64_t>& to = state == State::kWaiting ? board_.todo() : board_.done();
    if (!to.try_send(number)) return false;
    records_.update(number, [&](Record& r) {
      if (r.state != state || r.unannounced == 0) return;
      r.unannounced = 0;
      r.who = {};
    });
    return true;
  }

  // When it is closing: workers have nothing to wait for once no task waits or is at work, and collectors once no record is left.
  void end_if_over() {
    if (!board_.closing() || !only_stale_hints()) return;
    bool work = false, any = false;
    records_.for_each([&](uint64_t, const Record& r) {
      any = true;
      work |= r.state <= State::kAtWork;
    });
    if (!work) board_.todo().close();
    if (!any) board_.done().close();
  }
  // Takes away hints that mean nothing. False if there is one that means something, or one on the way: a task that waits.
  bool only_stale_hints() {
    for (;;) {
      auto hint = board_.todo().try_lease();
      if (!hint) return board_.todo().size() == 0;
      const uint64_t number = *hint;
      if (waits(number)) return false;  // and the hint goes back
      hint.ack();
    }
  }
  bool waits(uint64_t number) const {
    bool found = false;
    if (const auto r = records_.get(number)) found = r->state == State::kWaiting;
    return found;
  }

  map<uint64_t, Record> records_;
  internal::TaskBoard board_;
  std::string where_;
};

}  // namespace zeroipc::patterns

#endif  // ZEROIPC_PATTERNS_WORKER_POOL_WORKER_POOL_H_
