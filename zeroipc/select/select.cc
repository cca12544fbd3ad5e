// How it waits.
//
//   0  all cases are looked at, for a while; what comes in it costs no sleep
//   1  what stands is taken back: if somebody was faster, that is the case that was taken
//   2  all words are prepared, heavy fence
//   3  all cases are looked at, in a fair or the given order; the first that can be taken is
//   4  the first case that has to stand in the open (an offer on a rendezvous channel) stands
//   5  sleep on all of them; 1
//
// Exactly one is taken, for nothing is without this thread but between 4 and 1, and then only what stands. What is published after
// 2 changes a word and ends the sleep; so does who takes what stands, for he tells the channel's senders.
//
// Words that wake one sleeper for each thing (a buffered channel's) may have chosen this one, which then took something else, or
// nothing: so it passes the call on to all words on which it slept, once it is done. A word that nobody waits on costs a load.
#include "zeroipc/select/select.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <thread>
#include <vector>

#include "zeroipc/base/atomics.h"
#include "zeroipc/participant/participant.h"
#include "zeroipc/wait/wait_any.h"

namespace zeroipc::internal {
namespace {

using look = select_case::look;

// Cheap, and good enough for being fair.
uint32_t any_number() {
  constinit static thread_local uint32_t x = 0;
  if (x == 0) x = static_cast<uint32_t>(deadline::now_ns()) | 1;
  x ^= x << 13;
  x ^= x >> 17;
  x ^= x << 5;
  return x;
}

class waiting_select {
 public:
  waiting_select(std::span<select_case* const> cases, select_order order)
      : cases_(cases), order_(order) {}

  selection run(deadline until) {
    if (cases_.size() > kMostCases) return selection(outcome::exhausted);
    std::optional<selection> done = look_at_all();
    if (!done && !until.is_at_once()) done = wait(until);
    if (!done) return selection(until.is_at_once() ? outcome::empty : outcome::timed_out);
    if (*done) cases_[done->index()]->run();
    return *done;
  }

 private:
  std::optional<selection> wait(deadline until) {
    deadline wake = until;
    awaited_words events;
    for (select_case* c : cases_) {
      wake = std::min(wake, c->due());
      c->add_events(events);
    }
    if (events.empty()) {
      std::this_thread::sleep_for(std::chrono::nanoseconds(wake.ns() - deadline::now_ns()));
      return look_at_all();
    }
    if (!fits(events)) return selection(outcome::exhausted);
    if (const auto soon = spin(events[0].env->spins())) return soon;
    const auto stander = std::find_if(cases_.begin(), cases_.end(),
                                      [&](select_case* c) { return c->can_stand(events); });
    select_case* const stands = stander == cases_.end() ? nullptr : *stander;
    const auto taken = selection(static_cast<size_t>(stander - cases_.begin()));

    std::optional<selection> done;
    prepared_words<hardware, participant> words;
    for (bool in_time = true; !done && in_time;) {
      words.prepare(events);
      done = look_at_all();
      if (done) break;
      const look standing = stands == nullptr ? look::never : stands->stand();
      if (standing == look::taken) return selection_after(events, stands, taken);
      in_time = words.sleep(wake);
      if (standing == look::not_yet && stands->take_back() == look::taken) {
        return selection_after(events, stands, taken);
      }
    }
    if (!done) done = look_at_all();  // late is late, but what is there is there
    return selection_after(events, stands, done);
  }

  // For what comes in a moment, sleeping takes too long. As many looks at a case as one operation would take in all.
  std::optional<selection> spin(int looks) {
    for (int left = looks / static_cast<int>(cases_.size()); left > 0; --left) {
      hardware::pause();
      if (const auto taken = look_at_all()) return taken;
    }
    return std::nullopt;
  }

  static std::optional<selection> selection_after(const awaited_words& events, select_case* stands,
                                                  std::optional<selection> done) {
    if (stands != nullptr) stands->stood();
    for (const auto& e : events) {
      if (e.event != nullptr) e.event->notify(*e.env, 1);
    }
    return done;
  }

  // Each segment takes a word of its own.
  static bool fits(const awaited_words& events) {
    std::vector<const participant*> segments;
    for (const auto& e : events) {
      if (std::find(segments.begin(), segments.end(), e.env) == segments.end()) {
        segments.push_back(e.env);
      }
    }
    return events.size() + segments.size() <= participant::kMostAwaited;
  }

  std::optional<selection> look_at_all() { return look_at(cases_, order_); }

  std::span<select_case* const> cases_;
  const select_order order_;
};

}  // namespace

std::optional<selection> look_at(std::span<select_case* const> cases, select_order order) {
  const size_t n = cases.size();
  const size_t first = order == select_order::fair && n != 0 ? any_number() % n : 0;
  bool hopeless = true;
  for (size_t j = 0; j < n; ++j) {
    const size_t i = (first + j) % n;
    const look l = cases[i]->attempt();
    if (l == look::taken) return selection(i);
    hopeless = hopeless && l == look::never;
  }
  if (hopeless) return selection(outcome::closed);
  return std::nullopt;
}

selection select_among(std::span<select_case* const> cases, select_order order, deadline until) {
  return waiting_select(cases, order).run(until);
}

}  // namespace zeroipc::internal
