// What runs the coroutines of an executor: see executor.h. All of it is the running thread's, but for what says otherwise.
//
// One round of the loop
//   0  tasks that were spawned begin
//   1  waits whose time has come, waits that came up since the last round (fresh), and those with a word that has changed are looked
//      at; each that is over has its coroutine resumed at once
//   2  if none was: the fresh ones are looked at for a while, for what comes in a moment is not worth a sleep
//   3  the fresh ones are linked to their words, all words that are new or have changed are prepared, heavy fence; who waits for them
//      is looked at; who has to stand in the open, stands
//   4  sleep on all words until the first deadline; 0
// Each step that resumed a coroutine goes back to 0. A wait that stands is taken back before it is looked at.
//
// Nothing is looked at twice without a reason: a word that is what prepare() left has nothing new. That each is looked at in time
// while others keep the loop busy is seen to by doing 3 every so often, and by handing a coroutine that always finds what it asks
// for back to the loop (kBudget).
#ifndef ZEROIPC_COROUTINE_EVENT_LOOP_H_
#define ZEROIPC_COROUTINE_EVENT_LOOP_H_

#include <atomic>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "zeroipc/base/atomics.h"
#include "zeroipc/base/deadline.h"
#include "zeroipc/coroutine/hook.h"
#include "zeroipc/coroutine/task.h"
#include "zeroipc/coroutine/waiting.h"
#include "zeroipc/coroutine/watch_list.h"
#include "zeroipc/select/select_case.h"
#include "zeroipc/wait/event_word.h"

namespace zeroipc::internal {

// A task that was given to an executor.
struct spawned_task {
  event_loop* loop = nullptr;
  task<>::handle frame;  // none once it is over
  bool over = false;
  bool cancelled = false;
  std::exception_ptr thrown;
  bool told = false;             // somebody has been told of that
  std::atomic<bool> held{true};  // there is a `spawned`
  std::vector<waiting*> joining;
};

class event_loop {
 public:
  event_loop();
  ~event_loop();
  event_loop(const event_loop&) = delete;
  event_loop& operator=(const event_loop&) = delete;

  // The one that runs on this thread; nullptr if none does.
  static event_loop* current();
  // Whether this is a process forked from the one that it belongs to.
  bool forked_away() const;

  // Any thread.
  std::shared_ptr<spawned_task> spawn(task<> t);
  void stop();

  bool run(deadline until);
  void cancel(spawned_task& t);
  size_t size();  // any thread

  // --- for waits ---

  // False if the coroutine that runs has gone on for long enough.
  bool spend() { return --budget_ > 0; }
  void wait_for(waiting& w, std::coroutine_handle<> h);
  void drop(waiting& w);

 private:
  // Operations that a coroutine may do without waiting.
  static constexpr int kBudget = 64;
  // More of them are linked at once, so that not each round looks at all.
  static constexpr size_t kFewFresh = 8;
  // How many busy rounds there are before the fresh ones are linked all the same.
  static constexpr uint32_t kRounds = 32;

  // For a word of this process's own.
  struct own_process {
    void light_fence() const { std::atomic_thread_fence(std::memory_order_seq_cst); }
    int wake(std::atomic<uint32_t>& word, int n) const { return wake_private(word, n); }
  };

  void refuse_if_forked() const;
  void poke();
  bool start_new();
  bool fire();
  bool look_at_fresh();
  bool look_at_changed();
  bool look_for_a_while();
  bool park();
  bool stand_all();
  void sleep(deadline until);

  bool look(waiting& w, bool late = false);
  void finish(waiting& w, selection answer);
  void leave(waiting& w, size_t taken);
  void resume(std::coroutine_handle<> h, std::shared_ptr<spawned_task> t);
  void retire(spawned_task& t);
  void end(spawned_task& t);
  void tell_of_untold(bool all);
  void set_timer(waiting& w, deadline at);
  int spins();

  const uint32_t forks_;
  event_word<hardware> poked_{};
  std::atomic<bool> stop_{false};
  std::atomic<bool> some_new_{false};
  std::mutex mutex_;
  std::vector<std::shared_ptr<spawned_task>> new_;  // guarded by mutex_

  std::atomic<bool> running_{false};
  absl::flat_hash_map<spawned_task*, std::shared_ptr<spawned_task>> tasks_;
  std::deque<std::shared_ptr<spawned_task>> starting_;
  std::vector<std::shared_ptr<spawned_task>> untold_;  // threw, and may be awaited yet
  std::shared_ptr<spawned_task> within_;               // whose code runs
  int budget_ = kBudget;
  uint32_t rounds_ = 0;
  hook_list<waiting> fresh_, batch_, changed_, standers_, due_;
  size_t fresh_count_ = 0;
  std::multimap<deadline, waiting*> timers_;
  awaited_words words_;
  std::vector<futex_wait_entry> entries_;
  watch_list watched_;
};

}  // namespace zeroipc::internal

#endif  // ZEROIPC_COROUTINE_EVENT_LOOP_H_
