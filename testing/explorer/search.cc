#include "testing/explorer/search.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace zeroipc::explorer {
namespace {

// Who announces deaths; no thread of a program has this number.
constexpr int kWatcher = kMaxThreads - 1;

bool left(int used, int limit) { return limit == kUnlimited || used < limit; }

}  // namespace

bool state_set::insert(uint64_t hash) {
  if (hash == 0) hash = 1;
  if (size_ * 2 >= slots_.size()) {
    std::vector<uint64_t> old(slots_.size() * 4);
    old.swap(slots_);
    size_ = 0;
    for (const uint64_t h : old) {
      if (h != 0) insert(h);
    }
  }
  size_t i = hash & (slots_.size() - 1);
  for (; slots_[i] != 0; i = (i + 1) & (slots_.size() - 1)) {
    if (slots_[i] == hash) return false;
  }
  slots_[i] = hash;
  ++size_;
  return true;
}

void state_set::clear() {
  std::fill(slots_.begin(), slots_.end(), 0);
  size_ = 0;
}

// --- one execution ---

void search::run_once() {
  running_ = this;
  depth_ = 0;
  current_ = on_ = last_ = -1;
  preemptions_ = deaths_ = stops_ = stale_ = spurious_ = late_ = unannounced_ = 0;
  steps_here_ = 0;
  cut_ = failed_ = false;
  threads_ = {};
  ++executions_;
  memory_.reset();
  epoch_ = static_cast<uint32_t*>(allocate(8, 8, "death_epoch"));
  count_ = program_.threads();
  try {
    program_.start();
    memory_.begin_concurrency(limits_.model == memory_model::weak);
    for (int i = 0; i < count_; ++i) fibers_[i].start(&search::body, nullptr);
    decide();
    memory_.end_of_concurrency();
    current_ = -1;
    steps_ += steps_here_;
    if (cut_ || failed_) return;
    if (tracing_) note_event(-1, "everybody has ended; the survivor judges");
    program_.judge();
  } catch (const failed&) {
  }
}

void search::body(void*) {
  search& self = *running_;
  self.program_.run(self.current_);
  // Dying before this is dying after the last thing that the thread did.
  self.begin(step::change);
  self.threads_[self.current_].is = status::done;
  if (self.tracing_) self.note_event(self.current_, "returns");
  self.decide();
}

void search::begin(step next) {
  if (alone()) return;
  thread& t = threads_[current_];
  t.next = next;
  see(1);
  if (++steps_here_ > limits_.steps) fail("the execution does not end");
  decide();
}

void search::options() {
  options_.clear();
  const auto add = [&](option::kind what, int who) {
    options_.push_back({what, static_cast<int8_t>(who)});
  };
  const auto may_die = [&](int i) {
    return left(deaths_, limits_.deaths) && program_.may_die(i) &&
           (threads_[i].is == status::asleep ||
            (threads_[i].is == status::ready && threads_[i].next != step::look));
  };
  const bool goes_on = last_ >= 0 && threads_[last_].is == status::ready;
  if (goes_on) {
    add(option::go, last_);
    if (threads_[last_].next == step::quiet) {
      if (may_die(last_)) add(option::die, last_);
      return;
    }
  }
  if (!goes_on || left(preemptions_, limits_.preemptions)) {
    for (int i = 0; i < count_; ++i) {
      if (i != last_ && threads_[i].is == status::ready) add(option::go, i);
    }
  }
  if (unannounced_ != 0) add(option::announce, kWatcher);
  if (options_.empty()) return;  // nothing can happen any more by itself
  for (int i = 0; i < count_; ++i) {
    if (may_die(i)) add(option::die, i);
    if (threads_[i].is != status::asleep) continue;
    if (left(spurious_, limits_.spurious)) add(option::wake_up, i);
    if (threads_[i].has_deadline && left(late_, limits_.late)) add(option::be_late, i);
  }
  if (goes_on && threads_[last_].next == step::change && left(stops_, limits_.stops) &&
      program_.may_stop(last_)) {
    add(option::stop, last_);
  }
}

// Somebody has come to the next step: who takes one? Returns when it is the turn of whoever called.
void search::decide() {
  for (;;) {
    options();
    if (options_.empty()) {
      int late = -1;
      for (int i = 0; i < count_; ++i) {
        if (threads_[i].is != status::asleep) continue;
        if (threads_[i].has_deadline) late = i;
      }
      if (late < 0) {
        for (int i = 0; i < count_; ++i) {
          if (threads_[i].is == status::asleep && !program_.may_sleep_for_ever(i)) {
            // No string: this stack may be left for good.
            std::array<char, 80> why;
            std::snprintf(why.data(), why.size(), "thread %d sleeps, and nobody is left to wake it",
                          i);
            fail(why.data());
          }
        }
        leave();
        return;
      }
      options_.push_back({option::be_late, static_cast<int8_t>(late)});
    }
    if (options_.size() > 1 && depth_ >= choices_.size() && !tracing_ && !states_.insert(state())) {
      cut_ = true;
      leave();
      return;
    }
    const option o = options_[choose(static_cast<int>(options_.size()))];
    if (o.what != option::go) {
      apply(o);
      continue;
    }
    if (last_ >= 0 && last_ != o.who && threads_[last_].is == status::ready) ++preemptions_;
    current_ = last_ = o.who;
    if (on_ == o.who) return;
    fiber& from = on_ < 0 ? main_ : fibers_[on_];
    const int mine = on_;
    on_ = o.who;
    from.switch_to(fibers_[o.who]);
    on_ = mine;
    return;
  }
}

void search::apply(const option& o) {
  thread& t = threads_[o.who];
  switch (o.what) {
    case option::die:
      t.is = status::dead;
      ++deaths_;
      ++unannounced_;
      note_event(o.who, "DIES HERE");
      break;
    case option::stop:
      t.is = status::stopped;
      ++stops_;
      note_event(o.who, "IS STOPPED HERE for good");
      break;
    case option::announce: {
      unannounced_ = 0;
      for (int i = 0; i < count_; ++i) {
        if (threads_[i].is == status::dead) memory_.synchronise(i, kWatcher);
      }
      memory_.replace(kWatcher, epoch_, 4, *epoch_ + 1, std::memory_order_acq_rel);
      for (thread& s : threads_) {
        if (s.is == status::asleep) s.is = status::ready;
      }
      note_event(o.who, "the death epoch moves on, sleepers wake");
      break;
    }
    case option::wake_up:
      ++spurious_;
      t.is = status::ready;
      note_event(o.who, "wakes without reason");
      break;
    case option::be_late:
      if (left(late_, limits_.late)) ++late_;
      t.is = status::ready;
      t.late = true;
      note_event(o.who, "its time has passed");
      break;
    case option::go:
      break;
  }
}

// Ends the execution, for the search to go on. In a thread, does not return.
void search::leave() {
  if (on_ < 0) return;
  fiber& from = fibers_[on_];
  on_ = -1;
  from.switch_to(main_);
}

int search::choose(int n) {
  if (n == 1) return 0;
  if (depth_ == choices_.size()) choices_.push_back({0, static_cast<uint16_t>(n)});
  choice& c = choices_[depth_++];
  if (c.of == 0) c.of = static_cast<uint16_t>(n);  // from a schedule
  if (c.of != n || c.taken >= n) {
    std::fprintf(stderr,
                 "explorer: the program is not deterministic, or the schedule is not its own\n");
    std::abort();
  }
  return c.taken;
}

uint64_t search::state() const {
  unsigned live = 0;
  uint64_t h = 0;
  for (int i = 0; i < count_; ++i) {
    const thread& t = threads_[i];
    if (t.is == status::ready || t.is == status::asleep) live |= 1u << i;
    h = mix(h, t.is == status::dead ? 0 : t.seen);
    h = mix(h, static_cast<uint64_t>(t.is) << 8 | uint64_t{t.late});
    for (const void* word : t.sleeps_on) {
      h = mix(h, t.is == status::asleep && word != nullptr ? memory_.offset(word) : 0);
    }
  }
  // What the dead and the ended have done matters to judge() alone: it is what they returned, which they have seen.
  for (int i = 0; i < count_; ++i) {
    if (threads_[i].is == status::dead) h = mix(h, threads_[i].seen);
  }
  h = mix(h, memory_.state(live));
  if (limits_.stale_reads != kUnlimited) h = mix(h, static_cast<uint64_t>(stale_));
  h = mix(h, static_cast<uint64_t>(deaths_) << 32 | static_cast<uint64_t>(stops_) << 24 |
                 static_cast<uint64_t>(spurious_) << 16 | static_cast<uint64_t>(late_) << 8 |
                 static_cast<uint64_t>(unannounced_));
  const bool quiet = last_ >= 0 && threads_[last_].next == step::quiet;
  if (limits_.preemptions != kUnlimited || limits_.stops != 0 || quiet) {
    const bool goes_on = last_ >= 0 && threads_[last_].is == status::ready;
    h = mix(h, static_cast<uint64_t>(preemptions_) << 8 |
                   static_cast<uint64_t>(goes_on ? last_ + 1 : 0));
  }
  return h;
}

// --- all executions ---

bool search::next_schedule() {
  choices_.resize(std::min(choices_.size(), depth_));
  while (!choices_.empty()) {
    choice& c = choices_.back();
    if (++c.taken < c.of) return true;
    choices_.pop_back();
  }
  return false;
}

verdict search::explore() {
  bool fences = false;
  for (;;) {
    run_once();
    if (failed_) {
      verdict v = result(false);
      v.failed = true;
      v.schedule = schedule();
      v.trace = search(program_, limits_).replay(v.schedule).trace;
      return v;
    }
    if (fences != memory_.acquire_fences()) {
      // States so far were told apart without what the fence makes matter.
      fences = true;
      states_.clear();
    }
    if (!next_schedule()) return result(true);
    if (executions_ >= limits_.executions) return result(false);
  }
}

verdict search::replay(std::string_view text) {
  tracing_ = true;
  choices_.clear();
  const std::string all(text);
  for (const char* at = all.c_str(); *at != 0;) {
    char* end = nullptr;
    const auto taken = static_cast<uint16_t>(std::strtoul(at, &end, 10));
    uint64_t times = 1;
    if (*end == 'x') times = std::strtoul(end + 1, &end, 10);
    choices_.insert(choices_.end(), times, {taken, 0});
    if (end == at) break;
    at = *end == '.' ? end + 1 : end;
  }
  run_once();
  verdict v = result(false);
  v.failed = failed_;
  v.schedule = schedule();
  return v;
}

std::string search::schedule() const {
  std::string out;
  const size_t n = std::min(depth_, choices_.size());
  for (size_t i = 0; i < n;) {
    size_t same = i;
    while (same < n && choices_[same].taken == choices_[i].taken) ++same;
    if (!out.empty()) out += '.';
    out += std::to_string(choices_[i].taken);
    if (same - i > 1) out += 'x' + std::to_string(same - i);
    i = same;
  }
  return out;
}

verdict search::result(bool exhausted) {
  verdict v;
  v.exhausted = exhausted;
  v.executions = executions_;
  v.states = states_.size();
  v.steps = steps_;
  v.why = why_;
  v.trace = trace_;
  return v;
}

}  // namespace zeroipc::explorer
