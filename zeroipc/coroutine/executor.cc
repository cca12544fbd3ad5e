#include "zeroipc/coroutine/executor.h"

#include <algorithm>
#include <exception>
#include <vector>

#include "absl/status/status.h"
#include "zeroipc/base/error.h"
#include "zeroipc/coroutine/event_loop.h"

namespace zeroipc {

executor::executor() : loop_(std::make_unique<internal::event_loop>()) {}

executor::~executor() {
  // A forked child has none of its threads, and what its tasks hold is the parent's.
  if (loop_->forked_away()) static_cast<void>(loop_.release());
}

spawned executor::spawn(task<> t) { return spawned(loop_->spawn(std::move(t))); }

bool executor::run(deadline until) { return loop_->run(until); }

void executor::stop() { loop_->stop(); }

size_t executor::size() const { return loop_->size(); }

spawned::~spawned() {
  // Relaxed: it decides where an exception comes out, and the thread that runs the tasks is the one that counts.
  if (task_ != nullptr) task_->held.store(false, std::memory_order_relaxed);
}

bool spawned::done() const { return task_->over; }

void spawned::cancel() {
  if (!task_->over) task_->loop->cancel(*task_);
}

namespace internal {

join_wait::join_wait(std::shared_ptr<spawned_task> t)
    : held_case(std::move(t)), waiting(all(), deadline::never()) {
  is_quiet();
}

join_wait::~join_wait() { std::erase(task().joining, this); }

select_case::look end_case::attempt() { return task->over ? look::taken : look::not_yet; }

bool join_wait::await_ready() const { return task().over; }

void join_wait::await_suspend(std::coroutine_handle<> h) {
  if (!task().over && task().loop != event_loop::current()) {
    raise(absl::FailedPreconditionError("co_await of a task that another executor runs"));
  }
  suspend(h);
  task().joining.push_back(this);
}

void join_wait::await_resume() const {
  if (!task().thrown) return;
  task().told = true;
  std::rethrow_exception(task().thrown);
}

}  // namespace internal
}  // namespace zeroipc
