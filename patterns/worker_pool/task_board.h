// What a worker pool has that does not depend on its types: who is told of what, the end, the counters. How the parts go together:
// worker_pool.h.
#ifndef ZEROIPC_PATTERNS_WORKER_POOL_TASK_BOARD_H_
#define ZEROIPC_PATTERNS_WORKER_POOL_TASK_BOARD_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "patterns/base/counters.h"
#include "patterns/base/failure.h"
#include "patterns/base/health.h"
#include "patterns/base/look.h"
#include "patterns/base/process_id.h"
#include "zeroipc/base/deadline.h"
#include "zeroipc/base/outcome.h"
#include "zeroipc/channel/channel.h"
#include "zeroipc/segment/segment.h"

namespace zeroipc::patterns {

struct WorkerPoolOptions {
  // So many workers may die at a task. Then it has failed, and is not tried again.
  uint32_t most_deaths = 3;
};

struct WorkerPoolStats {
  // Now.
  uint64_t capacity = 0;     // tasks that may wait
  uint64_t waiting = 0;      // tasks that nobody has begun
  uint64_t at_work = 0;      // and that somebody has: as many workers are busy
  uint64_t uncollected = 0;  // results that nobody has collected
  // Since it was created.
  uint64_t submitted = 0;
  uint64_t collected = 0;
  uint64_t failed = 0;    // of those collected
  uint64_t retried = 0;   // begun again after a death
  uint64_t poisoned = 0;  // given up after most_deaths
  bool closed = false;
};

namespace internal {

enum class TaskState : uint32_t {
  kWaiting = 1,  // who: its submitter
  kAtWork,       // who: the worker
  kDone,         // who: the worker; likewise kFailed
  kFailed,
  kCollecting,  // who: the collector, whose handler sees it
};

// What is known of a task but for itself and its result. Changed as a whole, under its key in the map.
struct TaskRecord {
  TaskState state = TaskState::kWaiting;
  // Who sees to it that others are told of the state. When it is dead, anybody does; nobody: they have been told.
  ProcessId who;
  uint32_t unannounced = 0;  // 1: they have not, though it lives, for there was no room
  uint32_t deaths = 0;
  Failure failure;  // kFailed

  void fail(const absl::Status& why) {
    state = TaskState::kFailed;
    failure = Failure(why);
  }
};

enum class PoolEvent {
  kNumbers,  // tasks that were given a number
  kClosing,  // not 0: no task any more
  kScanned,  // the last death after which all records were looked at
  kRescan,   // how often that was not enough
  kSubmitted,
  kCollected,
  kFailedOnes,
  kRetried,
  kPoisoned,
  kCount
};

class TaskBoard {
 public:
  // Under this number a worker is told to leave.
  static constexpr uint64_t kRetire = 0;

  // Records that there may be at once: those that wait or are done, as many as the capacity of each, and what workers and collectors are at.
  static constexpr size_t records_for(size_t capacity) { return 2 * capacity + 512; }
  static std::string records_name(std::string_view name);

  static absl::Status check(const memory& mem, std::string_view name, size_t capacity,
                            const WorkerPoolOptions& options);
  static absl::StatusOr<TaskBoard> open_or_create(const memory& mem, std::string_view name,
                                                  size_t capacity,
                                                  const WorkerPoolOptions& options);
  static absl::StatusOr<TaskBoard> open(const memory& mem, std::string_view name,
                                        const WorkerPoolOptions& options);

  // Numbers of tasks that wait, and of those that are done. They are hints: a number may be there twice, or its task gone.
  channel<uint64_t>& todo() { return todo_; }
  channel<uint64_t>& done() { return done_; }

  ProcessId self() const { return this_process(mem_); }
  bool is_dead(ProcessId who) const { return who && patterns::is_dead(mem_, who); }
  uint32_t most_deaths() const { return options_.most_deaths; }

  uint64_t next_number() const;
  void count(PoolEvent e) const { counters_.add(e); }
  // Who says that it is closing and then finds a record or a hint, or none, and who changes one and then asks whether it is closing: one of the
  // two sees the other.
  void set_closing() const;
  bool closing() const;

  // Looks at all records if somebody has died since the last time: `look` answers whether all that it found could be announced.
  // True if it was called.
  bool after_deaths(absl::FunctionRef<bool()> look) const;
  // So that they are looked at.
  void ask_for_look() const { counters_.add(PoolEvent::kRescan); }

  // For a number in `hints`, or its end.
  static outcome wait(const channel<uint64_t>& hints, deadline until,
                      absl::FunctionRef<outcome(Look)> look);

  static absl::Status poisoned(uint32_t deaths);
  WorkerPoolStats stats() const;
  Health health(const WorkerPoolStats& s) const;
  absl::Status remove() const;
  const std::string& name() const { return name_; }

 private:
  TaskBoard(const memory& mem, std::string_view name, const WorkerPoolOptions& options,
            channel<uint64_t> todo, channel<uint64_t> done, Counters<PoolEvent> counters)
      : mem_(mem),
        name_(name),
        options_(options),
        todo_(std::move(todo)),
        done_(std::move(done)),
        counters_(std::move(counters)) {}
  static absl::StatusOr<TaskBoard> with(const memory& mem, std::string_view name,
                                        const WorkerPoolOptions& options,
                                        absl::StatusOr<channel<uint64_t>> done,
                                        absl::StatusOr<channel<uint64_t>> todo);

  memory mem_;
  std::string name_;
  WorkerPoolOptions options_;
  channel<uint64_t> todo_, done_;
  Counters<PoolEvent> counters_;
};

}  // namespace internal
}  // namespace zeroipc::patterns

#endif  // ZEROIPC_PATTERNS_WORKER_POOL_TASK_BOARD_H_
