// executor: runs tasks in one thread, which sleeps while all of them wait.
//
//   zeroipc::executor ex;
//   for (int i = 0; i < 100; ++i) ex.spawn(serve(requests, i));
//   ex.run();                                            // until all are done, or stop()
//
//   zeroipc::spawned t = ex.spawn(watch(sensor));
//   co_await t;                                          // in another task: waits for its end
//   t.cancel();                                          // destroys it where it waits
//
// When to use it: to wait for many things of many kinds in one thread, with code that reads as if each had its own. When not:
// for computing, which one thread does one thing at a time of; for one source or a few, which receive() and zeroipc::select wait for
// more cheaply.
//
// However many tasks wait, one system call sleeps for all of them; nothing is polled. Beyond 120 words (things waited for, and their
// segments) there is one more sleeping thread for each 120; of an executor that is busy while many wait, from 32 on, so that a sleep
// stays cheap. A task runs until it waits for something that is not there yet; one that
// always finds what it asks for is put back after 64 operations, so that the others have their turn.
//
// What is promised when a process is killed: what the operations promise that its tasks wait in. Nothing of an executor is shared.
//
// What a spawned task throws comes out of run() at once, if nobody keeps its `spawned`; else out of each co_await of that, and if there
// is none, out of run() when all tasks are done. run() may be called again, and the others go on.
//
// Thread safety: spawn(), stop() and size() from any thread. The rest from one at a time; run() not inside of a task.
// Fork: in a forked child the parent's executor is of no use: spawn() and run() throw zeroipc::error, and its destructor leaves
// everything as it is, the tasks' frames included. Make a new one there.
// Complexity: a wake-up costs a look at each of the (up to 120) words of the thread that was woken, and at what waits for those that
// changed. Memory: all in the process; some 300 bytes for a wait, and its coroutine's frame.
#ifndef ZEROIPC_COROUTINE_EXECUTOR_H_
#define ZEROIPC_COROUTINE_EXECUTOR_H_

#include <chrono>
#include <coroutine>
#include <cstddef>
#include <memory>
#include <utility>

#include "zeroipc/base/deadline.h"
#include "zeroipc/coroutine/task.h"
#include "zeroipc/coroutine/waiting.h"
#include "zeroipc/select/select_case.h"

namespace zeroipc {

class executor;

// A task that was given to an executor. Dropping this changes nothing. Move-only. For the thread that runs the executor, or while none
// does.
class spawned {
 public:
  spawned(spawned&&) noexcept = default;
  spawned& operator=(spawned&& other) noexcept {
    std::swap(task_, other.task_);
    return *this;
  }
  ~spawned();

  // Whether it has ended, or was cancelled.
  bool done() const;
  // Destroys it where it waits; a value that it waits for is not taken. One that cancels itself ends when it next waits. Nothing if it
  // is done. An offer on a rendezvous channel may have been taken at this moment.
  void cancel();
  // Waits for its end, in another task of the same executor. Throws what it threw.
  auto operator co_await() const;

 private:
  friend class executor;
  explicit spawned(std::shared_ptr<internal::spawned_task> t) : task_(std::move(t)) {}

  std::shared_ptr<internal::spawned_task> task_;
};

class executor {
 public:
  executor();
  // Cancels what is not done. REQUIRES: it does not run.
  ~executor();
  executor(const executor&) = delete;
  executor& operator=(const executor&) = delete;

  // The task begins when run() comes to it. REQUIRES: it was not moved from.
  spawned spawn(task<> t);

  // Runs until no task is left: true; or until stop(): false.
  bool run() { return run(deadline::never()); }
  // The same for some time, at least one round: false if some are left.
  template <typename Rep, typename Period>
  bool run_for(std::chrono::duration<Rep, Period> time) {
    return run(deadline::after(time));
  }
  template <typename Clock, typename Duration>
  bool run_until(std::chrono::time_point<Clock, Duration> when) {
    return run(deadline::at(when));
  }
  // Has run() return when it comes to it, the next time if it does not run. From a signal handler, too.
  void stop();

  // Tasks that are not done.
  size_t size() const;

 private:
  bool run(deadline until);

  std::unique_ptr<internal::event_loop> loop_;
};

namespace internal {

// A task has ended.
struct end_case : select_case {
  explicit end_case(std::shared_ptr<spawned_task> t) : task(std::move(t)) {}
  look attempt() override;
  void run() override {}
  const std::shared_ptr<spawned_task> task;
};

class join_wait final : held_case<end_case>, public waiting {
 public:
  explicit join_wait(std::shared_ptr<spawned_task> t);
  ~join_wait();
  bool await_ready() const;
  void await_suspend(std::coroutine_handle<> h);
  void await_resume() const;

 private:
  spawned_task& task() const { return *held().task; }
};

}  // namespace internal

inline auto spawned::operator co_await() const { return internal::join_wait(task_); }

}  // namespace zeroipc

#endif  // ZEROIPC_COROUTINE_EXECUTOR_H_
