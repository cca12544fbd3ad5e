#include "zeroipc/coroutine/event_loop.h"

#include <algorithm>
#include <climits>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "zeroipc/base/error.h"
#include "zeroipc/participant/participant.h"
#include "zeroipc/wait/futex.h"

namespace zeroipc::internal {
namespace {

constinit thread_local event_loop* this_thread_loop = nullptr;

}  // namespace

event_loop::event_loop() : forks_(fork_generation()), watched_([this] { poke(); }) {}

event_loop::~event_loop() {
  while (!tasks_.empty()) cancel(*tasks_.begin()->second);
  // What is destroyed may spawn, which comes to nothing.
  while (!new_.empty()) {
    const auto t = std::move(new_.back());
    new_.pop_back();
    cancel(*t);
  }
}

event_loop* event_loop::current() { return this_thread_loop; }

bool event_loop::forked_away() const { return fork_generation() != forks_; }

void event_loop::refuse_if_forked() const {
  if (!forked_away()) return;
  raise(absl::FailedPreconditionError(
      "executor: this process was forked from the one whose executor it is; make one of its own"));
}

std::shared_ptr<spawned_task> event_loop::spawn(task<> t) {
  refuse_if_forked();
  auto made = std::make_shared<spawned_task>();
  made->loop = this;
  made->frame = t.release();
  {
    std::lock_guard lock(mutex_);
    new_.push_back(made);
  }
  // Release: pairs with the acquire in start_new().
  some_new_.store(true, std::memory_order_release);
  if (this_thread_loop != this) poke();
  return made;
}

void event_loop::stop() {
  // Release: what was done before is seen by who finds run() to have returned.
  stop_.store(true, std::memory_order_release);
  poke();
}

void event_loop::poke() {
  own_process env;
  poked_.notify(env, INT_MAX);
}

size_t event_loop::size() {
  std::lock_guard lock(mutex_);
  return tasks_.size() + new_.size();
}

bool event_loop::run(deadline until) {
  refuse_if_forked();
  const bool inside = this_thread_loop != nullptr && !this_thread_loop->forked_away();
  if (inside || running_.exchange(true, std::memory_order_acquire)) {
    raise(absl::FailedPreconditionError(inside ? "executor: run() inside of a task"
                                               : "executor: another thread runs it already"));
  }
  struct running {
    explicit running(event_loop* l) { this_thread_loop = l; }
    ~running() {
      this_thread_loop->within_.reset();
      // Release: pairs with the acquire above, of another thread that goes on with it.
      this_thread_loop->running_.store(false, std::memory_order_release);
      this_thread_loop = nullptr;
    }
  } guard(this);
  for (;;) {
    refuse_if_forked();  // by a task, just now
    bool any = start_new();
    // Relaxed, as in start_new(): a load, for the most part, and the exchange looks again.
    if (stop_.load(std::memory_order_relaxed) && stop_.exchange(false, std::memory_order_acquire)) {
      return false;
    }
    if (tasks_.empty()) {
      if (some_new_.load(std::memory_order_relaxed)) continue;  // relaxed: start_new() looks again
      tell_of_untold(true);
      return true;
    }
    any |= fire();
    any |= look_at_fresh();
    watched_.scan(changed_);
    any |= look_at_changed();
    if (any) {
      if (fresh_count_ > kFewFresh || !watched_.prepared() || ++rounds_ % kRounds == 0) park();
      if (!until.is_never() && until.passed()) return tasks_.empty();
      continue;
    }
    if (until.passed()) return false;
    if (!look_for_a_while() && !park()) sleep(until);
  }
}

bool event_loop::start_new() {
  // Acquire: pairs with the release in spawn().
  if (some_new_.load(std::memory_order_relaxed) &&
      some_new_.exchange(false, std::memory_order_acquire)) {
    std::lock_guard lock(mutex_);
    for (std::shared_ptr<spawned_task>& t : new_) {
      if (t->over) continue;
      tasks_.emplace(t.get(), t);
      starting_.push_back(std::move(t));
    }
    new_.clear();
  }
  bool any = false;
  for (size_t n = starting_.size(); n > 0; --n) {
    const std::shared_ptr<spawned_task> t = std::move(starting_.front());
    starting_.pop_front();
    if (t->over) continue;
    any = true;
    resume(t->frame, t);
  }
  return any;
}

bool event_loop::fire() {
  while (!timers_.empty() && timers_.begin()->first.passed()) {
    waiting& w = *timers_.begin()->second;
    timers_.erase(timers_.begin());
    w.timed_ = false;
    due_.push_back(w);
  }
  bool any = false;
  while (!due_.empty()) {
    waiting& w = due_.pop_front();
    if (look(w, true)) {
      any = true;
    } else {
      set_timer(w, w.until_);  // the case whose time it was has changed its mind
    }
  }
  return any;
}

void event_loop::set_timer(waiting& w, deadline at) {
  w.timed_ = !at.is_never();
  if (w.timed_) w.timer_ = timers_.emplace(at, &w);
}

bool event_loop::look_at_fresh() {
  batch_.take_all(fresh_);  // what a resumed one adds is for the next round
  bool any = false;
  while (!batch_.empty()) any |= look(batch_.pop_front());
  return any;
}

bool event_loop::look_at_changed() {
  bool any = false;
  while (!changed_.empty()) any |= look(changed_.pop_front());
  return any;
}

bool event_loop::look_for_a_while() {
  if (fresh_.empty()) return false;
  const int cost = static_cast<int>(fresh_count_ + watched_.own_words() / 8) + 1;
  for (int left = spins(); left > 0; left -= cost) {
    hardware::pause();
    if (look_at_fresh()) return true;
    watched_.scan(changed_);
    if (look_at_changed()) return true;
    // Relaxed: looked at again when it is acted on.
    if (some_new_.load(std::memory_order_relaxed) || stop_.load(std::memory_order_relaxed)) {
      return true;
    }
  }
  return false;
}

// As many looks as one that waits for the first of them alone would take.
int event_loop::spins() {
  waiting& first = fresh_.front();
  words_.clear();
  for (select_case* c : first.cases_) c->add_events(words_);
  return words_.empty() ? 0 : words_[0].env->spins();
}

// Whether it resumed any, or one stands now, whom others of this very loop may meet.
bool event_loop::park() {
  while (!fresh_.empty()) {
    waiting& w = fresh_.front();
    words_.clear();
    for (select_case* c : w.cases_) c->add_events(words_);
    watched_.link_up(w, words_);
    const auto stander = std::find_if(w.cases_.begin(), w.cases_.end(),
                                      [&](select_case* c) { return c->can_stand(words_); });
    w.stander_ = stander == w.cases_.end() ? waiting::kNone
                                           : static_cast<size_t>(stander - w.cases_.begin());
    w.linked_ = true;
    --fresh_count_;
    changed_.push_back(w);
  }
  watched_.prepare(changed_);
  const bool any = look_at_changed();
  return stand_all() || any;
}

bool event_loop::stand_all() {
  bool any = false;
  while (!standers_.empty()) {
    waiting& w = standers_.pop_front();
    const select_case::look l = w.cases_[w.stander_]->stand();
    w.stood_ = true;
    w.stands_ = l == select_case::look::not_yet;
    any |= w.stands_;
    if (l == select_case::look::taken) {
      any = true;
      finish(w, selection(w.stander_));
    }
  }
  return any;
}

void event_loop::sleep(deadline until) {
  if (!timers_.empty()) until = std::min(until, timers_.begin()->first);
  entries_.clear();
  entries_.push_back({&poked_.word, poked_.prepare(), true});
  own_process().light_fence();  // pairs with the one in notify(): who poked before this is seen now
  if (some_new_.load(std::memory_order_relaxed) || stop_.load(std::memory_order_relaxed)) return;
  watched_.start_helpers();
  watched_.add_to(entries_);
  futex_wait_any(entries_, until);
}

// --- tasks ---

void event_loop::resume(std::coroutine_handle<> h, std::shared_ptr<spawned_task> t) {
  budget_ = kBudget;
  within_ = std::move(t);
  h.resume();
  t = std::move(within_);
  if (!t->over && (t->cancelled || t->frame.done())) retire(*t);
}

void event_loop::retire(spawned_task& t) {
  const auto at = tasks_.find(&t);
  const std::shared_ptr<spawned_task> kept = std::move(at->second);
  {
    std::lock_guard lock(mutex_);
    tasks_.erase(at);
  }
  if (!t.cancelled) t.thrown = t.frame.promise().thrown();
  const bool awaited = !t.joining.empty();
  end(t);
  if (!t.thrown || awaited) return;
  untold_.push_back(kept);
  tell_of_untold(false);
}

void event_loop::tell_of_untold(bool all) {
  std::erase_if(untold_, [](const auto& t) { return t->told; });
  for (auto at = untold_.begin(); at != untold_.end(); ++at) {
    // Relaxed: see ~spawned().
    if (!all && (*at)->held.load(std::memory_order_relaxed)) continue;
    const std::shared_ptr<spawned_task> t = *at;
    untold_.erase(at);
    std::rethrow_exception(t->thrown);
  }
}

void event_loop::cancel(spawned_task& t) {
  if (t.over || forked_away()) return;
  t.cancelled = true;
  if (within_.get() == &t) return;  // when it comes to wait
  if (tasks_.contains(&t)) return retire(t);
  end(t);  // it is in new_, and start_new() leaves it out
}

void event_loop::end(spawned_task& t) {
  t.over = true;
  std::exchange(t.frame, nullptr).destroy();
  for (waiting* w : t.joining) changed_.push_back(*w);
  t.joining.clear();
}

}  // namespace zeroipc::internal
