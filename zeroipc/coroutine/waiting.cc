#include "zeroipc/coroutine/waiting.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "zeroipc/base/error.h"
#include "zeroipc/coroutine/event_loop.h"

namespace zeroipc::internal {

waiting::~waiting() {
  if (loop_ != nullptr) loop_->drop(*this);
}

bool waiting::ready() {
  if (event_loop* const loop = event_loop::current(); loop != nullptr && !loop->spend()) {
    return false;
  }
  answer_ = look_at(cases_, order_);
  if (!answer_ && until_.is_at_once()) answer_ = selection(outcome::timed_out);
  return answer_.has_value();
}

void waiting::suspend(std::coroutine_handle<> h) {
  event_loop* const loop = event_loop::current();
  if (loop == nullptr) {
    raise(absl::FailedPreconditionError(
        "co_await of a zeroipc operation that has to wait: no executor runs on this thread"));
  }
  loop->wait_for(*this, h);
}

// --- its loop's side ---

void event_loop::wait_for(waiting& w, std::coroutine_handle<> h) {
  refuse_if_forked();
  w.loop_ = this;
  w.coroutine_ = h;
  w.within_ = within_;
  deadline wake = w.until_;
  for (select_case* c : w.cases_) wake = std::min(wake, c->due());
  set_timer(w, wake);
  w.linked_ = w.quiet_;
  if (w.linked_) return;
  ++fresh_count_;
  fresh_.push_back(w);
}

bool event_loop::look(waiting& w, bool late) {
  std::optional<selection> done;
  if (w.stands_) {
    w.stands_ = false;
    if (w.cases_[w.stander_]->take_back() == select_case::look::taken) done = selection(w.stander_);
  }
  if (!done) done = look_at(w.cases_, w.order_);
  if (!done && late && w.until_.passed()) done = selection(outcome::timed_out);
  if (done) {
    finish(w, *done);
    return true;
  }
  if (!w.linked_) {
    fresh_.push_back(w);
  } else if (w.stander_ != waiting::kNone) {
    standers_.push_back(w);
  }
  return false;
}

void event_loop::finish(waiting& w, selection answer) {
  leave(w, answer ? answer.index() : waiting::kNone);
  w.answer_ = answer;
  resume(w.coroutine_, std::move(w.within_));
}

void event_loop::drop(waiting& w) {
  if (forked_away()) return;  // it is the parent's, which waits on
  // Whether somebody took it in this moment or not, nobody is there to be told.
  if (w.stands_) w.cases_[w.stander_]->take_back();
  w.stands_ = false;
  leave(w, waiting::kNone);
}

void event_loop::leave(waiting& w, size_t taken) {
  w.hook::unlink();
  if (w.timed_) timers_.erase(w.timer_);
  if (!w.linked_) --fresh_count_;
  if (!w.links_.empty()) {
    words_.clear();
    if (taken != waiting::kNone) w.cases_[taken]->add_events(words_);
    watched_.unlink(w, words_);
  }
  if (w.stood_) w.cases_[w.stander_]->stood();
  w.timed_ = w.linked_ = w.stood_ = false;
  w.loop_ = nullptr;
}

}  // namespace zeroipc::internal
