#include "patterns/saga/saga_log.h"

#include <array>

#include "absl/strings/str_cat.h"
#include "patterns/base/remove_names.h"

namespace zeroipc::patterns {

std::string_view name_of(SagaState s) {
  switch (s) {
    case SagaState::kWaiting:
      return "waiting";
    case SagaState::kRunning:
      return "running";
    case SagaState::kCompensating:
      return "compensating";
    case SagaState::kCompleted:
      return "completed";
    case SagaState::kCompensated:
      return "compensated";
    case SagaState::kStuck:
      return "stuck";
  }
  return "corrupt";
}

namespace internal {
namespace {

constexpr size_t kKeptEvents = 1024;

std::string waiting_name(std::string_view name) { return absl::StrCat(name, "/waiting"); }
std::string events_name(std::string_view name) { return absl::StrCat(name, "/events"); }
std::string counters_name(std::string_view name) { return absl::StrCat(name, "/counters"); }

// What was done before step `r.step` is to be undone, the last first.
void undo_what_was_done(SagaRecord& r, const absl::Status& why) {
  r.why = Failure(why);
  if (r.step == 0) {
    r.state = SagaState::kCompensated;
  } else {
    r.state = SagaState::kCompensating;
    --r.step;
  }
}

}  // namespace

void inherit(SagaRecord& r, const SagaOptions& options) {
  if (r.in_step != 0 && r.state == SagaState::kRunning &&
      options.when_in_doubt == WhenInDoubt::kCompensate) {
    r.state = SagaState::kCompensating;
    r.doubtful = 1;
    r.attempts = 0;
    r.why = Failure(absl::AbortedError(absl::StrCat("its process died at step ", r.step)));
  }
  r.in_step = 0;
}

SagaTurn begin(SagaRecord& r, ProcessId me) {
  if (r.over()) return SagaTurn::kEnd;
  if (r.state == SagaState::kWaiting) r.state = SagaState::kRunning;
  if (r.state == SagaState::kRunning && r.cancelled != 0) {
    undo_what_was_done(r, absl::CancelledError(absl::StrCat("before step ", r.step)));
  } else if (r.state == SagaState::kRunning && r.step == r.steps) {
    r.state = SagaState::kCompleted;
  }
  if (r.over()) return SagaTurn::kEnd;
  r.owner = me;
  r.in_step = 1;
  ++r.attempts;
  return SagaTurn::kGoOn;
}

void end(SagaRecord& r, const absl::Status& how, const SagaOptions& options) {
  r.in_step = 0;
  if (r.state == SagaState::kRunning) {
    r.attempts = 0;
    if (!how.ok()) return undo_what_was_done(r, how);
    if (++r.step == r.steps) r.state = SagaState::kCompleted;
    return;
  }
  if (!how.ok()) {
    if (r.attempts < options.most_attempts) return;
    r.state = SagaState::kStuck;
    r.why = Failure(absl::Status(
        how.code(), absl::StrCat("compensation of step ", r.step, ": ", how.message())));
    return;
  }
  r.attempts = 0;
  r.doubtful = 0;
  if (r.step == 0) {
    r.state = SagaState::kCompensated;
  } else {
    --r.step;
  }
}

SagaStep step_of(uint64_t saga, const SagaRecord& r) {
  return {.saga = saga,
          .step = r.step,
          .compensating = r.state == SagaState::kCompensating,
          .doubtful = r.doubtful != 0,
          .attempt = r.attempts};
}

std::string SagaBoard::records_name(std::string_view name) { return absl::StrCat(name, "/log"); }

absl::Status SagaBoard::check(const memory& mem, std::string_view name, size_t capacity,
                              const SagaOptions& options) {
  if (capacity != 0 && options.most_attempts != 0) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "segment ", mem.name(), ": sagas '", name, "': a capacity of ", capacity, " and a limit of ",
      options.most_attempts, " attempts at a compensation; at least 1 of either"));
}

absl::StatusOr<SagaBoard> SagaBoard::open_or_create(const memory& mem, std::string_view name,
                                                    size_t capacity, const SagaOptions& options) {
  auto events = stream<SagaEvent>::open_or_create(mem, events_name(name), kKeptEvents,
                                                  {.when_full = overflow::overwrite});
  if (!events.ok()) return events.status();
  auto counters = Counters<SagaCounter>::open_or_create(mem, counters_name(name));
  if (!counters.ok()) return counters.status();
  // The last one: whoever finds that, finds the rest.
  auto waiting = channel<uint64_t>::open_or_create(mem, waiting_name(name), capacity);
  if (!waiting.ok()) return waiting.status();
  // All may have died before anybody could notice.
  counters->add(SagaCounter::kAsked);
  return SagaBoard(mem, name, options, *std::move(waiting), *std::move(events),
                   *std::move(counters));
}

void SagaBoard::ended(uint64_t saga, const SagaRecord& r) {
  count(r.state == SagaState::kCompleted     ? SagaCounter::kCompleted
        : r.state == SagaState::kCompensated ? SagaCounter::kCompensated
                                             : SagaCounter::kStuck);
  tell(SagaEventKind::kEnded, saga, r.step);
}

SagaStats SagaBoard::stats() const {
  SagaStats s;
  s.capacity = waiting_.capacity();
  s.started = counters_.get(SagaCounter::kStarted);
  s.completed = counters_.get(SagaCounter::kCompleted);
  s.compensated = counters_.get(SagaCounter::kCompensated);
  s.stuck = counters_.get(SagaCounter::kStuck);
  s.resumed = counters_.get(SagaCounter::kResumed);
  s.doubtful = counters_.get(SagaCounter::kDoubtful);
  s.stopped = waiting_.closed();
  return s;
}

Health SagaBoard::health(const SagaStats& s) const {
  const std::string sagas = absl::StrCat("sagas '", name_, "': ");
  if (s.stuck != 0) return {false, absl::StrCat(sagas, s.stuck, " are stuck in a compensation")};
  if (s.stopped) return {false, absl::StrCat(sagas, "stopped, ", s.waiting + s.running, " left")};
  if (s.waiting + s.running + s.ended >= s.capacity) {
    return {false, absl::StrCat(sagas, "full, ", s.ended, " of ", s.capacity,
                                " are over and not forgotten")};
  }
  return {};
}

std::string SagaBoard::about() const {
  return absl::StrCat("segment ", mem_.name(), ": sagas '", name_, "': ");
}

absl::Status SagaBoard::refused(outcome why) const {
  if (why == outcome::closed) return absl::UnavailableError(absl::StrCat(about(), "stopped"));
  if (why == outcome::full || why == outcome::timed_out) {
    return absl::ResourceExhaustedError(
        absl::StrCat(about(), "there is room for ", waiting_.capacity(),
                     " that wait, and as many that are not forgotten"));
  }
  return absl::InternalError(absl::StrCat(about(), "could not be started: ", why.name()));
}

absl::Status SagaBoard::unknown(uint64_t saga) const {
  return absl::NotFoundError(absl::StrCat(about(), "there is none with the number ", saga));
}

absl::Status SagaBoard::not_in_time(uint64_t saga, const SagaRecord& r) const {
  return absl::DeadlineExceededError(absl::StrCat(
      about(), "number ", saga, " is ", name_of(r.state), ", at step ", r.step, " of ", r.steps));
}

absl::Status SagaBoard::other_steps(uint64_t saga, uint32_t its_steps, size_t our_steps) const {
  return absl::FailedPreconditionError(absl::StrCat(about(), "number ", saga, " was started with ",
                                                    its_steps, " steps; this process has declared ",
                                                    our_steps, ", or others"));
}

absl::Status SagaBoard::remove() const {
  const std::array<std::string, 4> names = {waiting_name(name_), counters_name(name_),
                                            events_name(name_), records_name(name_)};
  return remove_names(mem_, names);
}

}  // namespace internal
}  // namespace zeroipc::patterns
