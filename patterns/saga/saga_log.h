// What is known of a saga, and what sagas have that does not depend on their data. How the parts go together: sagas.h.
#ifndef ZEROIPC_PATTERNS_SAGA_SAGA_LOG_H_
#define ZEROIPC_PATTERNS_SAGA_SAGA_LOG_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "patterns/base/counters.h"
#include "patterns/base/failure.h"
#include "patterns/base/health.h"
#include "patterns/base/look.h"
#include "patterns/base/process_id.h"
#include "zeroipc/base/outcome.h"
#include "zeroipc/channel/channel.h"
#include "zeroipc/segment/segment.h"
#include "zeroipc/stream/stream.h"

namespace zeroipc::patterns {

// One effect of one saga: the same after each death and restart. No padding, so that it can be a key.
struct EffectKey {
  uint64_t saga = 0;
  uint32_t step = 0;
  uint32_t is_compensation = 0;

  friend bool operator==(const EffectKey&, const EffectKey&) = default;
};

// What a step is told.
struct SagaStep {
  uint64_t saga = 0;
  uint32_t step = 0;  // from 0
  bool compensating = false;
  // Compensating: its process died at the action, which may have taken effect or not.
  bool doubtful = false;
  uint32_t attempt =
      1;  // more if it was begun before, and its process died, or, compensating, it failed

  EffectKey key() const { return {saga, step, compensating ? 1u : 0u}; }
};

// What is done with an action whose process has died at it.
enum class WhenInDoubt {
  kCompensate,  // it is not begun again: the saga is undone, with the step that is in doubt first
  kRepeat,  // it is begun again with the same key: for actions that find out by that whether they have happened
};

// What is done with those that are over when there is no room for another one.
enum class WhenLogIsFull {
  kRefuse,       // nothing: forget() is for who has seen how they ended
  kForgetEnded,  // all but the stuck are forgotten; who waits for one of them is told NotFound
};

struct SagaOptions {
  WhenLogIsFull when_full = WhenLogIsFull::kRefuse;
  WhenInDoubt when_in_doubt = WhenInDoubt::kCompensate;
  // So often is a compensation begun. Then the saga is stuck: somebody has to look after it.
  uint32_t most_attempts = 5;
};

enum class SagaState : uint32_t {
  kWaiting = 1,  // for a worker
  kRunning,
  kCompensating,
  kCompleted,    // from here on it is over
  kCompensated,  // all that was done has been undone
  kStuck,        // a compensation failed for good
};
std::string_view name_of(SagaState s);

// How a saga ended, and what failed first.
struct SagaEnd {
  uint64_t saga = 0;
  SagaState state = SagaState::kCompleted;
  absl::Status why;  // of a saga that has not completed

  bool completed() const { return state == SagaState::kCompleted; }
};

enum class SagaEventKind : uint32_t {
  kStarted = 1,
  kStepStarted,
  kStepCompleted,
  kStepFailed,
  kCompensationStarted,
  kCompensationCompleted,
  kCompensationFailed,
  kResumed,  // after its process's death
  kEnded,
};

// For who wants to watch; the truth is in the log.
struct SagaEvent {
  SagaEventKind kind;
  uint32_t step;
  uint64_t saga;
};

struct SagaStats {
  // Now.
  uint64_t capacity = 0;  // sagas that are known, those that are over included
  uint64_t waiting = 0;
  uint64_t running = 0;  // or compensating
  uint64_t ended = 0;    // and not forgotten
  // Since it was created.
  uint64_t started = 0;
  uint64_t completed = 0;
  uint64_t compensated = 0;
  uint64_t stuck = 0;
  uint64_t resumed = 0;   // taken over from the dead
  uint64_t doubtful = 0;  // of those: in the middle of an action
  bool stopped = false;
};

namespace internal {

enum class SagaCounter {
  kScanned,  // the last death after which all sagas were looked at
  kAsked,    // how often that was not enough
  kStarted,
  kCompleted,
  kCompensated,
  kStuck,
  kResumed,
  kDoubtful,
  kCount
};

// The log of one saga but for its data. Changed as a whole, under its key in the map; a step's beginning before it begins, its end with the data.
struct SagaRecord {
  SagaState state = SagaState::kWaiting;
  uint32_t step = 0;
  ProcessId owner;       // who sees to it that it goes on; of one that waits: who started it
  uint32_t in_step = 0;  // 1: the step has begun
  uint32_t attempts = 0;
  uint32_t doubtful = 0;
  uint32_t cancelled = 0;
  uint32_t steps = 0;  // how many it has, and their names' hash
  uint64_t steps_hash = 0;
  Failure why;

  bool over() const { return state >= SagaState::kCompleted; }
};

// The transitions. What they answer is what to tell others.
enum class SagaTurn {
  kGoOn,  // begin what the record says
  kEnd,
};
// Who takes it over finds a step that was begun.
void inherit(SagaRecord& r, const SagaOptions& options);
// Begins the step, if it is not over.
SagaTurn begin(SagaRecord& r, ProcessId me);
// The step has ended.
void end(SagaRecord& r, const absl::Status& how, const SagaOptions& options);
SagaStep step_of(uint64_t saga, const SagaRecord& r);

class SagaBoard {
 public:
  static std::string records_name(std::string_view name);
  // Sagas may be begun by so many processes at once beyond the capacity.
  static constexpr size_t records_for(size_t capacity) { return capacity + 64; }
  static absl::Status check(const memory& mem, std::string_view name, size_t capacity,
                            const SagaOptions& options);
  static absl::StatusOr<SagaBoard> open_or_create(const memory& mem, std::string_view name,
                                                  size_t capacity, const SagaOptions& options);

  channel<uint64_t>& waiting() { return waiting_; }
  const channel<uint64_t>& waiting() const { return waiting_; }
  stream<SagaEvent>& events() { return events_; }
  const SagaOptions& options() const { return options_; }
  ProcessId self() const { return this_process(mem_); }
  bool is_dead(ProcessId who) const { return who && patterns::is_dead(mem_, who); }

  void count(SagaCounter c) const { counters_.add(c); }
  void tell(SagaEventKind kind, uint64_t saga, uint32_t step) { events_.emit({kind, step, saga}); }
  // Counts it, and tells it.
  void ended(uint64_t saga, const SagaRecord& r);
  bool after_deaths(absl::FunctionRef<bool()> look) const {
    return patterns::after_deaths(mem_, counters_, SagaCounter::kScanned, SagaCounter::kAsked,
                                  look);
  }

  SagaStats stats() const;
  Health health(const SagaStats& s) const;
  absl::Status refused(outcome why) const;
  absl::Status unknown(uint64_t saga) const;
  absl::Status not_in_time(uint64_t saga, const SagaRecord& r) const;
  absl::Status other_steps(uint64_t saga, uint32_t its_steps, size_t our_steps) const;
  absl::Status remove() const;
  const std::string& name() const { return name_; }

 private:
  SagaBoard(const memory& mem, std::string_view name, const SagaOptions& options,
            channel<uint64_t> waiting, stream<SagaEvent> events, Counters<SagaCounter> counters)
      : mem_(mem),
        name_(name),
        options_(options),
        waiting_(std::move(waiting)),
        events_(std::move(events)),
        counters_(std::move(counters)) {}
  std::string about() const;

  memory mem_;
  std::string name_;
  SagaOptions options_;
  channel<uint64_t> waiting_;  // hints
  stream<SagaEvent> events_;
  Counters<SagaCounter> counters_;
};

}  // namespace internal
}  // namespace zeroipc::patterns

#endif  // ZEROIPC_PATTERNS_SAGA_SAGA_LOG_H_
