#include "patterns/worker_pool/task_board.h"

#include <array>

#include "absl/strings/str_cat.h"
#include "patterns/base/remove_names.h"
#include "zeroipc/participant/participant.h"

namespace zeroipc::patterns::internal {
namespace {

std::string todo_name(std::string_view name) { return absl::StrCat(name, "/tasks"); }
std::string done_name(std::string_view name) { return absl::StrCat(name, "/done"); }
std::string counters_name(std::string_view name) { return absl::StrCat(name, "/counters"); }

}  // namespace

std::string TaskBoard::records_name(std::string_view name) {
  return absl::StrCat(name, "/records");
}

absl::Status TaskBoard::check(const memory& mem, std::string_view name, size_t capacity,
                              const WorkerPoolOptions& options) {
  if (capacity != 0 && options.most_deaths != 0) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "segment ", mem.name(), ": worker pool '", name, "': a capacity of ", capacity,
      " tasks and a limit of ", options.most_deaths, " deaths at each; at least 1 of either"));
}

absl::StatusOr<TaskBoard> TaskBoard::with(const memory& mem, std::string_view name,
                                          const WorkerPoolOptions& options,
                                          absl::StatusOr<channel<uint64_t>> done,
                                          absl::StatusOr<channel<uint64_t>> todo) {
  if (!todo.ok()) return todo.status();
  if (!done.ok()) return done.status();
  auto counters = Counters<PoolEvent>::open_or_create(mem, counters_name(name));
  if (!counters.ok()) return counters.status();
  // All may have died before anybody could notice.
  counters->add(PoolEvent::kRescan);
  return TaskBoard(mem, name, options, *std::move(todo), *std::move(done), *std::move(counters));
}

absl::StatusOr<TaskBoard> TaskBoard::open_or_create(const memory& mem, std::string_view name,
                                                    size_t capacity,
                                                    const WorkerPoolOptions& options) {
  auto done = channel<uint64_t>::open_or_create(mem, done_name(name), capacity);
  // The last one: whoever finds that, finds the rest.
  return with(mem, name, options, std::move(done),
              channel<uint64_t>::open_or_create(mem, todo_name(name), capacity));
}

absl::StatusOr<TaskBoard> TaskBoard::open(const memory& mem, std::string_view name,
                                          const WorkerPoolOptions& options) {
  auto todo = channel<uint64_t>::open(mem, todo_name(name));
  if (!todo.ok()) return todo.status();
  return with(mem, name, options, channel<uint64_t>::open(mem, done_name(name)), std::move(todo));
}

uint64_t TaskBoard::next_number() const { return counters_.add(PoolEvent::kNumbers) + 1; }

void TaskBoard::set_closing() const {
  counters_.raise_to(PoolEvent::kClosing, 1);
  mem_.attachment()->self->heavy_fence();  // pairs with the light one below
}

bool TaskBoard::closing() const {
  mem_.attachment()->self->light_fence();
  return counters_.get(PoolEvent::kClosing) != 0;
}

bool TaskBoard::after_deaths(absl::FunctionRef<bool()> look) const {
  return patterns::after_deaths(mem_, counters_, PoolEvent::kScanned, PoolEvent::kRescan, look);
}

outcome TaskBoard::wait(const channel<uint64_t>& hints, deadline until,
                        absl::FunctionRef<outcome(Look)> look) {
  const zeroipc::internal::channel_events<uint64_t> events(hints);
  return wait_for_look(events.env(), events.receivable(), until, look);
}

absl::Status TaskBoard::poisoned(uint32_t deaths) {
  return absl::AbortedError(absl::StrCat(deaths, " workers have died at it"));
}

WorkerPoolStats TaskBoard::stats() const {
  WorkerPoolStats s;
  s.capacity = todo_.capacity();
  s.submitted = counters_.get(PoolEvent::kSubmitted);
  s.collected = counters_.get(PoolEvent::kCollected);
  s.failed = counters_.get(PoolEvent::kFailedOnes);
  s.retried = counters_.get(PoolEvent::kRetried);
  s.poisoned = counters_.get(PoolEvent::kPoisoned);
  s.closed = counters_.get(PoolEvent::kClosing) != 0;
  return s;
}

Health TaskBoard::health(const WorkerPoolStats& s) const {
  const std::string pool = absl::StrCat("worker pool '", name_, "': ");
  if (s.closed)
    return {false, absl::StrCat(pool, "closed, ", s.waiting + s.at_work, " tasks left")};
  if (s.poisoned != 0) {
    return {false, absl::StrCat(pool, s.poisoned, " tasks have killed each worker that took them")};
  }
  if (s.waiting != 0 && s.at_work == 0) {
    return {false, absl::StrCat(pool, s.waiting, " tasks wait, and nobody is at work")};
  }
  if (s.waiting >= s.capacity) {
    return {false, absl::StrCat(pool, "full, ", s.waiting, " tasks wait")};
  }
  if (s.uncollected >= s.capacity) {
    return {false, absl::StrCat(pool, s.uncollected, " results wait to be collected")};
  }
  return {};
}

absl::Status TaskBoard::remove() const {
  const std::array<std::string, 4> names = {todo_name(name_), done_name(name_),
                                            counters_name(name_), records_name(name_)};
  return remove_names(mem_, names);
}

}  // namespace zeroipc::patterns::internal
