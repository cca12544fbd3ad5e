// Waiting until any of several words says that something changed: as wait.h, which is for one.
//
// The words may be those of several segments. Every one is prepared before the condition is looked at, and all of them are
// slept on in one call; whoever notifies one of them, or dies in one of their segments, ends the sleep.
//
// A word left without sleeping on it keeps its mark W (event_word.h), which costs its next publisher one system call.
#ifndef ZEROIPC_WAIT_WAIT_ANY_H_
#define ZEROIPC_WAIT_WAIT_ANY_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "zeroipc/base/deadline.h"
#include "zeroipc/wait/event_word.h"

namespace zeroipc::internal {

template <typename P, typename Env>
struct awaited {
  Env* env;
  event_word<P>* event;  // nullptr: only deaths
};

// What this template needs of Env beyond what wait.h says:
//   kMostAwaited                                      words and segments, together, in one sleep
//   struct sleep_word {env, word, key, epoch}         word: nullptr for the deaths of that segment alone
//   static bool sleep_any(span<const sleep_word>, deadline)
template <typename P, typename Env>
class prepared_words {
 public:
  // From now on, what is published at any of the events, or dies in their segments, ends the next sleep. REQUIRES: 1 to kMostAwaited
  // events and segments together.
  void prepare(std::span<const awaited<P, Env>> events) {
    n_ = 0;
    for (const awaited<P, Env>& a : events) {
      auto* const word = a.event != nullptr ? &a.event->word : nullptr;
      size_t same = 0;
      while (same < n_ && (words_[same].word != word || words_[same].env != a.env)) ++same;
      // One that is there twice is prepared once: a second time would change what the first is to sleep on.
      if (same != n_ || n_ == words_.size()) continue;
      const uint32_t epoch = a.env->death_epoch();
      words_[n_++] = {a.env, word, word != nullptr ? a.event->prepare() : 0, epoch};
    }
    // After all of them; one for each segment, whose processes may have agreed on different fences.
    for (size_t i = 0; i < n_; ++i) {
      size_t first = 0;
      while (words_[first].env != words_[i].env) ++first;
      if (first == i) words_[i].env->heavy_fence();
    }
  }
  // False once the deadline has passed. REQUIRES: the condition has been looked at since prepare().
  bool sleep(deadline until) { return Env::sleep_any({words_.data(), n_}, until); }

 private:
  size_t n_ = 0;
  std::array<typename Env::sleep_word, Env::kMostAwaited> words_;
};

// As wait_until().
template <typename P, typename Env, typename Attempt>
bool wait_until_any(std::span<const awaited<P, Env>> events, deadline until, Attempt&& attempt) {
  if (attempt()) return true;
  if (until.is_at_once()) return false;
  for (int i = events[0].env->spins(); i > 0; --i) {
    P::pause();
    if (attempt()) return true;
  }
  prepared_words<P, Env> words;
  for (;;) {
    words.prepare(events);
    if (attempt()) return true;
    if (!words.sleep(until)) return attempt();
  }
}

}  // namespace zeroipc::internal

#endif  // ZEROIPC_WAIT_WAIT_ANY_H_
