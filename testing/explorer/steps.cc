// What a thread of an explored program does to memory, and what is said of it in a trace.
#include <algorithm>
#include <cstdio>
#include <cstring>

#include "testing/explorer/search.h"

namespace zeroipc::explorer {
namespace {

uint64_t hash_of(const void* bytes, size_t n) {
  uint64_t h = n;
  for (size_t i = 0; i < n; i += 8) {
    uint64_t part = 0;
    std::memcpy(&part, static_cast<const std::byte*>(bytes) + i, std::min<size_t>(8, n - i));
    h = mix(h, part);
  }
  return h;
}

using kind = shared_memory::kind;

}  // namespace

const char* name_of(std::memory_order m) {
  switch (m) {
    case std::memory_order_relaxed:
      return "relaxed";
    case std::memory_order_consume:
    case std::memory_order_acquire:
      return "acquire";
    case std::memory_order_release:
      return "release";
    case std::memory_order_acq_rel:
      return "acq_rel";
    case std::memory_order_seq_cst:
      return "seq_cst";
  }
  return "";
}

uint64_t search::load(const void* address, size_t size, std::memory_order order) {
  if (alone() || memory_.kind_of(address) != kind::observed) return memory_.peek(address, size, 0);
  begin(step::look);
  const int older = left_stale() ? limits_.older : 0;
  const int back = choose(memory_.readable(current_, address, older));
  if (back != 0) ++stale_;
  const uint64_t value = memory_.load(current_, address, size, order, back);
  see(value);
  if (tracing_) note("load", address, value, order, back == 0 ? "" : "  (an older value)");
  return value;
}

void search::changed(void* address, size_t size, uint64_t old, uint64_t value,
                     std::memory_order order, const char* what) {
  if (memory_.kind_of(address) == kind::constant && !alone()) {
    fail("a word is changed of which the program says that it is constant");
  }
  memory_.replace(std::max(current_, 0), address, size, value, order);
  if (alone()) return;
  see(old);
  if (tracing_) note(what, address, value, order);
}

void search::store(void* address, size_t size, uint64_t value, std::memory_order order) {
  if (memory_.kind_of(address) == kind::unobserved) {
    std::memcpy(address, &value, size);
    return;
  }
  begin(step::change);
  if (memory_.kind_of(address) == kind::constant && !alone()) {
    fail("a word is changed of which the program says that it is constant");
  }
  memory_.store(std::max(current_, 0), address, size, value, order);
  if (tracing_ && !alone()) note("store", address, value, order);
}

bool search::compare_exchange(void* address, size_t size, uint64_t& expected, uint64_t desired,
                              std::memory_order success, std::memory_order failure, bool weak) {
  begin(step::change);
  const uint64_t newest = memory_.peek(address, size, 0);
  const uint64_t wanted = expected;
  // What can come of it: how far back the value lies that is read; -1: it fails though the value is right.
  std::array<int, 8> outcomes = {0};
  int n = 1;
  if (!alone()) {
    if (weak && newest == wanted && spurious_ < limits_.spurious) outcomes[n++] = -1;
    const int readable =
        std::min(5, memory_.readable(current_, address, left_stale() ? limits_.older : 0));
    for (int back = 1; back < readable; ++back) {
      if (memory_.peek(address, size, back) != wanted) outcomes[n++] = back;
    }
  }
  const int back = alone() ? 0 : outcomes[choose(n)];
  if (back == 0 && newest == wanted) {
    changed(address, size, newest, desired, success, "cas");
    return true;
  }
  if (back > 0) ++stale_;
  if (back < 0) ++spurious_;
  expected = alone() ? newest : memory_.load(current_, address, size, failure, std::max(back, 0));
  if (!alone()) {
    see(mix(expected, 1 + (back < 0)));
    if (tracing_) {
      note("cas fails", address, expected, failure,
           back < 0   ? "  (without reason)"
           : back > 0 ? "  (an older value)"
                      : "");
    }
  }
  return false;
}

void search::copy_in(void* to, const void* from, size_t n) {
  auto* const bytes = static_cast<std::byte*>(to);
  const auto* const source = static_cast<const std::byte*>(from);
  const size_t half = n / 16 * 8;
  const bool weak = limits_.model == memory_model::weak;
  const int who = std::max(current_, 0);
  if (!weak) begin(step::change);
  bool race = memory_.plain_write(who, bytes, source, half);
  begin(weak ? step::quiet : step::change);
  race = memory_.plain_write(who, bytes + half, source + half, n - half) || race;
  if (tracing_ && !alone()) note("copy in", to, hash_of(from, n), std::memory_order_relaxed);
  if (race) fail("a race: bytes are written that another thread uses");
}

void search::copy_out(void* to, const void* from, size_t n) {
  auto* const bytes = static_cast<std::byte*>(to);
  const auto* const source = static_cast<const std::byte*>(from);
  const size_t half = n / 16 * 8;
  const bool weak = limits_.model == memory_model::weak;
  const int who = std::max(current_, 0);
  if (!weak) begin(step::look);
  bool race = memory_.plain_read(who, bytes, source, half);
  if (!weak) begin(step::look);
  race = memory_.plain_read(who, bytes + half, source + half, n - half) || race;
  if (!alone()) {
    see(hash_of(to, n));
    if (tracing_) note("copy out", from, hash_of(to, n), std::memory_order_relaxed);
  }
  if (race) fail("a race: bytes are read that another thread writes");
}

void search::fence(std::memory_order order) {
  if (alone() || limits_.model != memory_model::weak) return;
  begin(step::look);
  memory_.fence(current_, order);
  if (tracing_) note("fence", nullptr, 0, order);
}

void search::light_fence() {
  if (!limits_.asymmetric_fences) fence(std::memory_order_seq_cst);
}

void search::heavy_fence() {
  if (!limits_.asymmetric_fences) return fence(std::memory_order_seq_cst);
  if (alone() || limits_.model != memory_model::weak) return;
  begin(step::look);
  memory_.barrier_everywhere();
  if (tracing_) note("membarrier", nullptr, 0, std::memory_order_seq_cst);
}

bool search::dead(int who) {
  if (who < 0 || who >= count_) return false;
  if (alone()) return threads_[who].is == status::dead;
  begin(step::look);
  const bool answer = threads_[who].is == status::dead;
  if (answer) memory_.synchronise(who, current_);
  see(answer);
  if (tracing_) {
    note_event(current_, "asks whether thread " + std::to_string(who) +
                             " is dead: " + (answer ? "yes" : "no"));
  }
  return answer;
}

uint32_t search::death_epoch() {
  return static_cast<uint32_t>(load(epoch_, sizeof *epoch_, std::memory_order_acquire));
}

bool search::sleep(std::span<const sleep_word> words, bool has_deadline, bool at_once) {
  if (alone()) fail("the survivor sleeps");
  if (at_once) return false;
  begin(step::change);
  const bool still = std::all_of(words.begin(), words.end(), [&](const sleep_word& w) {
    return memory_.peek(w.word, 4, 0) == w.key && *epoch_ == w.epoch;
  });
  see(still);
  if (tracing_) {
    for (const sleep_word& w : words) {
      note(still ? "sleeps" : "does not sleep", w.word, w.key, std::memory_order_relaxed);
    }
  }
  if (!still) return true;
  thread& t = threads_[current_];
  t.is = status::asleep;
  t.sleeps_on = {};
  for (size_t i = 0; i < words.size(); ++i) t.sleeps_on[i] = words[i].word;
  t.has_deadline = has_deadline;
  t.late = false;
  decide();
  thread& again = threads_[current_];
  see(again.late);
  if (tracing_) note_event(current_, "wakes");
  return !std::exchange(again.late, false);
}

int search::wake(void* word, int n) {
  if (alone()) return 0;
  begin(step::change);
  int woken = 0;
  for (; woken < n; ++woken) {
    std::array<int, kMaxThreads> sleepers;
    int count = 0;
    for (int i = 0; i < count_; ++i) {
      const auto& on = threads_[i].sleeps_on;
      if (threads_[i].is == status::asleep && std::find(on.begin(), on.end(), word) != on.end()) {
        sleepers[count++] = i;
      }
    }
    if (count == 0) break;
    const int who = sleepers[choose(n - woken >= count ? 1 : count)];
    threads_[who].is = status::ready;
  }
  see(static_cast<uint64_t>(woken));
  if (tracing_)
    note("wakes sleepers of", word, static_cast<uint64_t>(woken), std::memory_order_relaxed);
  return woken;
}

void* search::allocate(size_t bytes, size_t align, std::string_view name) {
  void* const at = memory_.allocate(bytes, align);
  if (tracing_) this->name(at, name);
  return at;
}

void search::set_apart(const void* address, size_t n, bool changes) {
  memory_.set_kind(address, n, changes ? kind::unobserved : kind::constant);
}

void search::name(const void* address, std::string_view name) {
  if (tracing_) names_[address] = name;
}

void search::fail(std::string_view why) {
  failed_ = true;
  why_ = why;
  if (tracing_) note_event(current_, "FAILS: " + why_);
  if (alone() && on_ < 0) throw failed{};
  leave();
}

void search::settle(const void* bytes, size_t n) {
  if (alone()) return;
  thread& t = threads_[current_];
  t.seen = mix(++t.settled, hash_of(bytes, n));
}

ending search::ending_of(int i) const {
  switch (threads_[i].is) {
    case status::dead:
      return ending::died;
    case status::stopped:
      return ending::stopped;
    case status::asleep:
      return ending::asleep;
    default:
      return ending::returned;
  }
}

void search::bury_the_rest() {
  bool any = false;
  for (thread& t : threads_) {
    if (t.is != status::stopped && t.is != status::asleep) continue;
    t.is = status::dead;
    any = true;
  }
  if (any) ++*epoch_;
}

void search::note(const char* what, const void* address, uint64_t value, std::memory_order order,
                  const char* extra) {
  std::string where = "-";
  if (address != nullptr) {
    // The last name at or before the address.
    auto it = names_.upper_bound(address);
    if (it != names_.begin()) {
      --it;
      where = it->second;
      const size_t beyond = memory_.offset(address) - memory_.offset(it->first);
      if (beyond != 0) where += "+" + std::to_string(beyond);
    }
  }
  char line[200];
  std::snprintf(line, sizeof line, "  thread %d  %-17s %-24s %#llx  %s%s\n", current_, what,
                where.c_str(), static_cast<unsigned long long>(value), name_of(order), extra);
  trace_ += line;
}

void search::note_event(int who, std::string_view what) {
  if (!tracing_) return;
  if (who == kMaxThreads - 1) {
    trace_ += "  watcher   ";
  } else if (who < 0) {
    trace_ += "  survivor  ";
  } else {
    trace_ += "  thread " + std::to_string(who) + "  ";
  }
  trace_ += what;
  trace_ += '\n';
}

// --- explorer.h ---

verdict explore(program& p, const limits& within) { return search(p, within).explore(); }
verdict replay(program& p, const limits& within, std::string_view schedule) {
  return search(p, within).replay(schedule);
}

std::string verdict::text() const {
  std::string out = failed      ? "FAILED: " + why + "\n"
                    : exhausted ? "passed, all of it: "
                                : "passed, not all of it: ";
  out += std::to_string(executions) + " executions, " + std::to_string(states) + " states, " +
         std::to_string(steps) + " steps";
  if (failed) out += "\n" + trace + "  schedule: " + schedule + "\n";
  return out;
}

void* shared(size_t bytes, size_t align, std::string_view name) {
  return search::running()->allocate(bytes, align, name);
}
void name(const void* address, std::string_view name) { search::running()->name(address, name); }
void constant(const void* address, size_t n) { search::running()->set_apart(address, n, false); }
void unobserved(const void* address, size_t n) { search::running()->set_apart(address, n, true); }
void check(bool holds, std::string_view what) {
  if (!holds) search::running()->fail(what);
}
void settle(const void* bytes, size_t n) { search::running()->settle(bytes, n); }
ending ending_of(int thread) { return search::running()->ending_of(thread); }
bool anybody(ending how) {
  for (int i = 0; i < search::running()->count(); ++i) {
    if (ending_of(i) == how) return true;
  }
  return false;
}

void bury_the_rest() { search::running()->bury_the_rest(); }

}  // namespace zeroipc::explorer
