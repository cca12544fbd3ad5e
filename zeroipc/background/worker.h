// A thread that a handle owns: what runs continuations, providers, subscriptions and pumps.
//
//   std::unique_ptr<worker> w = worker::start(..., [&] { event.notify(env, INT_MAX); }, [&](const worker::stop_flag& stop) {
//     while (!stop) wait_until<P>(env, event, deadline::never(), [&] { return stop || ...; });
//   });
//
// Its destructor asks the thread to end, wakes it, and joins it; so a callback that runs is finished first. One that destroys its
// own worker is not waited for, and its thread ends when it returns.
//
// How a sleeper is told: the flag is set, then `wake` notifies every event word that the thread may sleep on. That is the
// pairing of publisher and waiter in event_word.h, with the flag as what is published; sleepers of other processes look once
// more for nothing.
//
// Fork: the child has the handle and not the thread. Nothing runs there, and its destructor joins nothing.
#ifndef ZEROIPC_BACKGROUND_WORKER_H_
#define ZEROIPC_BACKGROUND_WORKER_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

#include "absl/status/statusor.h"
#include "zeroipc/base/own_stack_thread.h"

namespace zeroipc::internal {

class worker {
 public:
  // True once the thread is to end.
  class stop_flag {
   public:
    explicit operator bool() const { return set_.load(std::memory_order_acquire); }

   private:
    friend class worker;
    std::atomic<bool> set_{false};
  };

  // Calls `run` once, on the new thread. `what` is for the message: "segment /app: lazy 'config'". ResourceExhausted if
  // the system has no thread left.
  static absl::StatusOr<std::unique_ptr<worker>> start(
      std::string_view what, std::function<void()> wake,
      std::function<void(const stop_flag& stop)> run);
  ~worker();
  worker(const worker&) = delete;
  worker& operator=(const worker&) = delete;

  // Whether the caller runs on it.
  bool is_this_thread() const { return thread_.is_this_thread(); }
  // Asks the thread to end, without waiting for it.
  void stop();

 private:
  // What the thread needs, for as long as it runs.
  struct job {
    stop_flag stop;
    std::function<void(const stop_flag&)> run;
    bool own = false;  // the thread's alone, to be deleted by it; set on the thread itself
  };
  worker();
  static void* entry(void* job);

  std::unique_ptr<job> job_ = std::make_unique<job>();
  std::function<void()> wake_;
  own_stack_thread thread_;
  uint32_t forks_;
};

}  // namespace zeroipc::internal

#endif  // ZEROIPC_BACKGROUND_WORKER_H_
