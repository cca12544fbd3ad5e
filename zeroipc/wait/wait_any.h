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
  event_word<P>* event;
};

// As wait_until(). What this template needs of Env beyond what is said there:
//   kMostAwaited                                      words and segments, together, in one sleep
//   struct sleep_word {env, word, key, epoch}
//   static bool sleep_any(span<const sleep_word>, deadline)
// REQUIRES: 1 to kMostAwaited events and segments together.
template <typename P, typename Env, typename Attempt>
bool wait_until_any(std::span<const awaited<P, Env>> events, deadline until, Attempt&& attempt) {
  if (attempt()) return true;
  if (until.is_at_once()) return false;
  for (int i = events[0].env->spins(); i > 0; --i) {
    P::pause();
    if (attempt()) return true;
  }
  std::array<typename Env::sleep_word, Env::kMostAwaited> words;
  for (;;) {
    size_t n = 0;
    for (const awaited<P, Env>& a : events) {
      size_t same = 0;
      while (same < n && words[same].word != &a.event->word) ++same;
      // One that is there twice is prepared once: a second time would change what the first is to sleep on.
      if (same != n || n == words.size()) continue;
      const uint32_t epoch = a.env->death_epoch();
      words[n++] = {a.env, &a.event->word, a.event->prepare(), epoch};
    }
    // After all of them; one for each segment, whose processes may have agreed on different fences.
    for (size_t i = 0; i < n; ++i) {
      size_t first = 0;
      while (words[first].env != words[i].env) ++first;
      if (first == i) words[i].env->heavy_fence();
    }
    if (attempt()) return true;
    if (!Env::sleep_any({words.data(), n}, until)) return attempt();
  }
}

}  // namespace zeroipc::internal

#endif  // ZEROIPC_WAIT_WAIT_ANY_H_
